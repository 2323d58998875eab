"""Opens MLflow's stores: the one place that makes clients, and makes a fresh SQLite file safely.

MLflow creates its tables on first use, and several processes doing so at once corrupt each
other's migration. Here a fresh file is made under a lock, beside its place, and moved in whole.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from mlops_nb.config import telemetry_off
from mlops_nb.errors import TrackingError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "default_artifacts",
    "experiment_id",
    "mlflow_client",
    "mlflow_errors",
    "prepare",
    "sqlite_path",
]

_LOCK_SECONDS = 120.0
_CLIENT = {
    # Minutes of retries would keep a promotion waiting that the ledger has long recorded.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    # What a client prints on its own would break the output of ``--json``.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
"""How a client behaves unless the environment says otherwise."""


def sqlite_path(uri: str) -> Path | None:
    """Return the file of a ``sqlite:///`` URI, or ``None`` for any other URI."""
    if not uri.startswith("sqlite:///"):
        return None
    return Path(unquote(uri.removeprefix("sqlite:///").partition("?")[0]))


def default_artifacts(uri: str) -> str:
    """Return where a new experiment keeps its artifacts: beside a SQLite file, or "" for a server.

    MLflow's own choice would be the folder that the process happens to run in.
    """
    path = sqlite_path(uri)
    return "" if path is None else (path.resolve().parent / "artifacts").as_uri()


def prepare(uri: str) -> None:
    """Make MLflow's SQLite file if it is missing; safe for many processes at once.

    Parameters
    ----------
    uri
        MLflow's tracking URI; nothing is done for other URIs than ``sqlite:///``.

    Raises
    ------
    TrackingError
        The folder cannot be written, or another process held the lock for two minutes.
    """
    path = sqlite_path(uri)
    if path is None or _is_ready(path):
        return
    from filelock import FileLock, Timeout

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock", timeout=_LOCK_SECONDS):
            if not _is_ready(path):
                _create(path)
    except Timeout as error:
        raise TrackingError(
            f"another process has been setting it up for {_LOCK_SECONDS:.0f} s",
            where=str(path),
            fix=f"look for a hanging process, then remove {path}.lock",
        ) from error
    except OSError as error:
        raise TrackingError(f"cannot be created: {error}", where=str(path)) from error


def _is_ready(path: Path) -> bool:
    # The file appears whole by a rename, so its presence would do for those made here; the table
    # is looked for because another tool may be making it this moment.
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


def _create(path: Path) -> None:
    """Let MLflow make its tables in a file beside the place, without waiting for the disk."""
    if path.is_file() and path.stat().st_size:
        return  # someone else's database, or one half made: MLflow migrates or refuses it itself
    telemetry_off()
    import sqlalchemy
    from mlflow.exceptions import MlflowException
    from mlflow.store.db import utils

    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    staging = Path(name)
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
        staging.unlink(missing_ok=True)
        raise TrackingError(
            f"MLflow could not create its tables: {error}", where=str(path)
        ) from error
    engine.dispose()
    # Kept in the file: kernels that log at once wait for each other less, and promoting syncs less.
    with contextlib.closing(sqlite3.connect(staging)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    with staging.open("rb+") as file:
        os.fsync(file.fileno())
    staging.chmod(0o644)
    staging.replace(path)


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


def mlflow_client(uri: str) -> Any:
    """Return an ``mlflow.MlflowClient`` for a store, made first if it is a fresh SQLite file.

    Raises
    ------
    TrackingError
        The store cannot be opened.
    """
    prepare(uri)
    telemetry_off()
    for name, value in _CLIENT.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    with mlflow_errors(uri):
        return MlflowClient(tracking_uri=uri, registry_uri=uri)


@contextlib.contextmanager
def mlflow_errors(uri: str) -> Iterator[None]:
    """Turn what MLflow, its HTTP client and its database raise into `TrackingError`."""
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, RequestException, SQLAlchemyError, OSError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        fix = "is the server running?" if uri.startswith("http") else ""
        raise TrackingError(first[:500], where=_without_password(uri), fix=fix) from error


def experiment_id(client: Any, name: str, *, artifacts: str = "") -> str:
    """Return an experiment's id, making it where it is missing; safe for many at once.

    Parameters
    ----------
    client
        From `mlflow_client`.
    name
        The experiment's name.
    artifacts
        Where a new experiment keeps its artifacts; the server's choice where empty.
    """
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name, artifact_location=artifacts or None))
        except MlflowException:
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def _without_password(uri: str) -> str:
    parts = urlsplit(uri)
    if not parts.password:
        return uri
    return uri.replace(f":{parts.password}@", ":***@")
