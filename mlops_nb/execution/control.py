"""What one execution knows and collects while Papermill's engine drives it."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from mlops_nb.execution.guard import Guard
from mlops_nb.execution.jobs import CellProgress, Kept, NotebookJob
from mlops_nb.model import CellRun, ErrorInfo, TaskStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops_nb.execution.kernels import Zygote

__all__ = [
    "MESSAGE",
    "TRACEBACK",
    "Control",
    "author_index",
    "is_runnable",
    "kernel_environment",
    "kernel_folder",
    "plain_text",
    "shortened",
]

_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_SKIP = "skip-execution"

MESSAGE = 8 * 1024
"""Characters that are kept of an exception's message."""
TRACEBACK = 64 * 1024
"""Characters that are kept of its traceback."""


def plain_text(text: str) -> str:
    """Return a text without terminal colour codes."""
    return _ANSI.sub("", text)


def shortened(text: str, limit: int) -> str:
    """Return a text's begin and end, of some characters together, where it is longer."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half:,} characters ...]\n{text[-half:]}"


def is_runnable(cell: Any) -> bool:
    """Whether a cell is sent to the kernel."""
    return (
        cell["cell_type"] == "code"
        and bool(cell["source"].strip())
        and _SKIP not in cell["metadata"].get("tags", [])
    )


def author_index(index: int, injected: int | None) -> int | None:
    """Return a cell's index in the notebook as its author sees it; ``None`` for the injected cell.

    Parameters
    ----------
    index
        The cell's index in the notebook as it is executed.
    injected
        Index of the cell that was injected; ``None`` where there is none.
    """
    if injected is None or index < injected:
        return index
    return None if index == injected else index - 1


class Control:
    """Links the engine to the caller: limits in, progress and the result out.

    Parameters
    ----------
    job
        What to execute.
    guard
        Ends the kernel when time is up.
    on_cell
        Told of each cell's begin and end.
    injected
        Index of the cell that was added to the notebook; ``None`` where there is none.
    zygote
        Where warm kernels come from; ``None`` for a cold one.
    why_cold
        Why there is no zygote, where that needs to be said.
    banner
        Whether a failure is told on top of the notebook.
    """

    def __init__(
        self,
        job: NotebookJob,
        guard: Guard,
        *,
        on_cell: Callable[[CellProgress], None] | None = None,
        injected: int | None = None,
        zygote: Zygote | None = None,
        why_cold: str = "",
        banner: bool = True,
    ) -> None:
        self.job = job
        self.guard = guard
        self.zygote = zygote
        self.why_cold = why_cold
        self.banner = banner
        self.kernel = ""
        self.status: TaskStatus | None = None
        self.error: ErrorInfo | None = None
        self.failed: int | None = None
        """Index of the failing cell in the notebook as it is executed."""
        self.reached = 0
        """Index of the first cell that was not begun."""
        self.cells: list[CellRun] = []
        self.total = 0
        self.peak_mb: float | None = None
        self.pid: int | None = None
        self.not_resumed = ""
        """Why an earlier state could not be put back; then nothing is run."""
        self.skips = 0
        """Cells that were done earlier."""
        self.first: int | None = None
        """Index, as executed, of the first cell that was run where others were done earlier."""
        self.kept: Kept | None = None
        self._on_cell = on_cell
        self._injected = injected
        self._began = 0.0
        self._fresh = False
        self._done = 0

    def author_index(self, index: int) -> int | None:
        """Return a cell's index in the notebook as its author sees it; ``None`` if it was injected."""
        return author_index(index, self._injected)

    def begins(self, nb: Any) -> None:
        """Count the cells."""
        self.total = sum(
            is_runnable(cell)
            for index, cell in enumerate(nb["cells"])
            if self.author_index(index) is not None
        )

    @property
    def done(self) -> int:
        """Cells of the author that are done."""
        return self._done

    def skipped(self, index: int) -> None:
        """Count a cell that was done earlier."""
        self.reached = index + 1
        if self.author_index(index) is not None:
            self._done += 1
            self.skips += 1

    def cell_begins(self, index: int) -> None:
        """Start a cell's clock and tell the caller."""
        if self.skips and self.first is None:
            self.first = index
        self.reached = index + 1
        self._forget_peak()
        self._began = monotonic()
        self.guard.cell_starts()
        shown = self.author_index(index)
        if self._on_cell is not None and shown is not None:
            self._on_cell(CellProgress(index=shown, done=self._done, total=self.total))

    def cell_ends(self, index: int) -> None:
        """Stop a cell's clock and tell the caller."""
        self.guard.cell_ends()
        shown = self.author_index(index)
        seconds = monotonic() - self._began
        now, peak = self._memory()
        if shown is None:
            return
        self._done += 1
        run = CellRun(index=shown, seconds=seconds, peak_mb=peak if self._fresh else now)
        self.cells.append(run)
        if self._on_cell is not None:
            self._on_cell(
                CellProgress(
                    index=shown,
                    done=self._done,
                    total=self.total,
                    seconds=run.seconds,
                    peak_mb=run.peak_mb,
                )
            )

    def fail(
        self,
        status: TaskStatus,
        *,
        name: str,
        message: str,
        index: int | None,
        source: str = "",
        traceback: str = "",
    ) -> None:
        """Note why the notebook did not succeed; the first reason stands."""
        if self.status is not None:
            return
        self.status = status
        self.failed = index
        self.error = ErrorInfo(
            name=name,
            message=shortened(plain_text(message), MESSAGE),
            cell=None if index is None else self.author_index(index),
            source=source,
            traceback=shortened(plain_text(traceback), TRACEBACK),
        )

    def _forget_peak(self) -> None:
        """Have the operating system measure the kernel's peak anew, where it can."""
        self._memory()  # what was between two cells counts for the notebook
        self._fresh = False
        if self.pid is not None:
            with suppress(OSError):
                Path(f"/proc/{self.pid}/clear_refs").write_text("5\n", encoding="ascii")
                self._fresh = True

    def _memory(self) -> tuple[float | None, float | None]:
        """Return the kernel's resident set and its peak, MiB, as the operating system knows them."""
        if self.pid is None:
            return None, None
        try:
            status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii", errors="replace")
        except OSError:
            return None, None
        found = dict(re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB$", status, re.MULTILINE))
        if "VmRSS" not in found:
            return None, None
        peak = int(found.get("VmHWM") or found["VmRSS"]) / 1024
        self.peak_mb = max(peak, self.peak_mb or 0.0)
        return int(found["VmRSS"]) / 1024, peak


def kernel_environment(job: NotebookJob) -> dict[str, str]:
    """Return the whole environment of a job's kernel."""
    return {**os.environ, **job.env, "JPY_PARENT_PID": str(os.getpid())}


def kernel_folder(job: NotebookJob) -> str:
    """Return the folder that a job's kernel starts in."""
    return job.cwd or str(Path(job.notebook).parent)
