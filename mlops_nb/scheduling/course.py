"""What becomes of a claimed occurrence: it begins, gives signs of life, ends, or is taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from mlops_nb.model import Notice, NoticeKind, OccurrenceState, Record, Schedule, encode
from mlops_nb.scheduling import schema
from mlops_nb.scheduling.policy import retry_delay
from mlops_nb.scheduling.rows import ms, owner_of, schedule_of, seconds
from mlops_nb.scheduling.zones import iso

if TYPE_CHECKING:
    from mlops_nb.processes import Owner
    from mlops_nb.scheduling.store import Reader
    from mlops_nb.scheduling.writer import Writer

__all__ = [
    "Open",
    "begin",
    "cancel",
    "extend",
    "finish",
    "note_frozen",
    "open_ones",
    "renew",
    "take_back",
    "tell_failure",
    "tell_late",
]

past = schema.occurrences


class Open(Record, frozen=True, kw_only=True):
    """An occurrence that someone has claimed and whose end is not known."""

    id: int
    schedule: str
    at: float
    run: str
    fence: int
    order: Schedule
    owner: Owner | None
    runner: Owner | None
    """The run's process; ``None`` until it has begun."""
    lease: float
    cancel: str
    attempt_started: float


def open_ones(reader: Reader) -> tuple[Open, ...]:
    """Return every occurrence that is being run."""
    tries = schema.attempts
    rows = reader.connection.execute(
        sa.select(past, tries.c.started.label("attempt_started"))
        .join(tries, (tries.c.occurrence == past.c.id) & (tries.c.number == past.c.attempt))
        .where(past.c.state == "running")
    )
    return tuple(
        Open(
            id=row.id,
            schedule=row.schedule,
            at=seconds(row.at),
            run=row.run,
            fence=row.fence,
            order=schedule_of(row.order),
            owner=owner_of(row.owner),
            runner=owner_of(row.runner),
            lease=seconds(row.lease),
            cancel=row.cancel,
            attempt_started=seconds(row.attempt_started),
        )
        for row in rows
    )


def begin(
    writer: Writer,
    occurrence: int,
    run: str,
    fence: int,
    runner: Owner,
    *,
    now: float,
    lease: float,
) -> bool:
    """Let a run's process start its work; false where the claim is not, or no longer, its own."""
    done = writer.connection.execute(
        past.update()
        .where(_held(occurrence, run), past.c.fence == fence, past.c.runner == "")
        .values(runner=encode(runner).decode(), lease=ms(now + lease))
    )
    return done.rowcount == 1


def note_frozen(writer: Writer, occurrence: int, run: str, frozen: str) -> bool:
    """Note which commit or snapshot an occurrence runs; further attempts run the same."""
    done = writer.connection.execute(
        past.update().where(_held(occurrence, run)).values(frozen=frozen)
    )
    return done.rowcount == 1


def renew(writer: Writer, occurrence: int, run: str, *, now: float, lease: float) -> str | None:
    """Give a sign of life.

    Returns
    -------
    str or None
        Why the run has to stop, empty where it may go on; ``None`` where the occurrence is no longer
        this run's, which has to stop at once and record nothing.
    """
    db = writer.connection
    done = db.execute(past.update().where(_held(occurrence, run)).values(lease=ms(now + lease)))
    if done.rowcount != 1:
        return None
    return str(db.execute(sa.select(past.c.cancel).where(past.c.id == occurrence)).scalar_one())


def extend(writer: Writer, one: Open, *, now: float, lease: float) -> None:
    """Keep a claim whose process is about to begin."""
    here = _held(one.id, one.run) & (past.c.fence == one.fence)
    writer.connection.execute(past.update().where(here).values(lease=ms(now + lease)))


def finish(
    writer: Writer,
    occurrence: int,
    run: str,
    state: OccurrenceState,
    *,
    now: float,
    why: str = "",
    exit_code: int | None = None,
) -> bool:
    """Record how a run ended; false where the occurrence is not, or no longer, its own.

    A run that did not succeed makes its occurrence wait for the next attempt, where its schedule is
    still there and has one left; people are told of the last one.
    """
    db = writer.connection
    row = db.execute(sa.select(past).where(_held(occurrence, run))).one_or_none()
    if row is None:
        return False
    order = schedule_of(row.order)
    tries = schema.attempts
    db.execute(
        tries.update()
        .where(tries.c.occurrence == occurrence, tries.c.number == row.attempt)
        .values(state=state.value, ended=ms(now), exit_code=exit_code, error=why)
    )
    again = state.is_bad and not row.cancel and _is_there(writer, row.schedule)
    delay = retry_delay(order, row.attempt) if again else None
    values: dict[str, object] = {"why": why, "owner": "", "runner": "", "lease": 0}
    if delay is not None:
        values |= {"state": "waiting", "due": ms(now + delay)}
    else:
        values |= {"state": state.value, "ended": ms(now)}
        if state is OccurrenceState.SUCCEEDED and row.sla is not None and ms(now) <= row.sla:
            values["sla"] = None
        if state is OccurrenceState.SUCCEEDED:
            _tell_recovery(writer, row, order, now=now)
        elif state.is_bad:
            tell_failure(writer, row, order, why, now=now)
    db.execute(past.update().where(past.c.id == occurrence).values(values))
    writer.touch()
    return True


