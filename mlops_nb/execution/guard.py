"""Watches one running kernel: cancellation, the notebook's deadline and each cell's.

The guard is one thread per notebook, asleep until something is due. It interrupts the kernel,
gives it a grace to come back with a traceback, and then kills it; whoever drives the kernel learns
from `Guard.reason` why it went away.
"""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING

from mlops_nb.execution.jobs import Cancellation
from mlops_nb.model import TaskStatus

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Guard"]

_POLL = 0.25  # seconds; only for a plain threading.Event, which cannot be waited for with others


class Guard:
    """Ends a kernel that is cancelled or out of time.

    Parameters
    ----------
    timeout, cell_timeout
        Seconds for the whole notebook from now, and for each cell; ``None`` for no limit.
    grace
        Seconds between the interrupt and the kill.
    cancel
        Set from outside to end the kernel.
    """

    def __init__(
        self,
        *,
        timeout: float | None = None,
        cell_timeout: float | None = None,
        grace: float = 3.0,
        cancel: threading.Event | None = None,
    ) -> None:
        self.reason: TaskStatus | None = None
        """Why the kernel was ended: ``TIMED_OUT``, ``CANCELLED`` or ``None``."""
        self.limit = ""
        """Which limit was passed, for people."""
        self._timeout = timeout
        self._cell_timeout = cell_timeout
        self._deadline = None if timeout is None else monotonic() + timeout
        self._cell_deadline: float | None = None
        self._grace = grace
        self._cancel = cancel
        self._interrupt: Callable[[], None] | None = None
        self._kill: Callable[[], None] | None = None
        self._wake = threading.Condition()
        self._over = False
        self._thread: threading.Thread | None = None
        self._unwatch: Callable[[], None] = lambda: None

    def __enter__(self) -> Guard:
        if isinstance(self._cancel, Cancellation):
            self._unwatch = self._cancel.watch(self._nudge)
        if self._cancel or self._deadline is not None or self._cell_timeout is not None:
            self._thread = threading.Thread(target=self._watch, name="mlops-nb guard", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._unwatch()
        with self._wake:
            self._over = True
            self._wake.notify_all()
        if self._thread is not None:
            self._thread.join()

    def check(self) -> bool:
        """Whether the notebook was cancelled, or out of time, before there was a kernel to end."""
        if self.reason is None:
            if self.cancelled:
                self._end_for_the_caller()
            elif self._deadline is not None and monotonic() >= self._deadline:
                self._too_long()
        return self.fired()

    def fired(self) -> bool:
        """Whether the guard has ended the kernel, or is about to."""
        return self.reason is not None

    @property
    def cancelled(self) -> bool:
        """Whether the caller cancelled."""
        return self._cancel is not None and self._cancel.is_set()

    def limit_cells(self, seconds: float) -> None:
        """Give each cell a limit, where there is none yet."""
        if self._cell_timeout is None:
            self._cell_timeout = seconds

    def attach(self, interrupt: Callable[[], None], kill: Callable[[], None]) -> None:
        """Name the functions that interrupt and kill the kernel, once there is one."""
        with self._wake:
            self._interrupt, self._kill = interrupt, kill
            self._wake.notify_all()

    def detach(self) -> None:
        """Take the kernel out of the guard's reach before it is shut down."""
        with self._wake:
            self._interrupt = self._kill = None

    def cell_starts(self) -> None:
        """Start the clock of a cell."""
        if self._cell_timeout is not None:
            with self._wake:
                self._cell_deadline = monotonic() + self._cell_timeout
                self._wake.notify_all()

    def cell_ends(self) -> None:
        """Stop the clock of a cell."""
        with self._wake:
            self._cell_deadline = None

    def _end_for_the_caller(self) -> None:
        limit = self._cancel.limit if isinstance(self._cancel, Cancellation) else ""
        if limit:
            self.limit = limit
        self.reason = TaskStatus.TIMED_OUT if limit else TaskStatus.CANCELLED

    def _nudge(self) -> None:
        with self._wake:
            self._wake.notify_all()

    def _watch(self) -> None:
        with self._wake:
            while not self._over and self._kill is None:
                self._sleep(None)
            while not self._over:
                if self.cancelled:
                    self._end_for_the_caller()
                    break
                now = monotonic()
                if self._deadline is not None and now >= self._deadline:
                    self._too_long()
                    break
                if self._cell_deadline is not None and now >= self._cell_deadline:
                    self.reason = TaskStatus.TIMED_OUT
                    self.limit = f"the cell took longer than {self._cell_timeout:g} s"
                    break
                due = [d for d in (self._deadline, self._cell_deadline) if d is not None]
                self._sleep(min(due) - now if due else None)
            if self._over or self._interrupt is None or self._kill is None:
                return
            self._interrupt()
            end = monotonic() + self._grace
            while not self._over and (left := end - monotonic()) > 0:
                self._wake.wait(left)
            # The driver detaches a kernel before it waits for it: what is still here hangs.
            if self._kill is not None and not self._over:
                self._kill()

    def _too_long(self) -> None:
        self.reason = TaskStatus.TIMED_OUT
        self.limit = f"the notebook took longer than {self._timeout:g} s"

    def _sleep(self, seconds: float | None) -> None:
        if self._cancel is not None and not isinstance(self._cancel, Cancellation):
            seconds = _POLL if seconds is None else min(seconds, _POLL)
        self._wake.wait(seconds)
