"""Says under which key a cache outside the project keeps what tasks make."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nb.config import Project, find_project, telemetry_off
from mlops_nb.pipeline.key import joint_key
from mlops_nb.pipeline.load import load_pipeline
from mlops_nb.pipeline.overrides import with_parameters
from mlops_nb.pipeline.plan import select

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mlops_nb.model import Json

__all__ = ["cache_key"]


def cache_key(
    project: Project | Path | str | None = None,
    *,
    targets: Sequence[str] = (),
    parameters: Mapping[str, Json] | None = None,
) -> str:
    """Return one digest that changes with everything that tasks' results depend on.

    Parameters
    ----------
    project
        A project, its folder or its specification; by default the current folder's.
    targets
        The tasks, by names as `prepare` takes them; all by default. What they need from others
        must have been made.
    parameters
        Values for the run.

    Raises
    ------
    ProjectError
        The project, its pipeline, a notebook or a parameter is wrong.
    PipelineError
        A task above them has not run.
    """
    telemetry_off()
    found = project if isinstance(project, Project) else find_project(project)
    pipeline = load_pipeline(found)
    if parameters:
        pipeline = with_parameters(pipeline, dict(parameters))
    return joint_key(found, pipeline, select(pipeline, targets) or set(pipeline.names()))
