"""Says a schedule's times in the fields of other schedulers, in their zone.

Others lack zones, ``L`` or intervals of odd lengths. The fields given here name every time at which
the schedule is due and sometimes more; ``mlops-nb run --schedule`` finds nothing to do at those.
"""

from __future__ import annotations

import datetime as dt
import re
import time
from bisect import bisect_right
from itertools import islice, pairwise
from math import gcd
from typing import TYPE_CHECKING

import msgspec

from mlops_nb.cron import from_sunday
from mlops_nb.model import CronFields
from mlops_nb.scheduling.when import Trigger
from mlops_nb.scheduling.zones import changes_between, offset_at, zone

if TYPE_CHECKING:
    from collections.abc import Iterable
    from zoneinfo import ZoneInfo

__all__ = ["cover", "utc_by_offset"]

_DAYS = 800
_CYCLE = 28 * 365 + 7
"""Days after which the calendar's weekdays and leap years come again."""
_SPARSE = 200
"""Fewer times than that in `_DAYS`, and a whole cycle is looked at."""
_MOST = 5000
"""Times that are looked at one by one; of a denser schedule the days are not told apart."""
_SLACK = 60.0
"""Seconds by which an exported entry may fire too early and still be told from a right one."""
_LATEST = 43_200.0
"""Seconds: nobody is later than that."""
_PLAIN = re.compile(r"(?:[\d*/,-]|\b[a-z]{3}\b|\s)+")
"""What every cron reads."""
_RANGES = {"minutes": 60, "hours": 24, "days": 31, "months": 12, "weekdays": 7}


