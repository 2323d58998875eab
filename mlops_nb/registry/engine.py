"""Opens the ledger's database: makes its tables once, and gives each dialect its locks."""

from __future__ import annotations

import contextlib
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from mlops_nb.errors import RegistryError
from mlops_nb.registry import schema

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SCHEMA", "locked", "open_engine"]

SCHEMA = 1
_BUSY_SECONDS = 60.0
_KEY = 0x6D6C6F7073  # "mlops": the advisory lock of the mirror
_KEY_CREATE = _KEY + 1


def open_engine(url: str) -> sa.Engine:
    """Open a ledger's database and make its tables if they are missing.

    Raises
    ------
    RegistryError
        The URL is of no use, the database cannot be reached, or a later version wrote it.
    """
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise RegistryError("is not a SQLAlchemy URL", where=f"ledger {url!r}") from error
    shown = parsed.render_as_string(hide_password=True)
    if parsed.drivername in ("postgres", "postgresql"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise RegistryError(
            f"the ledger cannot live in {parsed.get_backend_name()}",
            where=shown,
            fix="use sqlite:///… or postgresql://…",
        )
    try:
        with contextlib.ExitStack() as failed:
            sqlite = parsed.get_backend_name() == "sqlite"
            engine = _sqlite(parsed) if sqlite else _postgresql(parsed)
            failed.callback(engine.dispose)
            _create(engine)
            failed.pop_all()
    except ModuleNotFoundError as error:
        raise RegistryError(
            f"{error.name} is not installed", where=shown, fix='pip install "mlops-nb[postgresql]"'
        ) from error
    except (sa.exc.SQLAlchemyError, OSError) as error:
        original = getattr(error, "orig", None) or error
        raise RegistryError(f"cannot be opened: {original}", where=shown) from error
    return engine


def _sqlite(url: sa.URL) -> sa.Engine:
    if not url.database or url.database == ":memory:":
        raise RegistryError(
            "the ledger needs a file", where=str(url), fix="use sqlite:////absolute/path/ledger.db"
        )
    Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(url, connect_args={"timeout": _BUSY_SECONDS})

    @sa.event.listens_for(engine, "connect")
    def _settle(connection: Any, _record: object) -> None:
        # We begin transactions ourselves: sqlite3 would start them too late to be alone.
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {int(_BUSY_SECONDS * 1000)}")
        connection.execute("PRAGMA synchronous = FULL")

    return engine


def _postgresql(url: sa.URL) -> sa.Engine:
    return sa.create_engine(
        url, pool_pre_ping=True, pool_size=2, connect_args={"connect_timeout": 10}
    )


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
            with FileLock(path, timeout=2 * _BUSY_SECONDS):
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
