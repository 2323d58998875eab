"""Scores windows by a notebook, some of them ahead of their turn."""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mlops_nb.errors import ExecutionError
from mlops_nb.model import TaskStatus

if TYPE_CHECKING:
    from types import TracebackType

    from mlops_nb.api.kernels import Kernels
    from mlops_nb.execution.jobs import NotebookOutcome
    from mlops_nb.model import ModelVersion

__all__ = ["Scorer"]

_TIMEOUT = 600.0
"""Seconds that scoring one window may take."""


class _Pending(msgspec.Struct, frozen=True):
    """A window that is being scored, and by which version."""

    digest: str
    future: Future[NotebookOutcome]
    cancel: threading.Event


class Scorer:
    """Runs the scoring notebook for one window after another.

    A context manager. `expect` uses cores that would lie idle while an earlier window is judged;
    what was scored by a version that is no longer asked for is thrown away.

    Parameters
    ----------
    notebook
        Takes ``month``, ``model``, ``digest`` and ``folder``.
    folder
        Each window's results go to a folder of its name in it.
    kernels
        Where warm kernels come from.
    """

    def __init__(self, notebook: Path, folder: Path, kernels: Kernels) -> None:
        self.notebook = notebook
        self.folder = folder
        self.ahead = min(2, (os.cpu_count() or 1))
        """How many windows are scored at a time."""
        self._kernels = kernels
        self._pool = ThreadPoolExecutor(self.ahead, thread_name_prefix="score")
        self._pending: dict[str, _Pending] = {}

    def __enter__(self) -> Scorer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for window in list(self._pending):
            self._drop(window)
        self._pool.shutdown()

    def expect(self, window: str, version: ModelVersion, artifact: Path) -> None:
        """Begin to score a window that is going to be asked for."""
        if (pending := self._pending.get(window)) is not None:
            if pending.digest == version.digest:
                return
            self._drop(window)
        cancel = threading.Event()
        future = self._pool.submit(self._run, window, version, artifact, cancel)
        self._pending[window] = _Pending(version.digest, future, cancel)

    def score(self, window: str, version: ModelVersion, artifact: Path) -> Path:
        """Return the folder of a window's results.

        Raises
        ------
        ExecutionError
            The notebook did not succeed.
        """
        self.expect(window, version, artifact)
        outcome = self._pending[window].future.result()
        del self._pending[window]
        made = self.folder / window
        if outcome.status is not TaskStatus.SUCCEEDED:
            error = outcome.error
            raise ExecutionError(
                f"{outcome.status.value}: {error.name}: {error.message}"
                if error
                else outcome.status.value,
                where=f"{self.notebook.name}, {window}",
                fix=f"open {made / 'score.ipynb'}",
            )
        return made

    def _drop(self, window: str) -> None:
        """End what is no longer wanted; its folder is free when this returns."""
        pending = self._pending.pop(window)
        pending.cancel.set()
        if not pending.future.cancel():
            pending.future.exception()

    def _run(
        self, window: str, version: ModelVersion, artifact: Path, cancel: threading.Event
    ) -> NotebookOutcome:
        from mlops_nb.execution.engine import run_notebook
        from mlops_nb.execution.jobs import NotebookJob

        return run_notebook(
            NotebookJob(
                task=f"score {window}",
                notebook=str(self.notebook),
                output=str(self.folder / window / "score.ipynb"),
                parameters={
                    "month": window,
                    "model": str(artifact),
                    "digest": version.digest,
                    "folder": str(self.folder),
                },
                cwd=str(self.notebook.parent),
                timeout=_TIMEOUT,
            ),
            zygote=self._kernels,
            cancel=cancel,
        )
