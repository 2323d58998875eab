"""Triggers without a daemon: what cron, CI and orchestrators fire does a daemon's chores too."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from mlops_nb.api import scheduled
from mlops_nb.api import schedules as api
from mlops_nb.api.schedule_hooks import ProjectHooks
from mlops_nb.api.schedule_store import opened
from mlops_nb.config import find_project
from mlops_nb.errors import ScheduleError
from mlops_nb.model import NoticeKind, OccurrenceState, Schedule, Source
from mlops_nb.processes import me
from mlops_nb.scheduling.claims import claim
from mlops_nb.scheduling.course import begin, finish
from mlops_nb.scheduling.freeze import freeze, frozen_folder, remove_unused
from mlops_nb.scheduling.linking import link_rest
from mlops_nb.scheduling.settings import check_schedule
from mlops_nb.scheduling.template import render_parameters
from mlops_nb.scheduling.wanted import require
from mlops_nb.scheduling.when import read_trigger
from mlops_nb.scheduling.zones import iso

DEAD = msgspec.structs.replace(me(), pid=2**22 - 3, started=1.0)
"""A process of this machine that is no more."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pipeline.yaml").write_text("tasks: []\n")
    (tmp_path / "pyproject.toml").write_text('[tool.mlops-nb]\ntracking = "none"\n')
    return tmp_path


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    found: list[Any] = []
    monkeypatch.setattr(ProjectHooks, "tell", lambda _, notice: found.append(notice))
    return found


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Runs that succeed at once."""
    found: list[Any] = []

    def run(_: Any, store: Any, held: Any, *__: Any) -> Any:
        found.append(held)
        with store.write() as writer:
            finish(writer, held.id, held.run, OccurrenceState.SUCCEEDED, now=store.clock())
        with store.read() as reader:
            return scheduled.Turn(occurrence=reader.occurrence(held.schedule, held.at))

    monkeypatch.setattr(scheduled, "run_held", run)
    return found


def killed(project: Path, *, begun: bool = True, **fields: Any) -> None:
    """Add a schedule with an occurrence whose process was killed."""
    fields = {"when": "every hour at :00", "missed": "all"} | fields
    api.add(project, Schedule(name="s", **fields))
    with opened(project) as (_, store), store.write() as writer:
        now = time.time()
        writer.run_now("s", now=now - 1)
        (one,) = claim(writer, DEAD, now=now, lease=60, new_run=lambda: "killed")
        if begun:
            assert begin(writer, one.id, one.run, one.fence, DEAD, now=now, lease=60)


def test_a_killed_run_is_recorded_told_and_stops_nothing(project, told, ran) -> None:
    killed(project)
    with opened(project) as (_, store), store.write() as writer:
        writer.add([_due(writer)])
    (turn,) = scheduled.run_due(project, "s")
    assert turn.occurrence.state is OccurrenceState.SUCCEEDED
    assert [one.state.value for one in api.history(project, "s")] == ["succeeded", "lost"]
    assert {one.kind for one in told} == {NoticeKind.FAILURE, NoticeKind.RECOVERY}
    scheduled.run_due(project, "s")
    assert len(told) == 2


def test_a_claim_whose_process_never_began_is_run(project, told, ran) -> None:
    killed(project, begun=False)
    (turn,) = scheduled.run_due(project, "s")
    assert turn.occurrence.state is OccurrenceState.SUCCEEDED
    assert [one.attempt for one in ran] == [1]


def test_a_notifier_that_breaks_hides_no_run(project, ran, monkeypatch, capfd) -> None:
    def breaks(*_: Any) -> None:
        raise ValueError("no such channel")

    monkeypatch.setattr(ProjectHooks, "tell", breaks)
    killed(project)
    (turn,) = scheduled.run_due(project, "s")
    assert turn.nothing == 'nothing of schedule "s" is due'
    assert "ValueError: no such channel" in capfd.readouterr().err


def test_frozen_sources_go_when_nobody_used_them_for_long(project: Path) -> None:
    (project / "a.py").write_text("1")
    state = project / ".mlops"
    frozen = [freeze(project, state, Source.SNAPSHOT)]
    (project / "a.py").write_text("2")
    frozen.append(freeze(project, state, Source.SNAPSHOT))
    (state / "frozen" / ".new-x").mkdir()
    link_rest(project, state, frozen_folder(state, frozen[0]), ())
    for folder in (state / "frozen").iterdir():
        os.utime(folder, (1.0, 1.0))
    frozen.append(freeze(project, state, Source.SNAPSHOT))  # the second one, used again
    needed = {frozen[0]}
    assert remove_unused(state, needed, days=90) == 0
    assert len(list((state / "frozen").iterdir())) == 2
    assert ProjectHooks(find_project(project)).forget_frozen((), 90) == 1
    assert [one.name for one in (state / "frozen").iterdir()] == [
        frozen_folder(state, frozen[1]).name
    ]
    assert (project / "a.py").exists()
    assert state.is_dir()


def test_one_occurrence_asked_for_by_hand_is_run_however_late(project, told, ran) -> None:
    api.add(project, Schedule(name="s", when="every hour at :00", missed="skip"))
    hour = time.time() // 3600 * 3600
    old = hour - 5 * 3600
    (turn,) = scheduled.run_due(project, "s", occurrence=iso(old))
    assert turn.occurrence.state is OccurrenceState.SUCCEEDED
    assert [one.at for one in ran] == [old]
    # One that was left out before may be run too, but none twice.
    with opened(project) as (_, store), store.write() as writer:
        require(writer, "s", hour - 7200, now=time.time())
        assert writer.leave_out(time.time()) == 1
    scheduled.run_due(project, "s", occurrence=iso(hour - 7200))
    (turn,) = scheduled.run_due(project, "s", occurrence=iso(hour - 7200))
    assert "has had its turn" in turn.nothing
    assert [one.at for one in ran] == [old, hour - 7200]
    for at, said in (
        (hour + 7200, "not due before"),
        (hour - 91 * 86_400, "not known any more"),
        (hour + 1, "is not due at"),
    ):
        with pytest.raises(ScheduleError, match=said):
            scheduled.run_due(project, "s", occurrence=iso(at))


def test_a_schedule_that_cannot_be_read_stops_no_other_and_can_be_removed(
    project, told, ran
) -> None:
    for name in ("bad", "good"):
        api.add(project, Schedule(name=name, when="every hour at :00"))
    with opened(project) as (_, store), store.write() as writer:
        for name in ("bad", "good"):
            writer.run_now(name, now=time.time() - 1)
        writer.connection.execute(
            sa.text("UPDATE mlops_schedules SET record = '{}', next_at = 0 WHERE name = 'bad'")
        )
    with opened(project) as (_, store), store.write() as writer:
        writer.catch_up(time.time())
        writer.leave_out(time.time())
        taken = claim(writer, me(), now=time.time(), lease=60, new_run=lambda: "r")
        assert [one.schedule for one in taken] == ["good"]
    scheduled.run_due(project, "good")
    assert ["cannot be read" in one.text for one in told] == [True]
    with pytest.raises(ScheduleError, match=r'schedule "bad".*remove it'):
        api.list_schedules(project)
    api.remove(project, "bad")
    assert [one.schedule.name for one in api.list_schedules(project)] == ["good"]


def test_parameters_are_checked_for_the_first_occurrence_to_come() -> None:
    fields = {"name": "s", "when": "every day at 6", "start": "2999-12-01"}
    given = {
        "since": "{{ previous_at | date }}",
        "week": "{{ previous_at | shift(days=1) | week }}",
    }
    schedule = Schedule(**fields, parameters=given)
    check_schedule(schedule)
    first = read_trigger(schedule).after(time.time())
    assert render_parameters(schedule, first) == {"since": "", "week": ""}
    assert render_parameters(schedule, first + 86_400)["since"] == "2999-12-01"
    with pytest.raises(ScheduleError, match="cannot be filled in"):
        check_schedule(Schedule(**fields, parameters={"year": "{{ previous_at.year }}"}))


def _due(writer: Any) -> Any:
    from mlops_nb.scheduling.writer import blank

    return blank(writer.schedule("s"), time.time() - 0.5)
