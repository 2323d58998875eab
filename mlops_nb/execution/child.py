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
from typing import IO, TYPE_CHECKING, Protocol

from mlops_nb.execution.jobs import Cancellation
from mlops_nb.model import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from mlops_nb.execution.forge import Forge

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
    forge: Forge | None = None,
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
    forge
        Where to fork the child from; a new interpreter is started without one, or if it cannot.

    Raises
    ------
    OSError
        The process cannot be started, or the log cannot be written.
    """
    if cancel.is_set():
        return ChildEnd(code=-signal.SIGINT, cancelled=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    lifeline, hold = os.pipe()
    life: Life | None = None
    try:
        with log.open("wb") as out:
            if forge is not None:
                life = forge.spawn(
                    module,
                    arguments,
                    cwd=cwd,
                    env=env,
                    log=out.fileno(),
                    lifeline=lifeline,
                    cancel=cancel,
                )
            if life is None and cancel.is_set():
                return ChildEnd(code=-signal.SIGINT, cancelled=True)
            if life is None:
                life = _Started(module, arguments, cwd=cwd, env=env, out=out, lifeline=lifeline)
        os.close(lifeline)
        lifeline = -1
        return _wait(life, timeout, cancel, grace)
    finally:
        if life is not None:
            life.close()
        for end in (lifeline, hold):
            if end >= 0:
                os.close(end)


class Life(Protocol):
    """A process group that somebody waits for."""

    def fileno(self) -> int:
        """Return what becomes readable when its leader has ended; -1 where nothing does."""
        ...

    def signal(self, number: int) -> None:
        """Send a signal to all of it."""
        ...

    def reap(self) -> tuple[int, float | None]:
        """Wait for the end; return the exit code, negative for a signal, and the peak in MiB."""
        ...

    def close(self) -> None:
        """Kill what is left of it."""
        ...


class _Started:
    """A child with an interpreter of its own."""

    def __init__(
        self,
        module: str,
        arguments: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        out: IO[bytes],
        lifeline: int,
    ) -> None:
        launch = ["-P", "-m", "mlops_nb.execution.launch", str(lifeline), module, *arguments]
        self._process = subprocess.Popen(
            [sys.executable, *launch],
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            pass_fds=(lifeline,),
            start_new_session=True,
        )
        self._pidfd = -1
        opener = getattr(os, "pidfd_open", None)
        if opener is not None:
            with suppress(OSError):
                self._pidfd = opener(self._process.pid)

    def fileno(self) -> int:
        return self._pidfd

    def has_ended(self) -> bool:
        """Return whether it has ended, without reaping it: until then its number is its own."""
        with suppress(ChildProcessError):
            return (
                os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
                is not None
            )
        return True

    def signal(self, number: int) -> None:
        # The group lives as long as anything in it, so its number is not given away before.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def reap(self) -> tuple[int, float | None]:
        if not hasattr(os, "wait4"):
            return self._process.wait(), None
        try:
            _, status, usage = os.wait4(self._process.pid, 0)
        except ChildProcessError:
            return self._process.wait(), None
        self._process.returncode = os.waitstatus_to_exitcode(status)
        peak = usage.ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)
        return self._process.returncode, peak

    def close(self) -> None:
        self.signal(signal.SIGKILL)
        self._process.wait()
        if self._pidfd >= 0:
            os.close(self._pidfd)


def _wait(life: Life, timeout: float | None, cancel: threading.Event, grace: float) -> ChildEnd:
    with _Alarm(life, cancel) as alarm:
        deadline = None if timeout is None else monotonic() + timeout
        ended = alarm.wait(deadline)
        cancelled = not ended and cancel.is_set()
        if not ended:
            life.signal(signal.SIGINT)
            alarm.only_the_end()
            if not alarm.wait(monotonic() + grace):
                life.signal(signal.SIGKILL)
    code, peak = life.reap()
    return ChildEnd(
        code=code, timed_out=not ended and not cancelled, cancelled=cancelled, peak_mb=peak
    )


class _Alarm:
    """Wakes up when a process ends, an event is set, or a moment has come."""

    def __init__(self, life: Life, cancel: threading.Event) -> None:
        self._life = life
        self._cancel: threading.Event | None = cancel
        self._unwatch: Callable[[], None] = lambda: None
        self._guard = threading.Lock()

    def __enter__(self) -> _Alarm:
        self._bell, self._ring = os.pipe()
        os.set_blocking(self._ring, False)
        if isinstance(self._cancel, Cancellation):
            self._unwatch = self._cancel.watch(self._wake)
        return self

    def __exit__(self, *_: object) -> None:
        self._unwatch()
        with self._guard:
            os.close(self._bell)
            os.close(self._ring)
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
        end = self._life.fileno()
        polled = end < 0 or not watched
        while True:
            if self._cancel is not None and self._cancel.is_set():
                return False
            left = None if deadline is None else deadline - monotonic()
            if left is not None and left <= 0:
                return False
            if polled:
                left = _POLL if left is None else min(left, _POLL)
            poll = select.poll()
            if end >= 0:
                poll.register(end, select.POLLIN)
            if self._cancel is not None:
                poll.register(self._bell, select.POLLIN)
            ready = poll.poll(None if left is None else left * 1000)
            if any(handle == end for handle, _ in ready):
                return True
            if isinstance(self._life, _Started) and end < 0 and self._life.has_ended():
                return True
