"""Runs one attempt at one task in this process's reach: a notebook in a kernel, the rest in a child."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_nb.errors import MlopsNbError
from mlops_nb.execution.engine import run_notebook
from mlops_nb.execution.jobs import NotebookJob
from mlops_nb.model import ErrorInfo, EventKind, TaskKind, TaskRun, TaskStatus

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from mlops_nb.execution.forge import Forge
    from mlops_nb.execution.jobs import CellProgress
    from mlops_nb.model import Attempt

__all__ = ["failure", "run_attempt"]


def run_attempt(
    attempt: Attempt,
    *,
    tell: Callable[..., object],
    cancel: threading.Event,
    zygote: Any = None,
    forge: Forge | None = None,
) -> TaskRun:
    """Run an attempt to its end.

    Parameters
    ----------
    attempt
        What to run; its staged folders exist.
    tell
        ``tell(kind, **data)`` is called for each event while it runs.
    cancel
        Ends the attempt when it is set.
    zygote
        Where warm kernels come from.
    forge
        Where processes for other tasks are forked from.

    Returns
    -------
    TaskRun
        How it ended; a failure is a status, not an exception.
    """
    started = time.time()
    try:
        if attempt.task.kind is TaskKind.NOTEBOOK:
            run = _notebook(attempt, tell, cancel, zygote)
        else:
            from mlops_nb.execution.process import run_process

            run = run_process(attempt, tell=tell, cancel=cancel, forge=forge)
    except (MlopsNbError, OSError) as error:
        run = failure(attempt.task.name, error)
    from msgspec.structs import replace

    return replace(run, attempt=attempt.number, started=started, ended=time.time())


def failure(task: str, error: Exception, status: TaskStatus = TaskStatus.FAILED) -> TaskRun:
    """Return a task that could not be run, or whose products could not be put into place."""
    return TaskRun(
        task=task,
        status=status,
        error=ErrorInfo(name=type(error).__name__, message=str(error)),
    )


def _notebook(
    attempt: Attempt, tell: Callable[..., object], cancel: threading.Event, zygote: Any
) -> TaskRun:
    task = attempt.task

    def on_cell(progress: CellProgress) -> None:
        tell(
            EventKind.TASK_CELL,
            index=progress.index,
            done=progress.done,
            cells=progress.total,
            seconds=None if progress.seconds is None else round(progress.seconds, 6),
            peak_mb=None if progress.peak_mb is None else round(progress.peak_mb, 1),
        )

    outcome = run_notebook(
        NotebookJob(
            task=task.name,
            notebook=os.path.join(attempt.root, task.source),  # noqa: PTH118 - source may be absolute
            output=str(Path(attempt.run_dir) / attempt.notebook),
            parameters=attempt.parameters,
            cwd=os.path.join(attempt.root, task.cwd),  # noqa: PTH118
            env=attempt.env,
            kernel=task.kernel,
            language=task.language,
            timeout=task.policy.timeout,
            cell_timeout=task.policy.cell_timeout,
            cold=attempt.cold or task.policy.cold,
            max_output_mb=attempt.max_output_mb,
        ),
        zygote=zygote,
        on_cell=on_cell,
        cancel=cancel,
    )
    return TaskRun(
        task=task.name,
        status=outcome.status,
        kernel=outcome.kernel,
        error=outcome.error,
        notebook=attempt.notebook,
        peak_mb=outcome.peak_mb,
        cells=outcome.cells,
        cells_total=outcome.cells_total,
        cells_done=len(outcome.cells),
    )
