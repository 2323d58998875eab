"""The tables of schedules, on SQLite and PostgreSQL. Moments are whole milliseconds since the epoch."""

from __future__ import annotations

import sqlalchemy as sa

__all__ = [
    "META",
    "attempts",
    "daemons",
    "head",
    "kept",
    "notices",
    "occurrences",
    "project",
    "schedules",
]

META = sa.MetaData()

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

head = sa.Table(
    "mlops_schedule_head",
    META,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("schema", sa.Integer, nullable=False),
    sa.Column("changes", _BIG, nullable=False),
)
"""One row. Writers lock it, so that they take turns; `changes` counts what a daemon has to look at."""

project = sa.Table(
    "mlops_schedule_project",
    META,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", sa.Text, nullable=False),
)
"""At most one row: the name of the project whose schedules these are, where its store is set."""

kept = sa.Table(
    "mlops_schedule_kept",
    META,
    sa.Column("schedule", sa.String(200), primary_key=True),
)
"""Schedules that were removed and whose runs stay for ever."""

schedules = sa.Table(
    "mlops_schedules",
    META,
    sa.Column("name", sa.String(200), primary_key=True),
    sa.Column("record", sa.Text, nullable=False),
    sa.Column("origin", sa.String(20), nullable=False),
    sa.Column("paused", sa.Boolean, nullable=False),
    sa.Column("paused_by", sa.Text, nullable=False),
    sa.Column("cursor", _BIG, nullable=False),
    sa.Column("next_at", _BIG, nullable=True),
    sa.Column("failing", sa.Boolean, nullable=False),
    sa.Index("mlops_schedules_next", "next_at"),
)
"""`cursor`: every occurrence up to it has its row. `next_at`: the next one; null for none to come."""

occurrences = sa.Table(
    "mlops_occurrences",
    META,
    sa.Column("id", _BIG, primary_key=True, autoincrement=True),
    sa.Column("schedule", sa.String(200), nullable=False),
    sa.Column("at", _BIG, nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("manual", sa.Boolean, nullable=False),
    sa.Column("due", _BIG, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("fence", sa.Integer, nullable=False),
    sa.Column("run", sa.String(64), nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("runner", sa.Text, nullable=False),
    sa.Column("lease", _BIG, nullable=False),
    sa.Column("cancel", sa.Text, nullable=False),
    sa.Column("order", sa.Text, nullable=False),
    sa.Column("frozen", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("sla", _BIG, nullable=True),
    sa.Column("started", _BIG, nullable=True),
    sa.Column("ended", _BIG, nullable=True),
    sa.UniqueConstraint("schedule", "at", name="mlops_occurrence_once"),
    sa.Index("mlops_occurrences_open", "state", "due"),
    sa.Index("mlops_occurrences_sla", "sla"),
)
"""`owner` claimed it, `runner` is the process that runs it, both as JSON; `order` is what it runs, fixed by
the first claim; `sla` is when it has to have succeeded, null once that was told or does not matter."""

attempts = sa.Table(
    "mlops_attempts",
    META,
    sa.Column("occurrence", _BIG, primary_key=True, autoincrement=False),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("run", sa.String(64), nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("started", _BIG, nullable=False),
    sa.Column("ended", _BIG, nullable=True),
    sa.Column("exit_code", sa.Integer, nullable=True),
    sa.Column("error", sa.Text, nullable=False),
    sa.UniqueConstraint("run", name="mlops_attempt_run"),
)

notices = sa.Table(
    "mlops_notices",
    META,
    sa.Column("key", sa.String(400), primary_key=True),
    sa.Column("record", sa.Text, nullable=False),
    sa.Column("told", _BIG, nullable=True),
    sa.Index("mlops_notices_told", "told"),
)
"""What people have to be told, written with what it tells of."""

daemons = sa.Table(
    "mlops_daemons",
    META,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("record", sa.Text, nullable=False),
    sa.Column("seen", _BIG, nullable=False),
)
