"""Opens SQLAlchemy engines on SQLite and PostgreSQL, with the settings that transactions rely on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops_nb.errors import MlopsNbError

__all__ = ["BUSY_SECONDS", "open_database"]

BUSY_SECONDS = 60.0
"""How long a writer waits for another one."""


def open_database(
    url: str,
    what: str,
    error: type[MlopsNbError],
    prepare: Callable[[sa.Engine], None],
    *,
    busy: float = BUSY_SECONDS,
) -> sa.Engine:
    """Return an engine whose tables are there.

    On SQLite a transaction has to be begun by ``BEGIN`` or ``BEGIN IMMEDIATE``: the driver's own
    would begin too late to be alone. Every commit waits for the disk.

    Parameters
    ----------
    url
        ``sqlite:////absolute/path.db`` or ``postgresql://user@host/database``.
    what
        What is opened, for errors: ``ledger``.
    error
        What is raised.
    prepare
        Makes the tables.
    busy
        Seconds that a writer waits for another one.

    Raises
    ------
    MlopsNbError
        The URL is of no use, or the database cannot be reached.
    """
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as wrong:
        raise error("is not a SQLAlchemy URL", where=f"{what} {url!r}") from wrong
    shown = parsed.render_as_string(hide_password=True)
    if parsed.drivername in ("postgres", "postgresql"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    backend = parsed.get_backend_name()
    if backend not in ("sqlite", "postgresql"):
        raise error(
            f"the {what} cannot live in {backend}",
            where=shown,
            fix="use sqlite:///… or postgresql://…",
        )
    if backend == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise error(
            f"the {what} needs a file", where=shown, fix=f"use sqlite:////absolute/path/{what}.db"
        )
    try:
        engine = _sqlite(parsed, busy) if backend == "sqlite" else _postgresql(parsed)
        try:
            prepare(engine)
        except BaseException:  # also where it is interrupted: its connections are nobody's then
            engine.dispose()
            raise
    except ModuleNotFoundError as missing:
        raise error(
            f"{missing.name} is not installed",
            where=shown,
            fix='pip install "mlops-nb[postgresql]"',
        ) from missing
    except (sa.exc.SQLAlchemyError, OSError) as failed:
        original = getattr(failed, "orig", None) or failed
        raise error(f"cannot be opened: {original}", where=shown) from failed
    return engine


def _sqlite(url: sa.URL, busy: float) -> sa.Engine:
    Path(url.database or "").parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(url, connect_args={"timeout": busy})

    @sa.event.listens_for(engine, "connect")
    def _settle(connection: Any, _record: object) -> None:
        # We begin transactions ourselves: sqlite3 would start them too late to be alone.
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {int(busy * 1000)}")
        connection.execute("PRAGMA synchronous = FULL")

    return engine


def _postgresql(url: sa.URL) -> sa.Engine:
    return sa.create_engine(
        url, pool_pre_ping=True, pool_size=2, connect_args={"connect_timeout": 10}
    )
