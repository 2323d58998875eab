"""Scheduled runs of real projects: the same run as by hand, on frozen sources, with honest ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from mlops_nb.api import schedules as api
from mlops_nb.api.history import get_run, list_runs
from mlops_nb.api.scheduled import run_claimed, run_due
from mlops_nb.api.scheduler import ProjectHooks
from mlops_nb.config import find_project
from mlops_nb.errors import MlopsNbError, ScheduleError
from mlops_nb.model import Notice, NoticeKind, OccurrenceState, Schedule, Source

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

TASKS = """
import os, time
from pathlib import Path
from words import WORD


def make(product, upstream=None, day="no"):
    Path("calls").open("a").write(f"{day} {WORD}\\n")
    Path(product).write_text(f"{day} {WORD} {Path('data/input.txt').read_text()}")


def fails(product):
    raise ValueError("no such flights")


def waits(product):
    Path("waiting").write_text(str(os.getpid()))
    while not Path("go").exists():
        time.sleep(0.05)
    Path(product).write_text("done")
"""
PIPELINE = """
tasks:
  - source: tasks.make
    product: products/out.txt
    params: {day: whole}
  - source: tasks.fails
    product: products/never.txt
  - source: tasks.waits
    product: products/waited.txt
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of this test's own; reading its pipeline takes seconds."""
    return make(tmp_path / "project")


@pytest.fixture(scope="module")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("shared") / "project")


@pytest.fixture
def shared(_shared: Path, monkeypatch):
    """The project of those tests that change none of its sources; each begins without schedules."""
    monkeypatch.chdir(_shared)
    yield _shared
    for one in api.list_schedules(_shared):
        api.remove(_shared, one.schedule.name)


def make(root: Path) -> Path:
    root.mkdir()
    (root / "pipeline.yaml").write_text(PIPELINE)
    (root / "tasks.py").write_text(TASKS)
    (root / "words.py").write_text("WORD = 'old'\n")
    (root / "pyproject.toml").write_text(
        '[tool.mlops-nb]\ntracking = "none"\n\n[[tool.mlops-nb.alerts.notify]]\nkind = "command"\n'
        f'command = ["{sys.executable}", "-c", '
        "\"import sys, pathlib; pathlib.Path('told').open('a').write(sys.stdin.read() + chr(10))\"]\n"
    )
    (root / "data").mkdir()
    (root / "data" / "input.txt").write_text("data")
    return root


def add(root: Path, **fields: Any) -> None:
    fields = {"name": "s", "when": "every hour at :00", "tasks": ("make",)} | fields
    api.add(root, Schedule(**fields))


def go(root: Path, name: str = "s") -> Any:
    (turn,) = run_due(root, name, occurrence="latest")
    return turn


def test_a_scheduled_run_is_a_run_like_any_other_and_runs_once(shared: Path) -> None:
    add(shared, name="good", parameters={"day": "{{ scheduled_at | date }}"})
    turn = go(shared, "good")
    assert turn.occurrence.state is OccurrenceState.SUCCEEDED
    day = turn.occurrence.local[:10]
    assert (shared / "products" / "out.txt").read_text() == f"{day} old data"
    run = get_run(str(shared), turn.occurrence.run)
    assert run.facts.trigger == "schedule good"
    assert run.facts.parameters == {"day": day}
    again = go(shared, "good")
    assert again.outcome is None
    assert "has had its turn" in again.nothing
    assert [one.id for one in list_runs(str(shared)) if one.facts.trigger == "schedule good"] == [
        run.id
    ]
    (nothing,) = run_due(shared, "good")
    assert "is due" in nothing.nothing


@pytest.mark.parametrize("source", [Source.COMMIT, Source.SNAPSHOT])
def test_an_edit_does_not_change_a_frozen_run_and_products_come_home(
    project: Path, monkeypatch, source: Source
) -> None:
    monkeypatch.chdir(project)
    # A product in a folder of its own, and one among the sources.
    place = Path("products/out.txt" if source is Source.COMMIT else "out.txt")
    (project / "pipeline.yaml").write_text(PIPELINE.replace("products/out.txt", str(place)))
    (project / ".gitignore").write_text("data/\n")
    if source is Source.COMMIT:
        git = ["git", "-c", "user.email=a@b", "-c", "user.name=n"]
        for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
            subprocess.run([*git, *words], cwd=project, check=True)
    add(project, source=source, force=True)
    first = go(project)
    assert first.occurrence.state is OccurrenceState.SUCCEEDED, first.occurrence
    assert place.read_text() == "whole old data"
    assert first.occurrence.frozen.startswith(f"{source.value}:")
    (project / "words.py").write_text("WORD = 'new'\n")
    (project / "data" / "input.txt").write_text("fresh")
    api.run_now(project, "s")
    second = run_due(project, "s")[-1]
    word = "old" if source is Source.COMMIT else "new"
    assert place.read_text() == f"whole {word} fresh"
    assert not place.is_symlink()
    assert not place.parent.is_symlink()
    run = get_run(str(project), second.occurrence.run)
    assert run.facts.pipeline == "project"
    if source is Source.COMMIT:
        assert run.facts.git_commit == second.occurrence.frozen.removeprefix("commit:")


def test_a_failure_is_recorded_with_its_reason(shared: Path) -> None:
    add(shared, name="reason", tasks=("fails",))
    turn = go(shared, "reason")
    assert turn.occurrence.state is OccurrenceState.FAILED
    assert "ValueError: no such flights" in turn.occurrence.why


