"""Changes schedules, and gives each occurrence its row when its time has come."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Literal

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from mlops_nb.errors import ScheduleError
from mlops_nb.model import OccurrenceState, encode
from mlops_nb.scheduling import schema
from mlops_nb.scheduling.clock import set_right
from mlops_nb.scheduling.notices import broken, missed
from mlops_nb.scheduling.policy import jitter, left_out
from mlops_nb.scheduling.rows import ms, schedule_of, seconds
from mlops_nb.scheduling.store import DaemonRow, Reader
from mlops_nb.scheduling.when import read_trigger

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mlops_nb.model import Json, Notice, Schedule

__all__ = ["BATCH", "Writer", "blank"]

BATCH = 1000
"""Occurrences that one schedule is given at a time; one that lies further behind is looked at again."""
_LOOK_AGAIN = 1000
"""Milliseconds between two looks at what is due and cannot start."""


def blank(schedule: Schedule, at: float, *, manual: bool = False) -> dict[str, Json]:
    """Return the row of an occurrence that nobody has claimed."""
    return {
        "schedule": schedule.name,
        "at": ms(at),
        "state": "waiting",
        "manual": manual,
        "due": ms(at) if manual else ms(at + jitter(schedule, at)),
        "attempt": 0,
        "fence": 0,
        "run": "",
        "owner": "",
        "runner": "",
        "lease": 0,
        "cancel": "",
        "order": "",
        "frozen": "",
        "why": "",
        "sla": None if schedule.sla is None else ms(at + schedule.sla),
        "started": None,
        "ended": None,
    }


class Writer(Reader):
    """A transaction that nobody else writes beside."""

    def touch(self) -> None:
        """Let daemons look again when this transaction is done."""
        table = schema.head
        self._connection.execute(table.update().values(changes=table.c.changes + 1))

    # Schedules

    def put(
        self, schedule: Schedule, *, now: float, origin: Literal["store", "project"] = "store"
    ) -> None:
        """Add a schedule or change one; what was due under its old times keeps its rows."""
        table = schema.schedules
        trigger = read_trigger(schedule)
        here = table.c.name == schedule.name
        old = self._connection.execute(sa.select(table).where(here)).one_or_none()
        values: dict[str, Json] = {"record": encode(schedule).decode(), "origin": origin}
        if old is None or read_trigger(schedule_of(old.record)) != trigger:
            if old is not None:
                self.catch_up(now, schedule.name)
            following = trigger.after(now)
            values |= {
                "cursor": ms(now),
                "next_at": None if following is None else ms(following),
            }
        if old is None:
            values |= {"name": schedule.name, "paused": False, "paused_by": "", "failing": False}
            self._connection.execute(table.insert().values(values))
            # From now on its own bounds hold for the runs of one of that name before it as well.
            kept = schema.kept
            self._connection.execute(kept.delete().where(kept.c.schedule == schedule.name))
        else:
            self._connection.execute(table.update().where(here).values(values))
        self.touch()

    def pause(self, name: str, *, by: str, now: float) -> None:
        """Let nothing of a schedule come due or start until it is resumed."""
        self.schedule(name)
        self.catch_up(now, name)
        table = schema.schedules
        self._connection.execute(
            table.update().where(table.c.name == name).values(paused=True, paused_by=by)
        )
        self.touch()

    def resume(self, name: str, *, now: float) -> None:
        """End a pause; what its time would have brought is no missed occurrence."""
        schedule = self.schedule(name)
        table = schema.schedules
        here = (table.c.name == name) & table.c.paused
        following = read_trigger(schedule).after(now)
        self._connection.execute(
            table.update()
            .where(here)
            .values(
                paused=False,
                paused_by="",
                cursor=ms(now),
                next_at=None if following is None else ms(following),
            )
        )
        self.touch()

    def remove(self, name: str, *, now: float, keep_runs: bool = False) -> None:
        """Remove a schedule; what runs is left to end, what waits is cancelled, its history stays.

        Its runs go with that after the days that history is kept, unless they are to stay.
        """
        self.origin(name)
        table, past = schema.schedules, schema.occurrences
        self._connection.execute(table.delete().where(table.c.name == name))
        if keep_runs:
            self._connection.execute(schema.kept.insert().values(schedule=name))
        self._connection.execute(
            past.update()
            .where(past.c.schedule == name, past.c.state == "waiting")
            .values(state="cancelled", why="the schedule was removed", ended=ms(now))
        )
        self._connection.execute(past.update().where(past.c.schedule == name).values(sla=None))
        self.touch()

    def run_now(self, name: str, *, now: float) -> float:
        """Add an occurrence that is due at once, and return its logical time."""
        schedule = self.schedule(name)
        at = ms(now)
        table = schema.occurrences
        taken = set(
            self._connection.execute(
                sa.select(table.c.at).where(table.c.schedule == name, table.c.at >= at)
            ).scalars()
        )
        while at in taken:
            at += 1
        self._connection.execute(
            table.insert().values(blank(schedule, seconds(at), manual=True) | {"sla": None})
        )
        self.touch()
        return seconds(at)

    # Occurrences that come due

    def catch_up(self, now: float, name: str = "") -> int:
        """Give every occurrence up to now its row, of all schedules or of one; return their number."""
        set_right(self, now, name)
        table = schema.schedules
        query = sa.select(table).where(table.c.next_at <= ms(now), ~table.c.paused)
        if name:
            query = query.where(table.c.name == name)
        made: list[dict[str, Json]] = []
        moved: list[dict[str, Json]] = []
        for row in self._connection.execute(query).all():
            try:
                schedule = schedule_of(row.record)
            except ScheduleError as error:
                self._set_aside(row.name, str(error), now)
                continue
            times: list[float] = []
            following = None
            for at in read_trigger(schedule).times(seconds(row.cursor)):
                if at > now or len(times) == BATCH:
                    following = at
                    break
                times.append(at)
            cursor = times[-1] if times else now
            made += [blank(schedule, at) for at in times]
            moved.append(
                {
                    "of": row.name,
                    "to": ms(cursor),
                    "then": None if following is None else ms(following),
                }
            )
        if made:
            self.add(made)
        if moved:
            self._connection.execute(
                table.update()
                .where(table.c.name == sa.bindparam("of"))
                .values(cursor=sa.bindparam("to"), next_at=sa.bindparam("then")),
                moved,
            )
        return len(made)

    def _set_aside(self, name: str, error: str, now: float) -> None:
        """Pause a schedule that cannot be read, so that it keeps no other one from its work."""
        table = schema.schedules
        self._connection.execute(
            table.update()
            .where(table.c.name == name)
            .values(paused=True, paused_by="the scheduler, which cannot read it")
        )
        self.tell(broken(name, error, now=now))

    def add(self, rows: Sequence[dict[str, Json]]) -> None:
        """Add occurrences; one that has its row keeps it."""
        dialect = sqlite if self._connection.dialect.name == "sqlite" else postgresql
        statement = dialect.insert(schema.occurrences).on_conflict_do_nothing(
            index_elements=["schedule", "at"]
        )
        self._connection.execute(statement, list(rows))

    def leave_out(self, now: float) -> int:
        """Record as missed what waits too long by its schedule's policy; return how many."""
        table, plan = schema.occurrences, schema.schedules
        rows = self._connection.execute(
            sa.select(table.c.id, table.c.schedule, table.c.at, table.c.due, plan.c.record)
            .join(plan, plan.c.name == table.c.schedule)
            .where(
                table.c.state == "waiting",
                table.c.due <= ms(now),
                table.c.attempt == 0,
                ~table.c.manual,
                ~plan.c.paused,
            )
            .order_by(table.c.schedule, table.c.due)
        ).all()
        late: list[dict[str, Json]] = []
        for name, group in groupby(rows, key=lambda row: str(row.schedule)):
            waiting = list(group)
            try:
                schedule = schedule_of(waiting[0].record)
            except ScheduleError as error:
                self._set_aside(name, str(error), now)
                continue
            due = [seconds(row.due) for row in waiting]
            count = left_out(schedule.missed, due, now=now, grace=schedule.grace)
            if count:
                why = f"it could not start within {schedule.grace:g} s (missed: {schedule.missed})"
                late += [{"of": row.id, "because": why} for row in waiting[:count]]
                times = [seconds(row.at) for row in waiting[:count]]
                self.tell(missed(schedule, times, now=now))
        if late:
            self._connection.execute(
                table.update()
                .where(table.c.id == sa.bindparam("of"))
                .values(
                    state=OccurrenceState.MISSED.value,
                    why=sa.bindparam("because"),
                    ended=ms(now),
                    sla=None,
                ),
                late,
            )
        return len(late)

    def next_due(self, now: float) -> float | None:
        """Return when there is something to do next; ``None`` where nothing will be."""
        plan, table = schema.schedules, schema.occurrences
        waiting = table.c.state == "waiting"
        first = self._connection.execute(
            sa.select(sa.func.min(plan.c.next_at)).where(~plan.c.paused)
        ).scalar()
        then = self._connection.execute(
            sa.select(sa.func.min(table.c.due)).where(waiting, table.c.due > ms(now))
        ).scalar()
        sla = self._connection.execute(sa.select(sa.func.min(table.c.sla))).scalar()
        held = self._connection.execute(
            sa.select(sa.literal(1)).where(waiting, table.c.due <= ms(now)).limit(1)
        ).scalar()
        # What could not start may count as missed before anything else happens.
        known = [one for one in (first, then, sla) if one is not None]
        known += [ms(now) + _LOOK_AGAIN] if held else []
        return seconds(min(known)) if known else None

    def counts(self, now: float) -> int:
        """Return how many occurrences are due and wait."""
        table = schema.occurrences
        return int(
            self._connection.execute(
                sa.select(sa.func.count()).where(table.c.state == "waiting", table.c.due <= ms(now))
            ).scalar_one()
        )

    # What people are told

    def tell(self, notice: Notice) -> None:
        """Note that people have to be told something, once."""
        dialect = sqlite if self._connection.dialect.name == "sqlite" else postgresql
        self._connection.execute(
            dialect.insert(schema.notices)
            .values(key=notice.key[:400], record=encode(notice).decode(), told=None)
            .on_conflict_do_nothing(index_elements=["key"])
        )

    def told(self, keys: Iterable[str], *, now: float) -> None:
        """Note that people were told."""
        table = schema.notices
        self._connection.execute(
            table.update().where(table.c.key.in_([key[:400] for key in keys])).values(told=ms(now))
        )

    # Daemons

    def seen(self, row: DaemonRow, *, now: float) -> None:
        """Note a daemon's sign of life."""
        table = schema.daemons
        values = {"record": encode(row).decode(), "seen": ms(now)}
        here = table.c.id == row.status.id
        if not self._connection.execute(table.update().where(here).values(values)).rowcount:
            self._connection.execute(table.insert().values({"id": row.status.id, **values}))

    def gone(self, daemon: str) -> None:
        """Forget a daemon."""
        self._connection.execute(schema.daemons.delete().where(schema.daemons.c.id == daemon))
