"""Reads from a run how its occurrence ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nb.model import OccurrenceState, RunStatus, TaskStatus

if TYPE_CHECKING:
    from mlops_nb.model import Run

__all__ = ["verdict"]

_AFTERMATH = (TaskStatus.BLOCKED, TaskStatus.CANCELLED)


def verdict(run: Run) -> tuple[OccurrenceState, str]:
    """Return how an occurrence ended whose run is over, and why; the state of a lost run is ``lost``."""
    if run.status is RunStatus.SUCCEEDED:
        return OccurrenceState.SUCCEEDED, ""
    if run.status is RunStatus.CANCELLED:
        # Nobody cancelled the occurrence: the process was interrupted, so it may be tried again.
        return OccurrenceState.FAILED, "the run was interrupted"
    if run.status is not RunStatus.FAILED:
        return OccurrenceState.LOST, "the run's process vanished"
    for task in run.tasks:
        if task.error is not None and task.status not in _AFTERMATH:
            place = task.task if task.error.cell is None else f"{task.task}, cell {task.error.cell}"
            timed_out = task.status is TaskStatus.TIMED_OUT
            state = OccurrenceState.TIMED_OUT if timed_out else OccurrenceState.FAILED
            said = " ".join(task.error.message.split())[:500]
            return state, f"{place}: {task.error.name}: {said}"
    return OccurrenceState.FAILED, "the run failed"
