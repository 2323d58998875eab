"""The pipeline's graph, its plan, and new tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nb.api import authoring, screen

if TYPE_CHECKING:
    from mlops_nb.model.boards import AddedTask
    from mlops_nb.model.views import PipelineView, PlanView
    from mlops_nb.server.worker import Asked

__all__ = ["add_task", "pipeline", "plan"]


def pipeline(asked: Asked) -> PipelineView:
    """Return the graph."""
    return screen.view_pipeline(asked.project, label=asked.label)


def plan(asked: Asked) -> PlanView:
    """Return what a run would do."""
    body = asked.body
    return screen.view_plan(
        asked.project,
        targets=body.targets,
        start_from=body.start_from,
        parameters=body.parameters,
        force=body.force,
    )


def add_task(asked: Asked) -> AddedTask:
    """Make a notebook a task."""
    body = asked.body
    return authoring.add_task(
        asked.project,
        body.source,
        name=body.name,
        products=body.products,
        notebook_product=body.notebook_product,
        upstream=body.upstream,
    )
