"""Daemons whose runs are small real processes: for tests with many of them.

``python light_runs.py spawner URL SOCKET FILE`` forks a process for each run it is asked for, and
``python light_runs.py daemon URL SOCKET`` is a daemon that asks it. A run begins, writes one line and
records its end, as ``mlops-nb run`` does; it outlives the daemon.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

from mlops_nb.errors import ScheduleError
from mlops_nb.model import Notice, OccurrenceState
from mlops_nb.processes import me, process_started
from mlops_nb.runs.store import new_run_id
from mlops_nb.scheduling.claims import Claim
from mlops_nb.scheduling.course import begin, finish
from mlops_nb.scheduling.daemon import Daemon
from mlops_nb.scheduling.log import Log
from mlops_nb.scheduling.settings import SchedulerSettings
from mlops_nb.scheduling.store import ScheduleStore

LEASE = 6.0


class Hooks:
    """Knows no runs but those of the store, and remembers what people were told."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []

    def outcome(self, run: str) -> tuple[OccurrenceState, str] | None:
        return None

    def tell(self, notice: Notice) -> None:
        self.notices.append(notice)

    def again(self) -> bool:
        return False

    def forget(self, run: str) -> None:
        pass

    def forget_frozen(self, needed: Any, days: float) -> int:
        return 0


def work(url: str, file: str, order: dict[str, Any]) -> None:
    """One run, in a process of its own."""
    store = ScheduleStore(url)
    names = {"now": time.time(), "lease": LEASE}
    with store.write() as writer:
        if not begin(writer, order["id"], order["run"], order["fence"], me(), **names):
            return
    out = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(out, f"{order['schedule']} {order['at']}\n".encode())
    with store.write(durable=False) as writer:
        state = OccurrenceState.SUCCEEDED
        finish(writer, order["id"], order["run"], state, now=time.time())


def spawner(url: str, place: str, file: str) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    server = socket.socket(socket.AF_UNIX)
    server.bind(place)
    server.listen(64)
    while True:
        connection, _ = server.accept()
        with connection, connection.makefile("r") as lines:
            order = json.loads(lines.readline())
            pid = os.fork()
            if pid == 0:
                server.close()
                connection.close()
                os.setsid()
                code = 1
                try:
                    work(url, file, order)
                    code = 0
                finally:
                    os._exit(code)
            # The daemon that asked may have been killed meanwhile.
            with contextlib.suppress(OSError):
                connection.sendall(f"{pid}\n".encode())


class Remote:
    """A run that the spawner has started."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def wait(self) -> int:
        while process_started(self.pid) is not None:
            time.sleep(0.05)
        return 0

    def tail(self) -> str:
        return ""


class SpawnerLauncher:
    def __init__(self, place: str) -> None:
        self._place = place

    def start(self, claim: Claim) -> Remote:
        order = {"id": claim.id, "run": claim.run, "fence": claim.fence}
        order |= {"schedule": claim.schedule, "at": claim.at}
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(self._place)
                connection.sendall(json.dumps(order).encode() + b"\n")
                return Remote(int(connection.makefile().readline()))
        except (OSError, ValueError) as error:
            raise ScheduleError(f"the spawner is away: {error}") from error


def make_daemon(store: ScheduleStore, launcher: Any, hooks: Any = None, **settings: Any) -> Daemon:
    settings = {"lease": LEASE, "max_running": 24} | settings
    return Daemon(
        store,
        launcher,
        SchedulerSettings(**settings),
        new_run=new_run_id,
        hooks=hooks or Hooks(),
        log=Log("json", stream=io.StringIO()),
    )


def daemon(url: str, place: str) -> None:
    made = make_daemon(ScheduleStore(url), SpawnerLauncher(place))
    signal.signal(signal.SIGTERM, lambda *_: made.stop())
    made.run(wait=True)


class Here:
    """Runs in threads of this process, for tests that need no processes."""

    def __init__(self, url: str, file: Path) -> None:
        self._url, self._file = url, str(file)

    def start(self, claim: Claim) -> Any:
        order = {"id": claim.id, "run": claim.run, "fence": claim.fence}
        order |= {"schedule": claim.schedule, "at": claim.at}
        thread = threading.Thread(target=work, args=(self._url, self._file, order))
        thread.start()
        return _Threaded(thread)


class _Threaded:
    pid = 0

    def __init__(self, thread: threading.Thread) -> None:
        self._thread = thread

    def wait(self) -> int:
        self._thread.join()
        return 0

    def tail(self) -> str:
        return ""


if __name__ == "__main__":
    {"spawner": spawner, "daemon": daemon}[sys.argv[1]](*sys.argv[2:])
