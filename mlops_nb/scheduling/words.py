"""Reads calendar words as a cron expression or an interval: ``every weekday at 6``.

.. code-block:: text

    every 90 seconds | every 15 minutes | every 2 hours | every 1h30m      an interval
    hourly | every hour [at :15]                                          0..59 past the hour
    daily | every day | weekdays | every weekend   [at TIME [and TIME]]
    every monday and thursday | mon, wed, fri      [at TIME [and TIME]]
    weekly [on friday] | monthly [on the 15th]     [at TIME]
    on the first | 15th | last day of the month    [at TIME]
    on the first monday | last friday of the month [at TIME]

A TIME is ``6``, ``6:30``, ``06:30``, ``6 am``, ``6:30pm``, ``noon`` or ``midnight``; without one it is
midnight. Several times have to share their minutes, since a cron expression cannot say otherwise.
"""

from __future__ import annotations

import re

from mlops_nb.errors import ScheduleError

__all__ = ["read_words"]

_UNITS = {"s": 1, "sec": 1, "second": 1, "m": 60, "min": 60, "minute": 60, "h": 3600, "hr": 3600}
_UNITS |= {"hour": 3600, "d": 86_400, "day": 86_400, "w": 604_800, "week": 604_800}
_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_GROUPS = {
    "day": "*",
    "weekday": "1-5",
    "workday": "1-5",
    "business day": "1-5",
    "weekend": "0,6",
}
_ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "last": -1}
_REGULAR = {
    "hourly": "every hour",
    "daily": "every day",
    "nightly": "every day",
    "weekly": "every monday",
    "monthly": "on the first day of the month",
    "yearly": "yearly",
    "annually": "yearly",
}
_EXAMPLES = (
    'write a cron expression ("0 6 * * mon-fri"), an interval ("every 15 minutes") or words '
    '("every weekday at 6", "on the first monday of the month at 7:30")'
)


def read_words(text: str) -> tuple[str, float]:
    """Return a cron expression and 0, or an empty text and the seconds of an interval.

    Raises
    ------
    ScheduleError
        The words mean nothing that can be scheduled.
    """
    words = re.sub(r"\s*,\s*(and\s+)?", " and ", " ".join(text.lower().split()))
    if words == "every second":
        return "", 1.0
    seconds = _interval(words)
    if seconds:
        return "", seconds
    days, at, clock = words.partition(" at ")
    days = _in_full(days.strip())
    if days == "every hour":
        return f"{_minute(clock, text) if at else 0} * * * *", 0.0
    if days == "every minute" and not at:
        return "* * * * *", 0.0
    minute, hours = _times(clock, text) if at else (0, [0])
    hour = ",".join(str(one) for one in hours)
    found = _on_days(days)
    if found is None:
        raise ScheduleError(f'"{text}" is no schedule', fix=_EXAMPLES)
    return f"{minute} {hour} {found}", 0.0


def _interval(words: str) -> float:
    match = re.fullmatch(r"every ((?:\d+(?:\.\d+)?\s*[a-z]+\s*(?:and\s+)?)+)", words)
    if match is None:
        return 0.0
    total = 0.0
    for number, unit in re.findall(r"(\d+(?:\.\d+)?)\s*([a-z]+)", match[1]):
        # "ms" is not the plural of "m".
        name = unit if unit in _UNITS or len(unit) < 3 else unit.removesuffix("s")
        if name == "and":
            continue
        if name not in _UNITS:
            return 0.0
        total += float(number) * _UNITS[name]
    return total


def _in_full(days: str) -> str:
    """Return the form that begins with ``every`` or ``on the``."""
    first, _, rest = days.partition(" ")
    if first in ("weekly", "monthly") and rest.startswith("on "):
        days = f"every {rest[3:]}" if first == "weekly" else f"{rest} of the month"
    days = _REGULAR.get(days, days)
    days = re.sub(r"^(each|on every|on) (?!the\b)", "every ", days)
    days = re.sub(r"^(every|the) month on ", "on ", days)
    if days.startswith("the "):
        days = f"on {days}"
    if days.partition(" ")[0] in _ORDINALS:
        days = f"on the {days}"
    return days if days.startswith(("every ", "on the ", "yearly")) else f"every {days}"


def _on_days(days: str) -> str | None:
    """Return the last three fields of a cron expression."""
    if days == "yearly":
        return "1 1 *"
    if days.startswith("every "):
        names = [_weekday(name) for name in days[6:].split(" and ")]
        if any(name is None for name in names):
            return None
        if "*" in names:
            return "* * *"
        return "* * " + ",".join(dict.fromkeys(name for name in names if name))
    match = re.fullmatch(r"on the (.+?)(?: of (?:every|each|the) month)?", days)
    if match is None:
        return None
    *earlier, last = [part.removeprefix("the ") for part in match[1].split(" and ")]
    head, _, kind = last.partition(" ")
    numbers = [_ordinal(one) for one in (*earlier, head)]
    if any(number is None for number in numbers):
        return None
    kind = kind or "day"
    if kind == "day":
        return ",".join("L" if number == -1 else str(number) for number in numbers) + " * *"
    if kind in ("weekday", "workday", "business day"):
        return "LW * *" if numbers == [-1] else None
    day = _weekday(kind)
    if day is None or not day.isdigit() or any(number and number > 5 for number in numbers):
        return None
    return "* * " + ",".join(f"{day}L" if n == -1 else f"{day}#{n}" for n in numbers)


def _weekday(name: str) -> str | None:
    name = re.sub(r"^(the|every|on) ", "", name.strip())
    for plain in (name, name.removesuffix("s")):
        if plain in _GROUPS:
            return _GROUPS[plain]
        for number, day in enumerate(_DAYS):
            if len(plain) >= 3 and day.startswith(plain):
                return str(number)
    return None


def _ordinal(word: str) -> int | None:
    if word in _ORDINALS:
        return _ORDINALS[word]
    match = re.fullmatch(r"(\d{1,2})(?:st|nd|rd|th)?\.?", word)
    return int(match[1]) if match and 1 <= int(match[1]) <= 31 else None


def _minute(clock: str, text: str) -> int:
    match = re.fullmatch(r"(?:minute )?:?(\d{1,2})(?: minutes?)?(?: past)?", clock.strip())
    if match is None or int(match[1]) > 59:
        raise ScheduleError(f'"{clock}" is no minute', where=f'"{text}"', fix='"every hour at :15"')
    return int(match[1])


def _times(clock: str, text: str) -> tuple[int, list[int]]:
    found = [_time(part, text) for part in clock.split(" and ")]
    minutes = {minute for _, minute in found}
    if len(minutes) > 1:
        raise ScheduleError(
            "times with different minutes do not fit into one schedule",
            where=f'"{text}"',
            fix="make a schedule of each",
        )
    return minutes.pop(), sorted({hour for hour, _ in found})


def _time(part: str, text: str) -> tuple[int, int]:
    part = part.strip().removesuffix(" o'clock")
    if part in ("noon", "midnight"):
        return (12, 0) if part == "noon" else (0, 0)
    match = re.fullmatch(r"(\d{1,2})(?:[:.h](\d{2}))?\s*(am|pm|a\.m\.|p\.m\.)?", part)
    hour, minute = (int(match[1]), int(match[2] or 0)) if match else (24, 0)
    if match and match[3]:
        hour = hour % 12 + (12 if match[3].startswith("p") else 0) if 1 <= hour <= 12 else 24
    if hour > 23 or minute > 59:
        raise ScheduleError(
            f'"{part}" is no time of day', where=f'"{text}"', fix='write "6", "6:30" or "6:30 pm"'
        )
    return hour, minute
