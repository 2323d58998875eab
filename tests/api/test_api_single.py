"""Any notebook on its own, and a run that is watched."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from mlops_nb.api import models, runs, single
from mlops_nb.errors import NotebookError, ParameterError
from mlops_nb.model import EventKind, RunStatus, TaskStatus
from tests.faces_kit import make_project, write_notebook


@pytest.fixture
def project(bare_project):
    write_notebook(
        bare_project / "books" / "work.ipynb",
        "rows: int = 10\nlevels = [1, 2]\nupstream = None\nproduct = None",
        "import pathlib\npathlib.Path('rows.txt').write_text(f'{rows} {levels}')",
        "assert rows < 100",
    )
    return bare_project


def test_parameters_and_values(project):
    found = single.notebook_parameters(str(project), "books/work.ipynb")
    assert [(item.name, item.default) for item in found[:2]] == [("rows", 10), ("levels", [1, 2])]
    assert single.read_values(found, {"rows": "7", "levels": [3]}) == {"rows": 7, "levels": [3]}
    with pytest.raises(ParameterError, match='did you mean "rows"'):
        single.read_values(found, {"rowz": 1})
    with pytest.raises(ParameterError, match="rows"):
        single.read_values(found, {"rows": "many"})
    with pytest.raises(NotebookError, match=r'did you mean "books/work.ipynb"'):
        single.notebook_parameters(str(project), "books/wrok.ipynb")


def test_a_run_leaves_the_notebook_and_keeps_what_was_executed(project):
    source = project / "books" / "work.ipynb"
    before, seen = source.read_bytes(), []
    done = single.run_notebook(str(project), source, {"rows": 20}, on_cell=seen.append)
    assert done.status is TaskStatus.SUCCEEDED
    assert (project / "books" / "rows.txt").read_text() == "20 [1, 2]"
    assert done.parameters == {"rows": 20}
    assert source.read_bytes() == before
    assert done.notebook.startswith(str(project / ".mlops" / "scratch"))
    assert seen[-1].done == seen[-1].total == 3

    failed = single.run_notebook(str(project), source, {"rows": 200})
    assert failed.status is TaskStatus.FAILED
    assert failed.error is not None
    assert failed.error.name == "AssertionError"
    assert "AssertionError" in Path(failed.page).read_text(encoding="utf-8")


def test_a_run_is_watched_until_it_ends_or_nobody_watches(project):
    from mlops_nb.model import RunFacts
    from mlops_nb.processes import me
    from mlops_nb.runs.store import RunStore, new_run_id

    own = me()
    facts = RunFacts(
        id=new_run_id(), pipeline="p", started=1.0, host=own.host, boot_id=own.boot_id,
        pid=own.pid, pid_started=own.started,
    )  # fmt: skip
    writer = RunStore(project / ".mlops").create(facts)
    writer.emit(EventKind.PLAN, items=[{"task": "a", "action": "run", "why": "new"}])
    stop = threading.Event()
    watched = runs.watch_run(str(project), "latest", stop=stop)
    assert next(watched).tasks[0].status is TaskStatus.PENDING
    stop.set()
    assert [state.status for state in watched] == [RunStatus.RUNNING]
    writer.finish(RunStatus.SUCCEEDED)
    states = [state.status for state in runs.watch_run(str(project), writer.id)]
    assert states[-1] is RunStatus.SUCCEEDED
    assert runs.task_graph(str(project)) == {}


def test_roles_are_those_of_the_settings(tmp_path):
    roles = '[tool.mlops-nb.gates.roles]\nreviewer = ["ann", "ben"]\n'
    made = make_project(tmp_path / "p", roles)
    assert models.roles(str(made)) == {"reviewer": ("ann", "ben")}
