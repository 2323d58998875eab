"""The daemon's rounds: what it starts, takes over, finds dead, and survives."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import sqlalchemy as sa
from light_runs import Here, Hooks, make_daemon

from mlops_nb.errors import MonitoringError, RunError, ScheduleError
from mlops_nb.model import (
    NoticeKind,
    OccurrenceState,
    Overlap,
    Schedule,
    SchedulerState,
    SchedulerStatus,
)
from mlops_nb.processes import Owner, me
from mlops_nb.runs.store import new_run_id
from mlops_nb.scheduling.chores import clean_up
from mlops_nb.scheduling.claims import claim
from mlops_nb.scheduling.course import begin, finish
from mlops_nb.scheduling.health import HealthServer
from mlops_nb.scheduling.launcher import ProcessLauncher
from mlops_nb.scheduling.log import Log
from mlops_nb.scheduling.retention import expired, forget
from mlops_nb.scheduling.settings import SchedulerSettings
from mlops_nb.scheduling.store import DaemonRow

DEAD = msgspec.structs.replace(me(), pid=2**22 - 3, started=1.0)
"""A process of this machine that is no more."""


class Never:
    """A launcher that must not be asked."""

    def start(self, one: Any) -> Any:
        raise AssertionError(f"started {one}")


class Program:
    """Starts a program in place of a run."""

    def __init__(self, *words: str) -> None:
        self._words = words

    def start(self, _: Any) -> Any:
        process = subprocess.Popen(self._words)

        class Started:
            pid = process.pid

            def wait(self) -> int:
                return process.wait()

            def tail(self) -> str:
                return "ImportError: no such thing"

        return Started()


def add(store: Any, name: str = "s", **fields: Any) -> None:
    """Add a schedule that has one occurrence due now."""
    with store.write() as writer:
        fields = {"when": "every hour at :00", "missed": "all"} | fields
        writer.put(Schedule(name=name, **fields), now=time.time())
        writer.run_now(name, now=time.time() - 1)


def claimed(store: Any, owner: Owner) -> Any:
    with store.write() as writer:
        (one,) = claim(writer, owner, now=time.time(), lease=60, new_run=new_run_id)
    return one


def begun(store: Any, one: Any, runner: Owner) -> None:
    with store.write() as writer:
        assert begin(writer, one.id, one.run, one.fence, runner, now=time.time(), lease=60)


def state(store: Any, name: str = "s") -> Any:
    with store.read() as reader:
        return reader.history(name)[0]


def until(daemon: Any, done: Any, rounds: int = 400) -> None:
    for _ in range(rounds):
        daemon.round()
        if done():
            return
        time.sleep(0.02)
    raise AssertionError("it did not happen")


def test_it_runs_what_is_due(store, tmp_path: Path) -> None:
    add(store)
    daemon = make_daemon(store, Here(store.url, tmp_path / "ran"))
    until(daemon, lambda: state(store).state is OccurrenceState.SUCCEEDED)
    assert len((tmp_path / "ran").read_text().splitlines()) == 1
    until(daemon, lambda: b'state="succeeded"} 1.0' in daemon.metrics.text())


def test_a_claim_of_a_dead_daemon_is_taken_over_and_run_once(store, tmp_path: Path) -> None:
    add(store)
    old = claimed(store, DEAD)
    daemon = make_daemon(store, Here(store.url, tmp_path / "ran"))
    until(daemon, lambda: state(store).state is OccurrenceState.SUCCEEDED)
    found = state(store)
    assert len((tmp_path / "ran").read_text().splitlines()) == 1
    assert found.fence > old.fence
    assert len(found.attempts) == 1
    assert found.run != old.run


def test_a_living_run_of_a_dead_daemon_is_left_alone_until_it_dies(store) -> None:
    add(store, retries=1, backoff=1000)
    one = claimed(store, DEAD)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as run:
        begun(store, one, msgspec.structs.replace(me(), pid=run.pid, started=_started(run.pid)))
        daemon = make_daemon(store, Never())
        for _ in range(3):
            daemon._changes = -1
            daemon.round()
        assert state(store).state is OccurrenceState.RUNNING
        run.kill()
        run.wait()
    daemon._changes = -1
    daemon.round()
    found = state(store)
    assert (found.state, found.attempt) == (OccurrenceState.WAITING, 1)
    assert found.attempts[0].state is OccurrenceState.LOST


def test_what_the_run_says_of_itself_counts_more_than_its_death(store) -> None:
    """A run that was killed between its end and the note of it is not run again."""

    class Knows(Hooks):
        def outcome(self, run: str) -> tuple[OccurrenceState, str]:
            return OccurrenceState.SUCCEEDED, ""

    add(store, retries=5)
    begun(store, claimed(store, DEAD), DEAD)
    make_daemon(store, Never(), Knows()).round()
    assert state(store).state is OccurrenceState.SUCCEEDED


def test_a_run_of_another_machine_is_lost_when_its_lease_is_over(store) -> None:
    add(store)
    there = msgspec.structs.replace(me(), host="elsewhere")
    one = claimed(store, there)
    begun(store, one, there)
    daemon = make_daemon(store, Never())
    daemon.round()
    assert state(store).state is OccurrenceState.RUNNING
    with store.write() as writer:
        writer.connection.execute(sa.text("UPDATE mlops_occurrences SET lease = 1"))
        writer.touch()
    daemon.round()
    assert state(store).state is OccurrenceState.LOST


def test_a_process_that_dies_before_it_begins_is_a_failure_with_its_last_words(store) -> None:
    hooks = Hooks()
    add(store)
    daemon = make_daemon(store, Program("false"), hooks)
    until(daemon, lambda: state(store).state is OccurrenceState.FAILED)
    assert "ended with 1 before the run began: ImportError" in state(store).why
    daemon._aside._once()
    assert [one.kind for one in hooks.notices] == [NoticeKind.FAILURE]


def test_the_projects_folder_shadows_no_module_of_a_run(store, tmp_path: Path) -> None:
    (tmp_path / "mlops_nb.py").write_text("raise SystemExit(99)")
    add(store)
    started = ProcessLauncher(tmp_path / "pipeline.yaml", tmp_path / "logs").start(
        claimed(store, me())
    )
    assert started.wait() not in (0, 99)
    assert "project" in started.tail()


def test_a_process_that_cannot_be_started_is_a_failure(store) -> None:
    class Full:
        def start(self, _: Any) -> Any:
            raise ScheduleError("its process cannot be started: out of memory")

    add(store)
    make_daemon(store, Full()).round()
    assert "out of memory" in state(store).why


@pytest.mark.parametrize(
    ("pragma", "said"),
    [("query_only = ON", "readonly"), ("max_page_count = 1", "disk is full")],
    ids=["read-only", "full disk"],
)
def test_a_store_that_fails_is_told_survived_and_recorded(store, tmp_path, pragma, said) -> None:
    hooks = Hooks()
    with store.write() as writer:
        for number in range(300):
            writer.put(
                Schedule(
                    name=f"s{number}", when="every second", missed="all", overlap=Overlap.QUEUE
                ),
                now=time.time() - 3,
            )
    broken = True

    @sa.event.listens_for(store._engine, "checkout")
    def _break(connection: Any, *_: Any) -> None:
        undo = "query_only = OFF" if "query" in pragma else "max_page_count = 1000000"
        connection.execute(f"PRAGMA {pragma if broken else undo}")

    daemon = make_daemon(store, Here(store.url, tmp_path / "ran"), hooks)
    pause = daemon.round()
    assert said in daemon.health().trouble
    assert not daemon.health().ok
    assert daemon.round() > pause
    daemon._aside._once()
    assert [one.kind for one in hooks.notices] == [NoticeKind.STORE]
    assert said in hooks.notices[0].text
    broken = False
    until(daemon, lambda: (tmp_path / "ran").exists())
    assert daemon.health().ok
    daemon._aside._once()
    assert hooks.notices[1].text.startswith("the store of schedules failed from")
    # What was due meanwhile has its row all the same.
    with store.read() as reader:
        assert len(reader.history("s0", limit=100)) >= 3


def test_an_idle_daemon_leaves_the_store_alone_and_wakes_for_a_change(store) -> None:
    daemon = make_daemon(store, Never())
    daemon.round()
    ticks = _ticks(daemon)
    for _ in range(20):
        assert 0 < daemon.round() <= 1.0
    assert _ticks(daemon) == ticks
    with store.write() as writer:
        writer.put(Schedule(name="s", when="every day at 6"), now=time.time())
    daemon.round()
    assert _ticks(daemon) == ticks + 1


def test_a_clock_set_back_is_looked_at_at_once(store, monkeypatch) -> None:
    clock = time.time() + 86_400
    monkeypatch.setattr(store, "clock", lambda: clock)
    daemon = make_daemon(store, Never())
    daemon.round()
    ticks = _ticks(daemon)
    clock = time.time()
    daemon.round()
    assert _ticks(daemon) == ticks + 1
    daemon.round()
    assert _ticks(daemon) == ticks + 1


def test_an_embedded_daemon_stands_by_for_a_stand_alone_one(store, tmp_path: Path) -> None:
    add(store)
    alone = SchedulerStatus(
        id="alone", host=me().host, pid=me().pid, embedded=False,
        state=SchedulerState.ACTIVE, started=0.0, seen=0.0,
    )  # fmt: skip
    with store.write() as writer:
        writer.seen(DaemonRow(status=alone, owner=me()), now=time.time())
    daemon = make_daemon(store, Here(store.url, tmp_path / "ran"))
    daemon._embedded = True
    assert daemon.round() > 0.5
    assert daemon.health().state == "standby"
    assert not (tmp_path / "ran").exists()
    with store.write() as writer:
        writer.gone("alone")
        writer.touch()
    until(daemon, lambda: state(store).state is OccurrenceState.SUCCEEDED)


def test_stopping_leaves_what_runs_and_forgets_the_daemon(store) -> None:
    add(store)
    daemon = make_daemon(store, Program("sleep", "3"))
    worker = threading.Thread(target=daemon.run)
    worker.start()
    while not daemon._mine:
        time.sleep(0.02)
    with store.read() as reader:
        assert [one.state for one in reader.daemons()] == [SchedulerState.ACTIVE]
    daemon.stop()
    worker.join(20)
    assert not worker.is_alive()
    with store.read() as reader:
        assert reader.daemons() == ()
    assert state(store).state is OccurrenceState.RUNNING


def test_who_cannot_be_told_is_told_later(store) -> None:
    class Deaf(Hooks):
        deaf = True

        def tell(self, notice: Any) -> None:
            if self.deaf:
                raise MonitoringError("the receiver is away")
            super().tell(notice)

    hooks = Deaf()
    add(store, parameters={"x": "{{ nobody }}"})
    daemon = make_daemon(store, Never(), hooks)
    daemon.round()
    daemon._aside._once()
    hooks.deaf = False
    daemon._aside._once()
    daemon._aside._once()
    assert [one.kind for one in hooks.notices] == [NoticeKind.FAILURE]


def test_a_notifier_that_breaks_ends_nothing_and_a_thread_that_ended_is_said(store) -> None:
    class Broken(Hooks):
        broken = True

        def tell(self, notice: Any) -> None:
            if self.broken:
                raise ValueError("no such channel")
            super().tell(notice)

    hooks = Broken()
    add(store, parameters={"x": "{{ nobody }}"})
    daemon = make_daemon(store, Never(), hooks)
    daemon.round()
    assert daemon._aside._once() > 0
    hooks.broken = False
    daemon._aside._once()
    assert len(hooks.notices) == 1
    assert daemon.health().ok
    daemon._aside._thread = threading.Thread(target=int)
    daemon._aside._thread.start()
    daemon._aside._thread.join()
    assert "thread for it has ended" in daemon.health().trouble
    assert not daemon.health().ok


def test_runs_are_kept_by_count_and_age(store, tmp_path: Path) -> None:
    add(store, keep=2)
    add(store, "other", keep_days=10)
    daemon = make_daemon(store, Here(store.url, tmp_path / "ran"))
    for _ in range(3):
        with store.write() as writer:
            writer.run_now("s", now=time.time() - 1)
    until(daemon, lambda: not _open(store))
    now = time.time()
    with store.read() as reader:
        ids = [one.run for one in reader.history("s")]
        assert expired(reader, now=now, history_days=90).runs == tuple(ids[2:])
        old = expired(reader, now=now + 11 * 86_400, history_days=5)
    assert len(old.runs) == 3
    for _ in range(2):
        with store.write() as writer:
            forget(writer, expired(writer, now=now + 11 * 86_400, history_days=5))
    with store.read() as reader:
        # Rows whose runs are kept stay with them: nothing else knows when to remove those.
        assert [one.run for one in reader.history("s")] == ids[:2]
        assert len(reader.history("other")) == 1
    # What a schedule has left goes when that is removed, and its rows after it.
    with store.write() as writer:
        writer.remove("s", now=now)
        old = expired(writer, now=now + 91 * 86_400, history_days=90)
        assert set(old.runs) == set(ids[:2])
        forget(writer, old)
        forget(writer, expired(writer, now=now + 91 * 86_400, history_days=90))
        assert writer.history("s") == ()


def test_a_run_that_cannot_be_removed_is_tried_again(store, tmp_path: Path) -> None:
    class Busy(Hooks):
        busy = True

        def forget(self, run: str) -> None:
            if self.busy:
                raise RunError("is still running")

    hooks, settings = Busy(), SchedulerSettings(history_days=90)
    add(store, keep_days=180)
    daemon = make_daemon(store, Here(store.url, tmp_path / "ran"), hooks)
    until(daemon, lambda: not _open(store))
    with store.write() as writer:
        writer.run_now("s", now=time.time() - 1)
    until(daemon, lambda: not _open(store))

    def runs(days: float) -> list[str]:
        store.clock = lambda: time.time() + days * 86_400
        clean_up(store, hooks, settings, Log(stream=io.StringIO()))
        with store.read() as reader:
            return [one.run for one in reader.history("s") if one.attempts]

    both = runs(100)
    assert len(both) == 2
    assert runs(190) == both
    hooks.busy = False
    assert runs(190) == []


def test_health_and_metrics_over_http(store) -> None:
    daemon = make_daemon(store, Never())
    daemon.round()
    server = HealthServer("127.0.0.1", 0, daemon.health, daemon.metrics.text)
    with contextlib.closing(server):
        good = httpx.get(f"{server.address}/healthz")
        assert (good.status_code, good.json()["state"]) == (200, "active")
        assert (
            "mlops_nb_scheduler_tick_seconds_count 1.0"
            in httpx.get(f"{server.address}/metrics").text
        )
        daemon._trouble = "the disk is full"
        bad = httpx.get(f"{server.address}/healthz")
        assert (bad.status_code, bad.json()["trouble"]) == (503, "the disk is full")
        assert httpx.get(f"{server.address}/else").status_code == 404


def _open(store: Any) -> bool:
    with store.read() as reader:
        return any(not one.state.is_final for one in reader.history())


def _ticks(daemon: Any) -> int:
    for line in daemon.metrics.text().decode().splitlines():
        if line.startswith("mlops_nb_scheduler_tick_seconds_count"):
            return int(float(line.split()[1]))
    raise AssertionError("no such series")


def _started(pid: int) -> float:
    from mlops_nb.processes import process_started

    return process_started(pid) or 0.0


@pytest.mark.parametrize("keep_runs", [False, True])
def test_runs_of_a_removed_schedule_go_with_its_history_unless_they_are_to_stay(
    store, keep_runs: bool
) -> None:
    add(store)
    now = time.time()
    with store.write() as writer:
        at = writer.run_now("s", now=now)
        (one,) = claim(writer, me(), now=now + 1, lease=60, new_run=lambda: "r", only=("s", at))
        finish(writer, one.id, one.run, OccurrenceState.SUCCEEDED, now=now + 2)
        # It keeps all its runs while it is there.
        assert expired(writer, now=now + 91 * 86_400, history_days=90).runs == ()
        writer.remove("s", now=now + 3, keep_runs=keep_runs)
        assert expired(writer, now=now + 89 * 86_400, history_days=90).runs == ()
        old = expired(writer, now=now + 91 * 86_400, history_days=90)
        assert old.runs == (() if keep_runs else ("r",))
        assert expired(writer, now=now + 91 * 86_400, history_days=0).runs == ()
        forget(writer, old)
        later = expired(writer, now=now + 92 * 86_400, history_days=90)
        assert later.runs == ()
        assert keep_runs or len(later.occurrences) == 1
