from __future__ import annotations

import os
import shutil
import time
import uuid
from pathlib import Path

import pytest
from runner_kit import chain, go, product_digests, project, statuses

from mlops_nb.errors import ExecutionError, PluginError
from mlops_nb.execution.blobs import FolderBlobs
from mlops_nb.execution.cache import ProductCache
from mlops_nb.execution.executors import make_executor
from mlops_nb.execution.executors.local import LocalExecutor
from mlops_nb.execution.kernels import Zygote
from mlops_nb.execution.shipping import Shipped, pack, unpack
from mlops_nb.execution.staging import Stage
from mlops_nb.files import write_whole
from mlops_nb.model import EventKind, Product, Task, TaskKind
from mlops_nb.pipeline.digests import Digests
from mlops_nb.runs.store import RunStore


@pytest.fixture(scope="module")
def zygote():
    import ploomber  # noqa: F401

    with Zygote() as warm:
        yield warm


@pytest.fixture(params=["folder", "memory"])
def url(request, tmp_path):
    return str(tmp_path / "cache") if request.param == "folder" else f"memory://{uuid.uuid4().hex}"


def task(*paths: str) -> Task:
    return Task(
        name="t",
        kind=TaskKind.NOTEBOOK,
        source="t.ipynb",
        products=tuple(Product(path=path) for path in paths),
    )


def test_what_was_made_before_is_put_back_when_the_source_is(tmp_path, zygote):
    where = chain(tmp_path / "p")
    cache = ProductCache.of(where)
    assert cache.url == str(where.state / "cache")
    first = go(where, zygote=zygote, cache=cache, targets=("fit",))
    digests = product_digests(where)
    path = where.root / "nb/fit.ipynb"
    before = path.read_text()
    path.write_text(before.replace("'m' * n", "'changed' * n"))
    go(where, zygote=zygote, cache=cache, targets=("fit",))
    assert product_digests(where) != digests
    # The branch is switched back.
    path.write_text(before)
    again = go(where, zygote=zygote, cache=cache, targets=("fit",))
    assert statuses(again)["fit"] == "restored"
    assert product_digests(where) == digests
    kinds = {event.kind for event in RunStore(where.state).events(again.id)}
    assert EventKind.TASK_STARTED not in kinds
    # A product that is edited afterwards is made anew, and does not reach into the cache.
    (where.root / "out/model/meta").write_text("edited in place")
    assert statuses(go(where, zygote=zygote, cache=cache, targets=("fit",)))["fit"] == "succeeded"
    assert product_digests(where) == digests
    shutil.rmtree(where.root / "out/model")
    assert statuses(go(where, cache=cache, targets=("fit",)))["fit"] == "restored"
    assert product_digests(where) == digests
    entries = cache.ls()
    assert {entry.task for entry in entries} == {"load", "fit"}
    assert len(entries) == 3
    assert first.id in {entry.run for entry in entries}


def test_another_machine_restores_from_a_shared_store(tmp_path, zygote, url):
    here, there = chain(tmp_path / "here"), chain(tmp_path / "there")
    go(here, zygote=zygote, cache=ProductCache(url), targets=("fit",))
    run = go(there, cache=ProductCache(url), targets=("fit",))
    assert {task.why for task in run.tasks[:2]} == {"it never ran, kept from an earlier run"}
    assert statuses(run) == {"load": "restored", "fit": "restored", "count": "skipped"}
    assert product_digests(there) == product_digests(here)
    assert statuses(go(there, targets=("fit",)))["fit"] == "skipped"


def keep(cache: ProductCache, folder, name: str, size: int) -> None:
    made = folder / "made"
    made.mkdir(exist_ok=True)
    (made / name).write_bytes(os.urandom(size))
    cache.keep("t", name, {"out/a": made / name})


def restore(cache: ProductCache, folder, name: str, *paths: str) -> bool:
    stage = Stage(folder, folder / ".mlops/runs/r", task(*(paths or ("out/a",))))
    stage.make()
    return cache.restore(name, stage)


def blobs_of(url: str):
    import fsspec

    system, root = fsspec.core.url_to_fs(url)
    return system, [path for path in system.find(root) if "/blobs/" in path]


