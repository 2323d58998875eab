"""MLflow's stores: made once, whole, and with errors that say which."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest

from mlops_nb.errors import TrackingError
from mlops_nb.stores import (
    default_artifacts,
    experiment_id,
    mlflow_client,
    mlflow_errors,
    prepare,
    sqlite_path,
)


def test_a_fresh_store_appears_whole(mlflow_template):
    names = {path.name for path in mlflow_template.parent.iterdir()}
    assert names <= {"mlflow.db", "mlflow.db.lock", "mlflow.db-wal", "mlflow.db-shm"}
    with contextlib.closing(sqlite3.connect(mlflow_template)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    before = mlflow_template.stat().st_mtime_ns
    prepare(f"sqlite:///{mlflow_template}")
    assert mlflow_template.stat().st_mtime_ns == before


def test_another_database_is_left_alone(tmp_path):
    (tmp_path / "x.db").write_bytes(b"something else")
    prepare(f"sqlite:///{tmp_path / 'x.db'}")
    assert (tmp_path / "x.db").read_bytes() == b"something else"
    with pytest.raises(TrackingError, match="not a database"):
        mlflow_client(f"sqlite:///{tmp_path / 'x.db'}").search_experiments()


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TrackingError, match="cannot be created"):
        prepare(f"sqlite:///{tmp_path / 'file' / 'mlflow.db'}")


def test_uris():
    assert str(sqlite_path("sqlite:////a/b%20c.db?x=1")) == "/a/b c.db"
    assert sqlite_path("http://x") is None
    assert default_artifacts("http://x") == ""
    assert default_artifacts("sqlite:////a/b.db") == "file:///a/artifacts"
    prepare("http://127.0.0.1:1")


def test_experiments_are_made_once_and_come_back_from_the_dead(mlflow_sqlite, tmp_path):
    client = mlflow_client(mlflow_sqlite)
    first = experiment_id(client, "e", artifacts=tmp_path.as_uri())
    assert client.get_experiment(first).artifact_location == tmp_path.as_uri()
    client.delete_experiment(first)
    assert experiment_id(client, "e") == first
    assert client.get_experiment(first).lifecycle_stage == "active"


def test_errors_do_not_show_passwords():
    with (
        pytest.raises(TrackingError) as caught,
        mlflow_errors("http://me:secret@host/x"),
    ):
        raise OSError("no route")
    assert str(caught.value) == "http://me:***@host/x: no route; is the server running?"
