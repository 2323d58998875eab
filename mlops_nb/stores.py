"""Opens MLflow's stores: the one place that makes clients, and makes a fresh SQLite file safely.

MLflow creates its tables on first use, and several processes doing so at once corrupt each
other's migration. Here a fresh file is made under a lock, beside its place, and moved in whole.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from mlops_nb.config import telemetry_off
from mlops_nb.errors import TrackingError
from mlops_nb.light import light_mlflow
from mlops_nb.tables import has_tables, make_tables

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
    if path is None or has_tables(path):
        return
    from filelock import FileLock, Timeout

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock", timeout=_LOCK_SECONDS):
            # Another's database, or one half made, is MLflow's own to migrate or to refuse.
            if not path.is_file() or not path.stat().st_size:
                make_tables(path)
    except Timeout as error:
        raise TrackingError(
            f"another process has been setting it up for {_LOCK_SECONDS:.0f} s",
            where=str(path),
            fix=f"look for a hanging process, then remove {path}.lock",
        ) from error
    except OSError as error:
        raise TrackingError(f"cannot be created: {error}", where=str(path)) from error


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
    with light_mlflow():
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
