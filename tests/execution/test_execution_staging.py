from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from mlops_nb.errors import ExecutionError
from mlops_nb.execution import commit
from mlops_nb.execution.staging import Stage
from mlops_nb.files import file_name, write_whole
from mlops_nb.model import Fingerprint, Product, Task, TaskKind

FINGERPRINT = Fingerprint(digest="abc")


def task(*paths: str) -> Task:
    products = tuple(Product(path=path, key=str(n)) for n, path in enumerate(paths))
    return Task(name="train/α", kind=TaskKind.NOTEBOOK, source="n.ipynb", products=products)


def stage(root: Path, *paths: str, run: str = "r1") -> Stage:
    made = Stage(root, root / ".mlops" / "runs" / run, task(*paths))
    made.make()
    return made


def fill(stage: Stage, text: str) -> None:
    """Write files, and for a path that ends in ``dir`` a folder."""
    for path in map(Path, stage.products.values()):
        if path.name == "dir":
            path.mkdir()
            (path / "inner").mkdir()
            (path / "inner" / "x").write_text(text)
            (path / text).write_text("named by its content")
        else:
            path.write_text(text)


def land(stage: Stage) -> list[commit.Commit]:
    finished: list[commit.Commit] = []
    record = commit.prepare(stage, run="r1", fingerprint=FINGERPRINT)
    commit.commit(stage, record, finished.append)
    return finished


def tree(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".mlops" not in path.relative_to(folder).parts
    }


def test_products_keep_their_place_below_the_stage(tmp_path):
    root = tmp_path / "p"
    outside = tmp_path / "elsewhere" / "x.bin"
    made = stage(root, "out/a.csv", "../q/b.csv", str(outside))
    assert made.folder.name == file_name("train/α")
    assert "/" not in made.folder.name
    assert Path(made.products["out/a.csv"]) == made.inside / "out/a.csv"
    assert Path(made.products[str(outside)]) == made.outside / str(outside)[1:]
    fill(made, "new")
    (made.inside / "out" / "a.csv.idx").write_text("beside")
    assert set(made.named()) == {
        "out/a.csv",
        "out/a.csv.idx",
        "../q/b.csv",
        str(outside),
    }
    (record,) = land(made)
    assert record.products == ("out/a.csv", "../q/b.csv", str(outside))
    assert tree(root) == {"out/a.csv": "new", "out/a.csv.idx": "beside"}
    assert (tmp_path / "q" / "b.csv").read_text() == "new"
    assert outside.read_text() == "new"
    assert not made.folder.exists()


def test_folders_and_files_take_each_others_place(tmp_path):
    made = stage(tmp_path, "out/dir", "out/file")
    (tmp_path / "out" / "file").mkdir(parents=True)
    (tmp_path / "out" / "file" / "was a folder").write_text("")
    (tmp_path / "out" / "dir").write_text("was a file")
    fill(made, "new")
    land(made)
    assert tree(tmp_path) == {
        "out/dir/inner/x": "new",
        "out/dir/new": "named by its content",
        "out/file": "new",
    }


def test_a_linked_product_is_written_through_its_link(tmp_path):
    store = tmp_path / "store"
    store.mkdir()
    (store / "a").write_text("old")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").symlink_to(store / "a")
    made = stage(tmp_path, "out/a")
    fill(made, "new")
    land(made)
    assert (tmp_path / "out" / "a").is_symlink()
    assert (store / "a").read_text() == "new"


def test_staged_paths_are_replaced_in_notebooks_and_messages(tmp_path):
    root = tmp_path / "ein Ordner mit ä und 'quote'"
    made = stage(root, "out/a.csv")
    notebook = tmp_path / "n.ipynb"
    import json

    staged = made.products["out/a.csv"]
    for ascii_only in (False, True):
        notebook.write_text(
            json.dumps({"a": staged, "b": [repr(str(made.inside / "x"))]}, ensure_ascii=ascii_only)
        )
        made.mend(notebook)
        shown = json.loads(notebook.read_text())
        assert shown["a"] == str(root / "out/a.csv")
        assert "staging" not in shown["b"][0]
    assert made.mend_text(f"no file {staged}") == f"no file {root}/out/a.csv"
    with pytest.raises(ExecutionError, match=r"missing\.ipynb"):
        made.mend(tmp_path / "missing.ipynb")


def land_and_die(root: Path, paths: list[str], number: int) -> None:
    """Land products; die just before the change of that number. Runs in a forked child."""
    made = stage(root, *paths)
    fill(made, "new")
    seen = 0

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        if event == "open":
            changes = bool((arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR))
        else:
            changes = event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir")
        seen += changes
        if changes and seen == number:
            os._exit(9)

    sys.addaudithook(count)
    land(made)


