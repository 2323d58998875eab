"""Finds what is kept no longer: runs by their schedule's count and age, occurrences by age."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from mlops_nb.model import Record
from mlops_nb.scheduling import schema
from mlops_nb.scheduling.rows import ms, schedule_of

if TYPE_CHECKING:
    from mlops_nb.model import Schedule
    from mlops_nb.scheduling.store import Reader
    from mlops_nb.scheduling.writer import Writer

__all__ = ["Expired", "expired", "forget"]

_DAY = 86_400.0
_AT_ONCE = 5000
_OVER = ("succeeded", "failed", "timed-out", "cancelled", "lost", "missed", "skipped")


class Expired(Record, frozen=True, kw_only=True):
    """What is kept no longer."""

    runs: tuple[str, ...] = ()
    occurrences: tuple[int, ...] = ()


def expired(reader: Reader, *, now: float, history_days: float) -> Expired:
    """Return the runs and occurrences that are kept no longer.

    Parameters
    ----------
    reader
        An open transaction.
    now
        Seconds since the epoch.
    history_days
        Days that occurrences which are over are kept; 0 for ever. One whose runs have a bound by
        `Schedule.keep` or `Schedule.keep_days` is kept until they are gone. The runs of a schedule
        that was removed go after these days at the latest, unless they were to stay.
    """
    db, past, tries = reader.connection, schema.occurrences, schema.attempts
    ended = ms(now - history_days * _DAY) if history_days else None
    there = reader.schedules()
    stay = set(db.execute(sa.select(schema.kept.c.schedule)).scalars())
    bound = {
        name: one
        for name, one in _all(reader, there).items()
        if name not in stay
        and (one.keep or one.keep_days or (name not in there and ended is not None))
    }
    runs: list[str] = []
    for name, schedule in bound.items():
        rows = db.execute(
            sa.select(tries.c.run, tries.c.started)
            .join(past, past.c.id == tries.c.occurrence)
            .where(past.c.schedule == name, past.c.state.in_(_OVER), tries.c.run != "")
            .order_by(tries.c.started.desc())
        ).all()
        oldest = ms(now - schedule.keep_days * _DAY) if schedule.keep_days else None
        if name not in there and ended is not None:
            oldest = max(oldest or 0, ended)
        runs += [
            row.run
            for number, row in enumerate(rows)
            if (schedule.keep and number >= schedule.keep)
            or (oldest is not None and row.started < oldest)
        ]
    old: tuple[int, ...] = ()
    if ended is not None:
        plan = schema.schedules
        # The newest one stays: a schedule's list shows how it went the last time.
        newest = (
            sa.select(sa.func.max(past.c.id))
            .where(past.c.schedule.in_(sa.select(plan.c.name)))
            .group_by(past.c.schedule)
        )
        # So does one whose runs are still to be removed some day: nothing else knows of them.
        held = (
            sa.select(tries.c.occurrence)
            .join(past, past.c.id == tries.c.occurrence)
            .where(past.c.schedule.in_(list(bound)), tries.c.run != "")
        )
        old = tuple(
            db.execute(
                sa.select(past.c.id)
                .where(
                    past.c.ended < ended,
                    past.c.state.in_(_OVER),
                    past.c.id.not_in(newest),
                    past.c.id.not_in(held),
                )
                .limit(_AT_ONCE)
            ).scalars()
        )
    return Expired(runs=tuple(runs), occurrences=old)


def _all(reader: Reader, there: dict[str, Schedule]) -> dict[str, Schedule]:
    """Return also the schedules that were removed, as their newest occurrence knows them."""
    past, plan = schema.occurrences, schema.schedules
    newest = (
        sa.select(sa.func.max(past.c.id))
        .where(past.c.order != "", past.c.schedule.not_in(sa.select(plan.c.name)))
        .group_by(past.c.schedule)
    )
    rows = reader.connection.execute(
        sa.select(past.c.schedule, past.c.order).where(past.c.id.in_(newest))
    )
    return there | {row.schedule: schedule_of(row.order) for row in rows}


def forget(writer: Writer, old: Expired) -> None:
    """Drop what is kept no longer: attempts with their runs, occurrences, and told messages."""
    db, past, tries = writer.connection, schema.occurrences, schema.attempts
    for start in range(0, len(old.runs), 500):
        some = old.runs[start : start + 500]
        db.execute(tries.delete().where(tries.c.run.in_(some)))
        db.execute(past.update().where(past.c.run.in_(some)).values(run=""))
    for start in range(0, len(old.occurrences), 500):
        ids = old.occurrences[start : start + 500]
        db.execute(tries.delete().where(tries.c.occurrence.in_(ids)))
        db.execute(past.delete().where(past.c.id.in_(ids)))
    if old.occurrences:
        table = schema.notices
        first = db.execute(sa.select(sa.func.min(past.c.at))).scalar()
        if first is not None:
            db.execute(table.delete().where(table.c.told < first))
