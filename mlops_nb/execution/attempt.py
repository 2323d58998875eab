"""Runs one attempt at one task in this process's reach: a notebook in a kernel, the rest in a child."""

from __future__ import annotations

import os
import shutil
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from mlops_nb.errors import MlopsNbError
from mlops_nb.execution.checkpoints import keep as keep_state
from mlops_nb.execution.checkpoints import not_resumed, stage_earlier
from mlops_nb.execution.engine import run_notebook
from mlops_nb.execution.jobs import NotebookJob
from mlops_nb.model import ErrorInfo, EventKind, Resumed, TaskKind, TaskRun, TaskStatus

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from mlops_nb.execution.forge import Forge
    from mlops_nb.execution.jobs import CellProgress, NotebookOutcome
    from mlops_nb.model import Attempt

__all__ = ["failure", "fresh_stage", "run_attempt"]


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

    keep = attempt.keep
    job = NotebookJob(
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
        keep=keep.folder if keep else "",
        keep_mb=keep.limit_mb if keep else 0.0,
        stage=keep.stage if keep else "",
    )
    run = partial(run_notebook, zygote=zygote, on_cell=on_cell, cancel=cancel)
    outcome, resumed, why = _resume(attempt, job, run, tell)
    outcome = outcome or run(job)
    checkpoint = None
    if keep is not None and outcome.kept is not None:
        checkpoint = keep_state(keep, outcome.kept, Path(job.output))
    return TaskRun(
        task=task.name,
        status=outcome.status,
        why=why,
        kernel=outcome.kernel,
        error=outcome.error,
        notebook=attempt.notebook,
        peak_mb=outcome.peak_mb,
        cells=outcome.cells,
        cells_total=outcome.cells_total,
        cells_done=len(outcome.cells) + outcome.skipped,
        checkpoint=checkpoint,
        resumed=resumed,
    )


def _resume(
    attempt: Attempt,
    job: NotebookJob,
    run: Callable[[NotebookJob], NotebookOutcome],
    tell: Callable[..., object],
) -> tuple[NotebookOutcome | None, Resumed | None, str]:
    """Go on from an earlier state if there is one; else say why that could not be."""
    order = attempt.resume
    if order is None:
        return None, None, ""
    fresh_stage(attempt, order.stage)
    earlier = stage_earlier(order)
    if isinstance(earlier, str):
        why = earlier
    else:
        outcome = run(replace(job, earlier=earlier))
        if not outcome.not_resumed:
            at = earlier.cell if outcome.resumed_at is None else outcome.resumed_at
            resumed = Resumed(run=earlier.run, cell=at, skipped=outcome.skipped)
            return outcome, resumed, resumed.text
        why = outcome.not_resumed
    fresh_stage(attempt, order.stage)
    text = not_resumed(order.run, why)
    tell(EventKind.NOTE, level="warning", text=text)
    return None, None, text


def fresh_stage(attempt: Attempt, folder: str) -> None:
    """Empty a task's staging folder and make those that its products stand in."""
    shutil.rmtree(folder, ignore_errors=True)
    for path in attempt.products.values():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
