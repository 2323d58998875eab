"""Writes the project's pipeline for a CI system, an orchestrator or a container."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import msgspec

from mlops_nb import export
from mlops_nb.config import Project, find_project, telemetry_off
from mlops_nb.model import ExportPreview
from mlops_nb.pipeline.load import load_pipeline

if TYPE_CHECKING:
    from pathlib import Path

    from mlops_nb.model import ExportTarget, Json

__all__ = [
    "parameters_from_environment",
    "preview_target",
    "render_target",
    "targets",
    "write_target",
]


def targets() -> tuple[ExportTarget, ...]:
    """Return all targets, those of installed packages among them, sorted by name."""
    return tuple(export.describe(name) for name in export.targets())


def _schedule(project: Project) -> dict[str, Json]:
    """Return when the whole pipeline is run, where exactly one of the project's schedules does that.

    An interval, or a time that cron has no plain fields for, stays with the project's own daemon.
    """
    from mlops_nb.scheduling.settings import read_schedules
    from mlops_nb.scheduling.when import read_when

    schedules = read_schedules(project.tables.get("schedules", {})).values()
    whole = [one for one in schedules if not one.tasks and not one.parameters]
    if len(whole) != 1:
        return {}
    cron, _ = read_when(whole[0].when)
    if not export.is_plain_cron(cron):
        return {}
    return {"schedule": cron, "timezone": whole[0].timezone}


def parameters_from_environment(project: Project | Path | str | None) -> dict[str, str]:
    """Return the parameters that an exported pipeline has put into this process's environment.

    Raises
    ------
    ParameterError
        A variable with the beginning of theirs belongs to none.
    """
    telemetry_off()
    found = project if isinstance(project, Project) else find_project(project)
    table = found.tables.get("export", {})
    return export.given_parameters(load_pipeline(found), table, os.environ)


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
    telemetry_off()
    found = project if isinstance(project, Project) else find_project(project)
    pipeline = msgspec.structs.replace(load_pipeline(found), name=found.name)
    return export.render(target, pipeline, _settings(found, group))


def _settings(project: Project, group: str | None = None) -> dict[str, Json]:
    from mlops_nb.runs.profile import expected_seconds
    from mlops_nb.runs.store import RunStore
    from mlops_nb.scheduling.fields import utc_by_offset

    settings: dict[str, Json] = {
        **export.project_facts(project.root),
        **project.tables.get("export", {}),
    }
    if "schedule" not in settings:
        settings |= _schedule(project)
    cron, timezone = str(settings.get("schedule", "")), str(settings.get("timezone", "UTC"))
    if timezone != "UTC" and export.is_plain_cron(cron):
        settings.setdefault("schedule-utc", utc_by_offset(cron, timezone))
    if group is not None:
        settings["group"] = group
    if settings.get("group") == "auto":
        settings.setdefault("durations", expected_seconds(RunStore(project.state)))
    return settings


def preview_target(
    project: Project | Path | str | None,
    target: str,
    *,
    out: Path | None = None,
    group: str | None = None,
) -> ExportPreview:
    """Return a target's files with how each stands to the disk, and what writing would change.

    Parameters
    ----------
    project, target, group
        As `render_target` takes them.
    out
        The folder to compare with; the project's by default.
    """
    found = project if isinstance(project, Project) else find_project(project)
    files = render_target(found, target, group=group)
    preview = export.compare(target, files, out or found.root)
    return msgspec.structs.replace(preview, notes=_notes(found, target, group))


def _notes(project: Project, target: str, group: str | None) -> tuple[str, ...]:
    settings = _settings(project, group)
    notes = export.missing_facts(project.root, settings)
    zone = settings.get("timezone", "UTC")
    unsaid = settings.get("schedule") and zone != "UTC" and not settings.get("schedule-utc")
    if target == "github" and unsaid:
        notes = (
            *notes,
            f"GitHub reads {settings['schedule']} in UTC, not in {zone}: no fields say the same "
            "there; write it in UTC, or use: mlops-nb schedule export --to github",
        )
    if group is not None and group != project.tables.get("export", {}).get("group", "none"):
        notes = (
            *notes,
            "the command in the files' heads does not know of --group; put into "
            f'[tool.mlops-nb.export]: group = "{group}"',
        )
    if settings.get("group") != "auto" or "durations" in project.tables.get("export", {}):
        return notes
    if not settings["durations"]:
        return (*notes, "no run here has measured the tasks yet, so each has a job of its own")
    # A JSON text is a TOML key and a TOML string alike.
    pairs = ", ".join(
        f"{json.dumps(name)} = {took:.1f}" for name, took in settings["durations"].items()
    )
    return (
        *notes,
        "tasks share jobs as this machine's runs have measured them; for the same files on every "
        f"machine put into [tool.mlops-nb.export]: durations = {{ {pairs} }}",
    )


def write_target(
    project: Project | Path | str | None,
    target: str,
    *,
    out: Path | None = None,
    group: str | None = None,
) -> ExportPreview:
    """Write a target's files where they differ and remove those left over.

    Parameters
    ----------
    project, target, group
        As `render_target` takes them.
    out
        The folder to write to; the project's by default.

    Returns
    -------
    ExportPreview
        The files written or removed, as they stood before.
    """
    found = project if isinstance(project, Project) else find_project(project)
    files = render_target(found, target, group=group)
    changed = export.write(target, files, out or found.root)
    return ExportPreview(target=target, files=changed, notes=_notes(found, target, group))
