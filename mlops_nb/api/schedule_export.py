"""Writes schedules for cron, systemd, Windows, CI and clusters."""

from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mlops_nb import export
from mlops_nb.api.schedule_store import Where, opened
from mlops_nb.config import Project, find_project, telemetry_off
from mlops_nb.errors import ScheduleError
from mlops_nb.export.naming import safe_names
from mlops_nb.export.schedules import TARGETS, render_schedules
from mlops_nb.export.schedules.head import mark
from mlops_nb.export.schedules.place import STORE, Place
from mlops_nb.model import ExportPreview, ScheduleEntry
from mlops_nb.scheduling.fields import cover
from mlops_nb.scheduling.settings import read_schedules
from mlops_nb.scheduling.when import read_trigger
from mlops_nb.scheduling.zones import zone

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlops_nb.model import Schedule

__all__ = ["preview", "render", "targets", "write"]

_SOME = "mlops-nb schedule export NAME"
"""Stands in no file: where only some schedules are written, the files of others are not left over."""


def targets() -> tuple[str, ...]:
    """Return the names of what schedules can be written for."""
    return tuple(TARGETS)


def render(
    project: Where, target: str, names: Sequence[str] = (), *, machine_zone: str | None = None
) -> dict[str, str]:
    """Return a target's files: texts by path relative to the project.

    Parameters
    ----------
    project
        A project, its folder or its specification.
    target
        One of `targets`.
    names
        Schedules, of the store or of ``pyproject.toml``; all that are not paused by default.
    machine_zone
        With ``cron``: the zone of the machine that fires; this machine's by default.

    Raises
    ------
    ScheduleError
        There is no such schedule, or none at all.
    PluginError
        No target is called so.
    ProjectError
        The pipeline or a setting is wrong.
    """
    from mlops_nb.pipeline.load import load_pipeline

    telemetry_off()
    found = project if isinstance(project, Project) else find_project(project)
    chosen, in_project, known = _chosen(found, names)
    local = machine_zone or _local_zone()
    zone(local)
    # Names made safe must not meet, also where only some of the schedules are written.
    ids = safe_names(known, fallback="schedule"), safe_names(known, limit=20, fallback="schedule")
    entries = [_entry(one, local, one.name in in_project, ids) for one in chosen]
    place = Place(
        python=sys.executable,
        root=str(found.root),
        spec=str(found.spec),
        user=getpass.getuser(),
        store=os.environ.get(STORE, ""),
        shared=not found.schedules_url.startswith("sqlite"),
    )
    pipeline = msgspec.structs.replace(load_pipeline(found), name=found.name)
    settings = {**export.project_facts(found.root), **found.tables.get("export", {})}
    return render_schedules(target, entries, place, pipeline, settings)


def preview(
    project: Where,
    target: str,
    names: Sequence[str] = (),
    *,
    out: Path | None = None,
    machine_zone: str | None = None,
) -> ExportPreview:
    """Return a target's files with how each stands to the disk, and what writing would change.

    Parameters
    ----------
    project, target, names, machine_zone
        As `render` takes them.
    out
        The folder to compare with; the project's by default.
    """
    found = project if isinstance(project, Project) else find_project(project)
    files = render(found, target, names, machine_zone=machine_zone)
    return export.compare(target, files, out or found.root, made_by=_made_by(target, names))


def write(
    project: Where,
    target: str,
    names: Sequence[str] = (),
    *,
    out: Path | None = None,
    machine_zone: str | None = None,
) -> ExportPreview:
    """Write a target's files where they differ, and remove those of schedules that are gone.

    Where `names` are given nothing is removed.

    Parameters
    ----------
    project, target, names, machine_zone
        As `render` takes them.
    out
        The folder to write to; the project's by default.

    Returns
    -------
    ExportPreview
        The files written or removed, as they stood before.
    """
    found = project if isinstance(project, Project) else find_project(project)
    files = render(found, target, names, machine_zone=machine_zone)
    return ExportPreview(
        target=target,
        files=export.write(target, files, out or found.root, made_by=_made_by(target, names)),
    )


def _made_by(target: str, names: Sequence[str]) -> str:
    return _SOME if names else mark(target)


def _chosen(project: Project, names: Sequence[str]) -> tuple[list[Schedule], set[str], list[str]]:
    written = read_schedules(
        project.tables.get("schedules", {}), str(project.root / "pyproject.toml")
    )
    with opened(project) as (_, store), store.read() as reader:
        states = reader.states()
        known = {one.schedule.name: one.schedule for one in states} | written
        paused = {one.schedule.name for one in states if one.paused}
        for name in names:
            if name not in known:
                reader.schedule(name)
    chosen = [known[name] for name in (names or sorted(known)) if names or name not in paused]
    if not chosen:
        raise ScheduleError(
            "there is no schedule to export", fix="see: mlops-nb schedule add --help"
        )
    return chosen, set(written), sorted(known)


def _entry(
    schedule: Schedule,
    local: str,
    in_project: bool,
    ids: tuple[Mapping[str, str], Mapping[str, str]],
) -> ScheduleEntry:
    trigger = read_trigger(schedule)
    return ScheduleEntry(
        name=schedule.name,
        id=ids[0][schedule.name],
        short_id=ids[1][schedule.name],
        words=trigger.words(),
        fields=cover(trigger, schedule.timezone),
        utc=cover(trigger, "UTC"),
        machine=cover(trigger, local),
        timeout=schedule.timeout,
        in_project=in_project,
    )


def _local_zone() -> str:
    """Return the IANA name of this machine's zone; UTC where the system does not say."""
    named = os.environ.get("TZ", "").removeprefix(":")
    place = Path("/etc/localtime")
    if not named and place.exists():
        named = str(place.resolve()).partition("/zoneinfo/")[2]
    if named in ("", "Etc/UTC", "Etc/GMT", "GMT", "Zulu", "Universal", "Etc/Zulu"):
        return "UTC"
    try:
        return zone(named).key
    except ScheduleError:
        return "UTC"
