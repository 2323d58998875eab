"""Says how a run and its tasks ended, where the way the run ended has a part in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from mlops_nb.model import ErrorInfo, RunStatus, TaskRun, TaskStatus, to_builtins

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops_nb.model import Json

__all__ = ["brief", "not_started", "not_tried_again", "status_of", "timed_out"]

_TIMEOUT = "Timeout"
"""The error's name where time ran out, of a task that ran or did not come to run."""


def status_of(tasks: Sequence[TaskRun]) -> RunStatus:
    """Return how a run ended whose tasks ended like this."""
    bad = [task for task in tasks if not task.status.is_good]
    if not bad:
        return RunStatus.SUCCEEDED
    only = {TaskStatus.CANCELLED, TaskStatus.BLOCKED, TaskStatus.PENDING}
    too_late = any(task.error is not None and task.error.name == _TIMEOUT for task in bad)
    if too_late or not {task.status for task in bad} <= only:
        return RunStatus.FAILED
    return RunStatus.CANCELLED


def timed_out(run: TaskRun, text: str) -> TaskRun:
    """Return the record of a task that was ended because the run's time was over."""
    error = run.error or ErrorInfo(name=_TIMEOUT, message=text)
    return replace(
        run,
        status=TaskStatus.TIMED_OUT,
        error=replace(error, name=_TIMEOUT, message=text),
    )


def not_started(task: str, text: str, *, too_late: bool) -> TaskRun:
    """Return the record of a task that the run gave up before it began."""
    name = _TIMEOUT if too_late else "Cancelled"
    return TaskRun(task=task, status=TaskStatus.CANCELLED, error=ErrorInfo(name=name, message=text))


def not_tried_again(run: TaskRun, text: str) -> TaskRun:
    """Return the record of a task that failed and was waiting for another try."""
    error = run.error or ErrorInfo(name=run.status.value, message="")
    message = "; ".join(part for part in (error.message, text) if part)
    return replace(run, error=replace(error, message=message))


def brief(run: TaskRun) -> dict[str, Json]:
    """Return what is not told by the event itself or by those of the cells."""
    plain = to_builtins(run)
    return {
        key: value
        for key, value in plain.items()
        if key not in ("task", "cells") and value not in (None, "", [], 0)
    }
