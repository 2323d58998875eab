"""Triggers without a daemon: what cron, CI and orchestrators fire does a daemon's chores too."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mlops_nb.api import scheduled
from mlops_nb.api import schedules as api
from mlops_nb.api.schedule_hooks import ProjectHooks
from mlops_nb.api.schedule_store import opened
from mlops_nb.config import find_project
from mlops_nb.model import NoticeKind, OccurrenceState, Schedule, Source
from mlops_nb.processes import me
from mlops_nb.scheduling.claims import claim
from mlops_nb.scheduling.course import begin, finish
from mlops_nb.scheduling.freeze import freeze, frozen_folder, link_rest, remove_unused

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

    monkeypatch.setattr(scheduled, "_run", run)
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


def _due(writer: Any) -> Any:
    from mlops_nb.scheduling.writer import blank

    return blank(writer.schedule("s"), time.time() - 0.5)
