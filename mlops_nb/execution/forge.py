"""Forks worker processes from one that has imported Ploomber already.

Importing Ploomber takes seconds, for every function, script or statement of a pipeline. The forge
imports it once, while the run's first notebooks execute, and only imports it: nothing of the
project, and nothing is run before a fork. Where that cannot be done safely (another system than
Linux, a library that starts threads) each job starts its own interpreter.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any

from mlops_nb.execution.inheritance import inherited
from mlops_nb.execution.threads import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["Forge", "Forged"]

_READY = 120.0
"""Seconds that the imports may take."""
_STOP = 5.0
_SLICE = 0.2
"""Seconds between two looks whether somebody still waits."""


class Forge:
    """One process to fork workers from; safe to use from several threads.

    A context manager: `start` returns at once, the first job waits until the imports are done.
    """

    def __init__(self, threads: Mapping[str, str] | None = None) -> None:
        self._threads = dict(threads or {})
        """How many threads libraries may start, which they read once, when they are loaded."""
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._ready: bool | None = None
        self._started = 0.0
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the process, where the system can fork; do nothing where it runs already."""
        if sys.platform != "linux":
            return
        with self._lock:
            if self._process is not None or self._ready is not None:
                return
            from mlops_nb.pipeline.worker import environment

            self._started = monotonic()
            self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            command = ["-P", "-m", "mlops_nb.execution.forge_main", str(theirs.fileno())]
            with theirs, suppress(OSError):
                self._process = subprocess.Popen(
                    [sys.executable, *command],
                    cwd="/",
                    env={**environment(), **self._threads},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                )

    def spawn(
        self,
        module: str,
        arguments: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        log: int,
        lifeline: int,
        cancel: threading.Event | None = None,
    ) -> Forged | None:
        """Fork a worker; ``None`` where this cannot be done, and one has to be started afresh.

        Parameters
        ----------
        module, arguments
            The module whose ``main(arguments)`` is called, and whose result is the exit code.
        cwd, env
            Its folder, and its whole environment.
        log
            Descriptor of the file that takes what it prints.
        lifeline
            Reading end of a pipe; at its end of file the worker's process group is killed.
        cancel
            Ends the wait for the imports when it is set.
        """
        own = {**os.environ, **self._threads}
        if any(env.get(name) != own.get(name) for name in VARIABLES):
            return None
        if not self._is_ready(cancel):
            return None
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        request = json.dumps(
            {"argv": [module, *arguments], "cwd": str(cwd), "env": dict(env), **inherited()}
        ).encode()
        try:
            with theirs, self._lock:
                if self._control is None:
                    raise OSError("the forge was closed")
                socket.send_fds(self._control, [b"fork"], [theirs.fileno(), lifeline, log])
            ours.sendall(len(request).to_bytes(4, "little") + request)
            answer = json.loads(ours.recv(4096) or b"{}")
        except (OSError, ValueError):
            answer = {}
        if "pid" not in answer:
            ours.close()
            return None
        return Forged(answer["pid"], ours)

    def close(self) -> None:
        """End the process and every worker that it forked, for good."""
        patience = _STOP if self._ready else 0.0  # it may import for long
        self._ready = False
        with self._lock:
            process, control = self._process, self._control
            self._process = self._control = None
            self._ready = False
        if control is not None:
            control.close()
        if process is not None:
            try:
                process.wait(patience)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _is_ready(self, cancel: threading.Event | None = None) -> bool:
        while True:
            with self._lock:  # not for long: somebody may want to close it
                if self._ready is None and self._control is not None and self._process is not None:
                    self._look(self._control)
                else:
                    return bool(self._ready)
            if cancel is not None and cancel.is_set():
                return False

    def _look(self, control: socket.socket) -> None:
        """Find out whether the imports are done, if it is told within a moment."""
        control.settimeout(_SLICE)
        try:
            self._ready = control.recv(16) == b"ready"
        except TimeoutError:
            if monotonic() - self._started > _READY:
                self._ready = False
        except OSError:
            self._ready = False
        finally:
            control.settimeout(None)

    def __enter__(self) -> Forge:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Forged:
    """A forked worker, from its owner's side."""

    def __init__(self, pid: int, status: socket.socket) -> None:
        self.pid = pid
        self._status = status
        self._told: dict[str, Any] | None = None

    def fileno(self) -> int:
        """Return what becomes readable when the worker has ended."""
        return self._status.fileno()

    def signal(self, number: int) -> None:
        """Send a signal to the worker's process group."""
        with suppress(OSError):
            self._status.send(bytes([number]))

    def reap(self) -> tuple[int, float | None]:
        """Wait for the end; return the exit code, negative for a signal, and the peak in MiB."""
        if self._told is None:
            try:
                self._told = json.loads(self._status.recv(4096) or b"{}")
            except (OSError, ValueError):
                self._told = {}
        if "code" not in self._told:
            # The forge was killed, and its workers with it.
            with suppress(OSError):
                os.killpg(self.pid, signal.SIGKILL)
            return -signal.SIGKILL, None
        return self._told["code"], self._told["peak_kb"] / 1024

    def close(self) -> None:
        """Let go of the worker; whatever is left of it is killed."""
        self._status.close()
