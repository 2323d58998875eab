"""Sets schedules right whose last look at the clock was of a time that has not come yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from mlops_nb.errors import ScheduleError
from mlops_nb.scheduling import schema
from mlops_nb.scheduling.rows import ms, schedule_of, seconds
from mlops_nb.scheduling.when import read_trigger

if TYPE_CHECKING:
    from mlops_nb.scheduling.writer import Writer

__all__ = ["set_right"]

_AHEAD = 120.0
"""Seconds by which machines may disagree."""
_EARLIEST = 1_735_689_600.0
"""2025-01-01: a clock that shows less has not been set since the machine was switched on."""


def set_right(writer: Writer, now: float, name: str = "") -> int:
    """Go on from now with every schedule that lies ahead of the clock; return their number.

    A clock that was ahead and is right again leaves rows for days to come, and nothing would be due
    until then. What has not started of them is taken back. A clock set back looks the same from
    here; what had started then keeps its row, and comes no second time when the clock is right again.

    Parameters
    ----------
    writer
        An open transaction.
    now
        Seconds since the epoch.
    name
        Only this schedule; all by default.
    """
    db, plan, past = writer.connection, schema.schedules, schema.occurrences
    query = sa.select(plan).where(plan.c.cursor > ms(now + _AHEAD), ~plan.c.paused)
    if name:
        query = query.where(plan.c.name == name)
    count = 0
    for row in db.execute(query).all():
        try:
            schedule = schedule_of(row.record)
        except ScheduleError:
            continue  # Whoever gives it its rows says so.
        of = past.c.schedule == row.name
        first = db.execute(sa.select(sa.func.min(past.c.at)).where(of)).scalar()
        if now < (_EARLIEST if first is None else seconds(first)):
            # Before all that is known of it: this clock is the wrong one.
            continue
        db.execute(
            past.delete().where(
                of,
                past.c.at > ms(now),
                past.c.attempt == 0,
                past.c.state.in_(["waiting", "missed", "skipped"]),
                ~past.c.manual,
            )
        )
        # A further attempt, and what people asked for, would wait as long as the clock was ahead.
        db.execute(
            past.update()
            .where(of, past.c.state == "waiting", past.c.due > ms(now + _AHEAD))
            .values(due=ms(now))
        )
        following = read_trigger(schedule).after(now)
        db.execute(
            plan.update()
            .where(plan.c.name == row.name)
            .values(cursor=ms(now), next_at=None if following is None else ms(following))
        )
        count += 1
    return count
