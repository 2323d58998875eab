from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from export_samples import small

from mlops_nb import export
from mlops_nb.errors import ConfigError, ProjectError
from mlops_nb.export.carry import carried_files, main, pack, unpack
from mlops_nb.export.settings import read_settings


def project(root: Path) -> Path:
    (root / "products/sub").mkdir(parents=True)
    for path in ("clean.csv", ".clean.csv.metadata", "clean.ipynb", "ingest.csv", "sub/x"):
        (root / "products" / path).write_text(path)
    return root


def test_products_and_sidecars_of_the_tasks_alone(tmp_path: Path) -> None:
    assert carried_files(project(tmp_path), small(), ["clean", "evaluate"]) == [
        *("products/.clean.csv.metadata", "products/clean.csv", "products/clean.ipynb")
    ]


def test_equal_results_give_equal_bundles(tmp_path: Path) -> None:
    root = project(tmp_path / "a")
    (root / "products/sub/x").chmod(0o755)
    files = ["products/clean.csv", "products/sub/x"]
    pack(root, files, tmp_path / "one.tar.gz", state=b'{"a": 1}')
    (root / "products/clean.csv").touch()
    pack(root, files, tmp_path / "two.tar.gz", state=b'{"a": 1}')
    assert (tmp_path / "one.tar.gz").read_bytes() == (tmp_path / "two.tar.gz").read_bytes()
    to = tmp_path / "b"
    to.mkdir()
    assert unpack(to, tmp_path / "one.tar.gz") == (files, b'{"a": 1}')
    assert (to / "products/clean.csv").read_text() == "clean.csv"
    assert (to / "products/sub/x").stat().st_mode & 0o777 == 0o755
    assert sorted(path.name for path in to.rglob("*")) == ["clean.csv", "products", "sub", "x"]


def archive(path: Path, *entries: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as file:
        for entry in entries:
            entry.size = 1 if entry.isreg() else 0
            file.addfile(entry, io.BytesIO(b"x"))
    return path


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    one = tarfile.TarInfo(name)
    one.type, one.linkname = kind, link
    return one


@pytest.mark.parametrize(
    "entries",
    [
        (entry("../evil"),),
        (entry("/evil"),),
        (entry("a/../../evil"),),
        (entry("evil", tarfile.SYMTYPE, "/etc/passwd"),),
        (entry("evil", tarfile.LNKTYPE, "../evil"),),
        (entry("evil", tarfile.CHRTYPE),),
        (entry("link/evil"),),
    ],
)
def test_nothing_is_unpacked_outside(tmp_path: Path, entries: tuple[tarfile.TarInfo, ...]) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path)
    with pytest.raises(ProjectError):
        unpack(root, archive(tmp_path / "x.tar.gz", *entries))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["root", "x.tar.gz"]


@pytest.mark.parametrize("content", [b"", b"nonsense", None])
def test_a_damaged_bundle_is_told(tmp_path: Path, content: bytes | None) -> None:
    root = project(tmp_path / "a")
    file = tmp_path / "x.tar.gz"
    pack(root, ["products/clean.csv"], file)
    file.write_bytes(file.read_bytes()[:60] if content is None else content)
    with pytest.raises(ProjectError, match="cannot be unpacked"):
        unpack(root, file)
    with pytest.raises(ProjectError, match="cannot be unpacked"):
        unpack(root, tmp_path / "missing.tar.gz")


