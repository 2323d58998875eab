"""Says how schedules stand, when they are due, and what became of their occurrences."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from mlops_nb.api.schedule_store import Where, opened
from mlops_nb.errors import ScheduleError
from mlops_nb.model import Schedule, When
from mlops_nb.scheduling.when import read_trigger
from mlops_nb.scheduling.zones import iso

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops_nb.model import Occurrence, OccurrenceState, SchedulerStatus, ScheduleState

__all__ = [
    "calendar",
    "daemons",
    "describe",
    "history",
    "list_schedules",
    "moment_of",
    "next_times",
    "show",
]


def list_schedules(project: Where = None) -> tuple[ScheduleState, ...]:
    """Return every schedule and how it stands, by name."""
    with opened(project) as (_, store), store.read() as reader:
        return reader.states()


def show(project: Where, name: str) -> ScheduleState:
    """Return one schedule and how it stands.

    Raises
    ------
    ScheduleError
        There is none of that name.
    """
    with opened(project) as (_, store), store.read() as reader:
        reader.schedule(name)
        return reader.states([name])[0]


def history(
    project: Where = None,
    name: str = "",
    *,
    limit: int = 50,
    states: Sequence[OccurrenceState] = (),
    before: float | None = None,
    since: float | None = None,
) -> tuple[Occurrence, ...]:
    """Return what became of occurrences, the newest first.

    Parameters
    ----------
    project
        A project, its folder or its specification.
    name
        Of one schedule; of all by default.
    limit
        At most so many.
    states
        Only in these states; all by default.
    before, since
        Only with a logical time before, or at and after, these moments.

    Raises
    ------
    ScheduleError
        There is none of that name.
    """
    with opened(project) as (_, store), store.read() as reader:
        found = reader.history(name, limit=limit, states=states, before=before, since=since)
        if name and not found:
            reader.schedule(name)
        return found


def next_times(
    project: Where, name: str, *, count: int = 5, after: float | None = None
) -> tuple[When, ...]:
    """Return a schedule's next occurrences, as if it were not paused.

    Raises
    ------
    ScheduleError
        There is none of that name.
    """
    with opened(project) as (_, store), store.read() as reader:
        schedule = reader.schedule(name)
        return _times(schedule, store.clock() if after is None else after, count=count)


def calendar(
    project: Where, *, since: float, until: float, limit: int = 2000
) -> dict[str, tuple[When, ...]]:
    """Return the occurrences of every schedule that is not paused between two moments, by name.

    Parameters
    ----------
    project
        A project, its folder or its specification.
    since, until
        Seconds since the epoch.
    limit
        At most so many of one schedule.
    """
    found = {}
    for state in list_schedules(project):
        if not state.paused:
            one = state.schedule
            found[one.name] = _times(one, since, until=until, count=limit)
    return found


def describe(
    when: str, timezone: str = "UTC", *, count: int = 5, start: str = "", end: str = ""
) -> tuple[str, tuple[When, ...]]:
    """Return a time in words, and its next occurrences; for a form that is being filled in.

    Raises
    ------
    ScheduleError
        The time, the zone, the start or the end means nothing.
    """
    import time

    draft = Schedule(name="new", when=when, timezone=timezone, start=start, end=end)
    words = read_trigger(draft).words()
    return words, _times(draft, time.time(), count=count)


def daemons(project: Where = None) -> tuple[SchedulerStatus, ...]:
    """Return the daemons that work on the project's schedules or did lately, the newest first."""
    with opened(project) as (_, store), store.read() as reader:
        return reader.daemons()


def moment_of(text: str) -> float:
    """Return the seconds since the epoch of an ISO time with its offset.

    Raises
    ------
    ScheduleError
        The text is no time, or lacks its offset.
    """
    import datetime as dt

    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise ScheduleError(
            f'"{text}" is no time',
            fix="write it with its offset: 2026-03-01T06:00:00+01:00",
        ) from error
    if moment.tzinfo is None:
        raise ScheduleError(f'"{text}" lacks its offset', fix=f"write {text}+00:00 for UTC")
    return round(moment.timestamp(), 3)


def _times(
    schedule: Schedule, after: float, *, until: float = float("inf"), count: int
) -> tuple[When, ...]:
    times = islice(read_trigger(schedule).times(after, until), count)
    return tuple(When(at=at, local=iso(at, schedule.timezone)) for at in times)
