"""Schedules as the API tells them."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from mlops_nb.model.base import Json, Record
from mlops_nb.server.requests import Body, Name, Names

__all__ = [
    "AddSchedule",
    "OccurrenceList",
    "OccurrenceView",
    "PreviewSchedule",
    "ScheduleList",
    "ScheduleTimes",
    "ScheduleView",
]


class OccurrenceView(Record, frozen=True, kw_only=True):
    """One time at which a schedule was, or is, due."""

    schedule: str
    scheduled_at: float
    """Seconds since the epoch; the same for every retry."""
    state: str
    """``due``, ``running``, ``succeeded``, ``failed``, ``missed``, ``skipped`` or ``cancelled``."""
    run: str = ""
    """The run's id; empty where none was started."""
    attempt: int = 0
    started: float | None = None
    ended: float | None = None
    text: str = ""
    """Why it stands so."""


class ScheduleView(Record, frozen=True, kw_only=True):
    """One schedule."""

    name: str
    when: str
    """As it was written: a cron expression, an interval or words."""
    words: str
    """For people: ``every weekday at 06:00``."""
    timezone: str
    tasks: tuple[str, ...] = ()
    """The whole pipeline where empty."""
    notebook: str = ""
    """A notebook on its own, relative to the project."""
    parameters: dict[str, Json] = {}
    paused: bool = False
    missed: str = ""
    overlap: str = ""
    retries: int = 0
    timeout: float | None = None
    start: float | None = None
    end: float | None = None
    versioned: bool = False
    """Whether it comes from the project's settings, so that it is edited there."""
    next: tuple[float, ...] = ()
    """The coming times, seconds since the epoch; empty while it is paused."""
    last: OccurrenceView | None = None


class ScheduleList(Record, frozen=True, kw_only=True):
    """All schedules of a project."""

    schedules: tuple[ScheduleView, ...] = ()
    served: bool = False
    """Whether a scheduler is running that obeys them."""
    fix: str = ""
    """How to start one, where none is running."""


class ScheduleTimes(Record, frozen=True, kw_only=True):
    """Coming times."""

    words: str = ""
    timezone: str = ""
    times: tuple[float, ...] = ()
    """Seconds since the epoch."""


class OccurrenceList(Record, frozen=True, kw_only=True):
    """What became of a schedule's times, the latest first."""

    occurrences: tuple[OccurrenceView, ...] = ()


class PreviewSchedule(Body, frozen=True, kw_only=True):
    """When a schedule would be due."""

    when: Name
    timezone: Annotated[str, Meta(max_length=100)] = ""
    """An IANA name; the machine's where empty."""
    count: Annotated[int, Meta(ge=1, le=500)] = 10


class AddSchedule(Body, frozen=True, kw_only=True):
    """A new schedule."""

    name: Name
    when: Name
    """A cron expression, an interval, or words such as ``every weekday at 6``."""
    timezone: Annotated[str, Meta(max_length=100)] = ""
    tasks: Names = ()
    notebook: Annotated[str, Meta(max_length=4_000)] = ""
    parameters: Annotated[dict[Name, Json], Meta(max_length=5_000)] = {}
    missed: Literal["", "skip", "once", "all"] = ""
    """What becomes of times that nobody was there for; the default where empty."""
    overlap: Literal["", "skip", "queue", "cancel", "allow"] = ""
    """What happens when the run before goes on still; the default where empty."""
    retries: Annotated[int, Meta(ge=0, le=100)] = 0
    timeout: Annotated[float, Meta(gt=0, le=10_000_000)] | None = None
    start: float | None = None
    end: float | None = None