def test_a_missing_file_leaves_no_half_bundle(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="cannot be packed"):
        pack(tmp_path, ["missing"], tmp_path / "out/x.tar.gz")
    assert list((tmp_path / "out").iterdir()) == []


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    def carry(*words: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "mlops_nb.export.carry", *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stdout + done.stderr

    code, text = carry("unpack", "x.tar.gz")
    assert code == 3 and "no pipeline.yaml" in text
    (tmp_path / "pipeline.yaml").write_text("tasks: []\n")
    assert carry("unpack", "--if-there", "x.tar.gz") == (0, "")
    code, text = carry("unpack", "x.tar.gz")
    assert code == 3 and "cannot be unpacked" in text
    # What an earlier run left only saves time.
    (tmp_path / "x.tar.gz").write_text("nonsense")
    code, text = carry("unpack", "--if-there", "x.tar.gz")
    assert code == 0 and "warning: left out:" in text


def test_what_stands_above_is_packed_as_well(tmp_path: Path, monkeypatch) -> None:
    from mlops_nb.config import find_project
    from mlops_nb.model import Fingerprint
    from mlops_nb.pipeline.state import StateStore

    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipeline.yaml").write_text(
        "".join(
            ["tasks:\n", *(f"  - {{source: made.{n}, product: out/{n}}}\n" for n in "abcd")],
        )
    )
    (tmp_path / "made.py").write_text(
        "def a(product):\n    pass\n\n\ndef b(product, upstream):\n    upstream['a']\n\n\n"
        "def c(product, upstream):\n    upstream['b']\n\n\ndef d(product):\n    pass\n"
    )
    (tmp_path / "out").mkdir()
    store = StateStore(find_project(tmp_path))
    for name in "abcd":
        for file in (name, f".{name}.metadata"):
            (tmp_path / "out" / file).write_text(file)
        store.put(name, Fingerprint(digest=name, parts={}), {f"out/{name}": name}, "run-1")
    assert main(["pack", "--to", "own.tar.gz", "c"]) == 0
    assert main(["pack", "--above", "--to", "above.tar.gz", "c"]) == 0
    to = tmp_path / "to"
    to.mkdir()
    assert unpack(to, tmp_path / "own.tar.gz")[0] == ["out/.c.metadata", "out/c"]
    files, state = unpack(to, tmp_path / "above.tar.gz")
    assert files == ["out/.a.metadata", "out/.b.metadata", "out/a", "out/b"]
    assert set(json.loads(state)) == {"a", "b"}


def test_facts_of_a_project(tmp_path: Path) -> None:
    assert export.project_facts(tmp_path) == {"python": "3.12", "package": False}
    for asked, version in (
        (">=3.11,<3.12", "3.11"),
        (">=3.13", "3.13"),
        (">=3.11", "3.12"),
        ("x", "3.12"),
    ):
        (tmp_path / "pyproject.toml").write_text(f'[project]\nrequires-python = "{asked}"\n')
        assert export.project_facts(tmp_path)["python"] == version
    (tmp_path / ".python-version").write_text("3.13\n")
    (tmp_path / "requirements.txt").write_text("a==1\n")
    (tmp_path / "requirements.lock").write_text("a==1 --hash=sha256:00\n")
    assert export.project_facts(tmp_path) == {
        "python": "3.13",
        "package": False,
        "lock": "requirements.lock",
        "hashes": True,
    }


def test_what_a_project_lacks_to_be_installed_is_told(tmp_path: Path) -> None:
    def lacks(**settings: object) -> str:
        return "\n".join(export.missing_facts(tmp_path, export.project_facts(tmp_path) | settings))

    assert "pip freeze --exclude-editable > requirements.txt" in lacks()
    assert lacks(install=["make deps"]) == ""
    (tmp_path / "requirements.txt").write_text("numpy==2.4.0\nmlops-nb-tools==1\n")
    assert "does not hold mlops-nb" in lacks()
    assert "locks/prod.txt is not there" in lacks(lock="locks/prod.txt")
    (tmp_path / "requirements.txt").write_text("numpy==2.4.0\nmlops_nb==0.1.0\n")
    assert lacks() == ""
    (tmp_path / "requirements.txt").write_text("numpy==2.4.0\n")
    (tmp_path / "pyproject.toml").write_text('[build-system]\nrequires = ["hatchling"]\n')
    assert lacks() == ""


@pytest.mark.parametrize(
    ("settings", "commands"),
    [
        ({"lock": "a b.txt"}, None),
        ({}, ["-r requirements.txt"]),
        ({"hashes": True}, ["--require-hashes -r requirements.txt"]),
        ({"package": True}, ["-r requirements.txt", "--no-deps ."]),
        ({"package": True, "lock": "constraints.txt"}, ["-c constraints.txt ."]),
        (
            {"package": True, "lock": "constraints.txt", "extras": ["demo", "x"]},
            ["-c constraints.txt '.[demo,x]'"],
        ),
        (
            {"package": True, "lock": "constraints.txt", "hashes": True},
            ["--require-hashes -r constraints.txt", "--no-deps ."],
        ),
        ({"extras": ["a; b"]}, None),
    ],
)
def test_jobs_install_the_lock_and_the_package(settings: dict, commands: list | None) -> None:
    if commands is None:
        with pytest.raises(ConfigError):
            read_settings(settings)
        return
    pip = "python -m pip install --disable-pip-version-check "
    assert read_settings(settings).install_commands == tuple(pip + one for one in commands)