def test_a_deleted_source_is_recorded(project: Path, monkeypatch) -> None:
    monkeypatch.chdir(project)
    add(project)
    (project / "tasks.py").unlink()
    with pytest.raises(MlopsNbError):
        go(project)
    found = api.history(project, "s")[0]
    assert found.state is OccurrenceState.FAILED
    assert "tasks" in found.why
    assert found.attempts[0].exit_code == 3


def test_a_missing_commit_is_recorded(shared: Path) -> None:
    add(shared, name="recorded", source=Source.COMMIT, ref="no-such-branch")
    with pytest.raises(ScheduleError, match="no-such-branch"):
        go(shared, "recorded")
    assert api.history(shared, "recorded")[0].state is OccurrenceState.FAILED


def test_a_timeout_ends_the_run(shared: Path) -> None:
    add(shared, name="run", tasks=("waits",), timeout=1.0)
    turn = go(shared, "run")
    assert turn.occurrence.state is OccurrenceState.TIMED_OUT
    assert "within 1 s" in turn.occurrence.why


def test_a_claim_that_does_not_hold_runs_nothing(shared: Path) -> None:
    add(shared, name="nothing")
    made = api.run_now(shared, "nothing")
    with pytest.raises(ScheduleError, match="holds no longer"):
        run_claimed(shared, made.id, "some-run", 1)
    assert all(one.facts.trigger != "schedule nothing" for one in list_runs(str(shared)))


def test_people_are_told_by_the_projects_notifiers_once(shared: Path) -> None:
    hooks = ProjectHooks(find_project(shared))
    notice = Notice(
        key="s:failure:1", kind=NoticeKind.FAILURE, schedule="s", at=1.0, text="it failed", run="r"
    )
    hooks.tell(notice)
    hooks.tell(notice)
    assert hooks.again() is False
    lines = [json.loads(line) for line in (shared / "told").read_text().splitlines()]
    (told,) = [line for line in lines if line["schedule"] == "s" and line["reason"] == "it failed"]
    assert told["subject"] == "[critical] project: schedule s failure"
    assert "it failed" in told["text"]
    assert told["run"] == "r"


def test_a_daemon_killed_leaves_its_run_and_the_next_one_runs_it_not_again(shared: Path) -> None:
    add(shared, name="again", tasks=("waits",))
    (shared / "waiting").unlink(missing_ok=True)  # of a test before
    api.run_now(shared, "again")
    command = [sys.executable, "-m", "mlops_nb", "scheduler", "--log", "json"]
    log = (shared / "log").open("wb")

    def daemon() -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, cwd=shared, stderr=log, start_new_session=True)

    def wait(done: Any) -> None:
        deadline = time.monotonic() + 300
        while not done():
            assert time.monotonic() < deadline, (shared / "log").read_text()
            time.sleep(0.1)

    first = daemon()
    try:
        wait((shared / "waiting").exists)
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
        second = daemon()
        try:
            wait(lambda: (shared / "log").read_text().count("daemon started") == 2)
            (shared / "go").touch()
            wait(lambda: api.history(shared, "again")[0].state.is_final)
        finally:
            second.terminate()
            assert second.wait(60) == 0
    finally:
        (shared / "go").touch()  # whatever went wrong, what waits for it ends
        first.kill()
        first.wait()
        log.close()
    found = api.history(shared, "again")[0]
    assert found.state is OccurrenceState.SUCCEEDED, found
    assert found.attempt == 1
    runs = [
        one.id
        for one in list_runs(str(shared))
        if one.facts.trigger == f"schedule {found.schedule}"
    ]
    assert runs == [found.run]
    assert (shared / "products" / "waited.txt").read_text() == "done"


def test_sync_follows_the_file_and_leaves_the_rest_alone(project: Path) -> None:
    add(project, name="by-hand")
    place = project / "pyproject.toml"
    table = '\n[tool.mlops-nb.schedules.nightly]\nwhen = "every weekday at 6"\ntasks = ["make"]\n'
    before = place.read_text()
    place.write_text(before + table)
    assert api.sync(project, dry_run=True).added == ("nightly",)
    assert [one.schedule.name for one in api.list_schedules(project)] == ["by-hand"]
    api.sync(project)
    api.pause(project, "nightly", by="ann")
    place.write_text(before + table + "retries = 2\n")
    assert api.sync(project).changed == ("nightly",)
    found = api.show(project, "nightly")
    assert (found.schedule.retries, found.paused, found.origin) == (2, True, "project")
    for refused in (
        lambda: api.remove(project, "nightly"),
        lambda: api.edit(project, "nightly", retries=1),
    ):
        with pytest.raises(ScheduleError, match="kept in pyproject"):
            refused()
    place.write_text(before)
    assert api.sync(project).removed == ("nightly",)
    place.write_text(before + table.replace("nightly", "by-hand"))
    with pytest.raises(ScheduleError, match="added by hand"):
        api.sync(project)
    place.write_text(before + table.replace("when", "wen"))
    with pytest.raises(MlopsNbError, match='did you mean "when"'):
        api.sync(project)


def test_a_fresh_store_takes_the_schedule_from_the_file(project: Path, monkeypatch) -> None:
    monkeypatch.chdir(project)
    with (project / "pyproject.toml").open("a") as file:
        file.write('\n[tool.mlops-nb.schedules.s]\nwhen = "every minute"\ntasks = ["make"]\n')
    ended = [turn.occurrence.state for turn in run_due(project, "s") if turn.occurrence]
    assert OccurrenceState.SUCCEEDED in ended
