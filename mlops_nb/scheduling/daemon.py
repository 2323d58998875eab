"""The daemon: gives occurrences their rows, claims them, starts their runs and looks after them.

It may be killed at any point. What it knows stands in the store; what it has started goes on
without it and records its own end. Several daemons may work on one store.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from typing import TYPE_CHECKING

from mlops_nb.errors import ScheduleError
from mlops_nb.model import OccurrenceState, SchedulerState, SchedulerStatus
from mlops_nb.processes import me
from mlops_nb.scheduling.aside import Aside
from mlops_nb.scheduling.claims import claim
from mlops_nb.scheduling.course import extend, finish, open_ones, take_back, tell_late
from mlops_nb.scheduling.health import Health
from mlops_nb.scheduling.launcher import kill_session
from mlops_nb.scheduling.metrics import Metrics
from mlops_nb.scheduling.reconcile import Exit, judge
from mlops_nb.scheduling.store import DaemonRow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mlops_nb.scheduling.chores import Hooks
    from mlops_nb.scheduling.claims import Claim
    from mlops_nb.scheduling.course import Open
    from mlops_nb.scheduling.launcher import Launched, Launcher
    from mlops_nb.scheduling.log import Log
    from mlops_nb.scheduling.settings import SchedulerSettings
    from mlops_nb.scheduling.store import ScheduleStore
    from mlops_nb.scheduling.writer import Writer

__all__ = ["Daemon"]

_LOOK = 1.0
"""Seconds between two looks at whether somebody changed the store."""
_SIGN = 15.0
"""Seconds between two signs of life."""
_WATCH = 2.0
"""Seconds between two looks at runs of other processes."""
_LONGEST_PAUSE = 30.0
"""Seconds between two tries of a store that fails."""


class Daemon:
    """One daemon.

    Parameters
    ----------
    store
        The schedules.
    launcher
        Starts runs.
    settings
        Limits and leases.
    new_run
        Makes the id of a run.
    hooks
        Tells people, reads how runs ended, removes old ones.
    log
        Takes what happens.
    embedded
        Stand by while a stand-alone daemon is there.
    """

    def __init__(
        self,
        store: ScheduleStore,
        launcher: Launcher,
        settings: SchedulerSettings,
        *,
        new_run: Callable[[], str],
        hooks: Hooks,
        log: Log,
        embedded: bool = False,
    ) -> None:
        self._store, self._launcher, self._settings = store, launcher, settings
        self._new_run, self._hooks, self._log, self._embedded = new_run, hooks, log, embedded
        self.metrics = Metrics()
        self.address = ""
        self.id = secrets.token_hex(8)
        self._me, self._started = me(), time.time()
        self._wake = threading.Event()
        self._stopping = False
        self._mine: dict[str, Launched] = {}
        self._exits: dict[str, Exit] = {}
        self._state = SchedulerState.ACTIVE
        self._seen = self._watched = 0.0
        self._changes = -1
        self._due: float | None = 0.0
        self._open = 0
        self._good, self._trouble, self._bad_since, self._pause = time.time(), "", 0.0, 0.0
        self._aside = Aside(store, hooks, settings, log)

    def run(self, *, wait: bool = False) -> None:
        """Work until `stop` is called.

        Parameters
        ----------
        wait
            Then wait for the runs that were started here; by default they are left to go on.
        """
        self._log("daemon started", id=self.id, embedded=self._embedded)
        self._aside.start()
        try:
            while not self._stopping:
                self._wake.wait(self.round())
                self._wake.clear()
            while wait and self._mine:
                self._wake.wait(min(self.round(), _LOOK))
                self._wake.clear()
        finally:
            self._aside.stop()
            with contextlib.suppress(ScheduleError), self._store.write(durable=False) as writer:
                writer.gone(self.id)
                writer.touch()
            self._log("daemon stopped", id=self.id, left_running=len(self._mine))

    def stop(self) -> None:
        """Claim nothing more and let `run` return; safe in signal handlers and other threads."""
        self._stopping = True
        self._state = SchedulerState.STOPPING
        self._wake.set()

    def health(self) -> Health:
        """Return how the daemon is."""
        late = time.time() - self._good > 2 * _LONGEST_PAUSE
        trouble = self._trouble or ("it has not looked for a while" if late else "")
        if self._aside.died:
            trouble = trouble or "nobody is told of anything: the thread for it has ended"
        return Health(
            ok=not trouble,
            state=self._state.value,
            id=self.id,
            last_tick=self._good,
            running=self._open,
            next_due=self._due,
            trouble=trouble,
        )

    def round(self) -> float:
        """Do what is due; return the seconds until the next look."""
        # The one border for a store that fails: the daemon lives on, and says so.
        try:
            pause = self._round()
        except ScheduleError as error:
            return self._on_trouble(error)
        if self._trouble:
            self._on_recovery()
        return pause

    def _round(self) -> float:
        now = self._store.clock()
        changes = self._store.changes()
        due = self._due is not None and now >= self._due
        watch = self._open and _is_over(self._watched, _WATCH, now)
        sign = _is_over(self._seen, _SIGN, now)
        if changes != self._changes or due or self._exits or watch or sign:
            began = time.perf_counter()
            self._changes = changes
            self._work(now)
            self.metrics.tick.observe(time.perf_counter() - began)
        self._good = time.time()
        self.metrics.last_tick.set(self._good)
        left = _LOOK if self._due is None else self._due - self._store.clock()
        return max(0.0, min(left, _LOOK))

    def _work(self, now: float) -> None:
        exits = dict(self._exits)
        with self._store.write(durable=False) as writer:
            self._sign(writer, now)
            claims: tuple[Claim, ...] = ()
            if self._state is SchedulerState.ACTIVE:
                writer.catch_up(now)
                missed = writer.leave_out(now)
                tell_late(writer, now=now)
                claims = claim(
                    writer,
                    self._me,
                    now=now,
                    lease=self._settings.lease,
                    new_run=self._new_run,
                    limit=self._settings.max_running,
                )
                if missed:
                    self._log("occurrences missed", level="warning", count=missed)
            opened = open_ones(writer)
            counts = writer.counts(now)
            # What another daemon will do is nothing to wake up for.
            active = self._state is SchedulerState.ACTIVE
            self._due = writer.next_due(now) if active else None
            if writer.untold(1):
                self._aside.wake()
        for one in claims:
            self._launch(one, now)
        self._look_after([one for one in opened if one.run not in {c.run for c in claims}], exits)
        self._watched = now
        self._open = len(opened)
        self.metrics.running.set(len(opened))
        self.metrics.waiting.set(counts)
        self.metrics.next_due.set(self._due or 0)
        self.metrics.active.set(self._state is SchedulerState.ACTIVE)

    def _sign(self, writer: Writer, now: float) -> None:
        """Leave a sign of life when it is time for one, or when another daemon came or went."""
        is_time = _is_over(self._seen, _SIGN, now)
        if not is_time and not self._embedded:
            return
        state = self._stand(writer.daemons())
        if not is_time and state is self._state:
            return
        self._state = state
        writer.seen(DaemonRow(status=self._status(), owner=self._me), now=now)
        if not self._seen and not self._embedded:
            # Those that stand by should not learn of it a sign of life later.
            writer.touch()
            self._changes += 1
        self._seen = now

    def _launch(self, one: Claim, now: float) -> None:
        self.metrics.started.labels(one.schedule).inc()
        self.metrics.lag.observe(max(0.0, now - one.at))
        try:
            started = self._launcher.start(one)
        except ScheduleError as error:
            self._log("start failed", level="error", schedule=one.schedule, error=str(error))
            self._finish(one.id, one.run, one.schedule, OccurrenceState.FAILED, str(error))
            return
        self._mine[one.run] = started
        self._log(
            "run started",
            schedule=one.schedule,
            at=one.at,
            run=one.run,
            attempt=one.attempt,
            pid=started.pid,
        )
        threading.Thread(
            target=self._await, args=(one.run, started), name=one.run, daemon=True
        ).start()

    def _await(self, run: str, started: Launched) -> None:
        code = started.wait()
        self._exits[run] = Exit(code=code, tail=started.tail() if code else "")
        self._wake.set()

    def _look_after(self, opened: Sequence[Open], exits: dict[str, Exit]) -> None:
        for one in opened:
            now = self._store.clock()
            found = judge(
                one,
                me=self._me,
                exits=exits,
                mine=self._mine,
                outcome=self._hooks.outcome,
                now=now,
            )
            if found is None:
                if one.runner is None and one.lease - now < self._settings.lease / 2:
                    with self._store.write(durable=False) as writer:
                        extend(writer, one, now=now, lease=self._settings.lease)
                continue
            if found.kill:
                kill_session(found.kill)
            if found.state is None:
                with self._store.write(durable=False) as writer:
                    if take_back(writer, one, now=now):
                        self._log("claim taken back", level="warning", schedule=one.schedule)
                self._due = 0.0
            else:
                self._finish(one.id, one.run, one.schedule, found.state, found.why, found.exit_code)
        for run, left in exits.items():
            self._exits.pop(run, None)
            self._mine.pop(run, None)
            self._log("run ended", run=run, exit_code=left.code)
        if exits:
            self._count(list(exits))

    def _finish(
        self,
        occurrence: int,
        run: str,
        schedule: str,
        state: OccurrenceState,
        why: str,
        exit_code: int | None = None,
    ) -> None:
        now = self._store.clock()
        with self._store.write(durable=False) as writer:
            done = finish(writer, occurrence, run, state, now=now, why=why, exit_code=exit_code)
        if done:
            self._due = 0.0
            self._log(
                "run recorded",
                level="warning",
                schedule=schedule,
                run=run,
                state=state.value,
                why=why,
            )

    def _count(self, runs: Sequence[str]) -> None:
        with self._store.read() as reader:
            for schedule, state in reader.ends(runs):
                self.metrics.ended(schedule, state)

    def _stand(self, others: Sequence[SchedulerStatus]) -> SchedulerState:
        if self._stopping:
            return SchedulerState.STOPPING
        alone = not any(
            one.id != self.id and not one.embedded and one.state is SchedulerState.ACTIVE
            for one in others
        )
        state = SchedulerState.ACTIVE if alone or not self._embedded else SchedulerState.STANDBY
        if state is not self._state:
            self._log("daemon is " + state.value, id=self.id)
        return state

    def _status(self) -> SchedulerStatus:
        return SchedulerStatus(
            id=self.id,
            host=self._me.host,
            pid=self._me.pid,
            embedded=self._embedded,
            state=self._state,
            started=self._started,
            seen=time.time(),
            address=self.address,
        )

    def _on_trouble(self, error: ScheduleError) -> float:
        self.metrics.trouble.inc()
        if not self._trouble:
            self._bad_since = time.time()
            # The store cannot keep the message, so it is told at once.
            self._aside.tell_now(self._bad_since, str(error))
        self._trouble = str(error)
        self._log("store failed", level="error", error=str(error))
        self._pause = min(max(1.0, 2 * self._pause), _LONGEST_PAUSE)
        return self._pause

    def _on_recovery(self) -> None:
        self._log("store works again", after=round(time.time() - self._bad_since, 1))
        self._aside.note_outage(self._bad_since, time.time(), self._trouble)
        self._trouble, self._pause = "", 0.0


def _is_over(since: float, pause: float, now: float) -> bool:
    """Whether a pause is over; also where the clock was set back meanwhile."""
    return not 0 <= now - since < pause
