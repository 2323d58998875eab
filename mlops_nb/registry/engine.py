"""Opens the ledger's database: makes its tables once, and gives each dialect its locks."""

from __future__ import annotations

import contextlib
import uuid
from typing import TYPE_CHECKING

import sqlalchemy as sa

from mlops_nb.database import BUSY_SECONDS, open_database
from mlops_nb.errors import RegistryError
from mlops_nb.registry import schema

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SCHEMA", "locked", "open_engine"]

SCHEMA = 1
_KEY = 0x6D6C6F7073  # "mlops": the advisory lock of the mirror
_KEY_CREATE = _KEY + 1


def open_engine(url: str) -> sa.Engine:
    """Open a ledger's database and make its tables if they are missing.

    Raises
    ------
    RegistryError
        The URL is of no use, the database cannot be reached, or a later version wrote it.
    """
    return open_database(url, "ledger", RegistryError, _create)


def _create(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table(schema.head.name):
            with _alone(engine):
                _make(engine)
        else:
            row = connection.execute(sa.select(schema.head.c.schema)).scalar()
            if row is None:
                with _alone(engine):
                    _make(engine)
    with engine.connect() as connection:
        found = connection.execute(sa.select(schema.head.c.schema)).scalar_one()
    if found > SCHEMA:
        raise RegistryError(
            f"a later mlops-nb wrote this ledger (version {found})", fix="upgrade mlops-nb"
        )


def _make(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")
            connection.commit()
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        schema.META.create_all(connection)
        if connection.execute(sa.select(schema.head.c.id)).scalar() is None:
            connection.execute(
                schema.head.insert().values(
                    id=1, seq=0, hash="0" * 64, ledger_id=uuid.uuid4().hex, schema=SCHEMA
                )
            )
        connection.commit()


@contextlib.contextmanager
def _alone(engine: sa.Engine) -> Iterator[None]:
    with locked(engine, create=True):
        yield


@contextlib.contextmanager
def locked(engine: sa.Engine, *, create: bool = False) -> Iterator[None]:
    """Hold a lock over processes that a crash frees: a file beside SQLite, an advisory lock else.

    Raises
    ------
    RegistryError
        Another process held it for two minutes.
    """
    if engine.dialect.name == "sqlite":
        from filelock import FileLock, Timeout

        path = f"{engine.url.database}.{'create' if create else 'mirror'}.lock"
        try:
            with FileLock(path, timeout=2 * BUSY_SECONDS):
                yield
        except Timeout as error:
            raise RegistryError("another process holds it for too long", where=path) from error
        return
    with engine.connect() as connection:
        key = {"key": _KEY_CREATE if create else _KEY}
        connection.execute(sa.text("SELECT pg_advisory_lock(:key)"), key)
        connection.commit()
        try:
            yield
        finally:
            connection.execute(sa.text("SELECT pg_advisory_unlock(:key)"), key)
            connection.commit()
