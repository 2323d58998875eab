"""Says how a pipeline's tasks stand between runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nb.api.execute import prepare
from mlops_nb.model import Action, Record, TaskKind, TaskStatus

if TYPE_CHECKING:
    from pathlib import Path

    from mlops_nb.config import Project
    from mlops_nb.model import TaskRun

__all__ = ["TaskState", "status"]


class TaskState(Record, frozen=True, kw_only=True):
    """How one task stands between runs."""

    task: str
    kind: TaskKind
    action: Action
    """What a run would do with it now."""
    why: str
    upstream: tuple[str, ...] = ()
    last_status: TaskStatus | None = None
    """How it ended in the last run that had it do something; ``None`` where it never ran."""
    last_run: str = ""
    last_ended: float | None = None
    """Seconds since the epoch."""
    last_seconds: float | None = None


def status(project: Project | Path | str | None = None) -> tuple[TaskState, ...]:
    """Return how each task of a pipeline stands, in order.

    Raises
    ------
    ProjectError
        The project, its pipeline or a notebook is wrong.
    """
    from mlops_nb.runs.store import RunStore

    prepared = prepare(project)
    last: dict[str, tuple[str, TaskRun]] = {}
    for run in RunStore(prepared.project.state).list(limit=50):
        for task in run.tasks:
            if task.attempt or task.status is TaskStatus.RESTORED:
                last.setdefault(task.task, (run.id, task))
    states = []
    for known in prepared.pipeline.tasks:
        item = prepared.plan[known.name]
        run_id, ran = last.get(known.name, ("", None))
        states.append(
            TaskState(
                task=known.name,
                kind=known.kind,
                action=item.action,
                why=item.why,
                upstream=known.upstream,
                last_status=ran.status if ran else None,
                last_run=run_id,
                last_ended=ran.ended if ran else None,
                last_seconds=ran.seconds if ran else None,
            )
        )
    return tuple(states)
