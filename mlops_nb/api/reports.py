"""Makes a run's reports: notebooks turn into HTML while the rest of the run goes on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from mlops_nb.execution.kernels import Zygote
from mlops_nb.execution.lent import is_lent
from mlops_nb.execution.resident import Resident, connect_server
from mlops_nb.files import file_name, write_whole
from mlops_nb.light import import_papermill
from mlops_nb.model import EventKind, TaskStatus, encode, to_builtins
from mlops_nb.pages import notebook_page, prepare_pages
from mlops_nb.runs.report import early_page, prepare_reports, write_reports

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mlops_nb.api.kernels import Kernels
    from mlops_nb.model import Event, Run

__all__ = ["Reports"]


class Reports:
    """Leaves a page of each notebook that ended well, for the reports that `write` makes of them.

    A context manager. What is not made when the run ends is made by the report: a page that could
    not be written early is no error.

    Parameters
    ----------
    folder
        The run's folder.
    kernels
        Where the run's kernels come from; a resident server is asked for pages and reports too.
    early
        Whether to make pages while the run goes on.
    state
        The project's state folder, where the server is found whose kernels are borrowed.
    """

    def __init__(self, folder: Path, kernels: Kernels, *, early: bool, state: Path) -> None:
        self._folder = folder
        self._early = early
        self._server = kernels if isinstance(kernels, Resident) else None
        self._lent = kernels if isinstance(kernels, Zygote) and is_lent(kernels) else None
        self._state = state
        self._asked = False
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="mlops-nb reports")

    def __enter__(self) -> Reports:
        if self._early and self._server is None and self._lent is None:
            self._pool.submit(_prepare)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._pool.shutdown(cancel_futures=kind is not None)
        if self._lent is not None and self._server is not None:
            self._server.close()

    def listen(self, event: Event) -> None:
        """Take an event of the run."""
        if not self._early:
            return
        if event.kind is EventKind.TASK_CELL and self._lent is not None and not self._asked:
            self._asked = True
            self._pool.submit(self._connect)
        if event.kind is not EventKind.TASK_FINISHED:
            return
        if event.data["status"] == TaskStatus.SUCCEEDED.value:
            self._pool.submit(self._make, event.task)

    def write(self, run: Run, tasks: Sequence[str]) -> None:
        """Write the reports of a run that has ended; see `mlops_nb.runs.report.write_reports`."""
        self._pool.shutdown()
        if not self._have_written(run, tasks):
            write_reports(run, self._folder, tasks=tasks)

    def _connect(self) -> None:
        # While a notebook computes: before, all cores are busy starting it, and afterwards its page
        # takes as long as the rest of a short run.
        if (zygote := self._lent) is not None:
            self._server = connect_server(self._state, zygote.preload, zygote.environment)

    def _make(self, task: str) -> None:
        notebook = self._folder / "notebooks" / f"{file_name(task)}.ipynb"
        if not notebook.exists():
            return
        target = early_page(self._folder, task)
        value = {"notebook": str(notebook), "target": str(target)}
        if self._server is None or not self._server.call("page", value):
            write_whole(target, encode(notebook_page(notebook)))

    def _have_written(self, run: Run, tasks: Sequence[str]) -> bool:
        value = {"run": to_builtins(run), "folder": str(self._folder), "tasks": list(tasks)}
        return self._server is not None and self._server.call("report", value)


def _prepare() -> None:
    # One import waits for another, and notebooks need this one first.
    import_papermill()
    prepare_pages()
    prepare_reports()
