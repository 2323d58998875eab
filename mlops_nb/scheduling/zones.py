"""Time zones: by name, what the wall shows, and when the clocks are changed."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from mlops_nb.errors import ScheduleError, nearest

__all__ = ["changes_between", "iso", "next_change", "offset_at", "zone"]

_HORIZON = 2 * 366 * 86_400
"""Seconds after which a zone without a change so far is looked at again."""


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """Return a time zone.

    Raises
    ------
    ScheduleError
        No zone is called so.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        known = available_timezones()
        by_city = [one for one in known if one.rpartition("/")[2].lower() == name.lower()]
        fix = f'did you mean "{by_city[0]}"?' if by_city else nearest(name, known)
        fix = fix if len(fix) < 200 else 'write an IANA name such as "Europe/Berlin"'
        raise ScheduleError(f'no time zone is called "{name}"', fix=fix) from error


def iso(moment: float, timezone: str = "UTC") -> str:
    """Return a moment as ISO text in a zone."""
    made = dt.datetime.fromtimestamp(moment, zone(timezone))
    return made.isoformat(timespec="milliseconds" if made.microsecond else "seconds")


def offset_at(tz: ZoneInfo, moment: float) -> int:
    """Return the seconds that a zone's clocks are ahead of UTC at a moment."""
    found = dt.datetime.fromtimestamp(moment, tz).utcoffset()
    return 0 if found is None else int(found.total_seconds())


def _day_of_change(tz: ZoneInfo, day: int) -> int | None:
    """Return the first moment of a UTC day at which a zone's offset is another; in seconds."""
    low, high = day * 86_400, (day + 1) * 86_400
    before = offset_at(tz, low)
    if offset_at(tz, high) == before:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if offset_at(tz, middle) == before else (low, middle)
    return high


def next_change(tz: ZoneInfo, start: int) -> int:
    """Return when a zone's clocks are changed next, or a moment far away."""
    first = start // 86_400
    for year in range(first // 366, first // 366 + 4):
        for change in _changes(tz, year):
            if change > start:
                return change
    return start + _HORIZON


@lru_cache(maxsize=4096)
def _changes(tz: ZoneInfo, year: int) -> tuple[int, ...]:
    """Return the changes within 366 days; `year` counts such spans from 1970."""
    days = range(year * 366, (year + 1) * 366)
    return tuple(change for day in days if (change := _day_of_change(tz, day)) is not None)


def changes_between(tz: ZoneInfo, start: float, end: float) -> tuple[int, ...]:
    """Return the moments between two others at which a zone's clocks are changed."""
    years = range(int(start // 86_400) // 366, int(end // 86_400) // 366 + 1)
    return tuple(one for year in years for one in _changes(tz, year) if start < one <= end)
