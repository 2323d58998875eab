"""Turns a run's notebooks into HTML while the rest of the run goes on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from mlops_nb.execution.resident import Resident
from mlops_nb.files import file_name, write_whole
from mlops_nb.light import import_papermill
from mlops_nb.model import EventKind, TaskStatus, encode
from mlops_nb.pages import notebook_page, prepare_pages
from mlops_nb.runs.report import early_page, prepare_reports

if TYPE_CHECKING:
    from pathlib import Path

    from mlops_nb.api.kernels import Kernels
    from mlops_nb.model import Event

__all__ = ["EarlyPages"]


class EarlyPages:
    """Leaves a page of each notebook that ended well, for `mlops_nb.runs.report.write_reports`.

    A context manager. What it has not made when the run ends is made by the report: a page that
    could not be written early is no error.

    Parameters
    ----------
    folder
        The run's folder.
    kernels
        Where the run's kernels come from; a resident server is asked for the pages too.
    wanted
        Whether to make any.
    """

    def __init__(self, folder: Path, kernels: Kernels, wanted: bool) -> None:
        self._folder = folder
        self._wanted = wanted
        self._server = kernels if isinstance(kernels, Resident) else None
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="mlops-nb pages")
        self._is_ready = False

    def __enter__(self) -> EarlyPages:
        # With a server the first kernel is there in a moment, and this process is what it waits for.
        if self._wanted and self._server is None:
            self._get_ready()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._pool.shutdown(cancel_futures=kind is not None)

    def listen(self, event: Event) -> None:
        """Take an event of the run."""
        if not self._wanted:
            return
        if event.kind is EventKind.TASK_CELL and not self._is_ready:
            self._get_ready()
        elif (
            event.kind is EventKind.TASK_FINISHED
            and event.data["status"] == TaskStatus.SUCCEEDED.value
        ):
            self._pool.submit(self._make, event.task)

    def wait(self) -> None:
        """Return when all that has been asked for is made."""
        self._pool.shutdown()

    def _get_ready(self) -> None:
        self._is_ready = True
        self._pool.submit(self._prepare)

    def _prepare(self) -> None:
        if self._server is None:
            # One import waits for another, and notebooks need this one first.
            import_papermill()
            prepare_pages()
        prepare_reports()

    def _make(self, task: str) -> None:
        notebook = self._folder / "notebooks" / f"{file_name(task)}.ipynb"
        if not notebook.exists():
            return
        target = early_page(self._folder, task)
        if self._server is None or not self._server.page(notebook, target):
            write_whole(target, encode(notebook_page(notebook)))
