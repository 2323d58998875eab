"""Keeps schedules, their occurrences and what became of them: ``.mlops/schedules.db``, or PostgreSQL.

Whoever changes something does so in one transaction and alone, so that an occurrence is claimed by one
process however many try, and a crash leaves a change whole or not made.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from mlops_nb.errors import ScheduleError, nearest
from mlops_nb.model import (
    Attempted,
    Notice,
    Occurrence,
    OccurrenceState,
    Record,
    Schedule,
    SchedulerState,
    SchedulerStatus,
    ScheduleState,
    decode,
)
from mlops_nb.processes import Owner, is_alive
from mlops_nb.scheduling import schema
from mlops_nb.scheduling.engine import open_engine, translated
from mlops_nb.scheduling.rows import attempted_of, ms, named_schedule, occurrence_of, seconds
from mlops_nb.scheduling.when import read_trigger
from mlops_nb.scheduling.zones import iso

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mlops_nb.scheduling.writer import Writer

__all__ = ["DaemonRow", "Reader", "ScheduleStore"]

_GONE_AFTER = 60.0
"""Seconds without a sign of life after which a daemon of another machine counts as gone."""


class ScheduleStore:
    """A database of schedules; made when it is first opened.

    Parameters
    ----------
    url
        ``sqlite:////absolute/path/schedules.db`` or ``postgresql://user@host/database``.

    Raises
    ------
    ScheduleError
        The database cannot be reached, or a later version wrote it.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._engine = open_engine(url)

    def close(self) -> None:
        """Give back the database connections."""
        self._engine.dispose()

    @property
    def is_shared(self) -> bool:
        """Whether several machines can use it at once."""
        return self._engine.dialect.name != "sqlite"

    @contextlib.contextmanager
    def read(self) -> Iterator[Reader]:
        """Read in one transaction, so that all answers belong together."""
        with translated(self.url), self._engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN")
            else:
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            yield Reader(connection)

    @contextlib.contextmanager
    def write(self, *, durable: bool = True) -> Iterator[Writer]:
        """Change something in one transaction, alone: every other writer waits its turn.

        Parameters
        ----------
        durable
            Wait for the disk. Without, a loss of power may take back the last moments, as a whole:
            for what would then be done or found out again. Nothing else can take it back.
        """
        from mlops_nb.scheduling.writer import Writer

        with translated(self.url), self._engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                level = "FULL" if durable else "NORMAL"
                connection.exec_driver_sql(f"PRAGMA synchronous = {level}")
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                if not durable:
                    connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
                connection.execute(sa.select(schema.head.c.id).with_for_update())
            yield Writer(connection)
            connection.commit()

    def changes(self) -> int:
        """Return a number that grows whenever a daemon has to look again."""
        with translated(self.url), self._engine.connect() as connection:
            return int(connection.execute(sa.select(schema.head.c.changes)).scalar_one())

    def clock(self) -> float:
        """Return the seconds since the epoch on which everyone who shares the store agrees."""
        if not self.is_shared:
            return time.time()
        with translated(self.url), self._engine.connect() as connection:
            return float(
                connection.execute(
                    sa.text("SELECT extract(epoch from clock_timestamp())::double precision")
                ).scalar_one()
            )

    def damage(self) -> str:
        """Return what the database's own check finds wrong; empty where nothing is."""
        if self.is_shared:
            return ""
        with translated(self.url), self._engine.connect() as connection:
            rows = connection.exec_driver_sql("PRAGMA integrity_check").scalars().all()
        return "" if rows == ["ok"] else "; ".join(str(row) for row in rows)


