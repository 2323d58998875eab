"""Bad projects: each one clear error with its place and its fix, and nothing half-written."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops_nb.errors import ExitCode
from tests.e2e.helpers import chain, cli, notebook, write_text

TWO = """\
tasks:
  - source: a.ipynb
    name: a
    product: products/one.ipynb
  - source: b.ipynb
    name: b
    product: products/one.ipynb
"""


def broken_yaml(folder: Path) -> None:
    (folder / "pipeline.yaml").write_text("tasks:\n  - source: a.ipynb\n   product: [\n")


def missing_notebook(folder: Path) -> None:
    (folder / "b.ipynb").unlink()


def cycle(folder: Path) -> None:
    notebook(folder / "a.ipynb", write_text("'a'"), upstream=["c"])


def shared_product(folder: Path) -> None:
    notebook(folder / "b.ipynb", "1")
    (folder / "pipeline.yaml").write_text(TWO)


def no_parameters_cell(folder: Path) -> None:
    path = notebook(folder / "b.ipynb", write_text("'b'"), upstream=["a"])
    path.write_text(path.read_text().replace('"parameters"', '"other"'))


def unknown_kernel(folder: Path) -> None:
    path = folder / "b.ipynb"
    path.write_text(path.read_text().replace('"name": "python3"', '"name": "fortran77"'))


def corrupt_notebook(folder: Path) -> None:
    path = folder / "b.ipynb"
    path.write_text(path.read_text()[:100])


def unknown_upstream(folder: Path) -> None:
    notebook(folder / "c.ipynb", write_text("'c'"), upstream=["bb"])


CASES = {
    broken_yaml: ["pipeline.yaml", "line"],
    missing_notebook: ["b.ipynb"],
    cycle: ["cycle", "a", "c"],
    shared_product: ["products/one.ipynb", "a", "b"],
    no_parameters_cell: ["b.ipynb", "parameters"],
    unknown_kernel: ["fortran77", "b.ipynb"],
    corrupt_notebook: ["b.ipynb"],
    unknown_upstream: ["bb"],
}


@pytest.mark.parametrize("damage", CASES, ids=lambda damage: damage.__name__)
def test_one_clear_error_and_nothing_written(tmp_path: Path, damage: object) -> None:
    assert callable(damage)
    chain(tmp_path)
    damage(tmp_path)
    done = cli(tmp_path, "run")
    assert done.returncode == ExitCode.PROJECT, done.stdout + done.stderr
    assert done.stdout == ""
    assert done.stderr.count("error:") == 1
    assert "Traceback" not in done.stderr
    for word in CASES[damage]:  # type: ignore[index]
        assert word in done.stderr, done.stderr
    assert not (tmp_path / "products").exists()
    assert not (tmp_path / ".mlops" / "runs").exists()


def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    chain(tmp_path)
    # A file where the state folder belongs refuses everyone, root too.
    (tmp_path / ".mlops").write_text("")
    done = cli(tmp_path, "run")
    assert done.returncode not in (ExitCode.OK, ExitCode.ERROR), done.stdout + done.stderr
    assert ".mlops" in done.stderr
    assert done.stderr.count("error:") == 1
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "products").exists()
