"""By hand, upstream comes from scratch, and one candidate of a grid is enough."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from mlops_nb.api.byhand import resolve
from mlops_nb.errors import PipelineError

SPEC = """
meta: {extract_upstream: true}
tasks:
  - source: data.ipynb
    product: {nb: out/data.ipynb, table: out/table.csv}
  - source: fit.ipynb
    name: fit-[[kind]]
    product: {nb: "out/[[kind]].ipynb", model: "out/[[kind]].txt"}
    grid: {kind: [linear, tree]}
  - source: judge.ipynb
    product: out/judge.ipynb
"""


def notebook(path: Path, upstream: str) -> None:
    cell = nbformat.v4.new_code_cell(f"kind = None\nupstream = {upstream}\nproduct = None")
    cell.metadata["tags"] = ["parameters"]
    work = nbformat.v4.new_code_cell("print(kind, upstream, product)")
    kernel = {"name": "python3", "language": "python", "display_name": "Python 3"}
    made = nbformat.v4.new_notebook(cells=[cell, work], metadata={"kernelspec": kernel})
    nbformat.write(made, path)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pipeline.yaml").write_text(SPEC)
    notebook(tmp_path / "data.ipynb", "None")
    notebook(tmp_path / "fit.ipynb", "['data']")
    notebook(tmp_path / "judge.ipynb", "['data', 'fit-*']")
    monkeypatch.setenv("MLOPS_NB_SAMPLE", "0.1")
    monkeypatch.delenv("MLOPS_NB_RUN_ID", raising=False)
    return tmp_path


def test_what_was_made_by_hand_is_found_by_the_next_notebook(project: Path) -> None:
    for name in ("table.csv", "linear-0.txt", "tree-1.txt"):
        (project / "out").mkdir(exist_ok=True)
        (project / "out" / name).write_text("the real product")
    _, data = resolve("data", start=project)
    with pytest.raises(PipelineError, match="has not been made yet"):
        resolve("fit-tree", start=project)
    Path(data["table"]).write_text("a sample")
    upstream, tree = resolve("fit-tree", start=project)
    assert Path(upstream["data"]["table"]).read_text() == "a sample"

    with pytest.raises(PipelineError, match="fit-linear"):
        resolve("judge", start=project)
    Path(tree["model"]).write_text("fitted on a sample")
    upstream, _ = resolve("judge", start=project)
    assert list(upstream["fit-*"]) == ["fit-tree"]
    assert Path(upstream["fit-*"]["fit-tree"]["model"]).read_text() == "fitted on a sample"
