"""Says a schedule's times in the fields of other schedulers, in their zone.

Others lack zones, ``L`` or intervals of odd lengths. The fields given here name every time at which
the schedule is due and sometimes more; ``mlops-nb run --schedule`` finds nothing to do at those.
"""

from __future__ import annotations

import datetime as dt
import re
import time
from itertools import islice
from math import gcd
from typing import TYPE_CHECKING

import msgspec

from mlops_nb.model import CronFields
from mlops_nb.scheduling.when import Trigger
from mlops_nb.scheduling.zones import changes_between, offset_at, zone

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["cover"]

_DAYS = 800
_MOST = 5000
"""Times that are looked at one by one; of a denser schedule the days are not told apart."""
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
        plain = Trigger(cron=trigger.cron)
        found = list(islice(plain.times(start, until), _MOST + 1))
        fields = _fields([dt.datetime.fromtimestamp(at, dt.UTC) for at in found], "UTC")
        if len(found) > _MOST:
            fields = msgspec.structs.replace(fields, days=(), months=(), weekdays=(), exact=False)
        if _PLAIN.fullmatch(trigger.cron):
            return msgspec.structs.replace(fields, own=trigger.cron, timezone=timezone)
        judged = fields if len(found) > _MOST else _judged(fields, found, start, until)
        return msgspec.structs.replace(judged, timezone=timezone)
    found = list(
        islice(Trigger(cron=trigger.cron, timezone=trigger.timezone).times(start, until), _MOST + 1)
    )
    if len(found) <= _MOST:
        walls = [dt.datetime.fromtimestamp(at, tz) for at in found]
        return _judged(_fields(walls, timezone), found, start, until)
    # A dense one: its times of the day, seen from each offset that either zone has.
    of_day = {int(at + offset_at(own, at)) % 86_400 // 60 for at in found}
    shifts = {
        (offset_at(tz, at) - offset_at(own, at)) // 60
        for at in (start, *changes_between(own, start, until), *changes_between(tz, start, until))
    }
    minutes = {(minute + shift) % 1440 for minute in of_day for shift in shifts}
    return CronFields(
        minutes=_short({one % 60 for one in minutes}, "minutes"),
        hours=_short({one // 60 for one in minutes}, "hours"),
        timezone=timezone,
        exact=False,
    )


def _interval(trigger: Trigger, timezone: str, offsets: set[int]) -> CronFields:
    step = trigger.every / 60
    if step != int(step):
        return CronFields(timezone=timezone, exact=False)
    each = gcd(int(step), 60)
    anchor = int((trigger.start or 0) // 60)
    minutes = {
        (anchor + offset // 60 + count * each) % 60 for count in range(60) for offset in offsets
    }
    return CronFields(
        minutes=_short(minutes, "minutes"),
        timezone=timezone,
        exact=60 % int(step) == 0 and len(minutes) * each == 60,
    )


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
    best = candidates[0]
    fewest = None
    for one in candidates:
        times = Trigger(cron=one.text, timezone=one.timezone).times(start, until)
        count = sum(1 for _ in islice(times, 10 * _MOST))
        if fewest is None or count < fewest:
            best, fewest = one, count
    return msgspec.structs.replace(best, exact=fewest == len(found))


def _short(values: set[int], name: str) -> tuple[int, ...]:
    return () if len(values) == _RANGES[name] else tuple(sorted(values))
