"""Takes what may start: the first of the steps that one occurrence goes through.

1. `claim`: a daemon takes a waiting occurrence. The claim carries a new fence and the id of the run
   that is about to start, so the run is known before its process is.
2. `begin`: the run's process asks whether the claim still holds and names itself. It does so once:
   a second process with the same claim, or one whose claim was taken back, gets no.
3. `renew`: while it runs, it gives signs of life and hears whether it is to stop.
4. `finish`: it records its end, which only the claim's own run can.

A daemon that dies between 1 and 2 leaves a claim that `take_back` opens again with the next fence.
One that dies after 2 leaves a run that goes on and records its own end. A run that dies is found by
its process, or from another machine by its lease. Each step is one transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from mlops_nb.errors import ScheduleError
from mlops_nb.model import Notice, NoticeKind, Overlap, Record, Schedule, encode
from mlops_nb.scheduling import schema
from mlops_nb.scheduling.course import cancel, tell_failure
from mlops_nb.scheduling.rows import ms, schedule_of, seconds
from mlops_nb.scheduling.template import render_parameters
from mlops_nb.scheduling.zones import iso

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops_nb.processes import Owner
    from mlops_nb.scheduling.store import Reader
    from mlops_nb.scheduling.writer import Writer

__all__ = ["Claim", "claim", "held_claim"]

past = schema.occurrences


class Claim(Record, frozen=True, kw_only=True):
    """One occurrence taken for one attempt."""

    id: int
    schedule: str
    at: float
    run: str
    fence: int
    attempt: int
    order: Schedule
    """What is run, with the parameters of the occurrence."""
    frozen: str = ""


class _Active(Record, frozen=True, kw_only=True):
    """An occurrence that is not over: running, or waiting for a further attempt."""

    id: int
    at: float
    run: str
    running: bool


def claim(
    writer: Writer,
    owner: Owner,
    *,
    now: float,
    lease: float,
    new_run: Callable[[], str],
    limit: int = 0,
    only: tuple[str, float] | None = None,
) -> tuple[Claim, ...]:
    """Take what may start now.

    Parameters
    ----------
    writer
        An open transaction.
    owner
        Who takes it.
    now
        Seconds since the epoch.
    lease
        Seconds in which the run's process has to begin.
    new_run
        Makes the id of a run.
    limit
        Occurrences that may run at a time over all schedules; 0 for any number.
    only
        Just one occurrence: schedule and logical time. It is taken even where its schedule is paused.
    """
    round_ = _Claiming(writer, encode(owner).decode(), now, lease, new_run, limit)
    return round_.go(only)


def held_claim(reader: Reader, occurrence: int, run: str, fence: int) -> Claim | None:
    """Return a claim that is still held; ``None`` where it was taken back or its run is over."""
    row = reader.connection.execute(
        sa.select(past).where(
            past.c.id == occurrence,
            past.c.run == run,
            past.c.fence == fence,
            past.c.state == "running",
        )
    ).one_or_none()
    if row is None:
        return None
    return Claim(
        id=row.id,
        schedule=row.schedule,
        at=seconds(row.at),
        run=row.run,
        fence=row.fence,
        attempt=row.attempt,
        order=schedule_of(row.order),
        frozen=row.frozen,
    )


class _Claiming:
    """One round of claims."""

    def __init__(
        self,
        writer: Writer,
        owner: str,
        now: float,
        lease: float,
        new_run: Callable[[], str],
        limit: int,
    ) -> None:
        self._writer, self._db, self._owner = writer, writer.connection, owner
        self._now, self._lease, self._new_run, self._limit = now, lease, new_run, limit
        self._active: dict[str, list[_Active]] = {}
        rows = self._db.execute(
            sa.select(past.c.id, past.c.schedule, past.c.at, past.c.run, past.c.state).where(
                sa.or_(
                    past.c.state == "running", (past.c.state == "waiting") & (past.c.attempt > 0)
                )
            )
        ).all()
        for row in rows:
            known = _Active(
                id=row.id, at=seconds(row.at), run=row.run, running=row.state == "running"
            )
            self._active.setdefault(row.schedule, []).append(known)
        self._running = sum(row.state == "running" for row in rows)

    def go(self, only: tuple[str, float] | None) -> tuple[Claim, ...]:
        """Take what may start, the longest due first."""
        taken = []
        for row in self._db.execute(self._query(only)).all():
            try:
                schedule = schedule_of(row.order or row.record)
            except ScheduleError:
                continue  # It keeps no other schedule from its work; `Writer.catch_up` tells of it.
            # Policies for overlaps hold also while the limit over all schedules is reached.
            if self._may_start(row, schedule) and not self._is_full:
                made = self._take(row, schedule)
                if made is not None:
                    taken.append(made)
        return tuple(taken)

    @property
    def _is_full(self) -> bool:
        return bool(self._limit) and self._running >= self._limit

    def _query(self, only: tuple[str, float] | None) -> sa.Select[Any]:
        plan = schema.schedules
        query = (
            sa.select(past, plan.c.record)
            .join(plan, plan.c.name == past.c.schedule)
            .where(past.c.state == "waiting")
            .order_by(past.c.due, past.c.id)
        )
        if only is not None:
            return query.where(past.c.schedule == only[0], past.c.at == ms(only[1]))
        # Of a schedule that lies behind, the newest occurrence has no row yet.
        current = sa.or_(plan.c.next_at.is_(None), plan.c.next_at > ms(self._now))
        return query.where(
            past.c.due <= ms(self._now),
            sa.or_(past.c.manual, ~plan.c.paused & sa.or_(current, past.c.attempt > 0)),
        )

    def _may_start(self, row: Any, schedule: Schedule) -> bool:
        """Judge by the schedule's policy for overlaps; what it leaves out is recorded here."""
        others = [one for one in self._active.get(row.schedule, ()) if one.id != row.id]
        if not others:
            return True
        if schedule.overlap is Overlap.ALLOW:
            running = sum(one.running for one in others)
            return not schedule.max_running or running < schedule.max_running
        if row.attempt:
            return not any(one.running for one in others)
        if schedule.overlap is Overlap.SKIP and not row.manual:
            self._skip(row, schedule, others[0])
        elif schedule.overlap is Overlap.CANCEL:
            why = f"the occurrence of {_local(row, schedule)} is due"
            for one in others:
                cancel(self._writer, one.id, why, now=self._now)
            self._active[row.schedule] = [one for one in others if one.running]
            return not self._active[row.schedule]
        return False

    def _take(self, row: Any, schedule: Schedule) -> Claim | None:
        at = seconds(row.at)
        try:
            order = schedule if row.order else _order(schedule, at)
        except ScheduleError as error:
            self._set(row.id, state="failed", why=str(error), ended=ms(self._now), sla=None)
            tell_failure(self._writer, row, schedule, str(error), now=self._now)
            return None
        made = Claim(
            id=row.id,
            schedule=row.schedule,
            at=at,
            run=self._new_run(),
            fence=row.fence + 1,
            attempt=row.attempt + 1,
            order=order,
            frozen=row.frozen,
        )
        self._set(
            row.id,
            state="running",
            fence=made.fence,
            attempt=made.attempt,
            run=made.run,
            owner=self._owner,
            runner="",
            lease=ms(self._now + self._lease),
            order=row.order or encode(order).decode(),
            started=row.started if row.started is not None else ms(self._now),
            ended=None,
        )
        self._db.execute(
            schema.attempts.insert().values(
                occurrence=row.id,
                number=made.attempt,
                run=made.run,
                state="running",
                started=ms(self._now),
                error="",
            )
        )
        self._running += 1
        others = [one for one in self._active.get(row.schedule, ()) if one.id != row.id]
        self._active[row.schedule] = [
            *others,
            _Active(id=row.id, at=at, run=made.run, running=True),
        ]
        return made

    def _skip(self, row: Any, schedule: Schedule, other: _Active) -> None:
        run = f" (run {other.run})" if other.run else ""
        why = f"the occurrence of {iso(other.at, schedule.timezone)}{run} was not over"
        self._set(row.id, state="skipped", why=why, ended=ms(self._now), sla=None)
        self._writer.tell(
            Notice(
                # Once for all that one long run keeps from starting.
                key=f"{row.schedule}:skipped:{other.id}",
                kind=NoticeKind.SKIPPED,
                schedule=row.schedule,
                at=seconds(row.at),
                text=f"the occurrence of {_local(row, schedule)} was skipped: {why}",
                time=self._now,
            )
        )

    def _set(self, occurrence: int, **values: object) -> None:
        self._db.execute(past.update().where(past.c.id == occurrence).values(values))


def _order(schedule: Schedule, at: float) -> Schedule:
    import msgspec

    return msgspec.structs.replace(schedule, parameters=render_parameters(schedule, at))


def _local(row: Any, schedule: Schedule) -> str:
    return iso(seconds(row.at), schedule.timezone)
