"""One client's process in a resident server: takes its jobs, runs them, ends with it."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import msgspec

from mlops_nb.errors import MlopsNbError
from mlops_nb.execution.engine import run_notebook
from mlops_nb.execution.jobs import Cancellation, NotebookJob
from mlops_nb.execution.values import from_json
from mlops_nb.execution.warm.child import adopt
from mlops_nb.light import import_papermill
from mlops_nb.model import to_builtins

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mlops_nb.execution.frames import Frames
    from mlops_nb.execution.jobs import CellProgress
    from mlops_nb.execution.kernels import Zygote

__all__ = ["prepare", "run_session"]

_END = 10.0  # seconds for kernels to go when the client has gone


_services: dict[str, Callable[[dict[str, Any]], None]] = {}


def prepare(services: Iterable[str] = ()) -> None:
    """Import, before the fork, what sessions need.

    Parameters
    ----------
    services
        Modules of whoever starts the server, with a function ``prepare`` and a table ``SERVICES``
        of functions: what clients may call besides running notebooks.
    """
    import_papermill()
    for name in ("cold", "papermill_engine", "warm_client"):
        importlib.import_module(f"mlops_nb.execution.{name}")
    for name in ("parameters", "read"):
        importlib.import_module(f"mlops_nb.notebooks.{name}")
    for name in services:
        module = importlib.import_module(name)
        module.prepare()
        _services.update(module.SERVICES)


class _Session:
    def __init__(self, frames: Frames, zygote: Zygote) -> None:
        self._frames = frames
        self._zygote = zygote
        self._running: dict[int, tuple[Cancellation, threading.Thread]] = {}

    def serve(self) -> None:
        """Take jobs and cancellations until the client is gone."""
        with contextlib.suppress(EOFError, OSError):
            while True:
                asked = self._frames.receive()
                if "run" in asked:
                    self._start(asked)
                elif "call" in asked:
                    threading.Thread(target=self._call, args=(asked,), daemon=True).start()
                elif (found := self._running.get(asked["cancel"])) is not None:
                    found[0].set(asked.get("limit", ""))

    def end(self) -> None:
        """Cancel what still runs, and wait for it a while."""
        running = list(self._running.values())
        for cancel, _ in running:
            cancel.set()
        deadline = time.monotonic() + _END
        for _, thread in running:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _start(self, asked: dict[str, Any]) -> None:
        cancel = Cancellation()
        thread = threading.Thread(target=self._run, args=(asked, cancel), daemon=True)
        self._running[asked["run"]] = (cancel, thread)
        thread.start()

    def _run(self, asked: dict[str, Any], cancel: Cancellation) -> None:
        number = asked["run"]
        job = msgspec.convert({**asked["job"], "parameters": {}}, NotebookJob)
        job = msgspec.structs.replace(job, parameters=from_json(asked["job"]["parameters"]))

        def on_cell(progress: CellProgress) -> None:
            self._tell({"run": number, "cell": to_builtins(progress)})

        try:
            outcome = run_notebook(job, zygote=self._zygote, on_cell=on_cell, cancel=cancel)
            answer: dict[str, Any] = {"run": number, "outcome": to_builtins(outcome)}
        except MlopsNbError as error:
            answer = {
                "run": number,
                "error": type(error).__name__,
                "message": error.message,
                "where": error.where,
                "fix": error.fix,
            }
        self._running.pop(number, None)
        self._tell(answer)

    def _call(self, asked: dict[str, Any]) -> None:
        done = False
        try:
            _services[asked["service"]](asked["value"])
            done = True
        finally:  # where it failed the client does it, and says what is wrong
            self._tell({"run": asked["call"], "done": done})

    def _tell(self, answer: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # the client has gone; `serve` notices
            self._frames.send(answer)


def run_session(frames: Frames, zygote: Zygote, hello: dict[str, Any]) -> None:
    """Be one client's process; never returns."""
    session = _Session(frames, zygote)
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, lambda *_: frames.socket.shutdown(2))
        os.environ.clear()
        os.environ.update(hello["environ"])
        adopt(hello)
        time.tzset()
        frames.socket.settimeout(None)
        frames.send({"ok": True})
        session.serve()
        session.end()
    finally:
        os._exit(0)
