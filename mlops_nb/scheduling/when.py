"""When a schedule is due: cron expressions and intervals, in time zones.

Cron expressions have Debian's meaning and Debian's rule for clock changes, which cronsim keeps:

- A fixed time that a change skips (02:30 in spring) is due when the gap ends (03:00), once.
- A fixed time that a change repeats (01:30 in autumn) is due the first time only.
- An expression whose minute or hour begins with ``*`` follows the clock on the wall: nothing in the
  skipped hour, and the repeated hour twice, since these are different moments.

Day of month and day of week both restricted: either is enough, as in every cron. ``L``, ``LW``,
``5L`` and ``1#2`` are understood. Intervals count from `Schedule.start`, else from 1970-01-01 UTC, and know
nothing of clock changes.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections import deque
from functools import lru_cache
from typing import TYPE_CHECKING

from cronsim import CronSim, CronSimError

from mlops_nb.errors import ScheduleError, nearest
from mlops_nb.model import Record
from mlops_nb.scheduling.words import read_words
from mlops_nb.scheduling.zones import next_change, offset_at, zone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

    from mlops_nb.model import Schedule

__all__ = ["Trigger", "read_trigger", "read_when"]

_ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_NAMES = "sun|mon|tue|wed|thu|fri|sat|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_FIELD = re.compile(rf"(?:[\d*/,#l-]|lw|{_NAMES})+", re.I)
_MIN_SECONDS = 1.0


class Trigger(Record, frozen=True, kw_only=True):
    """The times at which a schedule is due."""

    cron: str = ""
    """Five fields; empty for an interval."""
    every: float = 0.0
    """Seconds of an interval."""
    timezone: str = "UTC"
    start: float | None = None
    """Nothing is due before it."""
    end: float | None = None
    """Nothing is due after it."""

    def after(self, moment: float) -> float | None:
        """Return the first time after a moment, in seconds since the epoch; ``None`` for never."""
        return next(self.times(moment), None)

    def times(self, after: float, until: float = math.inf) -> Iterator[float]:
        """Yield the times after a moment, up to and with another."""
        last = min(until, self.end if self.end is not None else math.inf)
        if self.start is not None and after < self.start:
            after = math.nextafter(self.start, -math.inf)
        for moment in self._interval(after) if self.every else self._cron(after):
            if moment > last:
                return
            yield moment

    def latest(self, moment: float) -> float | None:
        """Return the last time at or before a moment; ``None`` where there was none."""
        span = max(self.every, 120.0)
        while span < 60 * 366 * 86_400.0:
            found = deque(self.times(moment - span, moment), maxlen=1)
            if found:
                return found[0]
            if self.start is not None and moment - span < self.start:
                return None
            span *= 8
        return None

    def words(self) -> str:
        """Return the trigger in English."""
        if self.every:
            return f"Every {_span(self.every)}"
        return f"{_explain(self.cron)} ({self.timezone})"

    def _interval(self, after: float) -> Iterator[float]:
        anchor = self.start or 0.0
        count = math.floor((after - anchor) / self.every)
        while True:
            moment = round(anchor + count * self.every, 3)
            if moment > after:
                yield moment
            count += 1

    def _cron(self, after: float) -> Iterator[float]:
        minute, hour = self.cron.split()[:2]
        wall = minute.startswith("*") or hour.startswith("*")
        last = after
        # A fixed time is looked for along the clock on the wall: where that is set back it begins
        # with times that are over, and where it is set forward several fall onto one moment.
        for moment in self._on_the_wall(after) if wall else self._fixed(after):
            if moment > last:
                last = moment
                yield moment

    def _fixed(self, after: float) -> Iterator[float]:
        tz = zone(self.timezone)
        for found in CronSim(self.cron, dt.datetime.fromtimestamp(math.floor(after), tz)):
            yield found.timestamp()

    def _on_the_wall(self, after: float) -> Iterator[float]:
        # cronsim walks in whole hours and so steps over times where a zone's change is half an
        # hour. Between two changes the wall is a plain calendar, on which it is exact.
        tz = zone(self.timezone)
        start = math.floor(after)
        while True:
            change = next_change(tz, start)
            offset = offset_at(tz, start)
            for found in CronSim(self.cron, _EPOCH + dt.timedelta(seconds=start + offset)):
                moment = (found - _EPOCH).total_seconds() - offset
                if moment >= change:
                    break
                yield moment
            else:
                return
            # The moment of the change belongs to what follows, so the walk begins before it.
            yield from self._at(change, tz)
            start = change

    def _at(self, moment: int, tz: ZoneInfo) -> Iterator[float]:
        """Yield a moment if the wall shows a due time then."""
        wall = _EPOCH + dt.timedelta(seconds=moment + offset_at(tz, moment))
        if next(CronSim(self.cron, wall - dt.timedelta(seconds=1))) == wall:
            yield float(moment)


_EPOCH = dt.datetime(1970, 1, 1)


def read_when(text: str) -> tuple[str, float]:
    """Return the five fields of a cron expression and 0, or an empty text and an interval's seconds.

    Raises
    ------
    ScheduleError
        The text is neither a cron expression, nor an interval, nor words that are understood.
    """
    plain = " ".join(text.split())
    if plain.lower() in _ALIASES:
        return _ALIASES[plain.lower()], 0.0
    fields = plain.split(" ")
    looks = [_FIELD.fullmatch(field) is not None for field in fields]
    if plain.startswith("@") or (all(looks) and len(fields) != 5 and plain):
        raise ScheduleError(
            f'"{text}" is no cron expression',
            fix=nearest(plain.lower(), _ALIASES)
            if plain.startswith("@")
            else "write five fields: minute hour day month weekday",
        )
    if len(fields) == 5 and (all(looks) or any(char in plain for char in "*/#?")):
        try:
            next(CronSim(plain, dt.datetime(2024, 1, 1, tzinfo=dt.UTC)))
        except (CronSimError, StopIteration) as error:
            said = str(error) or "no such day ever comes"
            raise ScheduleError(
                f'"{text}" is no cron expression: {said[0].lower()}{said[1:]}',
                fix="write five fields: minute hour day month weekday",
            ) from error
        return plain.lower().replace("l", "L").replace("Lw", "LW").replace("juL", "jul"), 0.0
    cron, every = read_words(text)
    if not cron and every < _MIN_SECONDS:
        raise ScheduleError(f'"{text}" is shorter than a second', fix="wait a second or longer")
    return cron, every


@lru_cache(maxsize=4096)
def _trigger(when: str, timezone: str, start: str, end: str) -> Trigger:
    cron, every = read_when(when)
    tz = zone(timezone)
    first, last = _moment(start, tz, "start"), _moment(end, tz, "end")
    if first is not None and last is not None and last < first:
        raise ScheduleError("it ends before it starts", fix="exchange start and end")
    return Trigger(cron=cron, every=every, timezone=timezone, start=first, end=last)


def read_trigger(schedule: Schedule) -> Trigger:
    """Return when a schedule is due.

    Raises
    ------
    ScheduleError
        Its time, zone, start or end mean nothing.
    """
    try:
        return _trigger(schedule.when, schedule.timezone, schedule.start, schedule.end)
    except ScheduleError as error:
        raise ScheduleError(
            error.message, where=f'schedule "{schedule.name}"', fix=error.fix
        ) from error


def _moment(text: str, tz: ZoneInfo, what: str) -> float | None:
    if not text:
        return None
    try:
        if what == "end" and re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            day = dt.date.fromisoformat(text) + dt.timedelta(days=1)
            whole = dt.datetime(day.year, day.month, day.day, tzinfo=tz)
            return whole.timestamp() - 0.001
        made = dt.datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise ScheduleError(
            f'{what} = "{text}" is no date', fix='write "2026-03-01" or "2026-03-01T06:00"'
        ) from error
    return (made if made.tzinfo else made.replace(tzinfo=tz)).timestamp()


def _span(seconds: float) -> str:
    parts = []
    rest = seconds
    for unit, size in (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1)):
        count = rest / size if size == 1 else rest // size
        rest -= count * size
        if count:
            parts.append(f"{count:g} {unit}{'' if count == 1 else 's'}")
    text = " ".join(parts)
    return text.removeprefix("1 ") if len(parts) == 1 else text


@lru_cache(maxsize=4096)
def _explain(cron: str) -> str:
    return CronSim(cron, dt.datetime(2024, 1, 1, tzinfo=dt.UTC)).explain()
