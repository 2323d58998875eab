from __future__ import annotations

from mlops_nb.execution.aside import set_aside
from mlops_nb.files import write_whole


def test_a_failed_attempt_keeps_its_notebook_and_logs(tmp_path):
    notebook = tmp_path / "notebooks/fit.ipynb"
    write_whole(notebook, b"the rest is in fit.ipynb.outputs/cell-1.txt")
    write_whole(notebook.with_name("fit.ipynb.outputs") / "cell-1.txt", b"long")
    write_whole(tmp_path / "logs/fit.log", b"printed")
    write_whole(tmp_path / "logs/fit.on_failure.log", b"called")
    write_whole(tmp_path / "logs/fitter.log", b"another task's")
    set_aside(tmp_path, "fit", 1)
    kept = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")}
    assert kept == {
        "notebooks/fit.attempt-1.ipynb",
        "notebooks/fit.attempt-1.ipynb.outputs",
        "notebooks/fit.attempt-1.ipynb.outputs/cell-1.txt",
        "logs/fit.attempt-1.log",
        "logs/fit.attempt-1.on_failure.log",
        "logs/fitter.log",
    }
    text = (tmp_path / "notebooks/fit.attempt-1.ipynb").read_text()
    assert text == "the rest is in fit.attempt-1.ipynb.outputs/cell-1.txt"
    set_aside(tmp_path, "fit", 2)  # nothing of that attempt is there
