"""Parameters that use an occurrence's logical time: ``{{ scheduled_at | date }}``.

The time comes from the schedule and not from the clock, so a late or repeated attempt renders the
same values. Templates run in Jinja's sandbox: they reach what stands here and nothing else.

=================  ==========================================================
``scheduled_at``   the logical time, in the schedule's zone
``previous_at``    the occurrence before it; filters leave it empty where there was none
``schedule``       the schedule's name
``| date``         ``2026-03-01``; ``| date('%d.%m.%Y')`` in another form
``| month``        ``2026-03``
``| week``         ``2026-W09``
``| iso``          ``2026-03-01T06:00:00+01:00``
``| epoch``        seconds since 1970-01-01 UTC
``| shift``        ``scheduled_at | shift(days=-1) | date``: on the calendar, in the zone
=================  ==========================================================
"""

from __future__ import annotations

import datetime as dt
import time
from functools import lru_cache
from typing import TYPE_CHECKING

from mlops_nb.errors import ScheduleError
from mlops_nb.scheduling.when import read_trigger
from mlops_nb.scheduling.zones import zone

if TYPE_CHECKING:
    from collections.abc import Callable

    from jinja2.sandbox import SandboxedEnvironment

    from mlops_nb.model import Json, Schedule

__all__ = ["check_parameters", "render_parameters"]


def render_parameters(schedule: Schedule, at: float) -> dict[str, Json]:
    """Return a schedule's parameters for one occurrence.

    Parameters
    ----------
    schedule
        Whose parameters.
    at
        The occurrence's logical time, seconds since the epoch.

    Raises
    ------
    ScheduleError
        A template is wrong.
    """
    if not any("{" in text for text in _texts(schedule.parameters)):
        return dict(schedule.parameters)
    tz = zone(schedule.timezone)
    previous = read_trigger(schedule).latest(at - 0.001)
    known: dict[str, object] = {
        "scheduled_at": dt.datetime.fromtimestamp(at, tz),
        "previous_at": None if previous is None else dt.datetime.fromtimestamp(previous, tz),
        "schedule": schedule.name,
    }
    return {
        name: _render(value, known, f'schedule "{schedule.name}", parameter "{name}"')
        for name, value in schedule.parameters.items()
    }


def check_parameters(schedule: Schedule) -> None:
    """Render a schedule's parameters once, for its next time.

    Raises
    ------
    ScheduleError
        A template is wrong.
    """
    if any("{" in text for text in _texts(schedule.parameters)):
        now = time.time()
        render_parameters(schedule, read_trigger(schedule).after(now) or now)


def _texts(value: Json) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for one in value.values() for text in _texts(one)]
    if isinstance(value, list | tuple):
        return [text for one in value for text in _texts(one)]
    return []


def _render(value: Json, known: dict[str, object], where: str) -> Json:
    if isinstance(value, dict):
        return {key: _render(one, known, where) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_render(one, known, where) for one in value]
    if not isinstance(value, str) or ("{{" not in value and "{%" not in value):
        return value
    try:
        return _environment().from_string(value).render(known)
    except Exception as error:  # The user's own code: it may raise anything, on one day of many.
        raise ScheduleError(
            f"{value!r} cannot be filled in: {error}",
            where=where,
            fix='write, for example, "{{ scheduled_at | date }}" '
            'or "{{ scheduled_at | shift(days=-1) | date }}"',
        ) from error


@lru_cache(maxsize=1)
def _environment() -> SandboxedEnvironment:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment

    # The values are a notebook's parameters and never become HTML.
    made = SandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
    made.globals.clear()
    made.filters |= {
        "date": _date,
        "month": lambda moment: _date(moment, "%Y-%m"),
        "week": lambda moment: _date(moment, "%G-W%V"),
        "iso": lambda moment: _filled(moment, lambda one: one.isoformat(timespec="seconds")),
        "epoch": lambda moment: "" if moment is None else int(_moment(moment).timestamp()),
        "shift": _shift,
    }
    return made


def _date(moment: object, form: str = "%Y-%m-%d") -> str:
    return _filled(moment, lambda one: one.strftime(form))


def _filled(moment: object, text: Callable[[dt.datetime], str]) -> str:
    """Return a text, empty where there is no time: before a schedule's first occurrence was none."""
    return "" if moment is None else text(_moment(moment))


def _shift(moment: object, **by: int) -> dt.datetime | None:
    """Move on the calendar: the hour of the day stays where a clock change lies between."""
    if moment is None:
        return None
    known = _moment(moment)
    months = by.pop("months", 0) + 12 * by.pop("years", 0)
    if months:
        count = known.year * 12 + known.month - 1 + months
        year, month = divmod(count, 12)
        after = dt.date(year + (month == 11), (month + 1) % 12 + 1, 1)
        last = (after - dt.timedelta(days=1)).day
        known = known.replace(year=year, month=month + 1, day=min(known.day, last))
    return known + dt.timedelta(**by)


def _moment(value: object) -> dt.datetime:
    if not isinstance(value, dt.datetime):
        raise TypeError("this filter takes a time, such as scheduled_at")
    return value
