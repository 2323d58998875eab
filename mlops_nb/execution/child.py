"""Runs a module in a process group of its own, to its end, its time limit or its cancellation."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

from mlops_nb.execution.jobs import Cancellation
from mlops_nb.model import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

__all__ = ["ChildEnd", "run_child"]

_POLL = 0.25
"""Seconds; only where the system has no pidfd, or for an event that cannot be watched."""


class ChildEnd(Record, frozen=True, kw_only=True):
    """How a child ended."""

    code: int
    """As `subprocess.Popen.returncode`: negative for a signal."""
    timed_out: bool = False
    cancelled: bool = False
    peak_mb: float | None = None
    """Largest resident set, MiB."""


def run_child(
    module: str,
    arguments: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    log: Path,
    timeout: float | None,
    cancel: threading.Event,
    grace: float = 3.0,
) -> ChildEnd:
    """Run ``python -m module arguments`` and wait for it without polling.

    The child and all that it started are gone when this returns, and also when this process dies.

    Parameters
    ----------
    cwd
        Folder to run in.
    env
        The whole environment.
    log
        File that takes what the child prints; its folder is made.
    timeout
        Seconds; ``None`` for no limit.
    cancel
        Ends the child when it is set.
    grace
        Seconds between the interrupt and the kill.

    Raises
    ------
    OSError
        The process cannot be started, or the log cannot be written.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    lifeline, hold = os.pipe()
    try:
        with log.open("wb") as out:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "mlops_nb.execution.launch",
                    str(lifeline),
                    module,
                    *arguments,
                ],
                cwd=cwd,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                pass_fds=(lifeline,),
                start_new_session=True,
            )
        os.close(lifeline)
        lifeline = -1
        try:
            return _wait(process, timeout, cancel, grace)
        finally:
            _signal(process, signal.SIGKILL)
            process.wait()
    finally:
        for end in (lifeline, hold):
            if end >= 0:
                os.close(end)


def _wait(
    process: subprocess.Popen[bytes],
    timeout: float | None,
    cancel: threading.Event,
    grace: float,
) -> ChildEnd:
    with _Alarm(process, cancel) as alarm:
        deadline = None if timeout is None else monotonic() + timeout
        ended = alarm.wait(deadline)
        cancelled = not ended and cancel.is_set()
        if not ended:
            _signal(process, signal.SIGINT)
            alarm.only_the_end()
            if not alarm.wait(monotonic() + grace):
                _signal(process, signal.SIGKILL)
    code, peak = _reap(process)
    return ChildEnd(
        code=code, timed_out=not ended and not cancelled, cancelled=cancelled, peak_mb=peak
    )


class _Alarm:
    """Wakes up when a process ends, an event is set, or a moment has come."""

    def __init__(self, process: subprocess.Popen[bytes], cancel: threading.Event) -> None:
        self._process = process
        self._cancel: threading.Event | None = cancel
        self._unwatch: Callable[[], None] = lambda: None
        self._guard = threading.Lock()

    def __enter__(self) -> _Alarm:
        opener = getattr(os, "pidfd_open", None)
        self._pidfd = -1
        if opener is not None:
            with suppress(OSError):
                self._pidfd = opener(self._process.pid)
        self._bell, self._ring = os.pipe()
        os.set_blocking(self._ring, False)
        if isinstance(self._cancel, Cancellation):
            self._unwatch = self._cancel.watch(self._wake)
        return self

    def __exit__(self, *_: object) -> None:
        self._unwatch()
        with self._guard:
            for handle in (self._pidfd, self._bell, self._ring):
                if handle >= 0:
                    os.close(handle)
            self._ring = -1

    def _wake(self) -> None:
        # The canceller may be half-way through its list of watchers when the child ends.
        with self._guard:
            if self._ring >= 0:
                os.write(self._ring, b"!")

    def only_the_end(self) -> None:
        """Do not wake up for the event any more."""
        self._cancel = None

    def wait(self, deadline: float | None) -> bool:
        """Return whether the process has ended; False where the event or the moment came first."""
        watched = isinstance(self._cancel, Cancellation) or self._cancel is None
        polled = self._pidfd < 0 or not watched
        while True:
            if self._cancel is not None and self._cancel.is_set():
                return False
            left = None if deadline is None else deadline - monotonic()
            if left is not None and left <= 0:
                return False
            if polled:
                left = _POLL if left is None else min(left, _POLL)
            poll = select.poll()
            if self._pidfd >= 0:
                poll.register(self._pidfd, select.POLLIN)
            if self._cancel is not None:
                poll.register(self._bell, select.POLLIN)
            ready = poll.poll(None if left is None else left * 1000)
            if any(handle == self._pidfd for handle, _ in ready):
                return True
            if self._pidfd < 0 and _has_ended(self._process.pid):
                return True


def _has_ended(pid: int) -> bool:
    with suppress(ChildProcessError):
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    return True


def _reap(process: subprocess.Popen[bytes]) -> tuple[int, float | None]:
    if not hasattr(os, "wait4"):
        return process.wait(), None
    try:
        _, status, usage = os.wait4(process.pid, 0)
    except ChildProcessError:
        return process.wait(), None
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    # The group lives as long as anything in it, so its number is not given away before.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
