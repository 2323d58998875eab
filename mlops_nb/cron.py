"""What every reader of cron expressions agrees on."""

from __future__ import annotations

__all__ = ["from_sunday"]

_WEEK = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


def from_sunday(cron: str) -> str:
    """Return five plain fields in which Sunday is 0, never 7, which Kubernetes and GitHub refuse."""
    *rest, weekdays = cron.split()
    if "7" not in weekdays:
        return cron
    parts = [part for item in weekdays.split(",") for part in _days(item)]
    return " ".join([*rest, ",".join(dict.fromkeys(parts))])


def _days(item: str) -> list[str]:
    span, _, step = item.partition("/")
    first, _, last = span.partition("-")
    if "7" not in (first, last):
        return [item]
    low = _WEEK.index(first.lower()) if first.lower() in _WEEK else int(first)
    return [str(day % 7) for day in range(low, 8, int(step or 1))]
