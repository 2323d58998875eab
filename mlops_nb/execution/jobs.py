"""What is asked of the engine, and what it answers: records that cross process borders."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from mlops_nb.model import CellRun, ErrorInfo, Json, Record, TaskStatus

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Cancellation", "CellProgress", "Earlier", "Kept", "NotebookJob", "NotebookOutcome"]


class Earlier(Record, frozen=True, kw_only=True):
    """A state to go on from."""

    run: str
    cell: int
    """The cell to go on at, as that notebook's author saw it, from 0."""
    namespace: str
    """Absolute path of the file that holds it."""
    digest: str
    """Its SHA-256."""
    notebook: str
    """Absolute path of the notebook as it was executed then."""
    before: tuple[str, ...]
    """SHA-256 of the source of each cell that had run."""
    missing: dict[str, str] = {}
    """Names that could not be kept, and why."""
    uses: dict[str, str] = {}
    """The notebook's own function that uses a missing name."""


class Kept(Record, frozen=True, kw_only=True):
    """What was kept of a failed execution, or why nothing was."""

    cell: int | None
    """The failing cell, as the notebook's author sees it, from 0."""
    why: str = ""
    """Why nothing was kept; empty where it was."""
    before: tuple[str, ...] = ()
    missing: dict[str, str] = {}
    uses: dict[str, str] = {}
    files: tuple[str, ...] = ()
    """Files that had been written below the staging folder before the failing cell."""


class NotebookJob(Record, frozen=True, kw_only=True):
    """One notebook to execute."""

    task: str
    """The name that errors and logs speak of."""
    notebook: str
    """Absolute path of the source: .ipynb, or a text format of Jupytext."""
    output: str
    """Absolute path of the executed notebook (.ipynb); its folder is made if it is missing."""
    parameters: dict[str, Json] = {}
    """Values injected after the ``parameters`` cell; none means that no cell is injected."""
    cwd: str = ""
    """Folder the kernel starts in; the notebook's own by default."""
    env: dict[str, str] = {}
    """Environment variables of the kernel, over those of the calling process."""
    kernel: str = ""
    """Name of a kernelspec; the notebook's own by default, ``python3`` where it names none."""
    language: str = "python"
    """Language of the notebook, lower case."""
    timeout: float | None = None
    """Seconds the whole notebook may take, the kernel's start included."""
    cell_timeout: float | None = None
    """Seconds one cell may take."""
    start_timeout: float = 60.0
    """Seconds a kernel may take to become ready."""
    grace: float = 3.0
    """Seconds between the interrupt and the kill of a kernel that ran out of time."""
    cold: bool = False
    """Start a kernel afresh whatever is at hand."""
    max_output_mb: float = 5.0
    """MiB of output kept in the executed notebook per cell; the rest goes to a file beside it."""
    keep: str = ""
    """Folder that takes the state before a failing cell; empty to keep none. It is emptied first."""
    keep_mb: float = 2_000.0
    """MiB that the state may take."""
    stage: str = ""
    """Folder that the notebook writes its products below."""
    earlier: Earlier | None = None
    """The state to go on from."""


class CellProgress(Record, frozen=True, kw_only=True):
    """One cell begins or ends."""

    index: int
    """Index of the cell in the notebook as its author sees it, from 0."""
    done: int
    """Code cells that have ended so far."""
    total: int
    """Code cells there are to run."""
    seconds: float | None = None
    """How long it took; ``None`` while it runs."""
    peak_mb: float | None = None
    """Largest resident set of the kernel while the cell ran, MiB; on some systems after the cell."""


class NotebookOutcome(Record, frozen=True, kw_only=True):
    """How the execution of one notebook ended."""

    status: TaskStatus
    error: ErrorInfo | None = None
    kernel: str = ""
    """``warm``, or ``cold`` with the reason: ``cold: language R``."""
    cells: tuple[CellRun, ...] = ()
    """The cells that ran to their end or failed, in order."""
    cells_total: int = 0
    """Code cells the notebook has."""
    peak_mb: float | None = None
    """Largest resident set of the kernel, MiB."""
    seconds: float = 0.0
    kept: Kept | None = None
    skipped: int = 0
    """Cells that were not run, because it went on from an earlier state."""
    resumed_at: int | None = None
    """The first cell that was run then."""
    not_resumed: str = ""
    """Why it could not go on from the earlier state; nothing was run, and there is no status."""


class Cancellation(threading.Event):
    """An event that tells at once those who watch it; a plain one has to be polled."""

    def __init__(self) -> None:
        super().__init__()
        self.limit = ""
        """For people: which limit was passed; empty where somebody cancelled."""
        self._watchers: list[Callable[[], None]] = []
        self._guard = threading.Lock()

    def watch(self, call: Callable[[], None]) -> Callable[[], None]:
        """Have a function called, in the cancelling thread, when the event is set.

        Returns
        -------
        Callable
            Ends the watch.
        """
        with self._guard:
            if not self.is_set():
                self._watchers.append(call)
                return lambda: self._unwatch(call)
        call()
        return lambda: None

    def _unwatch(self, call: Callable[[], None]) -> None:
        with self._guard:
            if call in self._watchers:
                self._watchers.remove(call)

    def set(self, limit: str = "") -> None:
        """Cancel, and tell every watcher once.

        Parameters
        ----------
        limit
            Which limit was passed, where it is the time that ends it.
        """
        with self._guard:
            if not self.is_set():
                self.limit = limit
            super().set()
            watchers, self._watchers = self._watchers, []
        for call in watchers:
            call()
