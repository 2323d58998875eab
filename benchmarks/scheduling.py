"""Measures the scheduler: a round over 1,000 schedules, an idle daemon, and what kills lose or double."""

from __future__ import annotations

import io
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks._results import Figure, figure, main
from mlops_nb.model import OccurrenceState, Schedule
from mlops_nb.runs.store import new_run_id
from mlops_nb.scheduling.daemon import Daemon
from mlops_nb.scheduling.log import Log
from mlops_nb.scheduling.settings import SchedulerSettings
from mlops_nb.scheduling.store import ScheduleStore

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "scheduling"))
from chase import Chase, chase

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_nb.model import Notice
    from mlops_nb.scheduling.claims import Claim

SCHEDULES = 1000
START = 1_800_000_000.0


class _Nothing:
    """Starts nothing, tells nobody."""

    pid = 0

    def start(self, claim: Claim) -> _Nothing:
        return self

    def wait(self) -> int:
        threading.Event().wait()
        return 0

    def tail(self) -> str:
        return ""

    def outcome(self, run: str) -> tuple[OccurrenceState, str] | None:
        return None

    def tell(self, notice: Notice) -> None:
        return None

    def again(self) -> bool:
        return False

    def forget(self, run: str) -> None:
        return None

    def forget_frozen(self, needed: object, days: float) -> int:
        return 0


class _Clock(ScheduleStore):
    """A store whose clock is set by hand."""

    now = START

    def clock(self) -> float:
        return self.now


def _daemon(store: ScheduleStore) -> Daemon:
    nothing = _Nothing()
    return Daemon(
        store,
        nothing,
        SchedulerSettings(),
        new_run=new_run_id,
        hooks=nothing,
        log=Log("json", stream=io.StringIO()),
    )


def _filled(folder: str, when: str) -> _Clock:
    store = _Clock(f"sqlite:///{folder}/schedules.db")
    with store.write() as writer:
        for number in range(SCHEDULES):
            text = when.format(minute=number % 60, hour=number // 60 % 24)
            plan = Schedule(name=f"s{number}", when=text, timezone="Europe/Berlin")
            writer.put(plan, now=START)
    return store


def _ticks(when: str, step: float, rounds: int) -> list[float]:
    """Return the milliseconds of CPU of rounds, each a step of the clock after the one before."""
    with tempfile.TemporaryDirectory() as folder:
        store = _filled(folder, when)
        daemon = _daemon(store)
        daemon.round()
        found = []
        for number in range(1, rounds + 1):
            store.now = START + number * step
            began = time.process_time()
            daemon.round()
            found.append(1000 * (time.process_time() - began))
        store.close()
    return found


def _idle(seconds: float) -> float:
    """Return the share of one core that a daemon with 1,000 schedules uses while nothing is due."""
    with tempfile.TemporaryDirectory() as folder:
        store = _filled(folder, "{minute} {hour} 1 1 *")
        daemon = _daemon(store)
        worker = threading.Thread(target=daemon.run)
        worker.start()
        time.sleep(2)
        before, began = time.process_time(), time.monotonic()
        time.sleep(seconds)
        share = (time.process_time() - before) / (time.monotonic() - began)
        daemon.stop()
        worker.join()
        store.close()
    return 100 * share


def _killed(quick: bool) -> Chase:
    """Let three daemons work on one-second schedules while one of them is killed every few seconds."""
    with tempfile.TemporaryDirectory() as folder:
        return chase(
            f"sqlite:///{folder}/schedules.db",
            Path(folder),
            schedules=12 if quick else 300,
            seconds=6 if quick else 60,
            pause=(1.5, 3) if quick else (3, 5),
        )


def measure(quick: bool) -> Iterator[Figure]:
    """Yield the figures."""
    rounds = 5 if quick else 50
    usual = _ticks("{minute} {hour} * * *", 60.0, rounds)
    yield figure("tick_1000_ms", statistics.median(usual), "ms CPU", "<= 50")
    at_once = _ticks("0 * * * *", 3600.0, 3 if quick else 10)
    yield figure("tick_1000_all_due_ms", statistics.median(at_once), "ms CPU")
    yield figure("idle_cpu_percent", _idle(3 if quick else 30), "%", "<= 1")
    went = _killed(quick)
    yield figure("doubled", went.doubled, "occurrences", "<= 0")
    yield figure("missed", went.forgotten, "occurrences", "<= 0")
    yield figure("ran_under_kills", went.states.get("succeeded", 0), "occurrences")
    yield figure("left_out_by_policy", went.states.get("missed", 0), "occurrences")


if __name__ == "__main__":
    raise SystemExit(main("scheduling", measure, ["sqlalchemy", "cronsim"]))
