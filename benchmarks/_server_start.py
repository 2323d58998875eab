"""Measures what an extension adds to the start of a Jupyter server."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks._results import Figure, figure

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["server_start"]

_START = """
import json, sys, time
from jupyter_server.extension.manager import ExtensionManager
from jupyter_server.serverapp import ServerApp

spent = {}

def timed(step):
    def does(manager, name, *given, **named):
        before = time.process_time()
        try:
            return step(manager, name, *given, **named)
        finally:
            spent[name] = spent.get(name, 0.0) + time.process_time() - before
    return does

for step in ("add_extension", "link_extension", "load_extension"):
    setattr(ExtensionManager, step, timed(getattr(ExtensionManager, step)))
app = ServerApp.instance()
app.initialize(sys.argv[1:])
app.io_loop.add_callback(app.stop)
app.start()
print(json.dumps(spent))
"""
_OURS = "mlops_nb.server"
_PLOOMBER = "ploomber"


_ROUNDS, _PEER_ROUNDS = 12, 5


class _Spent(NamedTuple):
    cpu: float
    wall: float
    extensions: dict[str, float]
    """CPU seconds in which the server imported, linked and loaded each extension."""


def server_start(quick: bool) -> Iterator[Figure]:
    """Yield what our extension adds to the start of a server with JupyterLab, and what Ploomber's does.

    The goal is about the CPU time that the starting process spends on the extension: importing,
    linking and loading it, after JupyterLab's own. Beside it stands the difference between whole
    starts with and without it, which takes in whatever those steps cause elsewhere, and most of the
    machine's noise: starts are paired, now the one first and now the other, and the figure is the
    mean of the middle half of the differences within pairs.
    """
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        for enabled in ((), (_OURS,), (_PLOOMBER,)):  # compiles, and fills the system's file cache
            _start(home, enabled)
        ours = _pairs(home, _OURS, 2 if quick else _ROUNDS)
        peers = _pairs(home, _PLOOMBER, 1 if quick else _PEER_ROUNDS)
    against = "JupyterLab alone"
    yield figure(
        "server_start_ms", statistics.median(one.cpu for one, _ in ours) * 1e3, "ms", peer=against
    )
    for name, pairs in ((_OURS, ours), (_PLOOMBER, peers)):
        own = statistics.median(added.extensions[name] for _, added in pairs) * 1e3
        if name == _OURS:
            yield figure("server_start_added_ms", own, "ms", "<= 150", peer=against)
            for what in ("cpu", "wall"):
                yield figure(
                    f"server_start_paired_{what}_ms", _added(pairs, what), "ms", peer=against
                )
        else:
            yield figure(f"peer:{name}_start_added_ms", own, "ms", peer=against)


def _pairs(home: Path, extension: str, rounds: int) -> list[tuple[_Spent, _Spent]]:
    """Start without and with the extension, in turns."""
    found = []
    for number in range(rounds):
        if number % 2:
            added = _start(home, (extension,))
            found.append((_start(home, ()), added))
        else:
            alone = _start(home, ())
            found.append((alone, _start(home, (extension,))))
    return found


def _added(pairs: list[tuple[_Spent, _Spent]], what: str) -> float:
    """Return the mean of the middle half of the differences, in milliseconds."""
    found = sorted(getattr(added, what) - getattr(alone, what) for alone, added in pairs)
    cut = len(found) // 4
    return float(statistics.mean(found[cut : len(found) - cut])) * 1e3


def _start(home: Path, enabled: tuple[str, ...]) -> _Spent:
    """Start and stop a server; return its seconds of CPU and by the clock."""
    known = dict.fromkeys((_OURS, _PLOOMBER, "ploomber_extension"), False)
    extensions = {**known, "jupyterlab": True, **dict.fromkeys(enabled, True)}
    began = time.perf_counter()
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            _START,
            "--no-browser",
            "--allow-root",
            "--ServerApp.port=0",
            f"--ServerApp.root_dir={home}",
            f"--ServerApp.jpserver_extensions={extensions}",
        ],
        env={
            **os.environ,
            "PYTHONHASHSEED": "0",  # other hashes take other times
            "JUPYTER_CONFIG_DIR": str(home / "config"),
            "JUPYTER_DATA_DIR": str(home / "data"),
            "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"a Jupyter server with {', '.join(enabled) or 'nothing'} did not start")
    return _Spent(used.ru_utime + used.ru_stime, wall, json.loads(said.splitlines()[-1]))
