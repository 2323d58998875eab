"""Hosts the schedulers of projects: a process for each, while the Jupyter server lives.

``python -m mlops_nb.server.keeper`` is such a process: it stands by while a stand-alone
``mlops-nb scheduler`` works on the same schedules, and ends when its standard input does.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_nb.errors import MlopsNbError
from mlops_nb.server.answers import Refusal
from mlops_nb.server.places import project_folder
from mlops_nb.server.wire import worker_environment

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterable

    from mlops_nb.scheduling.daemon import Daemon

__all__ = ["Keeper", "main"]

_PAUSES = (1.0, 5.0, 30.0, 60.0)
"""Seconds before a scheduler that ended by itself is started again, by how often it did."""
_HEALTHY = 300.0
"""Seconds of work after which what was before counts no more."""
_PATIENCE = 10.0
"""Seconds that a scheduler has to end when the server does."""


class Keeper:
    """The schedulers of one server.

    Parameters
    ----------
    root
        The server's root folder.
    projects
        Paths of projects relative to it; what is no project is said in the log and left out.
    log
        The server's log.
    """

    def __init__(self, root: str, projects: Iterable[str], log: logging.Logger) -> None:
        self._log = log
        self._closing = threading.Event()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._threads = []
        for label in dict.fromkeys(projects):
            try:
                folder = project_folder(Path(root).resolve(), "" if label == "." else label)
            except Refusal as refusal:
                log.error("mlops-nb schedules nothing: %s", refusal.error.message)
                continue
            thread = threading.Thread(
                target=self._keep, args=(label, folder), name=f"scheduler {label}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    @property
    def processes(self) -> dict[str, int]:
        """The schedulers' process ids by project."""
        return {label: one.pid for label, one in self._processes.items() if one.poll() is None}

    def close(self) -> None:
        """End the schedulers; what they have started goes on."""
        self._closing.set()
        for process in list(self._processes.values()):
            if process.stdin is not None:
                process.stdin.close()
        for thread in self._threads:
            thread.join(_PATIENCE)
        for process in list(self._processes.values()):
            if process.poll() is None:
                process.kill()

    def _keep(self, label: str, folder: Path) -> None:
        failures = 0
        while not self._closing.is_set():
            began = time.monotonic()
            try:
                code: int | str = self._run(label, folder)
            except OSError as error:
                code = str(error)
            if self._closing.is_set():
                return
            if time.monotonic() - began >= _HEALTHY:
                failures = 0
            pause = _PAUSES[min(failures, len(_PAUSES) - 1)]
            failures += 1
            self._log.warning(
                "mlops-nb: the scheduler of %s ended (%s); again in %g s", label, code, pause
            )
            self._closing.wait(pause)

    def _run(self, label: str, folder: Path) -> int:
        # In a session of its own: Ctrl-C in the server's terminal ends it in order, by its pipe.
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "mlops_nb.server.keeper"],
            stdin=subprocess.PIPE,
            cwd=folder,
            env=dict(worker_environment()),
            start_new_session=True,
        )
        self._processes[label] = process
        if self._closing.is_set() and process.stdin is not None:
            process.stdin.close()
        self._log.info("mlops-nb: process %d keeps the schedules of %s", process.pid, label)
        return process.wait()


def main() -> None:
    """Run the scheduler of the project in the current folder until the standard input ends."""
    from mlops_nb.api.scheduler import run_daemon

    def watch(daemon: Daemon) -> None:
        def until_the_end() -> None:
            while sys.stdin.buffer.read(1):
                continue
            daemon.stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: daemon.stop())
        threading.Thread(target=until_the_end, name="server", daemon=True).start()

    try:
        run_daemon(embedded=True, port=0, ready=watch)
    except MlopsNbError as error:
        sys.exit(f"mlops-nb scheduler: {error}")


if __name__ == "__main__":
    main()