def test_a_damaged_entry_is_not_there(tmp_path, url):
    cache = ProductCache(url)
    keep(cache, tmp_path, "one", 1000)
    assert cache.has("one")
    assert restore(cache, tmp_path, "one")
    system, (blob,) = blobs_of(url)
    system.pipe_file(blob, b"somebody else's")
    assert not restore(cache, tmp_path, "one")
    assert not (tmp_path / ".mlops/runs/r/staging/t/root/out/a").exists()
    # It was dropped, so it can be kept again.
    assert not cache.has("one")
    keep(cache, tmp_path, "one", 1000)
    system, (blob,) = blobs_of(url)
    system.rm_file(blob)
    assert not restore(cache, tmp_path, "one")
    keep(cache, tmp_path, "one", 10)
    assert not restore(cache, tmp_path, "one", "out/a", "out/not-kept")
    assert not restore(cache, tmp_path, "unknown")


def test_a_manifest_cannot_write_outside_of_its_product(tmp_path):
    cache = ProductCache(str(tmp_path / "cache"))
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "inner").write_text("x")
    (folder / "empty").mkdir()
    cache.keep("t", "one", {"out/a": folder})
    assert restore(cache, tmp_path, "one")
    assert (tmp_path / ".mlops/runs/r/staging/t/root/out/a/empty").is_dir()
    manifest = tmp_path / "cache/manifests/one"
    manifest.write_text(manifest.read_text().replace('"inner"', '"../../../../../../../evil"'))
    assert not restore(cache, tmp_path, "one")
    assert not list(tmp_path.rglob("evil"))


@pytest.mark.parametrize("name", ["{}/evil", "../evil", ".git/hooks/evil", ".mlops/evil"])
def test_a_manifest_cannot_add_products_where_none_belong(tmp_path, name):
    root = tmp_path / "p"
    root.mkdir()
    cache = ProductCache(str(tmp_path / "cache"))
    product = tmp_path / "made"
    product.write_text("x")
    cache.keep("t", "one", {"out/a": product, "out/beside": product})
    assert restore(cache, root, "one")
    cache.keep("t", "one", {"out/a": product, name.format(tmp_path): product})
    assert not restore(cache, root, "one")
    assert not list(tmp_path.rglob("evil"))


def test_the_plan_is_told_the_digests_that_will_come(tmp_path):
    where = project(tmp_path, "source: tasks.make\nproduct: a")
    folder = tmp_path / "folder"
    for name in ("b.txt", "a/z", "a/b/c", "a.txt", "ab/x", "__pycache__/m", "a/.x.metadata", "ü"):
        write_whole(folder / name, name.encode())
    (folder / "empty").mkdir()
    cache = ProductCache(str(tmp_path / "cache"))
    cache.keep("t", "one", {"folder": folder, "file": folder / "b.txt"})
    assert cache.products_of("one") == {
        "folder": Digests(where).of(folder),
        "file": Digests(where).of(folder / "b.txt"),
    }
    assert cache.products_of("two") is None


def test_gc_drops_what_was_not_used_for_longest(tmp_path):
    cache = ProductCache(str(tmp_path / "cache"), limit_mb=2.5)
    for number, name in enumerate(("old", "middle", "new")):
        keep(cache, tmp_path, name, 1024**2)
        os.utime(tmp_path / "cache/manifests" / name, (1000 + number, 1000 + number))
    assert restore(cache, tmp_path, "old")  # used just now
    assert [entry.fingerprint for entry in cache.ls()] == ["old", "new", "middle"]
    collected = cache.gc()
    assert (collected.entries, collected.freed, collected.kept) == (1, 1024**2, 2 * 1024**2)
    assert (cache.has("old"), cache.has("middle"), cache.has("new")) == (True, False, True)
    assert restore(cache, tmp_path, "new")
    # Content on its way in is left alone, what was left long ago is not.
    orphan = tmp_path / "cache/blobs/ab/abcd"
    orphan.parent.mkdir(exist_ok=True)
    orphan.write_text("x")
    assert cache.gc().freed == 0
    os.utime(orphan, (time.time() - 7200,) * 2)
    assert cache.gc().freed == 1
    assert cache.gc(limit_mb=0).entries == 2
    assert cache.ls() == ()


def test_a_run_bounds_a_folder_and_takes_nothing_from_what_machines_share(tmp_path):
    mounted = f"file://{tmp_path}/cache"
    for url, there in ((mounted, False), (f"memory://{uuid.uuid4().hex}", True)):
        cache = ProductCache(url, limit_mb=0.5)
        keep(cache, tmp_path, "one", 1024**2)
        cache.trim()
        assert cache.has("one") is there
        assert cache.gc().entries == there
        assert not cache.has("one")


