"""How a run ends: with retries waiting, with its time over, with Ctrl-C at any moment."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from msgspec.structs import replace
from scripted_kit import bad, functions, good, run

from mlops_nb.api import execute
from mlops_nb.api import track as tracking
from mlops_nb.api.runs import prepare_resume
from mlops_nb.execution.guard import Guard
from mlops_nb.execution.jobs import Cancellation
from mlops_nb.execution.process import HookCancelledError, run_hook
from mlops_nb.execution.signals import held, terminable
from mlops_nb.model import (
    Attempt,
    ErrorInfo,
    EventKind,
    RunStatus,
    Task,
    TaskKind,
    TaskRun,
    TaskStatus,
)
from mlops_nb.pipeline.load import load_pipeline
from mlops_nb.pipeline.plan import make_plan
from mlops_nb.runs import store
from mlops_nb.runs.store import RunStore
from mlops_nb.runs.writer import RunWriter


def stops(attempt, cancel):
    cancel.wait()
    time.sleep(0.3)
    error = ErrorInfo(name="Cancelled", message="cancelled")
    return TaskRun(task=attempt.task.name, status=TaskStatus.CANCELLED, error=error)


def retrying(root: Path, *names: str):
    settings = "".join(
        f"[tool.mlops-nb.tasks.{name}]\nretries = 3\nbackoff = 30.0\n" for name in names
    )
    return functions(root, *names, settings=settings)


def test_a_task_that_waits_for_its_retry_keeps_its_record(tmp_path):
    late = run(retrying(tmp_path / "late", "a"), bad, timeout=1.0)
    cancel = Cancellation()

    def cancels(attempt, _):
        threading.Timer(1.0, cancel.set).start()
        return bad(attempt)

    cancelled = run(retrying(tmp_path / "cancelled", "a"), cancels, cancel=cancel)
    for done, why in ((late, "the run's 1 s were over"), (cancelled, "cancelled")):
        (task,) = done.tasks
        assert (task.status, task.attempt, task.notebook) == (
            TaskStatus.FAILED,
            1,
            "notebooks/a.ipynb",
        )
        assert task.error.message == f"the real error; not tried again: {why}"
        assert done.status is RunStatus.FAILED


def test_nothing_is_tried_again_once_a_task_has_failed(tmp_path):
    where = retrying(tmp_path / "p", "b", "c")
    where.spec.write_text(
        where.spec.read_text() + "  - source: tasks.make\n    name: a\n    product: out/a.txt\n"
    )
    failed = threading.Event()
    tries = []

    def body(attempt, cancel):
        tries.append(attempt.task.name)
        if attempt.task.name == "a":
            time.sleep(0.2)
            failed.set()
        elif attempt.task.name == "b":
            failed.wait()
            time.sleep(0.2)
        return bad(attempt)

    done = {task.task: task for task in run(where, body).tasks}
    assert sorted(tries) == ["a", "b", "c"]
    assert {task.status for task in done.values()} == {TaskStatus.FAILED}
    assert done["b"].error.message == "the real error"
    assert done["c"].error.message == 'the real error; not tried again after "a" had failed'


def test_tasks_that_did_not_start_in_time_make_the_run_failed(tmp_path):
    def slow(attempt, cancel):
        time.sleep(0.4)
        return good(attempt)

    done = run(functions(tmp_path / "p", "a", "b < a"), slow, timeout=0.1)
    assert [task.status.value for task in done.tasks] == ["succeeded", "cancelled"]
    assert done.tasks[1].error == ErrorInfo(name="Timeout", message="the run's 0.1 s were over")
    assert done.status is RunStatus.FAILED


def test_a_cancelled_run_stays_that_when_its_time_passes_too(tmp_path):
    cancel = Cancellation()
    threading.Timer(0.1, cancel.set).start()
    done = run(functions(tmp_path / "p", "a"), stops, cancel=cancel, timeout=0.25)
    assert [task.status for task in done.tasks] == [TaskStatus.CANCELLED]
    assert done.status is RunStatus.CANCELLED


def test_a_guard_tells_a_limit_of_the_run_from_a_cancellation():
    cancel = Cancellation()
    with Guard(cancel=cancel) as guard:
        cancel.set("the run's 5 s were over")
        cancel.set()
        assert guard.check()
    assert (guard.reason, guard.limit) == (TaskStatus.TIMED_OUT, "the run's 5 s were over")
    cancel = Cancellation()
    cancel.set()
    with Guard(cancel=cancel) as guard:
        assert guard.check()
    assert guard.reason is TaskStatus.CANCELLED


def test_the_plan_event_tells_the_expected_seconds(tmp_path):
    where = functions(tmp_path / "p", "a", "b")
    done = run(where, good, expected={"a": 2.5})
    events = RunStore(where.state).events(done.id)
    (plan,) = [event for event in events if event.kind is EventKind.PLAN]
    assert [item["expected"] for item in plan.data["items"]] == [2.5, None]


def test_a_cancelled_hook_is_no_failed_one(tmp_path):
    cancel = Cancellation()
    cancel.set()
    task = Task(name="t", kind=TaskKind.NOTEBOOK, source="t.ipynb", hooks=("on_finish:hooks.f",))
    attempt = Attempt(run="r", task=task, root=str(tmp_path), run_dir=str(tmp_path / "run"))
    with pytest.raises(HookCancelledError, match="before its on_finish hook had ended"):
        run_hook(attempt, "on_finish", cancel)


def test_a_task_whose_hook_was_cancelled_is_cancelled(tmp_path, monkeypatch):
    from mlops_nb.execution.work import Work

    def land(self, *rest):
        raise HookCancelledError("cancelled before its on_finish hook had ended")

    monkeypatch.setattr(Work, "_land", land)
    done = run(functions(tmp_path / "p", "a"), good)
    assert done.tasks[0].status is TaskStatus.CANCELLED
    assert done.status is RunStatus.CANCELLED


def prepared(where):
    where = replace(where, settings=replace(where.settings, tracking="none"))
    pipeline = load_pipeline(where)
    plan = make_plan(where, pipeline)
    return execute.Prepared(project=where, pipeline=pipeline, plan=plan, start_from=("a",))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_a_run_is_set_up_cancels_it(tmp_path, monkeypatch, number):
    where = functions(tmp_path / "p", "a")
    ready = prepared(where)

    def interrupted(self):
        os.kill(os.getpid(), number)
        time.sleep(5)

    monkeypatch.setattr(tracking.Tracking, "environment", interrupted)
    # A shell's background jobs start with Ctrl-C ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            execute.run(ready, kernels=object())
    finally:
        signal.signal(signal.SIGINT, before)
    cancelled = RunStore(where.state).get("latest")
    assert cancelled.status is RunStatus.CANCELLED
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert cancelled.facts.start_from == ("a",)
    again = prepare_resume(str(where.spec), cancelled.id)
    assert (again.start_from, again.plan["a"].why) == (("a",), "forced, it never ran")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["begins", "ends"])
def test_a_signal_while_a_run_is_written_down_loses_no_run(tmp_path, monkeypatch, number, moment):
    where = functions(tmp_path / "p", "a")
    ready = prepared(where)
    write = RunWriter.finish

    def hit(*_):
        os.kill(os.getpid(), number)
        time.sleep(0.05)

    def finish(self, status):
        hit()
        done = write(self, status)
        hit()
        return done

    if moment == "begins":  # its folder is there, and the call that made it has not returned
        monkeypatch.setattr(store, "sync_folder", hit)
    else:
        monkeypatch.setattr(RunWriter, "finish", finish)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            execute.run(ready, kernels=object())
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    run = RunStore(where.state).get("latest")
    assert run.ended is not None
    assert run.status is (RunStatus.CANCELLED if moment == "begins" else RunStatus.SUCCEEDED)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_signals_that_are_ignored_stay_so_while_others_wait():
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with held() as signals:
            os.kill(os.getpid(), signal.SIGTERM)
            with signals.answered():
                pass
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


def test_somebody_elses_answer_to_a_termination_signal_stays():
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        mine = signal.getsignal(signal.SIGTERM)
        with terminable():
            assert signal.getsignal(signal.SIGTERM) is mine
    finally:
        signal.signal(signal.SIGTERM, before)