class Reader:
    """The questions that can be put to a store."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    @property
    def connection(self) -> sa.Connection:
        """The transaction's connection."""
        return self._connection

    def names(self) -> tuple[str, ...]:
        """Return the names of all schedules."""
        table = schema.schedules
        return tuple(self._connection.execute(sa.select(table.c.name).order_by("name")).scalars())

    def schedule(self, name: str) -> Schedule:
        """Return one schedule.

        Raises
        ------
        ScheduleError
            There is none of that name.
        """
        table = schema.schedules
        text = self._connection.execute(
            sa.select(table.c.record).where(table.c.name == name)
        ).scalar()
        if text is None:
            raise self._unknown(name)
        return named_schedule(text, name)

    def origin(self, name: str) -> str:
        """Return where a schedule comes from, ``store`` or ``project``; also of one that is broken.

        Raises
        ------
        ScheduleError
            There is none of that name.
        """
        table = schema.schedules
        found = self._connection.execute(
            sa.select(table.c.origin).where(table.c.name == name)
        ).scalar()
        if found is None:
            raise self._unknown(name)
        return str(found)

    def _unknown(self, name: str) -> ScheduleError:
        return ScheduleError(
            f'no schedule is called "{name}"',
            fix=nearest(name, self.names()) or 'add one with "mlops-nb schedule add"',
        )

    def schedules(self, origin: str = "") -> dict[str, Schedule]:
        """Return all schedules by name; of one origin if asked."""
        table = schema.schedules
        query = sa.select(table.c.name, table.c.record).order_by(table.c.name)
        if origin:
            query = query.where(table.c.origin == origin)
        return {
            row.name: named_schedule(row.record, row.name)
            for row in self._connection.execute(query)
        }

    def states(self, names: Sequence[str] = ()) -> tuple[ScheduleState, ...]:
        """Return schedules with how they stand, by name; all by default."""
        table, past = schema.schedules, schema.occurrences
        query = sa.select(table).order_by(table.c.name)
        if names:
            query = query.where(table.c.name.in_(list(names)))
        counts: dict[tuple[str, str], int] = {
            (row.schedule, row.state): row.number
            for row in self._connection.execute(
                sa.select(past.c.schedule, past.c.state, sa.func.count().label("number"))
                .where(past.c.state.in_(["waiting", "running"]))
                .group_by(past.c.schedule, past.c.state)
            )
        }
        rows = self._connection.execute(query).all()
        known = {row.name: named_schedule(row.record, row.name) for row in rows}
        last = self._last(known)
        found = []
        for row in rows:
            schedule = known[row.name]
            next_at = None if row.next_at is None or row.paused else seconds(row.next_at)
            found.append(
                ScheduleState(
                    schedule=schedule,
                    words=read_trigger(schedule).words(),
                    paused=row.paused,
                    paused_by=row.paused_by,
                    next_at=next_at,
                    next_local="" if next_at is None else iso(next_at, schedule.timezone),
                    origin=row.origin,
                    last=last.get(row.name),
                    running=counts.get((row.name, "running"), 0),
                    waiting=counts.get((row.name, "waiting"), 0),
                )
            )
        return tuple(found)

    def _last(self, known: Mapping[str, Schedule]) -> dict[str, Occurrence]:
        """Return the latest occurrence of each schedule that is not waiting for its first start."""
        table = schema.occurrences
        newest = (
            sa.select(table.c.schedule, sa.func.max(table.c.at).label("at"))
            .where(sa.or_(table.c.state != "waiting", table.c.attempt > 0))
            .group_by(table.c.schedule)
            .subquery()
        )
        rows = self._connection.execute(
            sa.select(table).join(
                newest, (table.c.schedule == newest.c.schedule) & (table.c.at == newest.c.at)
            )
        ).all()
        return {one.schedule: one for one in self._records(rows, known)}

    def history(
        self,
        name: str = "",
        *,
        limit: int = 50,
        states: Sequence[OccurrenceState] = (),
        begun: bool = False,
        before: float | None = None,
        since: float | None = None,
    ) -> tuple[Occurrence, ...]:
        """Return occurrences, the newest first.

        Parameters
        ----------
        name
            Of one schedule; of all by default.
        limit
            At most so many.
        states
            Only in these states.
        begun
            Leave out those that wait.
        before, since
            Only with a logical time before, or at and after, these moments.
        """
        table = schema.occurrences
        query = sa.select(table).order_by(table.c.at.desc(), table.c.id.desc()).limit(limit)
        if name:
            query = query.where(table.c.schedule == name)
        if states:
            query = query.where(table.c.state.in_([state.value for state in states]))
        if begun:
            query = query.where(table.c.state != "waiting")
        if before is not None:
            query = query.where(table.c.at < ms(before))
        if since is not None:
            query = query.where(table.c.at >= ms(since))
        rows = self._connection.execute(query).all()
        return self._records(rows, self.schedules() if rows else {})

    def _records(
        self, rows: Sequence[sa.Row[Any]], known: Mapping[str, Schedule]
    ) -> tuple[Occurrence, ...]:
        tried = self._attempts([row.id for row in rows])
        return tuple(
            occurrence_of(
                row,
                known[row.schedule].timezone if row.schedule in known else "UTC",
                tried.get(row.id, ()),
            )
            for row in rows
        )

    def occurrence(self, name: str, at: float) -> Occurrence | None:
        """Return one occurrence; ``None`` where it has no row."""
        found = self.history(name, limit=1, since=at, before=at + 0.001)
        return found[0] if found else None

    def daemons(self) -> tuple[SchedulerStatus, ...]:
        """Return the daemons that work on the store or did lately, the newest first."""
        rows = self._connection.execute(
            sa.select(schema.daemons).order_by(schema.daemons.c.seen.desc())
        )
        return tuple(_daemon(row.record, seconds(row.seen)) for row in rows)

    def untold(self, limit: int = 100) -> tuple[Notice, ...]:
        """Return what people have not been told."""
        table = schema.notices
        rows = self._connection.execute(
            sa.select(table.c.record).where(table.c.told.is_(None)).limit(limit)
        ).scalars()
        return tuple(msgspec.json.decode(text, type=Notice) for text in rows)

    def ends(self, runs: Sequence[str]) -> tuple[tuple[str, OccurrenceState], ...]:
        """Return schedule and end of the attempts that these runs were, where they have ended."""
        tries, past = schema.attempts, schema.occurrences
        rows = self._connection.execute(
            sa.select(past.c.schedule, tries.c.state)
            .join(past, past.c.id == tries.c.occurrence)
            .where(tries.c.run.in_(list(runs)), tries.c.ended.is_not(None))
        )
        return tuple((row.schedule, OccurrenceState(row.state)) for row in rows)

    def time_of(self, run: str) -> float | None:
        """Return the time of the occurrence that a run is an attempt at; ``None`` where it is none."""
        tries, past = schema.attempts, schema.occurrences
        found = self._connection.execute(
            sa.select(past.c.at)
            .join(tries, tries.c.occurrence == past.c.id)
            .where(tries.c.run == run)
        ).scalar()
        return None if found is None else seconds(found)

    def frozen(self) -> frozenset[str]:
        """Return what occurrences that are not over have frozen."""
        past = schema.occurrences
        return frozenset(
            self._connection.execute(
                sa.select(past.c.frozen).where(
                    past.c.state.in_(["waiting", "running"]), past.c.frozen != ""
                )
            ).scalars()
        )

    def _attempts(self, ids: Sequence[int]) -> dict[int, tuple[Attempted, ...]]:
        table = schema.attempts
        found: dict[int, tuple[Attempted, ...]] = {}
        for start in range(0, len(ids), 500):
            rows = self._connection.execute(
                sa.select(table)
                .where(table.c.occurrence.in_(list(ids[start : start + 500])))
                .order_by(table.c.occurrence, table.c.number)
            )
            for row in rows:
                found[row.occurrence] = (*found.get(row.occurrence, ()), attempted_of(row))
        return found


class DaemonRow(Record, frozen=True, kw_only=True):
    """What the store keeps of a daemon."""

    status: SchedulerStatus
    owner: Owner


def _daemon(text: str, seen: float) -> SchedulerStatus:
    row = decode(text, DaemonRow)
    alive = is_alive(row.owner)
    if alive is None:
        alive = time.time() - seen < _GONE_AFTER
    state = row.status.state if alive else SchedulerState.GONE
    return msgspec.structs.replace(row.status, seen=seen, state=state)
