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
from mlops_nb.tables import script_path, template_path, write_script


def test_a_fresh_store_appears_whole(mlflow_template):
    names = {path.name for path in mlflow_template.parent.iterdir()}
    assert names <= {"mlflow.db", "mlflow.db.lock", "mlflow.db-wal", "mlflow.db-shm"}
    with contextlib.closing(sqlite3.connect(mlflow_template)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    before = mlflow_template.stat().st_mtime_ns
    prepare(f"sqlite:///{mlflow_template}")
    assert mlflow_template.stat().st_mtime_ns == before


@pytest.fixture
def template(tmp_path, monkeypatch):
    """An empty cache for a release without SQL of its own; the path of what is kept in it."""
    monkeypatch.setattr("mlops_nb.tables.script_path", lambda: tmp_path / "none.sql")
    monkeypatch.setattr("platformdirs.user_cache_path", lambda _: tmp_path / "cache")
    return template_path()


def test_the_sql_of_the_locked_release_is_what_its_migrations_end_in(tmp_path):
    def lines(path):
        # MLflow writes some constraints and indexes in the order of a set.
        return sorted(line.strip(" \t,") for line in path.read_text().splitlines())

    write_script(tmp_path / "made.sql")
    assert lines(tmp_path / "made.sql") == lines(script_path())


def test_mlflow_takes_what_the_sql_makes(tmp_path, monkeypatch):
    monkeypatch.setattr("mlops_nb.tables._migrate", None)  # not called
    monkeypatch.setattr("platformdirs.user_cache_path", None)  # not asked
    client = mlflow_client(f"sqlite:///{tmp_path / 'mlflow.db'}")
    run = client.create_run(client.create_experiment("e")).info.run_id
    client.log_metric(run, "m", 1.0)
    client.create_registered_model("model")
    assert client.get_run(run).data.metrics == {"m": 1.0}
    assert not (tmp_path / "cache").exists()


def schema(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT * FROM sqlite_master ORDER BY name").fetchall()


def test_a_second_store_is_a_copy_that_mlflow_takes(tmp_path, template, monkeypatch):
    prepare(f"sqlite:///{tmp_path / 'one.db'}")
    assert template.is_file()
    monkeypatch.setattr("mlops_nb.tables._migrate", None)  # not called again
    prepare(f"sqlite:///{tmp_path / 'two.db'}")
    assert schema(tmp_path / "two.db") == schema(tmp_path / "one.db")
    assert mlflow_client(f"sqlite:///{tmp_path / 'two.db'}").search_experiments()
    assert {path.name for path in tmp_path.iterdir()} <= {
        name + end for name in ("one.db", "two.db") for end in ("", ".lock", "-wal", "-shm")
    } | {"cache"}


@pytest.mark.parametrize("damage", ["cut", "text", "empty"])
def test_a_damaged_template_is_made_anew(tmp_path, template, mlflow_template, damage):
    template.parent.mkdir()
    whole = mlflow_template.read_bytes()
    template.write_bytes(
        {"cut": whole[: len(whole) // 2], "text": b"no database", "empty": b""}[damage]
    )
    prepare(f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert schema(template) == schema(tmp_path / "mlflow.db")


def test_a_cache_that_cannot_be_written_only_costs_time(tmp_path, template):
    template.parent.write_text("a file stands there")
    prepare(f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert schema(tmp_path / "mlflow.db")


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
