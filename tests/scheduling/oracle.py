"""When cron is due, computed another way: every minute of the clock on the wall is looked at.

Numpy over minutes and the zones' offsets from zoneinfo; no cron library is involved. The rule for
clock changes is Debian's, written down in `mlops_nb.scheduling.when`.
"""

from __future__ import annotations

import datetime as dt
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np

NAMES = {
    "month": {
        n: i + 1
        for i, n in enumerate(
            ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
        )
    },
    "weekday": {n: i for i, n in enumerate(["sun", "mon", "tue", "wed", "thu", "fri", "sat"])},
}


def values(field: str, low: int, high: int, names: dict[str, int] | None = None) -> set[int]:
    found: set[int] = set()
    for part in field.lower().split(","):
        span, _, step = part.partition("/")
        if span == "*":
            first, last = low, high
        else:
            ends = [
                (names or {}).get(end, None) if not end.isdigit() else int(end)
                for end in span.split("-")
            ]
            first, last = ends[0], ends[-1] if len(ends) > 1 or not step else high
        found |= set(range(first, last + 1, int(step or 1)))
    return found


def matching(cron: str, minutes: np.ndarray) -> np.ndarray:
    """Which minutes of a calendar (datetime64[m], on the wall) an expression names."""
    minute, hour, day, month, weekday = cron.split()
    whole = minutes.astype("datetime64[D]")
    of_day = (minutes - whole).astype(int)
    days = whole.astype(int)
    months = whole.astype("datetime64[M]")
    dom = (whole - months).astype(int) + 1
    moy = months.astype(int) % 12 + 1
    dow = (days + 4) % 7
    wanted = {n % 7 for n in values(weekday, 0, 7 if weekday != "*" else 6, NAMES["weekday"])}
    by_day = np.isin(dom, list(values(day, 1, 31)))
    by_week = np.isin(dow, list(wanted))
    either = not day.startswith("*") and not weekday.startswith("*")
    return (
        np.isin(of_day % 60, list(values(minute, 0, 59)))
        & np.isin(of_day // 60, list(values(hour, 0, 23)))
        & np.isin(moy, list(values(month, 1, 12, NAMES["month"])))
        & ((by_day | by_week) if either else (by_day & by_week))
    )


@cache
def offsets(zone: str, start: int, days: int) -> np.ndarray:
    """Seconds to add to each UTC minute for the wall; zones change at full minutes."""
    tz = ZoneInfo(zone)
    count = days * 1440
    # Looked up each quarter of an hour: no zone of these years changes in between.
    quarters = [
        int(dt.datetime.fromtimestamp(start + q * 900, tz).utcoffset().total_seconds())
        for q in range(count // 15)
    ]
    return np.repeat(np.array(quarters), 15)


def due(cron: str, zone: str, start: int, days: int) -> list[int]:
    """Every due time in ``[start, start + days)``, seconds since the epoch; start at a UTC midnight."""
    utc = start + 60 * np.arange(days * 1440)
    offset = offsets(zone, start, days)
    wall = utc + offset
    minute, hour = cron.split()[:2]
    if minute.startswith("*") or hour.startswith("*"):
        return utc[matching(cron, wall.astype("datetime64[s]").astype("datetime64[m]"))].tolist()
    # Fixed times: each minute on the wall once. The first UTC minute at which the wall shows it,
    # or, where it never does, the first at which the wall shows something later.
    first, last = int(wall[0]) // 60, int(wall[-1]) // 60
    calendar = np.arange(first, last + 1)
    named = calendar[
        matching(cron, (calendar * 60).astype("datetime64[s]").astype("datetime64[m]"))
    ]
    reached = np.maximum.accumulate(wall // 60)
    index = np.searchsorted(reached, named, side="left")
    index = index[index < len(utc)]
    return sorted(set(utc[index].tolist()))
