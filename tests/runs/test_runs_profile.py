from __future__ import annotations

import msgspec
import pytest

from mlops_nb.model import (
    CellRun,
    EventKind,
    Run,
    RunFacts,
    RunStatus,
    TaskRun,
    TaskStatus,
)
from mlops_nb.runs.profile import expected_seconds, first_starts, profile_run
from mlops_nb.runs.store import RunStore


def task(name: str, start: float, end: float, **more) -> TaskRun:
    return TaskRun(
        task=name,
        status=TaskStatus.SUCCEEDED,
        attempt=1,
        started=100 + start,
        ended=100 + end,
        **more,
    )


UPSTREAM = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c"), "idle": ()}


def test_the_critical_path_is_the_heaviest_chain():
    run = Run(
        facts=RunFacts(id="r", pipeline="p", started=100.0),
        status=RunStatus.SUCCEEDED,
        ended=112.0,
        tasks=(
            task("a", 0, 2, peak_mb=100.0),
            task(
                "b",
                2,
                8,
                peak_mb=900.0,
                cells=(CellRun(index=0, seconds=1.0), CellRun(index=1, seconds=4.0)),
            ),
            task("c", 3, 5),
            task("d", 9, 12),
            TaskRun(task="idle", status=TaskStatus.SKIPPED),
        ),
    )
    profile = profile_run(run, UPSTREAM)
    assert profile.critical_path == ("a", "b", "d")
    assert (profile.critical_seconds, profile.work, profile.seconds) == (11.0, 13.0, 12.0)
    assert profile.peak_mb == 900.0
    assert [one.task for one in profile.tasks] == ["b", "d", "a", "c"]
    b, d, _, c = profile.tasks
    assert (b.overhead, b.critical, [cell.index for cell in b.cells]) == (1.0, True, [1, 0])
    assert b.share == pytest.approx(6 / 13)
    assert (c.waited, d.waited, c.critical) == (1.0, 1.0, False)


def test_earlier_tries_are_the_tasks_time_and_no_waiting(tmp_path):
    writer = RunStore(tmp_path).create(RunFacts(id="", pipeline="p", started=100.0))
    for number in (1, 2, 3):
        writer.emit(EventKind.TASK_STARTED, "b", attempt=number)
    began = first_starts(RunStore(tmp_path).events(writer.id))
    assert began.keys() == {"b"}
    writer.finish(RunStatus.SUCCEEDED)
    again = {"attempt": 3, "cells": (CellRun(index=0, seconds=0.5),)}
    run = Run(
        facts=RunFacts(id="r", pipeline="p", started=100.0),
        status=RunStatus.SUCCEEDED,
        ended=112.0,
        tasks=(
            task("a", 0, 2),
            msgspec.structs.replace(task("b", 9, 10), **again),
            task("c", 2, 7),
            task("d", 10, 12),
        ),
    )
    profile = profile_run(run, UPSTREAM, {"a": 100.0, "b": 103.0, "c": 102.0})
    assert profile.critical_path == ("a", "b", "d")
    assert profile.critical_seconds == 11.0
    b = profile.tasks[0]
    assert (b.task, b.seconds, b.waited, b.overhead) == ("b", 7.0, 1.0, 0.5)
    assert profile_run(run, UPSTREAM).critical_path == ("a", "c", "d")


def test_a_run_without_tasks_and_a_deep_one_are_profiled():
    facts = RunFacts(id="r", pipeline="p", started=100.0)
    empty = profile_run(Run(facts=facts, status=RunStatus.LOST), {})
    assert (empty.critical_path, empty.critical_seconds, empty.seconds) == ((), 0.0, 0.0)
    deep = tuple(task(f"t{n}", n, n + 1) for n in range(3000))
    upstream = {f"t{n}": (f"t{n - 1}",) if n else () for n in range(3000)}
    found = profile_run(Run(facts=facts, status=RunStatus.SUCCEEDED, tasks=deep), upstream)
    assert len(found.critical_path) == 3000


def test_a_task_is_expected_to_take_the_median_of_its_last_good_times(tmp_path):
    store = RunStore(tmp_path)
    assert expected_seconds(store) == {}
    for seconds in (50.0, 1.0, 2.0, 9.0, 3.0, 2.5):
        writer = store.create(RunFacts(id="", pipeline="p", started=0.0))
        for name, status in (("fit", "succeeded"), ("broken", "failed")):
            writer.emit(
                EventKind.TASK_FINISHED,
                name,
                status=status,
                attempt=1,
                started=10.0,
                ended=10.0 + seconds,
            )
        writer.finish(RunStatus.FAILED)
    assert expected_seconds(store) == {"fit": 2.5}
    assert expected_seconds(store, "other") == {}
