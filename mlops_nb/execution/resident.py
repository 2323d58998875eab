"""A resident server for one project: warm kernels without any start-up, until it idles.

The server holds a zygote and Papermill, both imported; a run's process only hands it jobs. See
`mlops_nb.execution.servers` for how one is started.
"""

from __future__ import annotations

import os
import queue
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from mlops_nb.errors import ExecutionError, KernelError, MlopsNbError, NotebookError
from mlops_nb.execution.frames import Frames, dial, server_key
from mlops_nb.execution.jobs import Cancellation, CellProgress, NotebookJob, NotebookOutcome
from mlops_nb.execution.values import to_json
from mlops_nb.model import to_builtins

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

__all__ = ["START", "Resident", "connect", "connect_server"]

START = 120.0
"""Seconds that a server may take for its imports."""
_ANSWER = 10.0
_POLL = 0.25  # seconds; only for a plain event as `cancel`


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
    frames = connect(state)
    if frames is None:
        return None
    from mlops_nb.execution.inheritance import inherited

    try:
        frames.socket.settimeout(START)
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


def connect(state: Path) -> Frames | None:
    """Return a connection to the server of a project; ``None`` where none runs."""
    return dial(state, _ANSWER)


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
        asked = self._ask()
        if asked is None:
            return None
        number, answers = asked

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