@contextmanager
def other_disk(size: str = "1m", options: str = ""):
    """A small file system of its own, where this user may mount one."""
    folder = Path(os.environ.get("MLOPS_NB_TEST_DISK", "/tmp")) / f"mlops-nb-disk-{os.getpid()}"
    folder.mkdir()
    mounted = False
    try:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}{options}", "tmpfs", str(folder)],
            capture_output=True,
        )
        mounted = done.returncode == 0
        yield folder if mounted else None
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()


@contextmanager
def no_file_above(size: int):
    """Refuse to let files grow beyond a size, as a full disk would; -1 for no limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size if size >= 0 else soft, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def crash_everywhere(root: Path, paths: list[str], tree_of, reset) -> tuple[int, set[str]]:
    """Kill a commit before its first, second, ... change, recover, and look at what is there."""
    number, outcomes = 0, set()
    while True:
        number += 1
        reset()
        child = os.fork()
        if child == 0:
            try:
                land_and_die(root, paths, number)
                os._exit(0)
            finally:
                os._exit(1)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code in (0, 9)
        finished: list[commit.Commit] = []
        for run in commit.unfinished(root / ".mlops" / "runs"):
            commit.recover_run(run, finished.append)
        assert list(commit.unfinished(root / ".mlops" / "runs")) == []
        found = tree_of()
        texts = set(found.values()) - {"named by its content"}
        assert len(texts) == 1, f"mixed after crash {number}: {found}"
        (text,) = texts
        assert text == "new" or not finished
        outcomes.add(text)
        if code == 0:
            return number, outcomes


def test_a_commit_killed_at_any_change_is_all_or_nothing(tmp_path):
    paths = ["out/a", "out/dir"]

    def reset() -> None:
        for path in ("out/a", "out/dir/inner/x"):
            write_whole(tmp_path / path, b"old")
        (tmp_path / "out/dir/new").unlink(missing_ok=True)

    number, outcomes = crash_everywhere(tmp_path, paths, lambda: tree(tmp_path), reset)
    assert number > 8
    assert outcomes == {"old", "new"}


def test_a_commit_across_file_systems_killed_at_any_change_is_all_or_nothing(tmp_path):
    far = Path("/dev/shm") / f"mlops-nb-{os.getpid()}"
    if not far.parent.is_dir() or far.parent.stat().st_dev == tmp_path.stat().st_dev:
        far = tmp_path / "far"  # one file system only: the same promise, without the copy
    paths = ["out/a", str(far / "b"), str(far / "dir")]

    def reset() -> None:
        write_whole(tmp_path / "out/a", b"old")
        for path in ("b", "dir/inner/x"):
            write_whole(far / path, b"old")
        (far / "dir/new").unlink(missing_ok=True)

    def found() -> dict[str, str]:
        return {"out/a": (tmp_path / "out/a").read_text(), **tree(far)}

    try:
        number, outcomes = crash_everywhere(tmp_path, paths, found, reset)
        assert outcomes == {"old", "new"}
        assert number > 10
        # Nothing is left beside the products.
        assert sorted(path.name for path in far.iterdir()) == ["b", "dir"]
    finally:
        subprocess.run(["rm", "-rf", str(far)], check=True)


def test_a_full_disk_leaves_the_last_good_products(tmp_path):
    with other_disk() as mounted, tempfile.TemporaryDirectory(dir="/dev/shm") as shared:
        disk = mounted or Path(shared)
        (disk / "big").write_text("old")
        made = stage(tmp_path, "out/a", str(disk / "big"))
        fill(made, "new")
        Path(made.products[str(disk / "big")]).write_bytes(b"x" * 2_000_000)
        with (
            no_file_above(-1 if mounted else 1_000_000),
            pytest.raises(ExecutionError, match=r"(No space left|too large).*free the disk"),
        ):
            commit.prepare(made, run="r1", fingerprint=FINGERPRINT)
        assert (disk / "big").read_text() == "old"
        assert [path.name for path in disk.iterdir()] == ["big"]
        assert not (tmp_path / "out" / "a").exists()
        assert not made.folder.exists()


def test_a_folder_that_cannot_be_written_leaves_the_last_good_products(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").write_text("old")
    with other_disk(options=",ro") as disk:
        locked = disk or tmp_path / "locked"
        if disk is None:
            locked.mkdir(mode=0o500)
        made = stage(tmp_path, "out/a", str(locked / "b"))
        fill(made, "new")
        with pytest.raises(ExecutionError, match="cannot be put into place"):
            commit.prepare(made, run="r1", fingerprint=FINGERPRINT)
    assert (tmp_path / "out" / "a").read_text() == "old"


def test_a_stage_that_cannot_be_made_is_one_clear_error(tmp_path):
    (tmp_path / ".mlops").write_text("a file in the way")
    with pytest.raises(ExecutionError, match=r"cannot be staged.*disk has room"):
        stage(tmp_path, "out/a")
