"""The ledger's tables, on SQLite and PostgreSQL, and the triggers that make it append-only."""

from __future__ import annotations

import sqlalchemy as sa

__all__ = ["META", "aliases", "head", "ledger", "outbox", "pending", "versions"]

META = sa.MetaData()

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

ledger = sa.Table(
    "mlops_ledger",
    META,
    sa.Column("seq", _BIG, primary_key=True, autoincrement=False),
    sa.Column("time", sa.Double, nullable=False),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("alias", sa.Text, nullable=False),
    sa.Column("previous", sa.Integer, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("forced", sa.Boolean, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("git_commit", sa.Text, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Column("before", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False, unique=True),
    sa.Index("mlops_ledger_model", "model", "version", "kind"),
)
"""The truth: one row for each thing that was done; `versions` and `aliases` follow from it."""

head = sa.Table(
    "mlops_ledger_head",
    META,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("seq", _BIG, nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Column("ledger_id", sa.String(64), nullable=False),
    sa.Column("schema", sa.Integer, nullable=False),
)
"""One row: the end of the chain. Writers lock it, so that the chain has one writer at a time."""

versions = sa.Table(
    "mlops_versions",
    META,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("status", sa.String(20), nullable=False),
    sa.Column("record", sa.LargeBinary, nullable=False),
)

aliases = sa.Table(
    "mlops_aliases",
    META,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("alias", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("seq", _BIG, nullable=False),
)

outbox = sa.Table(
    "mlops_outbox",
    META,
    sa.Column("id", _BIG, primary_key=True, autoincrement=True),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("alias", sa.Text, nullable=False),
)
"""What MLflow has yet to be told of: an alias, or a version."""

pending = sa.Table(
    "mlops_pending",
    META,
    sa.Column("token", sa.String(64), primary_key=True),
    sa.Column("time", sa.Double, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("record", sa.LargeBinary, nullable=False),
)
"""Registrations under way: MLflow gives the number, so the row of the ledger comes second."""

_SQLITE = """
CREATE TRIGGER IF NOT EXISTS mlops_ledger_{what} BEFORE {what} ON mlops_ledger
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END
"""
_POSTGRESQL = (
    """
CREATE OR REPLACE FUNCTION mlops_ledger_is_append_only() RETURNS trigger AS $$
BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$ LANGUAGE plpgsql
""",
    "DROP TRIGGER IF EXISTS mlops_ledger_guard ON mlops_ledger",
    """
CREATE TRIGGER mlops_ledger_guard BEFORE UPDATE OR DELETE OR TRUNCATE ON mlops_ledger
FOR EACH STATEMENT EXECUTE FUNCTION mlops_ledger_is_append_only()
""",
)


def _guards(dialect: str) -> tuple[str, ...]:
    if dialect == "sqlite":
        return tuple(_SQLITE.format(what=what) for what in ("UPDATE", "DELETE"))
    return _POSTGRESQL


@sa.event.listens_for(ledger, "after_create")
def _append_only(_table: sa.Table, connection: sa.Connection, **_: object) -> None:
    for statement in _guards(connection.dialect.name):
        connection.execute(sa.text(statement))
