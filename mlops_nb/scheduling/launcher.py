"""Starts the process of a run; it outlives the daemon that started it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Protocol

from mlops_nb.errors import ScheduleError
from mlops_nb.scheduling.zones import iso

if TYPE_CHECKING:
    from pathlib import Path

    from mlops_nb.scheduling.claims import Claim

__all__ = ["Launched", "Launcher", "ProcessLauncher", "kill_session"]

_TAIL = 4000


class Launched(Protocol):
    """A process that a launcher has started."""

    @property
    def pid(self) -> int:
        """Its number."""
        ...

    def wait(self) -> int:
        """Wait for its end in a thread, and return its exit code."""
        ...

    def tail(self) -> str:
        """Return the end of what it printed."""
        ...


class Launcher(Protocol):
    """What starts a process that begins, does and records the work of a claim."""

    def start(self, claim: Claim) -> Launched:
        """Start it.

        Raises
        ------
        ScheduleError
            It cannot be started.
        """
        ...


class ProcessLauncher:
    """Starts ``mlops-nb run --schedule`` in a session of its own.

    Parameters
    ----------
    spec
        The project's specification.
    logs
        Folder for what the processes print, one file a run.
    """

    def __init__(self, spec: Path, logs: Path) -> None:
        self._spec, self._logs = spec, logs

    def start(self, claim: Claim) -> Launched:
        """Start the process; see `Launcher`."""
        # As by hand: the project's folder is not where Python looks for modules first.
        command = [sys.executable, "-P", "-m", "mlops_nb", "--project", str(self._spec)]
        command += ["run", "--schedule", claim.schedule, "--occurrence", iso(claim.at)]
        command += ["--claim", f"{claim.id}:{claim.run}:{claim.fence}"]
        log = self._logs / f"{claim.run}.log"
        try:
            self._logs.mkdir(parents=True, exist_ok=True)
            with log.open("wb") as out:
                process = subprocess.Popen(
                    command,
                    cwd=self._spec.parent,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except OSError as error:
            raise ScheduleError(f"its process cannot be started: {error}") from error
        return _Process(process, log)


class _Process:
    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process, self._log = process, log

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait(self) -> int:
        return self._process.wait()

    def tail(self) -> str:
        try:
            with self._log.open("rb") as file:
                file.seek(max(0, self._log.stat().st_size - _TAIL))
                return file.read().decode(errors="replace").strip()
        except OSError:
            return ""


def kill_session(pid: int) -> None:
    """Kill a run's process and what belongs to its group."""
    with contextlib.suppress(OSError):
        if os.name == "posix":
            os.killpg(pid, signal.SIGKILL)
        else:
            os.kill(pid, signal.SIGTERM)