def cover(trigger: Trigger, timezone: str, *, now: float | None = None) -> CronFields:
    """Return fields that cover a trigger's times.

    Parameters
    ----------
    trigger
        The schedule's times.
    timezone
        The zone that the fields are read in.
    now
        From when on; the clock by default.
    """
    start = time.time() if now is None else now
    until = start + _DAYS * 86_400
    tz = zone(timezone)
    if trigger.every:
        offsets = {offset_at(tz, at) for at in (start, *changes_between(tz, start, until))}
        return _interval(trigger, timezone, offsets)
    own = zone(trigger.timezone)
    if timezone == trigger.timezone:
        # Read in its own zone, it is a plain calendar; what clock changes do is up to the reader.
        found, until, dense = _look(Trigger(cron=trigger.cron), zone("UTC"), start)
        fields = _fields([dt.datetime.fromtimestamp(at, dt.UTC) for at in found], "UTC")
        if dense:
            fields = msgspec.structs.replace(fields, days=(), months=(), weekdays=(), exact=False)
        if _PLAIN.fullmatch(trigger.cron):
            return msgspec.structs.replace(fields, own=from_sunday(trigger.cron), timezone=timezone)
        judged = _dense(fields) if dense else _judged(fields, found, start, until)
        return msgspec.structs.replace(judged, timezone=timezone)
    found, until, dense = _look(Trigger(cron=trigger.cron, timezone=trigger.timezone), tz, start)
    if not dense:
        walls = [dt.datetime.fromtimestamp(at, tz) for at in found]
        return _judged(_fields(walls, timezone), found, start, until)
    # A dense one: its times of the day, seen from each offset that either zone has.
    changes = changes_between(own, start, until)
    # What clock changes skip is due when the gap ends, at a time that no other day may have.
    moved = [at for change in changes for at in trigger.times(change - 1, change + 1)]
    of_day = {int(at + offset_at(own, at)) % 86_400 // 60 for at in (*found, *moved)}
    shifts = {
        (offset_at(tz, at) - offset_at(own, at)) // 60
        for at in (start, *changes, *changes_between(tz, start, until))
    }
    minutes = {(minute + shift) % 1440 for minute in of_day for shift in shifts}
    return _dense(
        CronFields(
            minutes=_short({one % 60 for one in minutes}, "minutes"),
            hours=_short({one // 60 for one in minutes}, "hours"),
            timezone=timezone,
        )
    )


def utc_by_offset(cron: str, timezone: str, *, now: float | None = None) -> dict[str, str]:
    """Return an expression in UTC for each offset that a zone's clocks have, such as ``+0100``.

    Parameters
    ----------
    cron
        Five plain fields.
    timezone
        The zone that they are meant in.
    now
        From when on; the clock by default.

    Returns
    -------
    dict
        Expressions by offset; empty where one of them cannot be said exactly.
    """
    start = time.time() if now is None else now
    tz = zone(timezone)
    changes = changes_between(tz, start, start + _DAYS * 86_400)
    result = {}
    for offset in sorted({offset_at(tz, at) for at in (start, *changes)}):
        found, until, dense = _look(Trigger(cron=cron), zone("UTC"), start + offset)
        moments = [at - offset for at in found]
        if dense or offset % 60:
            return {}
        walls = [dt.datetime.fromtimestamp(at, dt.UTC) for at in moments]
        fields = _judged(_fields(walls, "UTC"), moments, start, until - offset)
        if not fields.exact:
            return {}
        hours, minutes = divmod(abs(offset) // 60, 60)
        result[f"{'-' if offset < 0 else '+'}{hours:02d}{minutes:02d}"] = fields.text
    return result


def _look(trigger: Trigger, tz: ZoneInfo, start: float) -> tuple[list[float], float, bool]:
    """Return the times from a start on, until when, and whether they are too many to look at.

    What is found must not depend on when it is looked: leap years and the ends of months come
    out whole only over a cycle of the calendar.
    """
    until = start + _DAYS * 86_400
    found = list(islice(trigger.times(start, until), _MOST + 1))
    if len(found) > _MOST:
        return found, until, True
    days = {dt.datetime.fromtimestamp(at, tz).day for at in found}
    if len(days) < 31 and (len(found) < _SPARSE or max(days) > 26):
        until = start + _CYCLE * 86_400
        found = list(islice(trigger.times(start, until), 2 * _MOST + 1))
    return found, until, len(found) > 2 * _MOST


def _interval(trigger: Trigger, timezone: str, offsets: set[int]) -> CronFields:
    step = trigger.every / 60
    if step != int(step):
        return CronFields(timezone=timezone, exact=False, within=0.0)
    each = gcd(int(step), 60)
    anchor = int((trigger.start or 0) // 60)
    minutes = {
        (anchor + offset // 60 + count * each) % 60 for count in range(60) for offset in offsets
    }
    fields = CronFields(minutes=_short(minutes, "minutes"), timezone=timezone)
    return fields if 60 % int(step) == 0 and len(minutes) * each == 60 else _dense(fields)


def _dense(fields: CronFields) -> CronFields:
    """Return fields as inexact: each fire but the right one is at least a gap behind its time."""
    times = sorted(
        hour * 60 + minute
        for hour in fields.hours or range(24)
        for minute in fields.minutes or range(60)
    )
    gap = min(after - before for before, after in pairwise([*times, times[0] + 1440]))
    return msgspec.structs.replace(fields, exact=False, within=gap * 60.0 - _SLACK)


def _fields(walls: Iterable[dt.datetime], timezone: str) -> CronFields:
    walls = list(walls)
    return CronFields(
        minutes=_short({one.minute for one in walls}, "minutes"),
        hours=_short({one.hour for one in walls}, "hours"),
        days=_short({one.day for one in walls}, "days"),
        months=_short({one.month for one in walls}, "months"),
        weekdays=_short({one.isoweekday() % 7 for one in walls}, "weekdays"),
        timezone=timezone,
    )


def _judged(fields: CronFields, found: list[float], start: float, until: float) -> CronFields:
    """Return the fields with what is not needed left out, and whether they are exact."""
    # Both restricted, cron takes either: so one of them has to go, and what is left is judged.
    candidates = [fields]
    if fields.days and fields.weekdays:
        candidates = [
            msgspec.structs.replace(fields, days=()),
            msgspec.structs.replace(fields, weekdays=()),
        ]
    best: list[float] = []
    chosen = fields
    for one in candidates:
        times = Trigger(cron=one.text, timezone=one.timezone).times(start, until)
        fires = list(islice(times, 10 * _MOST))
        if one is candidates[0] or len(fires) < len(best):
            best, chosen = fires, one
    due = set(found)
    behind = [
        at - found[place - 1] for at in best if at not in due and (place := bisect_right(found, at))
    ]
    within = max(min(min(behind) - _SLACK, _LATEST), 0.0) if behind else None
    return msgspec.structs.replace(chosen, exact=len(best) == len(found), within=within)


def _short(values: set[int], name: str) -> tuple[int, ...]:
    return () if len(values) == _RANGES[name] else tuple(sorted(values))
