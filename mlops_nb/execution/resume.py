"""Plans how to go on with a run that did not end well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from mlops_nb.errors import RunError
from mlops_nb.model import Action, EventKind, Plan, Reason, RunStatus
from mlops_nb.pipeline.overrides import with_parameters
from mlops_nb.pipeline.plan import make_plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mlops_nb.config import Project
    from mlops_nb.model import Event, Pipeline, Run

__all__ = ["resume_plan"]


def resume_plan(
    project: Project,
    pipeline: Pipeline,
    run: Run,
    events: Iterable[Event],
    *,
    cached: Callable[[str], bool] | None = None,
) -> tuple[Pipeline, Plan]:
    """Plan what a run still lacks: the same targets with the same parameters.

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
    plan = make_plan(project, pipeline, targets=run.facts.targets, cached=cached)
    done = {task.task for task in run.tasks if task.status.is_good}
    forced = {
        item["task"]
        for event in events
        if event.kind is EventKind.PLAN
        for item in event.data["items"]
        if "forced" in item.get("kinds", ())
    } - done
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
