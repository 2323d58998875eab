"""Schedules: when runs start by themselves, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from mlops_nb.api import schedules as api
from mlops_nb.errors import ScheduleError, nearest
from mlops_nb.model import Schedule, SchedulerState
from mlops_nb.server import timetable
from mlops_nb.server.operations import looking_up

if TYPE_CHECKING:
    from mlops_nb.model import Occurrence, ScheduleState
    from mlops_nb.server.worker import Asked

__all__ = [
    "add",
    "calendar",
    "cancel",
    "edit",
    "history",
    "next_times",
    "pause",
    "preview",
    "remove",
    "resume",
    "run_now",
    "schedules",
]

_NEXT = 5
"""Coming times that a schedule is shown with."""


def schedules(asked: Asked) -> timetable.ScheduleList:
    """Return all schedules."""
    daemons = api.daemons(asked.project)
    served = any(one.state is SchedulerState.ACTIVE for one in daemons)
    return timetable.ScheduleList(
        schedules=tuple(_view(asked, state) for state in api.list_schedules(asked.project)),
        schedulers=daemons,
        served=served,
        fix="" if served else 'start "mlops-nb scheduler" in the project, or export the schedules',
    )


def add(asked: Asked) -> timetable.ScheduleView:
    """Add a schedule."""
    body = asked.body
    fields = timetable.changes_of(body)
    notebooks = fields.pop("notebooks", ())
    if notebooks and fields.get("tasks"):
        raise ScheduleError("runs tasks or notebooks, not both", where=f'schedule "{body.name}"')
    if notebooks:
        fields["tasks"] = api.tasks_of(asked.project, notebooks)
    draft = Schedule(name=body.name, when=body.when)
    del fields["name"]
    return _view(asked, api.add(asked.project, api.with_changes(draft, fields)))


def edit(asked: Asked) -> timetable.ScheduleView:
    """Change some of a schedule."""
    name = _found(asked)
    changes = timetable.changes_of(asked.body)
    return _view(asked, api.edit(asked.project, name, **changes))


def preview(asked: Asked) -> timetable.ScheduleTimes:
    """Say when a schedule would be due."""
    body = asked.body
    words, times = api.describe(
        body.when, body.timezone, count=body.count, start=body.start, end=body.end
    )
    return timetable.ScheduleTimes(words=words, timezone=body.timezone, times=times)


def remove(asked: Asked) -> None:
    """Remove a schedule."""
    api.remove(asked.project, _found(asked))


def pause(asked: Asked) -> timetable.ScheduleView:
    """Pause a schedule."""
    return _view(asked, api.pause(asked.project, _found(asked), by=asked.actor))


def resume(asked: Asked) -> timetable.ScheduleView:
    """Go on with a schedule."""
    return _view(asked, api.resume(asked.project, _found(asked)))


def run_now(asked: Asked) -> Occurrence:
    """Have a schedule run once now."""
    return api.run_now(asked.project, _found(asked))


def cancel(asked: Asked) -> Occurrence:
    """End an occurrence."""
    return api.cancel(asked.project, _found(asked), asked.body.at, by=asked.actor)


def next_times(asked: Asked) -> timetable.ScheduleTimes:
    """Return coming times."""
    state = api.show(asked.project, _found(asked))
    times = api.next_times(asked.project, state.schedule.name, count=asked.query.count)
    return timetable.ScheduleTimes(words=state.words, timezone=state.schedule.timezone, times=times)


def calendar(asked: Asked) -> timetable.CalendarView:
    """Return the times of all schedules between two moments."""
    query = asked.query
    return timetable.CalendarView(
        times=api.calendar(asked.project, since=query.since, until=query.until)
    )


def history(asked: Asked) -> timetable.OccurrenceList:
    """Return what became of a schedule's times."""
    query = asked.query
    found = api.history(
        asked.project, _found(asked), limit=query.limit, before=query.before, since=query.since
    )
    return timetable.OccurrenceList(occurrences=found)


def _found(asked: Asked) -> str:
    name = asked.path["schedule"]
    with looking_up():
        known = [state.schedule.name for state in api.list_schedules(asked.project)]
        if name not in known:
            raise ScheduleError(f'no schedule is called "{name}"', fix=nearest(name, known))
    return name


def _view(asked: Asked, state: ScheduleState) -> timetable.ScheduleView:
    times = api.next_times(asked.project, state.schedule.name, count=_NEXT)
    return timetable.ScheduleView(**msgspec.structs.asdict(state), next=times)
