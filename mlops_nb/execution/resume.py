"""Plans how to go on with a run that did not end well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from mlops_nb.errors import RunError
from mlops_nb.execution.states import EarlierState
from mlops_nb.model import Action, Checkpoint, EventKind, Plan, Reason, RunStatus, TaskStatus
from mlops_nb.pipeline.overrides import with_parameters
from mlops_nb.pipeline.plan import make_plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from mlops_nb.config import Project
    from mlops_nb.model import Event, Pipeline, Run

__all__ = ["earlier_states", "resume_plan", "with_plan"]


def with_plan(
    run: Run, events: Callable[[str], Sequence[Event]], find: Callable[[str], Run]
) -> tuple[Run, Sequence[Event]]:
    """Return the run that says what is missing, and its events.

    It is the run itself, unless that was to go on with another one and ended before it had told
    its plan: then that other one says it still.

    Parameters
    ----------
    run
        The run to go on with.
    events, find
        Return a run's events, and a run, by its id.
    """
    own = told = events(run.id)
    first, seen = run, {run.id}
    if run.status not in (RunStatus.CANCELLED, RunStatus.LOST, RunStatus.FAILED):
        return run, own
    while not any(event.kind is EventKind.PLAN for event in told):
        before = run.facts.resumed_from
        if not before or before in seen:
            return first, own
        seen.add(before)
        try:
            run = find(before)
            told = events(run.id)
        except RunError:  # it was deleted since
            return first, own
    return run, told


def earlier_states(run: Run, find: Callable[[str], Run], runs: Path) -> dict[str, EarlierState]:
    """Return what is known of the states of a run's failed notebooks, by task.

    A task that a run did not come to may have failed in the run that this one went on with.

    Parameters
    ----------
    run
        The run to go on with.
    find
        Returns a run by its id.
    runs
        The folder of all runs.
    """
    found: dict[str, EarlierState] = {}
    tried: set[str] = set()
    seen: set[str] = set()
    while run.id not in seen:
        seen.add(run.id)
        for task in run.tasks:
            if task.task in tried or not (task.attempt or task.status.is_good):
                continue
            tried.add(task.task)
            if not task.status.is_good:
                lost = task.status is TaskStatus.LOST
                why = "its run was killed" if lost else '"checkpoint" was not set then'
                found[task.task] = EarlierState(
                    run=run.id,
                    run_dir=str(runs / run.id),
                    checkpoint=task.checkpoint or Checkpoint(why=why),
                )
        if not run.facts.resumed_from:
            break
        try:
            run = find(run.facts.resumed_from)
        except RunError:
            break  # it was deleted since
    return found


def resume_plan(
    project: Project,
    pipeline: Pipeline,
    run: Run,
    events: Iterable[Event],
    *,
    cached: Callable[[str], bool] | None = None,
) -> tuple[Pipeline, Plan]:
    """Plan what a run still lacks: the same tasks with the same parameters.

    What the run finished is left alone as long as nothing it depends on has changed since; a task
    that was forced and not finished is forced again.

    Parameters
    ----------
    project, pipeline
        As they are now, without the run's parameters.
    run, events
        The run to go on with; call `mlops_nb.execution.recovery.recover` before.
    cached
        As for `make_plan`.

    Returns
    -------
    Pipeline, Plan
        The pipeline with the run's parameters, and the plan for it.

    Raises
    ------
    RunError
        The run is still going on, or succeeded.
    ProjectError
        A parameter or target of the run does not exist any more.
    """
    where = f"run {run.id}"
    if run.status is RunStatus.RUNNING:
        raise RunError("is still running", where=where, fix=f'see "mlops-nb watch {run.id}"')
    if run.status is RunStatus.SUCCEEDED:
        raise RunError("has succeeded, nothing is missing", where=where)
    pipeline = with_parameters(pipeline, run.facts.parameters)
    done = {task.task for task in run.tasks if task.status.is_good}
    planned = [
        (item["task"], item.get("kinds", ()))
        for event in events
        if event.kind is EventKind.PLAN
        for item in event.data["items"]
    ]
    forced = {task for task, kinds in planned if "forced" in kinds} - done
    left = {task for task, kinds in planned if "unselected" in kinds}
    plan = make_plan(
        project,
        pipeline,
        targets=run.facts.targets,
        # Its plan tells it otherwise; a run that ended before it had told one did nothing yet.
        start_from=() if planned else run.facts.start_from,
        force=run.facts.force and not planned,
        leave=left,
        cached=cached,
    )
    # Below a task that is forced again, what it makes may differ: there the runner looks again.
    below = pipeline.descendants(forced)
    reason = Reason(kind="forced", text=f"forced in run {run.id}, and not finished there")
    again = Reason(kind="upstream", text="what it depends on runs again")
    items = []
    for item in plan.items:
        if item.task in forced and item.action is not Action.RUN:
            item = replace(item, action=Action.RUN, reasons=(reason,))
        elif item.task in forced:
            item = replace(item, reasons=(reason, *item.reasons))
        elif item.task in below and item.action is Action.SKIP:
            kinds = {one.kind for one in item.reasons}
            if "unselected" not in kinds:
                item = replace(item, action=Action.RUN, reasons=(again,), fingerprint=None)
        items.append(item)
    return pipeline, Plan(items=tuple(items))