def take_back(writer: Writer, one: Open, *, now: float) -> bool:
    """Open a claim again whose process never began; a process that begins late gets no."""
    db, tries = writer.connection, schema.attempts
    row = db.execute(
        sa.select(past.c.attempt).where(
            _held(one.id, one.run), past.c.fence == one.fence, past.c.runner == ""
        )
    ).one_or_none()
    if row is None:
        return False
    db.execute(tries.delete().where(tries.c.occurrence == one.id, tries.c.number == row.attempt))
    # A claim that was to be cancelled has nothing left to cancel; one of no schedule, nobody to take it.
    why = one.cancel or ("" if _is_there(writer, one.schedule) else "the schedule was removed")
    ended = {"state": "cancelled", "ended": ms(now), "why": why, "sla": None} if why else {}
    values = {"state": "waiting", "attempt": row.attempt - 1, "fence": one.fence + 1, "run": ""}
    values |= {"owner": "", "lease": 0, **ended}
    db.execute(past.update().where(past.c.id == one.id).values(values))
    writer.touch()
    return True


def cancel(writer: Writer, occurrence: int, why: str, *, now: float) -> None:
    """Ask a running occurrence to stop, or end one that waits."""
    db = writer.connection
    here = past.c.id == occurrence
    db.execute(past.update().where(here, past.c.state == "running").values(cancel=why))
    db.execute(
        past.update()
        .where(here, past.c.state == "waiting")
        .values(state="cancelled", why=why, ended=ms(now), sla=None)
    )
    writer.touch()


def tell_late(writer: Writer, *, now: float) -> int:
    """Tell of every occurrence that did not succeed in its time; return how many there were."""
    db, plan = writer.connection, schema.schedules
    rows = db.execute(
        sa.select(past, plan.c.record)
        .join(plan, plan.c.name == past.c.schedule)
        .where(past.c.sla <= ms(now))
    ).all()
    for row in rows:
        schedule = schedule_of(row.order or row.record)
        how = {"waiting": "has not started", "running": "is still running"}.get(
            row.state, "took longer" if row.state == "succeeded" else row.state
        )
        allowed = (row.sla - row.at) / 1000
        writer.tell(
            Notice(
                key=f"{row.schedule}:sla:{row.at}",
                kind=NoticeKind.SLA,
                schedule=row.schedule,
                at=seconds(row.at),
                run=row.run,
                text=f"the occurrence of {iso(seconds(row.at), schedule.timezone)} did not succeed "
                f"within {allowed:g} s: it {how}",
                time=now,
            )
        )
    # Also of schedules that were removed: a time of the past that stays is due for ever.
    db.execute(past.update().where(past.c.sla <= ms(now)).values(sla=None))
    return len(rows)


def tell_failure(writer: Writer, row: Any, order: Schedule, why: str, *, now: float) -> None:
    """Note that an occurrence failed for good."""
    plan = schema.schedules
    writer.connection.execute(plan.update().where(plan.c.name == row.schedule).values(failing=True))
    tries = f" after {row.attempt} attempts" if row.attempt > 1 else ""
    writer.tell(
        Notice(
            key=f"{row.schedule}:failure:{row.at}",
            kind=NoticeKind.FAILURE,
            schedule=row.schedule,
            at=seconds(row.at),
            run=row.run,
            text=f"the occurrence of {iso(seconds(row.at), order.timezone)} failed{tries}: {why}",
            time=now,
        )
    )


def _tell_recovery(writer: Writer, row: Any, order: Schedule, *, now: float) -> None:
    plan = schema.schedules
    changed = writer.connection.execute(
        plan.update().where(plan.c.name == row.schedule, plan.c.failing).values(failing=False)
    )
    if changed.rowcount:
        local = iso(seconds(row.at), order.timezone)
        writer.tell(
            Notice(
                key=f"{row.schedule}:recovery:{row.at}",
                kind=NoticeKind.RECOVERY,
                schedule=row.schedule,
                at=seconds(row.at),
                run=row.run,
                text=f"the occurrence of {local} succeeded; the one before it had failed",
                time=now,
            )
        )


def _is_there(writer: Writer, schedule: str) -> bool:
    plan = schema.schedules
    return bool(
        writer.connection.execute(sa.select(plan.c.name).where(plan.c.name == schedule)).scalar()
    )


def _held(occurrence: int, run: str) -> sa.ColumnElement[bool]:
    return (past.c.id == occurrence) & (past.c.run == run) & (past.c.state == "running")
