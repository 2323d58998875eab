"""A zygote's process as its owner sees it: started, asked for its imports, ended."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from mlops_nb.errors import KernelError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["SLICE", "STOP", "ZygoteProcess"]

SLICE = 0.2
"""Seconds between two looks whether somebody still waits."""
STOP = 5.0
"""Seconds for the process to go."""
_START = 120.0  # seconds
_REPORT = 1 << 20  # bytes
_BOOT = """
import sys, types
if sys.path[:1] == [""]: del sys.path[0]
root, control = sys.argv[1:]
for name, path in (("mlops_nb", root), ("mlops_nb.execution", root + "/execution")):
    module = types.ModuleType(name)
    module.__path__ = [path]
    sys.modules[name] = module
from mlops_nb.execution.warm.forker import main
main(int(control), 1)
"""
_ROOT = Path(__file__).resolve().parent.parent


class ZygoteProcess:
    """A running zygote and the socket to it."""

    def __init__(self, python: str, flags: Sequence[str], environment: Mapping[str, str]) -> None:
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, tempfile.TemporaryFile() as words:
            try:
                self.popen = subprocess.Popen(
                    [python, *flags, "-c", _BOOT, str(_ROOT), str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=words,
                    stderr=words,
                    cwd="/",
                    env=environment,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                )
            except OSError as error:
                self.control.close()
                raise KernelError(f"cannot be started: {error}", where=python) from error

    def ask(self, plan: dict[str, Any]) -> None:
        """Say what to import; see `mlops_nb.execution.warm.forker.Zygote.prepare`."""
        self.asked = monotonic()
        self.control.send(json.dumps(plan).encode())

    def answer(self) -> bytes | None:
        """Return the report: ``None`` where it is not there yet, empty where the process ended."""
        self.control.settimeout(SLICE)
        try:
            return self.control.recv(_REPORT)
        except TimeoutError:
            return None if monotonic() - self.asked < _START else b""
        except OSError:
            return b""
        finally:
            self.control.settimeout(None)

    def stop(self, patience: float = STOP) -> None:
        """Close the socket: the zygote sees it, kills its kernels and goes."""
        self.control.close()
        try:
            self.popen.wait(patience)
        except subprocess.TimeoutExpired:
            os.killpg(self.popen.pid, signal.SIGKILL)
            self.popen.wait()
