"""Writes the project's pipeline for a CI system, an orchestrator or a container."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from mlops_nb import export
from mlops_nb.config import Project, find_project, telemetry_off
from mlops_nb.pipeline.load import load_pipeline

if TYPE_CHECKING:
    from pathlib import Path

    from mlops_nb.model import Json

__all__ = ["diff_target", "render_target", "targets", "write_target"]


def targets() -> tuple[str, ...]:
    """Return the names of all targets."""
    return export.targets()


def render_target(
    project: Project | Path | str | None, target: str, *, group: str | None = None
) -> dict[str, str]:
    """Return a target's files: texts by path relative to the project.

    Parameters
    ----------
    project
        A project, its folder or its specification; by default the current folder's.
    target
        One of `targets`.
    group
        ``none``, ``auto`` (by the durations of earlier runs) or ``by-level``; the project's
        setting by default.

    Raises
    ------
    PluginError
        No target is called so.
    ProjectError
        The project, its pipeline or a setting is wrong.
    """
    from mlops_nb.runs.profile import expected_seconds
    from mlops_nb.runs.store import RunStore

    telemetry_off()
    found = project if isinstance(project, Project) else find_project(project)
    settings: dict[str, Json] = {
        **export.project_facts(found.root),
        **found.tables.get("export", {}),
    }
    if group is not None:
        settings["group"] = group
    if settings.get("group") == "auto":
        settings["durations"] = expected_seconds(RunStore(found.state))
    pipeline = msgspec.structs.replace(load_pipeline(found), name=found.name)
    return export.render(target, pipeline, settings)


def diff_target(
    project: Project | Path | str | None,
    target: str,
    *,
    out: Path | None = None,
    group: str | None = None,
) -> str:
    """Return what writing a target would change, as a unified diff; empty where nothing."""
    found = project if isinstance(project, Project) else find_project(project)
    return export.diff(render_target(found, target, group=group), out or found.root)


def write_target(
    project: Project | Path | str | None,
    target: str,
    *,
    out: Path | None = None,
    group: str | None = None,
) -> tuple[str, ...]:
    """Write a target's files where they differ; return the paths of those."""
    found = project if isinstance(project, Project) else find_project(project)
    return export.write(render_target(found, target, group=group), out or found.root)
