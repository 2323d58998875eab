"""Schedules as the API tells them and is told of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from mlops_nb.model.base import Json, Record, to_builtins
from mlops_nb.model.scheduling import Occurrence, SchedulerStatus, ScheduleState, When
from mlops_nb.server.requests import Body, Name, Names, ProjectQuery

__all__ = [
    "AddSchedule",
    "CalendarQuery",
    "CalendarView",
    "CancelOccurrence",
    "EditSchedule",
    "OccurrenceList",
    "OccurrencesQuery",
    "PreviewSchedule",
    "ScheduleList",
    "ScheduleTimes",
    "ScheduleView",
    "changes_of",
]

Count = Annotated[int, Meta(ge=0, le=1_000)]
Seconds = Annotated[float, Meta(ge=0, le=10_000_000_000)]
Short = Annotated[str, Meta(max_length=500)]
Missed = Literal["skip", "once", "all"] | Annotated[int, Meta(ge=1, le=1_000)]
Overlap = Literal["skip", "queue", "cancel", "allow"]
Source = Literal["latest", "snapshot", "commit"]


class ScheduleView(ScheduleState, frozen=True, kw_only=True):
    """One schedule and how it stands."""

    next: tuple[When, ...] = ()
    """The coming times, as if it were not paused."""


class ScheduleList(Record, frozen=True, kw_only=True):
    """All schedules of a project."""

    schedules: tuple[ScheduleView, ...] = ()
    schedulers: tuple[SchedulerStatus, ...] = ()
    served: bool = False
    """Whether one of them is active: otherwise nothing starts by itself."""
    fix: str = ""
    """How to start one, where none is active."""


class ScheduleTimes(Record, frozen=True, kw_only=True):
    """Coming times."""

    words: str = ""
    timezone: str = ""
    times: tuple[When, ...] = ()


class CalendarView(Record, frozen=True, kw_only=True):
    """The times of all schedules that are not paused, by name."""

    times: dict[str, tuple[When, ...]] = {}


class OccurrenceList(Record, frozen=True, kw_only=True):
    """What became of times, the latest first."""

    occurrences: tuple[Occurrence, ...] = ()


class OccurrencesQuery(ProjectQuery, frozen=True, kw_only=True):
    """Which occurrences."""

    limit: Annotated[int, Meta(ge=1, le=1_000)] = 50
    before: float | None = None
    """Only those with an earlier logical time."""
    since: float | None = None


class CalendarQuery(ProjectQuery, frozen=True, kw_only=True):
    """Between which moments, seconds since the epoch."""

    since: Annotated[float, Meta(ge=0, le=10_000_000_000)]
    until: Annotated[float, Meta(ge=0, le=10_000_000_000)]


class PreviewSchedule(Body, frozen=True, kw_only=True):
    """When a schedule would be due."""

    when: Name
    timezone: Short = "UTC"
    """An IANA name."""
    start: Short = ""
    end: Short = ""
    count: Annotated[int, Meta(ge=1, le=500)] = 10


class CancelOccurrence(Body, frozen=True, kw_only=True):
    """Which occurrence to end."""

    at: Seconds
    """Its logical time."""


class EditSchedule(Body, frozen=True, kw_only=True, omit_defaults=True):
    """What changes of a schedule; what is left out stays."""

    when: Name | UnsetType = UNSET
    """A cron expression, ``every 15 minutes``, or words such as ``every weekday at 6``."""
    timezone: Short | UnsetType = UNSET
    """An IANA name."""
    tasks: Names | UnsetType = UNSET
    """The whole pipeline where empty."""
    parameters: Annotated[dict[Name, Json], Meta(max_length=5_000)] | UnsetType = UNSET
    """Texts may hold ``{{ scheduled_at | date }}``."""
    force: bool | UnsetType = UNSET
    source: Source | UnsetType = UNSET
    """Which sources it runs: the latest, a snapshot made at its start, or a commit."""
    ref: Short | UnsetType = UNSET
    missed: Missed | UnsetType = UNSET
    """What becomes of times that nobody was there for."""
    grace: Seconds | UnsetType = UNSET
    overlap: Overlap | UnsetType = UNSET
    """What happens when the one before is not over."""
    max_running: Count | UnsetType = UNSET
    retries: Count | UnsetType = UNSET
    backoff: Seconds | UnsetType = UNSET
    timeout: Seconds | UnsetType | None = UNSET
    jitter: Seconds | UnsetType = UNSET
    start: Short | UnsetType = UNSET
    end: Short | UnsetType = UNSET
    sla: Seconds | UnsetType | None = UNSET
    description: Annotated[str, Meta(max_length=20_000)] | UnsetType = UNSET


class AddSchedule(EditSchedule, frozen=True, kw_only=True):
    """A new schedule; what is left out has the default."""

    name: Name
    when: Name
    """A cron expression, ``every 15 minutes``, or words such as ``every weekday at 6``."""
    notebooks: Names = ()
    """Notebooks whose tasks it runs, relative to the project; instead of ``tasks``."""


def changes_of(body: EditSchedule) -> dict[str, Any]:
    """Return the fields of a body that were given, as plain JSON."""
    given: dict[str, Any] = to_builtins(body)
    return given
