"""Notebooks become tasks, and the specification keeps what people wrote into it."""

from __future__ import annotations

from pathlib import Path

import faces_kit as kit
import pytest

from mlops_nb.api.authoring import add_task, membership
from mlops_nb.errors import NotebookError, PipelineError

SPEC = """\
# A comment on top.
meta:
  extract_upstream: {extract}

tasks:
  # The first one.
  - source: notebooks/1_load.ipynb
    name: "load"   # quoted
    product: {{nb: products/load.ipynb, data: 'products/data.csv'}}
    params:
      long: a text that is longer than what would fit on a line of eighty characters, and stays one

# The end.
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pipeline.yaml").write_text(SPEC.format(extract="false"))
    head = "upstream = None\nproduct = None\nlong = ''"
    kit.write_notebook(tmp_path / "notebooks" / "1_load.ipynb", head, "1")
    kit.write_notebook(tmp_path / "notebooks" / "2 Clean up!.ipynb", head, "1")
    return tmp_path


def test_add_task_leaves_everything_else_in_place(project: Path) -> None:
    before = (project / "pipeline.yaml").read_text()
    added = add_task(
        str(project),
        "notebooks/2 Clean up!.ipynb",
        products={"table": "products/clean.csv"},
        upstream=["load"],
    )
    assert added.task == "Clean-up"
    assert set(added.products) == {"products/Clean-up.ipynb", "products/clean.csv"}
    assert added.notes == ()
    after = (project / "pipeline.yaml").read_text()
    new = after[len(before) - len("\n# The end.\n") :]
    assert [line for line in before.splitlines() if line not in after.splitlines()] == []
    assert "source: notebooks/2 Clean up!.ipynb" in new
    found = membership(project, "notebooks/2 Clean up!.ipynb")
    assert (found.role, found.tasks) == ("source", ("Clean-up",))
    made = membership(project, "products/clean.csv")
    assert (made.role, made.tasks) == ("product", ("Clean-up",))
    assert membership(project, "pipeline.yaml").role == "spec"
    assert membership(project, "notebooks/other.ipynb").role == "none"
    assert membership(project / "notebooks", "1_load.ipynb").project is None
    assert membership(project, "../elsewhere").project is None


def test_what_would_not_load_is_refused_and_changes_nothing(project: Path) -> None:
    before = (project / "pipeline.yaml").read_bytes()
    source = "notebooks/2 Clean up!.ipynb"
    for error, said, arguments in (
        (PipelineError, "exists already", {"source": source, "name": "load"}),
        (PipelineError, "already", {"source": "notebooks/1_load.ipynb", "name": "again"}),
        (PipelineError, 'did you mean "load"', {"source": source, "upstream": ["lod"]}),
        (PipelineError, "outside", {"source": "../x.ipynb"}),
        (PipelineError, "outside", {"source": source, "notebook_product": "../../x.ipynb"}),
        (NotebookError, "no such notebook", {"source": "notebooks/none.ipynb"}),
        (NotebookError, "no such notebook", {"source": "pipeline.yaml"}),
        # One product of two tasks: only loading the pipeline finds that.
        (PipelineError, "", {"source": source, "notebook_product": "products/load.ipynb"}),
    ):
        with pytest.raises(error) as refused:
            add_task(str(project), **arguments)
        assert said in str(refused.value)
        assert (project / "pipeline.yaml").read_bytes() == before


def test_upstream_stands_in_the_notebook_where_the_specification_says_so(project: Path) -> None:
    (project / "pipeline.yaml").write_text(SPEC.format(extract="true"))
    with pytest.raises(PipelineError) as refused:
        add_task(str(project), "notebooks/2 Clean up!.ipynb", upstream=["load"])
    assert 'upstream = ["load"]' in refused.value.fix


def test_first_task_of_an_empty_pipeline(tmp_path: Path) -> None:
    (tmp_path / "pipeline.yaml").write_text("# Nothing yet.\ntasks: []\n")
    (tmp_path / "pyproject.toml").write_text("[tool.mlops-nb]\n")
    kit.write_notebook(tmp_path / "a.ipynb", "upstream = None\nproduct = None", "1")
    assert add_task(str(tmp_path), "a.ipynb").task == "a"
    assert (tmp_path / "pipeline.yaml").read_text().startswith("# Nothing yet.\n")
