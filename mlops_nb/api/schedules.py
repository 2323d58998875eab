"""Adds, changes and lists schedules, and says what became of their occurrences."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mlops_nb.api.occurrences import (
    calendar,
    daemons,
    describe,
    history,
    list_schedules,
    moment_of,
    next_times,
    show,
)
from mlops_nb.api.schedule_store import Where, opened
from mlops_nb.config import Project, find_project
from mlops_nb.errors import ScheduleError, nearest
from mlops_nb.model import Schedule, SyncReport
from mlops_nb.scheduling.settings import check_schedule, read_schedules
from mlops_nb.scheduling.zones import iso

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops_nb.model import (
        Json,
        Occurrence,
        ScheduleState,
    )

__all__ = [
    "add",
    "calendar",
    "cancel",
    "daemons",
    "describe",
    "edit",
    "history",
    "list_schedules",
    "moment_of",
    "next_times",
    "opened",
    "pause",
    "remove",
    "resume",
    "run_now",
    "show",
    "sync",
    "tasks_of",
    "with_changes",
    "without",
]


def add(project: Where, schedule: Schedule) -> ScheduleState:
    """Add a schedule; its first occurrence is the first one after now.

    Parameters
    ----------
    project
        A project, its folder or its specification.
    schedule
        The new one.

    Raises
    ------
    ScheduleError
        The name is taken, or a value is wrong.
    ProjectError
        The pipeline has no such task.
    """
    with opened(project) as (found, store):
        check_schedule(schedule)
        _check_tasks(found, schedule.tasks)
        now = store.clock()
        with store.write() as writer:
            if schedule.name in writer.names():
                raise ScheduleError(
                    "there is one of that name",
                    where=f'schedule "{schedule.name}"',
                    fix=f"change it with: mlops-nb schedule edit {schedule.name}",
                )
            writer.put(schedule, now=now)
            return writer.states([schedule.name])[0]


def edit(project: Where, name: str, *, unset: Sequence[str] = (), **changes: Json) -> ScheduleState:
    """Change some fields of a schedule.

    Parameters
    ----------
    project
        A project, its folder or its specification.
    name
        The schedule's name.
    unset
        Fields that get back what a new schedule has.
    changes
        Fields of `Schedule`; texts become what the field holds (``overlap="queue"``).

    Raises
    ------
    ScheduleError
        There is no such schedule or field, a value is wrong, or the schedule is kept in
        ``pyproject.toml``.
    """
    with opened(project) as (found, store):
        with store.read() as reader:
            old = reader.schedule(name)
            _in_store(reader.states([name])[0])
        changed = with_changes(without(old, unset), changes)
        check_schedule(changed)
        if changed.tasks != old.tasks:
            _check_tasks(found, changed.tasks)
        now = store.clock()
        with store.write() as writer:
            writer.put(changed, now=now)
            return writer.states([name])[0]


def with_changes(schedule: Schedule, changes: dict[str, Json]) -> Schedule:
    """Return a schedule with some fields changed, each checked for its type.

    Raises
    ------
    ScheduleError
        There is no such field, or a value has the wrong type.
    """
    known = [field for field in schedule.__struct_fields__ if field != "name"]
    for field in changes:
        if field not in known:
            raise ScheduleError(f'a schedule has no "{field}"', fix=nearest(field, known))
    try:
        return msgspec.convert(msgspec.to_builtins(schedule) | changes, Schedule)
    except msgspec.ValidationError as error:
        raise ScheduleError(str(error), where=f'schedule "{schedule.name}"') from error


def without(schedule: Schedule, fields: Sequence[str]) -> Schedule:
    """Return a schedule with some fields as a new one has them.

    Raises
    ------
    ScheduleError
        There is no such field, or a schedule cannot be without it.
    """
    known = [field.name for field in msgspec.structs.fields(Schedule) if not field.required]
    for field in fields:
        if field not in known:
            raise ScheduleError(f'"{field}" cannot be unset', fix=nearest(field, known))
    bare = Schedule(name=schedule.name, when=schedule.when)
    return msgspec.structs.replace(schedule, **{field: getattr(bare, field) for field in fields})


def pause(project: Where, name: str, *, by: str = "") -> ScheduleState:
    """Let nothing of a schedule come due or start until it is resumed; what runs goes on.

    Raises
    ------
    ScheduleError
        There is none of that name.
    """
    from mlops_nb.registry.store import user_name

    with opened(project) as (_, store), store.write() as writer:
        writer.pause(name, by=by or user_name(), now=store.clock())
        return writer.states([name])[0]


def resume(project: Where, name: str) -> ScheduleState:
    """End a pause; the times that lie in it are no missed occurrences.

    Raises
    ------
    ScheduleError
        There is none of that name.
    """
    with opened(project) as (_, store), store.write() as writer:
        writer.resume(name, now=store.clock())
        return writer.states([name])[0]


def remove(project: Where, name: str, *, keep_runs: bool = False) -> None:
    """Remove a schedule; what runs is left to end, what waits is cancelled, its history stays.

    Parameters
    ----------
    project, name
        The project and the schedule's name.
    keep_runs
        Keep the runs for ever. By default they go with the history, after ``history-days``.

    Raises
    ------
    ScheduleError
        There is none of that name, or it is kept in ``pyproject.toml``.
    """
    with opened(project) as (_, store), store.write() as writer:
        writer.origin(name)
        try:
            state = writer.states([name])[0]
        except ScheduleError:
            state = None  # It cannot be read: wherever it comes from, this is how to be rid of it.
        if state is not None:
            _in_store(state)
        writer.remove(name, now=store.clock(), keep_runs=keep_runs)


def run_now(project: Where, name: str) -> Occurrence:
    """Add an occurrence that is due at once; a daemon runs it, also where the schedule is paused.

    Raises
    ------
    ScheduleError
        There is none of that name.
    """
    with opened(project) as (_, store), store.write() as writer:
        at = writer.run_now(name, now=store.clock())
        made = writer.occurrence(name, at)
        assert made is not None  # noqa: S101
        return made


def cancel(project: Where, name: str, at: float, *, by: str = "") -> Occurrence:
    """Stop an occurrence that runs, or end one that waits.

    Parameters
    ----------
    project
        A project, its folder or its specification.
    name, at
        The schedule's name and the occurrence's logical time.
    by
        Who asks for it; you by default.

    Raises
    ------
    ScheduleError
        There is no such occurrence, or it is over.
    """
    from mlops_nb.registry.store import user_name
    from mlops_nb.scheduling.course import cancel as stop

    with opened(project) as (_, store), store.write() as writer:
        found = writer.occurrence(name, at)
        if found is None or found.state.is_final:
            raise ScheduleError(
                "it is over" if found else "there is no such occurrence",
                where=f'schedule "{name}", {iso(at)}',
                fix=f'see "mlops-nb schedule history {name}"',
            )
        stop(writer, found.id, f"cancelled by {by or user_name()}", now=store.clock())
        return writer.occurrence(name, at) or found


def sync(project: Where = None, *, dry_run: bool = False) -> SyncReport:
    """Bring the store in line with ``[tool.mlops-nb.schedules]``.

    A schedule that stands there is added or changed; one that came from there and stands there no
    longer is removed. Those that were added by hand are left alone. A pause stays.

    Parameters
    ----------
    project
        A project, its folder or its specification.
    dry_run
        Only say what would change.

    Raises
    ------
    ConfigError
        A schedule is wrong.
    ScheduleError
        A schedule of one of these names was added by hand.
    """
    with opened(project) as (found, store):
        wanted = read_schedules(
            found.tables.get("schedules", {}), str(found.root / "pyproject.toml")
        )
        for schedule in wanted.values():
            _check_tasks(found, schedule.tasks)
        now = store.clock()
        with store.write() as writer:
            mine = writer.schedules("project")
            other = writer.schedules("store")
            for name in wanted:
                if name in other:
                    raise ScheduleError(
                        "was added by hand, and stands in pyproject.toml too",
                        where=f'schedule "{name}"',
                        fix=f'rename one, or remove it first: mlops-nb schedule remove "{name}"',
                    )
            report = SyncReport(
                added=tuple(name for name in wanted if name not in mine),
                changed=tuple(n for n, s in wanted.items() if n in mine and mine[n] != s),
                removed=tuple(name for name in mine if name not in wanted),
                unchanged=tuple(n for n, s in wanted.items() if mine.get(n) == s),
            )
            if not dry_run:
                for name in (*report.added, *report.changed):
                    writer.put(wanted[name], now=now, origin="project")
                for name in report.removed:
                    writer.remove(name, now=now)
        return report


def tasks_of(project: Where, notebooks: Sequence[str]) -> tuple[str, ...]:
    """Return the tasks whose sources these notebooks are.

    Raises
    ------
    ScheduleError
        A notebook belongs to no task.
    """
    from mlops_nb.pipeline.load import load_pipeline

    if not notebooks:
        return ()
    found = project if isinstance(project, Project) else find_project(project)
    by_source = {
        (found.root / task.source).resolve(): task.name for task in load_pipeline(found).tasks
    }
    names = []
    for notebook in notebooks:
        places = [(Path(base) / notebook).resolve() for base in (Path.cwd(), found.root)]
        name = next((by_source[place] for place in places if place in by_source), None)
        if name is None:
            known = [str(one.relative_to(found.root.resolve())) for one in by_source]
            raise ScheduleError(f"{notebook} is no task's source", fix=nearest(notebook, known))
        names.append(name)
    return tuple(names)


def _check_tasks(project: Project, tasks: Sequence[str]) -> None:
    if not tasks:
        return
    from mlops_nb.errors import PipelineError
    from mlops_nb.pipeline.load import load_pipeline

    known = [task.name for task in load_pipeline(project).tasks]
    for name in tasks:
        if name not in known:
            raise PipelineError(f'there is no task "{name}"', fix=nearest(name, known))


def _in_store(state: ScheduleState) -> None:
    if state.origin == "project":
        raise ScheduleError(
            "is kept in pyproject.toml",
            where=f'schedule "{state.schedule.name}"',
            fix=f"change [tool.mlops-nb.schedules.{state.schedule.name}] there, "
            "then: mlops-nb schedule sync",
        )
