"""A resident server for one project: warm kernels without any start-up, until it idles.

The server holds a zygote and Papermill, both imported; a run's process only hands it jobs. Nothing
starts it but `start_server`, and it goes by itself when nobody has used it for a while.
"""

from __future__ import annotations

import json
import os
import queue
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import msgspec

from mlops_nb.errors import ExecutionError, KernelError, MlopsNbError, NotebookError
from mlops_nb.execution.frames import Frames, at, server_key
from mlops_nb.execution.jobs import Cancellation, CellProgress, NotebookJob, NotebookOutcome
from mlops_nb.execution.values import to_json
from mlops_nb.model import Record, to_builtins

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

__all__ = [
    "Resident",
    "ServerStatus",
    "connect_server",
    "server_status",
    "start_server",
    "stop_server",
]

IDLE = 15 * 60.0
"""Seconds without a run after which a server ends itself."""

_START = 120.0  # seconds
_ANSWER = 10.0
_POLL = 0.25  # seconds; only for a plain event as `cancel`


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
        if running.sessions:
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
    frames = _connect(state)
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
    frames = _connect(state)
    if frames is None:
        return False
    with frames.socket, suppress(OSError, EOFError):
        frames.socket.settimeout(_START)
        frames.send({"ask": "stop"})
        while True:
            frames.receive()  # until the connection ends with the server
    return True


def connect_server(
    state: Path, preload: Sequence[str] = (), environ: Mapping[str, str] | None = None
) -> Resident | None:
    """Connect a run to the project's server.

    Parameters
    ----------
    state
        The project's state folder.
    preload
        What this run wants imported; the server prepares it where it has not.
    environ
        What the kernels inherit; this process's environment by default.

    Returns
    -------
    Resident or None
        ``None`` where no server runs, or the one that does was started with other packages.
    """
    frames = _connect(state)
    if frames is None:
        return None
    from mlops_nb.execution.inheritance import inherited

    try:
        frames.socket.settimeout(_START)
        frames.send(
            {
                "ask": "session",
                "key": server_key(),
                "preload": list(preload),
                "environ": dict(os.environ if environ is None else environ),
                **inherited(),
            }
        )
        answer = frames.receive()
    except (OSError, EOFError):
        answer = {}
    if not answer.get("ok"):
        frames.socket.close()
        return None
    frames.socket.settimeout(None)
    return Resident(frames)


def _connect(state: Path) -> Frames | None:
    with ExitStack() as stack:
        try:
            address = stack.enter_context(at(state))
            sock = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            sock.settimeout(_ANSWER)
            sock.connect(address)
        except (OSError, AttributeError):  # no Unix sockets on Windows
            return None
        stack.pop_all().callback(lambda: None)
        return Frames(sock)


class Resident:
    """A run's connection to the server; hands it notebooks from several threads at once.

    A context manager. What runs when it is closed, or when this process ends, is ended too.
    """

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self._answers: dict[int, queue.SimpleQueue[Any]] = {}
        self._lock = threading.Lock()
        self._count = 0
        self._gone = self._closed = False
        self._reader = threading.Thread(target=self._read, name="mlops-nb server", daemon=True)
        self._reader.start()

    def __enter__(self) -> Resident:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._closed = True
        with suppress(OSError):
            self._frames.socket.shutdown(socket.SHUT_RDWR)
        self._reader.join()
        self._frames.socket.close()

    def run(
        self,
        job: NotebookJob,
        *,
        on_cell: Callable[[CellProgress], None] | None = None,
        cancel: threading.Event | None = None,
    ) -> NotebookOutcome | None:
        """Execute a notebook in the server; see `mlops_nb.execution.engine.run_notebook`.

        Returns
        -------
        NotebookOutcome or None
            ``None`` where the server had gone before: nothing was begun.

        Raises
        ------
        NotebookError
            The notebook cannot be read.
        KernelError
            The server went away while the notebook ran, or the connection was closed.
        """
        parcel = to_builtins(msgspec.structs.replace(job, parameters={}))
        parcel["parameters"] = to_json(job.parameters)
        answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        with self._lock:
            if self._closed:
                raise _error({})
            if self._gone:
                return None
            self._count += 1
            number = self._count
            self._answers[number] = answers

        def end() -> None:
            limit = cancel.limit if isinstance(cancel, Cancellation) else ""
            self._send({"cancel": number, "limit": limit})

        unwatch: Callable[[], None] = lambda: None  # noqa: E731
        try:
            self._send({"run": number, "job": parcel})
            if isinstance(cancel, Cancellation):
                unwatch = cancel.watch(end)
            poll = _POLL if cancel is not None and not isinstance(cancel, Cancellation) else None
            while True:
                try:
                    answer = answers.get(timeout=poll)
                except queue.Empty:
                    if cancel is not None and cancel.is_set():
                        end()
                        poll = None
                    continue
                if "cell" in answer:
                    if on_cell is not None:
                        on_cell(msgspec.convert(answer["cell"], CellProgress))
                elif "outcome" in answer:
                    return msgspec.convert(answer["outcome"], NotebookOutcome)
                else:
                    raise _error(answer)
        finally:
            unwatch()
            with self._lock:
                self._answers.pop(number, None)

    def call(self, service: str, value: dict[str, Any]) -> bool:
        """Have the server do something else that it was started for.

        Parameters
        ----------
        service
            One of its services; see `mlops_nb.execution.session.prepare`.
        value
            What the service takes, as JSON.

        Returns
        -------
        bool
            Whether it was done; else it is the caller's to do.
        """
        asked = None if self._closed else self._ask()
        if asked is None:
            return False
        number, answers = asked
        try:
            self._send({"call": number, "service": service, "value": value})
            return bool(answers.get().get("done"))
        finally:
            with self._lock:
                self._answers.pop(number, None)

    def _ask(self) -> tuple[int, queue.SimpleQueue[Any]] | None:
        """Return a number for what is asked and where its answers come; ``None`` without a server."""
        answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        with self._lock:
            if self._closed:
                raise _error({})
            if self._gone:
                return None
            self._count += 1
            self._answers[self._count] = answers
            return self._count, answers

    def _send(self, value: dict[str, Any]) -> None:
        with suppress(OSError):  # the reader tells every job that waits
            self._frames.send(value)

    def _read(self) -> None:
        with suppress(OSError, EOFError, ValueError):
            while True:
                answer = self._frames.receive()
                with self._lock:
                    answers = self._answers.get(answer["run"])
                if answers is not None:
                    answers.put(answer)
        with self._lock:
            self._gone = True
            for answers in self._answers.values():
                answers.put({})


def _error(answer: dict[str, Any]) -> MlopsNbError:
    if not answer:
        return KernelError(
            "the server of warm kernels went away", fix='run again, or "mlops-nb server start"'
        )
    kinds = {kind.__name__: kind for kind in (NotebookError, KernelError)}
    kind = kinds.get(answer["error"], ExecutionError)
    return kind(answer["message"], where=answer["where"], fix=answer["fix"])
