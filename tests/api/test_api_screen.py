"""What the screens are made of: the parameter form, the history, logs, the tail of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops_nb.api import launch, past, screen
from mlops_nb.api.screen import parameter_form
from mlops_nb.api.tail import RunTail, run_ids
from mlops_nb.errors import PipelineError, RunError
from mlops_nb.model import (
    EventKind,
    Parameter,
    Pipeline,
    RunFacts,
    RunStatus,
    Task,
    TaskKind,
)
from mlops_nb.runs.store import RunStore


def task(name: str, *declared: Parameter, **params: object) -> Task:
    return Task(
        name=name, kind=TaskKind.NOTEBOOK, source=f"{name}.ipynb", declared=declared, params=params
    )


def form(*tasks: Task):
    pipeline = Pipeline(name="p", root="/p", spec="pipeline.yaml", tasks=tasks)
    return {field.name: field for field in parameter_form(pipeline)}


def test_form_asks_for_each_type_in_its_way() -> None:
    kinds = {
        "int": "integer",
        "float": "number",
        "bool": "boolean",
        "str | None": "text",
        "list[int]": "list",
        "dict[str, int]": "mapping",
        "Literal['a', 'b']": "choice",
        "int | str": "json",
        "Any": "json",
    }
    declared = [Parameter(name=f"p{n}", type=kind) for n, kind in enumerate(kinds)]
    fields = form(task("a", *declared))
    assert [field.control for field in fields.values()] == list(kinds.values())
    assert fields["p3"].optional
    assert not fields["p0"].optional
    assert fields["p6"].choices == ("a", "b")


def test_form_has_one_field_for_what_tasks_share() -> None:
    seed = Parameter(name="seed", type="int", default=1, help="of all")
    fields = form(task("a", seed), task("b", seed))
    assert list(fields) == ["seed"]
    assert fields["seed"].tasks == ("a", "b")
    assert fields["seed"].help == "of all"


def test_form_keeps_apart_what_differs() -> None:
    depth = Parameter(name="depth", type="int", default=4)
    fields = form(task("a", depth), task("b", depth, depth=8))
    assert {name: field.value for name, field in fields.items()} == {"a.depth": 4, "b.depth": 8}


def test_form_says_what_is_not_known_and_what_only_the_specification_has() -> None:
    made = Parameter(name="today", type="str", literal=False)
    fields = form(task("a", made, rate=0.5, flag=True))
    assert not fields["today"].known
    assert fields["rate"].control == "number"
    assert fields["flag"].control == "boolean"


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    (tmp_path / "pipeline.yaml").write_text("tasks: []\n")
    return RunStore(tmp_path / ".mlops")


def finished(store: RunStore, status: RunStatus = RunStatus.SUCCEEDED, **facts: object) -> str:
    writer = store.create(RunFacts(id="", pipeline="p", started=100.0, **facts))
    writer.emit(EventKind.PLAN, items=[{"task": "a", "action": "run", "why": "new"}])
    writer.emit(EventKind.TASK_STARTED, "a", attempt=1)
    writer.emit(EventKind.TASK_FINISHED, "a", status=status.value, attempt=1)
    writer.finish(status)
    return writer.id


def test_history_comes_in_pages(store: RunStore, tmp_path: Path) -> None:
    ids = [finished(store) for _ in range(5)]
    failed = finished(store, RunStatus.FAILED)
    first = past.view_runs(str(tmp_path), limit=4)
    assert [run.id for run in first.runs] == [failed, *reversed(ids[2:])]
    assert first.total == 6
    assert first.runs[0].failed == ("a",)
    second = past.view_runs(str(tmp_path), limit=4, before=first.before)
    assert [run.id for run in second.runs] == [ids[1], ids[0]]
    assert second.before == ""
    only = past.view_runs(str(tmp_path), status=RunStatus.FAILED)
    assert [run.id for run in only.runs] == [failed]
    assert past.view_runs(str(tmp_path), task="b").runs == ()


def test_log_is_cut_at_its_beginning(store: RunStore, tmp_path: Path) -> None:
    run = finished(store)
    assert past.read_log(str(tmp_path), run, "a").text == ""
    log = store.folder / run / "logs" / "a.log"
    log.parent.mkdir()
    log.write_text("one\ntwo\n")
    assert past.view_run(str(tmp_path), run).tasks[0].log.endswith("logs/a.log")
    view = past.read_log(str(tmp_path), run, "a", limit=4)
    assert (view.text, view.size, view.truncated) == ("two\n", 8, True)
    with pytest.raises(RunError, match='no task "b"'):
        past.read_log(str(tmp_path), run, "b")
    with pytest.raises(RunError, match="no run"):
        past.read_log(str(tmp_path), "nothing")


def test_diff_has_tasks_of_both_sides(store: RunStore, tmp_path: Path) -> None:
    one = finished(store, parameters={"x": 1})
    two = finished(store, RunStatus.FAILED, parameters={"x": 2})
    diff = past.view_diff(str(tmp_path), one, two)
    assert (diff.changes[0].kind, diff.changes[0].name) == ("parameter", "x")
    assert [(pair.left.value, pair.right.value) for pair in diff.tasks] == [("succeeded", "failed")]


def test_only_whole_ids_name_a_run(store: RunStore, tmp_path: Path) -> None:
    run = finished(store)
    assert past.find_run(str(tmp_path), "latest").id == run
    for name in (run[:8], "..", "../..", ""):
        with pytest.raises(RunError):
            past.find_run(str(tmp_path), name)


def test_removed_run_is_gone(store: RunStore, tmp_path: Path) -> None:
    run = finished(store)
    past.remove_run(str(tmp_path), run)
    assert run_ids(store.folder.parent) == []


def test_tail_reads_what_comes_and_knows_the_end(store: RunStore) -> None:
    state = store.folder.parent
    waiting = RunTail(state, "20260101-000000-aaaaaa")
    assert waiting.read() == []
    assert waiting.is_gone()
    writer = store.create(RunFacts(id="", pipeline="p", started=100.0))
    tail = RunTail(state, writer.id)
    assert [event.seq for event in tail.read()] == [1]
    assert not tail.is_gone()
    writer.emit(EventKind.NOTE, text="on the way")
    late = RunTail(state, writer.id, latest=True)
    assert [event.seq for event in late.read()] == [2]
    writer.finish(RunStatus.SUCCEEDED)
    assert [event.seq for event in tail.read()] == [2, 3]
    assert [event.seq for event in late.read()] == [3]
    assert tail.finished
    assert tail.is_settled()
    assert tail.last_words() == ""


def test_a_pipeline_that_is_only_begun_is_shown_and_not_run(tmp_path: Path) -> None:
    (tmp_path / "pipeline.yaml").write_text("tasks:\n")
    assert not screen.view_pipeline(tmp_path).tasks
    with pytest.raises(PipelineError, match="has no tasks yet"):
        launch.launch(str(tmp_path))
    assert not (tmp_path / ".mlops" / "runs").exists()
