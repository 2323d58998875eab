"""Mirrors a run into the project's experiment tracker while it goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec

from mlops_nb.errors import TrackingError
from mlops_nb.model import Action, TaskKind, decode, encode
from mlops_nb.tracking.session import Reply

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from mlops_nb.api.execute import Prepared
    from mlops_nb.model import Run, RunFacts

__all__ = ["Tracking"]

_CLIENTS = {"mlflow": {"mlflow", "mlops_nb"}}
"""What a notebook imports that talks to the tracker while it runs, by tracker."""


class Tracking:
    """A session with the tracker, in a process of its own; nothing where tracking is ``none``.

    The process starts at once and imports the tracker's client beside the run. Only a run whose
    notebooks use that client waits for it.
    """

    def __init__(self, facts: RunFacts, prepared: Prepared, folder: Path) -> None:
        self._name = prepared.project.settings.tracking
        self._where = prepared.project.tracking_uri
        self._process: subprocess.Popen[bytes] | None = None
        self._environment: dict[str, str] | None = None
        self._needed = _uses_client(prepared, self._name)
        if self._name == "none":
            return
        command = [sys.executable, "-m", "mlops_nb.tracking.session", self._name]
        settings = prepared.project.settings
        command += [
            "--uri",
            self._where,
            "--experiment",
            settings.experiment or prepared.project.name,
        ]
        command += ["--folder", str(folder)]
        self._log = (folder / "tracking.log").open("wb")
        self._process = subprocess.Popen(
            command,
            cwd=prepared.project.root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            start_new_session=True,
            preexec_fn=_step_back if os.name == "posix" else None,
        )
        self._send(facts)

    def __enter__(self) -> Tracking:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is None:
            return
        assert self._process.stdin is not None  # noqa: S101
        # The end of its input tells the session that the run will not go on.
        self._process.stdin.close()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._log.close()

    def environment(self) -> dict[str, str]:
        """Return what the tracker's clients in kernels need; empty where no notebook uses them.

        Raises
        ------
        TrackingError
            A notebook of this run needs the tracker, which cannot be reached.
        """
        if self._process is None or not self._needed:
            return {}
        return self._opened()

    def finish(self, run: Run) -> str:
        """Write the ended run, and return the id that the tracker knows it by.

        Raises
        ------
        TrackingError
            The tracker cannot be reached or refuses.
        """
        if self._process is None:
            return ""
        run_id = self._opened().get("MLFLOW_RUN_ID", "")
        known = msgspec.structs.replace(run.facts, mlflow_run_id=run_id)
        self._send(msgspec.structs.replace(run, facts=known))
        self._receive()
        return run_id

    def _opened(self) -> dict[str, str]:
        if self._environment is None:
            self._environment = self._receive().environment
        return self._environment

    def _send(self, record: RunFacts | Run) -> None:
        assert self._process is not None  # noqa: S101
        assert self._process.stdin is not None  # noqa: S101
        try:
            self._process.stdin.write(encode(record) + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            # It ended by itself; its answer, read next, says why.
            return

    def _receive(self) -> Reply:
        assert self._process is not None  # noqa: S101
        assert self._process.stdout is not None  # noqa: S101
        line = self._process.stdout.readline()
        reply = decode(line, Reply) if line else Reply(error=("ended without an answer", "", ""))
        if reply.error is not None:
            message, where, fix = reply.error
            raise TrackingError(
                message,
                where=where or f'tracker "{self._name}", {self._where}',
                fix=fix or f'see {self._log.name}, or set tracking = "none"',
            )
        return reply


def _step_back() -> None:
    os.nice(5)


def _uses_client(prepared: Prepared, tracker: str) -> bool:
    from mlops_nb.notebooks.imports import top_imports

    clients = _CLIENTS.get(tracker, {tracker})
    root = prepared.project.root
    return any(
        clients & set(top_imports(root / task.source))
        for task in prepared.pipeline.tasks
        if task.kind is TaskKind.NOTEBOOK and prepared.plan[task.name].action is Action.RUN
    )
