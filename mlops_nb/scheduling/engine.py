"""Opens the database of schedules, and makes its tables once."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import sqlalchemy as sa

from mlops_nb.database import open_database
from mlops_nb.errors import ScheduleError
from mlops_nb.scheduling import schema

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SCHEMA", "open_engine", "translated"]

SCHEMA = 1
_BUSY_SECONDS = 20.0
_KEY = 0x6D6C6F7075  # an advisory lock that nobody else uses


def open_engine(url: str) -> sa.Engine:
    """Open a database of schedules and make its tables if they are missing.

    Raises
    ------
    ScheduleError
        The URL is of no use, the database cannot be reached, or a later version wrote it.
    """
    return open_database(url, "schedules", ScheduleError, _create, busy=_BUSY_SECONDS)


@contextlib.contextmanager
def translated(url: str) -> Iterator[None]:
    """Turn what the database raises into `ScheduleError`."""
    try:
        yield
    except sa.exc.SQLAlchemyError as error:
        original = getattr(error, "orig", None) or error
        shown = sa.make_url(url).render_as_string(hide_password=True)
        raise ScheduleError(
            f"the store of schedules answers: {original}",
            where=shown,
            fix="check that it can be written to and that its disk has room",
        ) from error


def _create(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        # The youngest table: stores of earlier versions are given it.
        ready = sa.inspect(connection).has_table(schema.kept.name)
    if not ready:
        if engine.dialect.name == "sqlite":
            from filelock import FileLock, Timeout

            path = f"{engine.url.database}.create.lock"
            try:
                with FileLock(path, timeout=_BUSY_SECONDS):
                    _make(engine)
            except Timeout as error:
                raise ScheduleError("another process holds it for too long", where=path) from error
        else:
            _make(engine)
    with engine.connect() as connection:
        found = connection.execute(sa.select(schema.head.c.schema)).scalar_one()
    if found > SCHEMA:
        raise ScheduleError(
            f"a later mlops-nb wrote these schedules (version {found})", fix="upgrade mlops-nb"
        )


def _make(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")
            connection.commit()
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _KEY})
        schema.META.create_all(connection)
        if connection.execute(sa.select(schema.head.c.id)).scalar() is None:
            connection.execute(schema.head.insert().values(id=1, schema=SCHEMA, changes=0))
        connection.commit()
