"""Turns rows into records, and moments into the whole milliseconds that rows hold."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from mlops_nb.errors import ScheduleError
from mlops_nb.model import Attempted, Occurrence, OccurrenceState, Schedule, decode
from mlops_nb.processes import Owner
from mlops_nb.scheduling.zones import iso

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "attempted_of",
    "ms",
    "named_schedule",
    "occurrence_of",
    "owner_of",
    "schedule_of",
    "seconds",
]


def ms(moment: float) -> int:
    """Return seconds since the epoch as whole milliseconds."""
    return round(moment * 1000)


def seconds(value: int) -> float:
    """Return whole milliseconds as seconds since the epoch."""
    return value / 1000


@lru_cache(maxsize=4096)
def schedule_of(text: str) -> Schedule:
    """Return the schedule that a row holds.

    Raises
    ------
    ScheduleError
        The row is broken.
    """
    try:
        return decode(text, Schedule)
    except msgspec.DecodeError as error:
        raise ScheduleError(
            f"a row of the store is broken: {error}",
            fix="remove the schedule and add it again",
        ) from error


def named_schedule(text: str, name: str) -> Schedule:
    """Return the schedule that a row holds, and name it where it cannot be read.

    Raises
    ------
    ScheduleError
        The row is broken.
    """
    try:
        return schedule_of(text)
    except ScheduleError as error:
        raise ScheduleError(
            error.message,
            where=f'schedule "{name}"',
            fix=f"remove it and add it again: mlops-nb schedule remove {name}",
        ) from error


def owner_of(text: str) -> Owner | None:
    """Return the process that a row names; ``None`` where it names none."""
    return decode(text, Owner) if text else None


def attempted_of(row: Any) -> Attempted:
    """Return an attempt's record."""
    return Attempted(
        number=row.number,
        run=row.run,
        state=OccurrenceState(row.state),
        started=seconds(row.started),
        ended=None if row.ended is None else seconds(row.ended),
        exit_code=row.exit_code,
        error=row.error,
    )


def occurrence_of(
    row: Any, timezone: str = "UTC", attempts: Sequence[Attempted] = ()
) -> Occurrence:
    """Return an occurrence's record."""
    order = schedule_of(row.order) if row.order else None
    owner = owner_of(row.owner)
    at = seconds(row.at)
    return Occurrence(
        id=row.id,
        schedule=row.schedule,
        at=at,
        local=iso(at, order.timezone if order else timezone),
        state=OccurrenceState(row.state),
        manual=row.manual,
        due=seconds(row.due),
        attempt=row.attempt,
        run=row.run,
        started=None if row.started is None else seconds(row.started),
        ended=None if row.ended is None else seconds(row.ended),
        owner="" if owner is None else f"{owner.host}:{owner.pid}",
        fence=row.fence,
        why=row.why,
        parameters=order.parameters if order else {},
        frozen=row.frozen,
        attempts=tuple(attempts),
    )
