"""The resident server of a project: started, asked how it stands, and stopped.

Nothing starts one but `start_server`, and it goes by itself when nobody has used it for a while.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from mlops_nb.errors import KernelError
from mlops_nb.execution.frames import server_key
from mlops_nb.execution.resident import START, connect
from mlops_nb.model import Record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["IDLE", "ServerStatus", "server_status", "start_server", "stop_server"]

IDLE = 15 * 60.0
"""Seconds without a run after which a server ends itself."""


class ServerStatus(Record, frozen=True, kw_only=True):
    """What a running server says of itself."""

    pid: int
    started: float
    """Seconds since the epoch."""
    idle: float
    """Seconds of idleness after which it ends."""
    sessions: int
    """Runs that are connected now."""
    served: int
    """Runs that have connected since it started."""
    handed: int = 0
    """Commands that were handed to it since it started."""
    commands: int = 0
    """Those of them that run now."""
    preloaded: tuple[str, ...] = ()
    unsafe: dict[str, str] = {}
    """Modules that it could not preload, with the reason."""
    key: str = ""
    """What it was started with; see `mlops_nb.execution.frames.server_key`."""

    @property
    def is_current(self) -> bool:
        """Whether runs use it: the interpreter and the packages are those that it was started with."""
        return self.key == server_key()


def start_server(
    state: Path,
    preload: Sequence[str] = (),
    *,
    idle: float = IDLE,
    environment: Mapping[str, str] | None = None,
    services: Sequence[str] = (),
    commands: str = "",
) -> ServerStatus:
    """Start the server of a project; return the running one's status where there is one.

    One that was started with other packages is replaced.

    Parameters
    ----------
    state
        The project's state folder; made where it lacks.
    preload
        Modules to import; see `mlops_nb.execution.preload.preload_for`.
    idle
        Seconds without a run after which it ends itself.
    environment
        Variables that its first kernels have beside this process's.
    services
        Modules of what it does besides; see `mlops_nb.execution.session.prepare`.
    commands
        A module with functions ``prepare`` and ``main``, the command line's: what it may be handed
        commands with; see `mlops_nb.execution.handing`.

    Raises
    ------
    KernelError
        The machine cannot fork kernels, the server ended while it started, or one with other
        packages has notebooks that run.
    """
    from mlops_nb.execution.kernels import supported

    if why := supported():
        raise KernelError(f"warm kernels do not work on this {why}")
    replaced = 0
    if (running := server_status(state)) is not None:
        if running.is_current:
            return running
        replaced = running.pid
        if running.sessions or running.commands:
            raise KernelError(
                "a server with other packages runs notebooks still",
                where=str(state),
                fix='wait until they are done, or end them with "mlops-nb server stop"',
            )
        stop_server(state)
    state.mkdir(parents=True, exist_ok=True)
    reader, writer = os.pipe()
    with (state / "server.log").open("wb") as log, os.fdopen(reader, "rb") as told:
        try:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "mlops_nb.execution.resident_main",
                    str(state.resolve()),
                    json.dumps(
                        {
                            "ready": writer,
                            "preload": list(preload),
                            "idle": idle,
                            "services": list(services),
                            "commands": commands,
                        }
                    ),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[writer],
                start_new_session=True,
                cwd="/",
                env={**os.environ, **(environment or {})},
            )
        finally:
            os.close(writer)
        answer = told.read()  # the end of the pipe where the server ended instead
        process.wait()  # what was started here only starts the server
    running = server_status(state)
    if running is None:
        text = answer.decode() or _end_of(state / "server.log")
        raise KernelError(f"the server did not start: {text.strip()}", where=str(state))
    if running.pid == replaced:
        raise KernelError(
            "the server with other packages does not end", where=str(state), fix="end its process"
        )
    return running


def _end_of(log: Path) -> str:
    try:
        return log.read_text(errors="replace")[-2000:]
    except OSError:
        return "it ended at once"


def server_status(state: Path) -> ServerStatus | None:
    """Return what the server of a project says of itself; ``None`` where none runs."""
    frames = connect(state)
    if frames is None:
        return None
    with frames.socket:
        try:
            frames.send({"ask": "status"})
            return msgspec.convert(frames.receive(), ServerStatus)
        except (OSError, EOFError, msgspec.ValidationError):
            return None


def stop_server(state: Path) -> bool:
    """End the server of a project and the notebooks it runs; return whether there was one.

    Returns when it has gone and left nothing behind.
    """
    frames = connect(state)
    if frames is None:
        return False
    with frames.socket, suppress(OSError, EOFError):
        frames.socket.settimeout(START)
        frames.send({"ask": "stop"})
        while True:
            frames.receive()  # until the connection ends with the server
    return True
