"""Measures what an extension adds to the start of a Jupyter server, in CPU time of the process."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks._results import Figure, figure

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["server_start"]

_START = """
import sys
from jupyter_server.serverapp import ServerApp

app = ServerApp.instance()
app.initialize(sys.argv[1:])
app.io_loop.add_callback(app.stop)
app.start()
"""
_OURS = "mlops_nb.server"
_PLOOMBER = "ploomber"


def server_start(quick: bool) -> Iterator[Figure]:
    """Yield what our extension adds to the start of a server with JupyterLab, and what Ploomber's does.

    The variants take turns, so that a busy machine slows all of them.
    """
    variants: dict[str, tuple[str, ...]] = {"bare": (), _OURS: (_OURS,), _PLOOMBER: (_PLOOMBER,)}
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    with tempfile.TemporaryDirectory() as home:
        for number in range(2 if quick else 8):
            for name, enabled in variants.items():
                spent = _start(Path(home), enabled)
                if number:  # the first round compiles and fills the system's file cache
                    seconds[name].append(spent)
    bare = statistics.median(seconds.pop("bare"))
    yield figure("server_start_ms", bare * 1e3, "ms", peer="JupyterLab alone")
    for name, found in seconds.items():
        added = (statistics.median(found) - bare) * 1e3
        if name == _OURS:
            yield figure("server_start_added_ms", added, "ms", "<= 150", peer="JupyterLab alone")
        else:
            yield figure(f"peer:{name}_start_added_ms", added, "ms", peer="JupyterLab alone")


def _start(home: Path, enabled: tuple[str, ...]) -> float:
    """Start and stop a server; return its seconds of CPU."""
    known = dict.fromkeys((_OURS, _PLOOMBER, "ploomber_extension"), False)
    extensions = {**known, "jupyterlab": True, **dict.fromkeys(enabled, True)}
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
            "JUPYTER_CONFIG_DIR": str(home / "config"),
            "JUPYTER_DATA_DIR": str(home / "data"),
            "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"a Jupyter server with {', '.join(enabled) or 'nothing'} did not start")
    return used.ru_utime + used.ru_stime
