"""A notebook becomes a pipeline: planned first, then written, and run as it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlops_nb.api import execute
from mlops_nb.api.converting import convert
from mlops_nb.errors import NotebookError, PipelineError
from mlops_nb.model import RunStatus


def write(path: Path, *cells: str, tagged: int | None = None, language: str = "python") -> Path:
    made: list[dict[str, Any]] = [
        {
            "cell_type": "markdown" if source.startswith("#") else "code",
            "id": f"cell-{number}",
            "metadata": {"tags": ["parameters"]} if number == tagged else {},
            "source": source.splitlines(keepends=True),
        }
        for number, source in enumerate(cells)
    ]
    for cell in made:
        if cell["cell_type"] == "code":
            cell |= {"execution_count": None, "outputs": []}
    kernel = {"name": "python3", "display_name": "Python 3", "language": language}
    whole = {"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(whole, ensure_ascii=False, indent=1) + "\n")
    return path


def cells(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text())["cells"]
    return found


def texts(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_first_cell_of_literals_becomes_the_parameters_cell(tmp_path: Path) -> None:
    place = write(
        tmp_path / "my analysis.ipynb",
        "# Ünicode",
        "import os",
        "rows = 3\nname: str = 'x'",
        "rows",
    )
    before = texts(tmp_path)
    planned = convert(place, root=tmp_path, write=False)
    assert texts(tmp_path) == before
    done = convert(place, root=tmp_path)
    assert (planned.done, done.done) == (False, True)
    assert planned.spec_text == done.spec_text == (tmp_path / "pipeline.yaml").read_text()
    assert (done.is_new, done.task, done.project.path) == (True, "my-analysis", "")
    assert (done.cell.value, done.position) == ("tagged", 2)
    assert done.parameters == ("rows", "name")
    after = cells(place)
    assert after[2]["metadata"]["tags"] == ["parameters"]
    assert "".join(after[2]["source"]) == done.cell_text
    assert done.cell_text.endswith("rows = 3\nname: str = 'x'")
    assert [after[0], after[1], after[3]] == [
        json.loads(before[str(place)])["cells"][at] for at in (0, 1, 3)
    ]


@pytest.mark.parametrize(
    ("sources", "at"),
    [
        (("# Title", "import os", "print(1)\nrows = 3"), 1),  # the cell does more than assign
        (("rows = len([1])",), 0),  # what is computed is no default
        (("%%bash\nls", "rows = 3"), 0),
    ],
)
def test_a_new_cell_stands_above_the_code_where_none_is_of_literals(
    tmp_path: Path, sources: tuple[str, ...], at: int
) -> None:
    place = write(tmp_path / "a.ipynb", *sources)
    done = convert(place, root=tmp_path)
    assert (done.cell.value, done.position, done.parameters) == ("made", at, ())
    made = cells(place)
    assert len(made) == len(sources) + 1
    assert made[at]["metadata"] == {"tags": ["parameters"]}
    assert made[at]["id"] not in {cell["id"] for cell in made if cell is not made[at]}


def test_a_tagged_cell_is_kept_and_lacks_nothing_afterwards(tmp_path: Path) -> None:
    place = write(tmp_path / "a.ipynb", "1", "product = None\nrows = 3", "rows", tagged=1)
    done = convert(place, root=tmp_path)
    assert (done.cell.value, done.position, done.parameters) == ("kept", 1, ("rows",))
    assert done.cell_text.count("upstream = None") == done.cell_text.count("product = None") == 1


def test_the_pipeline_runs_with_the_notebooks_relative_paths(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.mlops-nb]\ntracking = "none"\n')
    (tmp_path / "pipeline.yaml").write_text("# Nothing yet.\ntasks: []\n")
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "data.txt").write_text("4")
    place = write(
        tmp_path / "work" / "a.ipynb", "power = 2", "int(open('data.txt').read()) ** power"
    )
    done = convert(place, root=tmp_path)
    assert (done.is_new, done.source, done.project.path) == (False, "work/a.ipynb", "")
    assert (tmp_path / "pipeline.yaml").read_text().startswith("# Nothing yet.\n")
    run = execute.run(execute.prepare(str(tmp_path), parameters={"power": 3}))
    assert run.run.status is RunStatus.SUCCEEDED
    assert "64" in (tmp_path / "products" / "a.ipynb").read_text()


def test_what_cannot_be_converted_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    good = write(tmp_path / "good.ipynb", "rows = 3", "rows")
    r = write(tmp_path / "r.ipynb", "rows <- 3", language="R")
    (tmp_path / "broken.ipynb").write_text("{")
    (tmp_path / "old.ipynb").write_text('{"nbformat": 3, "worksheets": [], "metadata": {}}')
    before: dict[str, bytes] = {}
    for error, said, path, name in (
        (NotebookError, "no such file", tmp_path / "none.ipynb", ""),
        (NotebookError, "no such file", tmp_path, ""),
        (NotebookError, "written in r", r, ""),
        (NotebookError, "not a valid notebook", tmp_path / "broken.ipynb", ""),
        (NotebookError, "", tmp_path / "old.ipynb", ""),
        (NotebookError, "does nothing below", write(tmp_path / "text.ipynb", "# Text"), ""),
        (NotebookError, "does nothing below", write(tmp_path / "one.ipynb", "rows = 3"), ""),
        (PipelineError, "cannot be a task's name", good, "a: b"),
    ):
        before = before or texts(tmp_path)
        with pytest.raises(error) as refused:
            convert(path, root=tmp_path, name=name)
        assert said in str(refused.value)
        assert texts(tmp_path) == before
    convert(good, root=tmp_path)
    before = texts(tmp_path)
    with pytest.raises(PipelineError, match="already"):
        convert(good, root=tmp_path)
    assert texts(tmp_path) == before


def test_a_specification_that_does_not_load_is_taken_back(tmp_path: Path) -> None:
    place = write(tmp_path / "b.ipynb", "rows = 3", "rows")
    (tmp_path / "pipeline.yaml").write_text(
        "tasks:\n  - source: b.py\n    name: x\n    product: products/b.ipynb\n"
    )
    (tmp_path / "b.py").write_text("# %% tags=['parameters']\nupstream = None\nproduct = None\n")
    before = texts(tmp_path)
    with pytest.raises(PipelineError):
        convert(place, root=tmp_path)  # two tasks would write products/b.ipynb
    after = {name: data for name, data in texts(tmp_path).items() if "/.mlops/" not in name}
    assert after == {name: data for name, data in before.items() if "/.mlops/" not in name}