def test_a_run_looks_through_a_folder_only_where_it_may_have_outgrown_its_limit(
    tmp_path, monkeypatch
):
    looked = []
    entries = FolderBlobs.entries
    monkeypatch.setattr(
        FolderBlobs, "entries", lambda self, prefix: looked.append(prefix) or entries(self, prefix)
    )

    def run(*names, size=1024**2):
        cache = ProductCache(str(tmp_path / "cache"), limit_mb=5)
        for name in names:
            keep(cache, tmp_path, name, size)
            os.utime(tmp_path / "cache/manifests" / name, (1000 + len(looked),) * 2)
        cache.trim()
        seen = bool(looked)
        left = sorted(entry.fingerprint for entry in cache.ls())
        looked.clear()
        return seen, left

    assert run("a") == (True, ["a"])  # nobody has counted yet
    assert run("b", "c") == (False, ["a", "b", "c"])
    assert run("d", "e") == (False, ["a", "b", "c", "d", "e"])
    seen, left = run("f", "g")
    assert seen
    assert len(left) == 5
    # Counted anew: what was dropped counts no longer, and what others put there is found in time.
    assert run("h", size=10)[0]
    ProductCache(str(tmp_path / "cache"), limit_mb=5).gc(limit_mb=1)
    looked.clear()
    assert [n for n in range(230) if run(f"s{n}", size=n + 11)[0]] == [100, 201]
    (tmp_path / "cache/size").write_text("half a li")
    assert run("i", size=8)[0]
    assert not run("j", size=9)[0]


def test_equal_content_is_stored_once_and_a_copy_is_no_hard_link(tmp_path):
    cache = ProductCache(str(tmp_path / "cache"))
    product = tmp_path / "a"
    product.write_text("same")
    product.chmod(0o755)
    for name in ("one", "two"):
        cache.keep("t", name, {"out/a": product})
    _, (blob,) = blobs_of(str(tmp_path / "cache"))
    assert Path(blob).stat().st_ino != product.stat().st_ino
    assert restore(cache, tmp_path, "one")
    staged = tmp_path / ".mlops/runs/r/staging/t/root/out/a"
    assert staged.stat().st_nlink == 1
    assert staged.stat().st_mode & 0o777 == 0o755


def test_a_store_that_cannot_be_used_is_one_clear_error_and_fails_no_run(tmp_path, zygote):
    with pytest.raises(ExecutionError, match=r"cache nosuch://x: .*install the package"):
        ProductCache("nosuch://x")
    (tmp_path / "file").write_text("")
    cache = ProductCache(str(tmp_path / "file"))
    with pytest.raises(ExecutionError, match=r"could not be cached.*are in place"):
        cache.keep("t", "one", {"out/a": tmp_path / "file"})
    where = chain(tmp_path / "p")
    run = go(where, zygote=zygote, cache=cache, targets=("load",))
    assert statuses(run)["load"] == "succeeded"
    notes = [e for e in RunStore(where.state).events(run.id) if e.kind is EventKind.NOTE]
    assert "could not be cached" in notes[0].data["text"]


def test_a_file_url_names_an_absolute_path():
    with pytest.raises(ExecutionError, match=r"file://cache: .*write file:///"):
        ProductCache("file://cache")


def test_a_relation_is_not_kept(tmp_path):
    cache = ProductCache(str(tmp_path))
    relation = Product(path="schema.table", is_file=False)
    assert not cache.keeps(Task(name="t", kind=TaskKind.SQL, source="", products=(relation,)))
    assert not cache.keeps(task())
    assert cache.keeps(task("a"))


def test_files_travel_whole_and_stay_in_their_folder(tmp_path, url):
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "sub" / "run.sh").write_text("#!")
    (source / "sub" / "run.sh").chmod(0o755)
    shipped = pack(url, source, [source / "sub", source / "missing"])
    target = tmp_path / "target"
    unpack(url, shipped, target)
    unpack(url, shipped, target)
    assert (target / "sub" / "run.sh").stat().st_mode & 0o777 == 0o755
    evil = Shipped(path="../x", digest=shipped[0].digest)
    with pytest.raises(ExecutionError, match="stay within"):
        unpack(url, [evil], target)
    system, (blob,) = blobs_of(url)
    system.pipe_file(blob, b"?")
    with pytest.raises(ExecutionError, match="damaged"):
        unpack(url, shipped, target)
    assert not (target / "sub" / "run.sh").exists()
    with pytest.raises(ExecutionError, match="cannot be fetched"):
        unpack(url, shipped, target)


def test_executors_are_found_by_name():
    assert isinstance(make_executor("local", jobs=3), LocalExecutor)
    assert make_executor("local", jobs=3).slots == 3.0
    with pytest.raises(PluginError, match='did you mean "local"'):
        make_executor("locale")
