"""The graph of a run follows its events; leaving it leaves the run alone."""

from __future__ import annotations

import pytest

from mlops_nb.model import EventKind, RunFacts, RunStatus
from mlops_nb.processes import me
from mlops_nb.runs.store import RunStore, new_run_id
from mlops_nb.widgets import RunView
from tests.faces_kit import write_notebook


@pytest.fixture
def pipeline(bare_project):
    for name, ups in (("load", "None"), ("train", '["load"]')):
        write_notebook(bare_project / f"{name}.ipynb", f"upstream = {ups}\nproduct = None", "1")
    tasks = "".join(f"  - source: {n}.ipynb\n    product: {n}.html\n" for n in ("load", "train"))
    (bare_project / "pipeline.yaml").write_text(f"meta:\n  extract_upstream: true\ntasks:\n{tasks}")
    return bare_project


@pytest.fixture
def writer(pipeline):
    own = me()
    facts = RunFacts(
        id=new_run_id(), pipeline="flights", started=1.0, host=own.host, boot_id=own.boot_id,
        pid=own.pid, pid_started=own.started,
    )  # fmt: skip
    made = RunStore(pipeline / ".mlops").create(facts)
    items = [
        {"task": "load", "action": "run", "why": "never ran"},
        {"task": "train", "action": "run", "why": "upstream load runs"},
    ]
    made.emit(EventKind.PLAN, items=items)
    yield made
    made.close()


def until(view: RunView, text: str) -> None:
    """Wait until the graph shows a text."""
    import threading

    seen = threading.Event()
    view._graph.observe(lambda change: text in change["new"] and seen.set(), "html")
    assert text in view._graph.html or seen.wait(120), view._graph.html


def test_run_view_follows_a_run_to_its_end(pipeline, writer):
    view = RunView(project=str(pipeline))
    until(view, "load: pending")
    until(view, "mnb-edge")
    writer.emit(EventKind.TASK_STARTED, "load", attempt=1, kernel="warm", cells=3)
    until(view, "load: running")
    writer.emit(EventKind.TASK_CELL, "load", index=1, cells=3, seconds=0.1)
    until(view, "running 1/3")
    view._graph.press("task", "load")
    assert view.chosen == "load"
    assert 'aria-pressed="true"' in view._graph.html
    error = {"name": "ValueError", "message": "<script>no</script>", "cell": 1, "source": "1/0"}
    writer.emit(EventKind.TASK_FINISHED, "load", status="failed", attempt=1, error=error)
    until(view, "load: failed")
    assert "&lt;script&gt;no&lt;/script&gt;" in view._graph.html
    assert "<script>" not in view._graph.html
    writer.finish(RunStatus.FAILED)
    assert view.wait(120)
    assert view.run is not None
    assert view.run.status is RunStatus.FAILED
    assert "tasks as a list" in str(view.picture())
    view._graph.press("task", "load")
    assert view.chosen == ""
    view.close()


def test_run_view_can_be_left_while_the_run_goes_on(pipeline, writer):
    view = RunView(writer.id, project=str(pipeline))
    until(view, "load: pending")
    view.close()
    assert RunStore(pipeline / ".mlops").get(writer.id).status is RunStatus.RUNNING
    writer.finish(RunStatus.SUCCEEDED)


def test_run_view_without_a_run_says_so(pipeline):
    view = RunView(project=str(pipeline))
    view.wait(120)
    assert view.failure is not None
    assert "no run seen yet" in view._graph.html
    view.close()
