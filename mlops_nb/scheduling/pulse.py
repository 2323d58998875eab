"""Keeps a run's claim alive while it works, and ends a run that has to stop and does not."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING

from mlops_nb.errors import ScheduleError
from mlops_nb.model import OccurrenceState
from mlops_nb.scheduling.course import finish, renew

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops_nb.scheduling.store import ScheduleStore

__all__ = ["Pulse"]


class Pulse:
    """A thread that renews one claim; use it in a ``with`` block.

    Parameters
    ----------
    store, occurrence, run
        Whose claim it is.
    lease
        Seconds that one sign of life holds.
    stop
        Called once when the run has to stop.
    kill_after
        Seconds after that until this process and its children are killed; 0 for never.
    """

    def __init__(
        self,
        store: ScheduleStore,
        occurrence: int,
        run: str,
        *,
        lease: float,
        stop: Callable[[], None],
        kill_after: float = 0.0,
    ) -> None:
        self._store, self._occurrence, self._run = store, occurrence, run
        self._lease, self._stop, self._kill_after = lease, stop, kill_after
        self._done = threading.Event()
        self._kill_at: float | None = None
        self._deadline: float | None = None
        self.lost = False
        """Whether the occurrence was given to somebody else: nothing may be recorded."""
        self.cancelled = ""
        """Why the run was asked to stop."""
        self.timed_out = ""
        self._thread = threading.Thread(target=self._beat, name="claim", daemon=True)

    def __enter__(self) -> Pulse:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join(timeout=self._lease)

    def limit(self, seconds: float) -> None:
        """Let the run stop that many seconds from now."""
        self._deadline = time.monotonic() + seconds
        self._timeout = seconds

    def unlimit(self) -> None:
        """Let it take what time it needs from now on."""
        self._deadline = None

    def _beat(self) -> None:
        # A run is asked to stop by whoever cancels its occurrence: it should hear so within seconds.
        pause = min(self._lease / 4, 2.0)
        while not self._done.wait(pause):
            now = time.monotonic()
            if self._deadline is not None and now >= self._deadline and not self.timed_out:
                self.timed_out = f"it did not end within {self._timeout:g} s"
                self._ask()
            if self._kill_at is not None and now >= self._kill_at:
                self._kill()
            try:
                with self._store.write(durable=False) as writer:
                    said = renew(
                        writer, self._occurrence, self._run, now=self._now(), lease=self._lease
                    )
            except ScheduleError:
                # A store that is away for a moment costs nothing: the lease is longer.
                continue
            if said is None and not self._done.is_set():
                self.lost = True
            self.cancelled = self.cancelled or said or ""
            if self.lost or self.cancelled:
                self._ask()

    def _now(self) -> float:
        return self._store.clock()

    def _ask(self) -> None:
        if self._kill_at is None:
            self._kill_at = time.monotonic() + (self._kill_after or float("inf"))
            self._stop()

    def _kill(self) -> None:
        """Record how it ends and end it, with everything that it has started."""
        if not self.lost:
            state = OccurrenceState.CANCELLED if self.cancelled else OccurrenceState.TIMED_OUT
            why = (self.cancelled or self.timed_out) + ", and was killed"
            try:
                with self._store.write(durable=False) as writer:
                    finish(writer, self._occurrence, self._run, state, now=self._now(), why=why)
            except ScheduleError:
                # Whoever looks after the store finds this process gone and records that.
                pass
        if os.name == "posix" and os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)
        os._exit(int(signal.SIGKILL) + 128)
