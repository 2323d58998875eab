"""Makes MLflow's SQLite file without walking through all of MLflow's migrations each time.

They take more than a second and end the same every time: nothing of the moment or the machine goes
in. For the MLflow release that is locked, what they end in is kept as SQL beside this module
(``make lock`` renews it, a test compares it with the migrations). For any other release the first
file is kept in the user's cache, and every further project gets a copy. What is kept is checked
before it is used; MLflow checks the schema's revision besides, whenever it opens a file.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_nb.config import telemetry_off
from mlops_nb.errors import TrackingError
from mlops_nb.light import light_mlflow

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["has_tables", "make_tables", "script_path", "template_path", "write_script"]


def has_tables(path: Path) -> bool:
    """Whether a file is a SQLite database that MLflow has made its tables in, or is making them."""
    if not path.is_file() or path.stat().st_size == 0:
        return False
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            row = connection.execute(
                "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'"
            ).fetchone()
    except sqlite3.DatabaseError:
        return False
    return row is not None


def template_path() -> Path:
    """Return where the file of the installed MLflow is kept; it need not exist."""
    import platformdirs

    return platformdirs.user_cache_path("mlops-nb") / f"mlflow-{metadata.version('mlflow')}.db"


def script_path() -> Path:
    """Return where the tables of the installed MLflow are kept as SQL; it need not exist."""
    return Path(__file__).parent / "schemas" / f"mlflow-{metadata.version('mlflow')}.sql"


def write_script(path: Path) -> None:
    """Write what the migrations of the installed MLflow end in as SQL."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder, "mlflow.db")
        _migrate(made, made)
        with contextlib.closing(sqlite3.connect(made)) as connection:
            first, *statements, last = connection.iterdump()
    # MLflow makes some indexes in the order of a set.
    statements.sort(key=lambda one: one if "INDEX" in one.partition(" ON ")[0] else "")
    text = "\n".join([first, *statements, last]) + "\n"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")


def make_tables(path: Path) -> None:
    """Make MLflow's database at a place where there is none; it appears whole or not at all.

    Raises
    ------
    TrackingError
        MLflow cannot create its tables.
    OSError
        The folder cannot be written.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    staging = Path(name)
    try:
        if not _run_script(staging) and not _copy_template(staging):
            _migrate(staging, path)
            _keep_template(staging)
        # Kept in the file: kernels that log at once wait for each other less, and promoting syncs
        # less.
        with contextlib.closing(sqlite3.connect(staging)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
        with staging.open("rb+") as file:
            os.fsync(file.fileno())
        staging.chmod(0o644)
        staging.replace(path)
    finally:
        staging.unlink(missing_ok=True)


def _run_script(target: Path) -> bool:
    """Make the tables from the SQL of this release, and say whether there is one."""
    try:
        script = script_path().read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    with contextlib.closing(sqlite3.connect(target)) as connection:
        # Nothing is lost with the staging file; it is synced before it is moved in.
        connection.execute("PRAGMA synchronous = OFF")
        connection.executescript(script)
    return True


def _copy_template(target: Path) -> bool:
    """Copy what the cache holds, and say whether it is what it should be."""
    template = template_path()
    try:
        shutil.copyfile(template, target)
        with contextlib.closing(sqlite3.connect(target)) as connection:
            intact = connection.execute("PRAGMA quick_check").fetchone() == ("ok",)
    except (OSError, sqlite3.DatabaseError):
        intact = False
    if intact and has_tables(target):
        return True
    target.write_bytes(b"")
    return False


def _keep_template(made: Path) -> None:
    template = template_path()
    # A cache that cannot be written only costs time.
    with contextlib.suppress(OSError):
        template.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{template.name}.", dir=template.parent)
        os.close(handle)
        try:
            shutil.copyfile(made, name)
            Path(name).replace(template)
        finally:
            Path(name).unlink(missing_ok=True)


def _migrate(staging: Path, path: Path) -> None:
    """Let MLflow make its tables, without waiting for the disk."""
    telemetry_off()
    import sqlalchemy

    with light_mlflow():
        from mlflow.exceptions import MlflowException
    from mlflow.store.db import utils

    engine = sqlalchemy.create_engine(f"sqlite:///{staging}", poolclass=sqlalchemy.pool.NullPool)

    @sqlalchemy.event.listens_for(engine, "connect")
    def _fast(connection: Any, _record: object) -> None:
        # Nothing is lost with the staging file; it is synced before it is moved in.
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA journal_mode = MEMORY")

    try:
        with _quiet():
            utils._initialize_tables(engine)  # type: ignore[no-untyped-call]
    except (MlflowException, sqlalchemy.exc.SQLAlchemyError) as error:
        raise TrackingError(
            f"MLflow could not create its tables: {error}", where=str(path)
        ) from error
    finally:
        engine.dispose()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep MLflow's and Alembic's progress lines off the terminal."""
    import logging

    loggers = [logging.getLogger(name) for name in ("mlflow.store.db.utils", "alembic")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


if __name__ == "__main__":
    write_script(script_path())
