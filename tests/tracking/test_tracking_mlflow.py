"""A run mirrored to MLflow, on SQLite and on a real server."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path

import msgspec
import pytest

from mlops_nb import plugins
from mlops_nb.errors import TrackingError
from mlops_nb.model import Run, RunFacts, RunStatus, TaskRun, TaskStatus
from mlops_nb.protocols import Tracker
from mlops_nb.stores import mlflow_client
from mlops_nb.tracking.mlflow import MlflowTracker

FACTS = RunFacts(
    id="20261123-1",
    pipeline="flights",
    started=1_700_000_000.25,
    trigger="schedule",
    parameters={"depth": 6, "months": [1, 2], "text": "x" * 9000, "odd(name)": True},
    targets=("train",),
    user="ann",
    git_commit="abc123",
    git_branch="main",
    environment={"pandas": "3.1.1", "numpy": "2.4.6"},
    input_digests={"flights.csv": "00ff"},
)


@pytest.fixture(params=["mlflow_sqlite", "mlflow_server"])
def tracker(request) -> MlflowTracker:
    """A tracker with an experiment of its own."""
    uri = request.getfixturevalue(request.param)
    return MlflowTracker(uri, f"e-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def folder(tmp_path):
    """A run's folder as the run store leaves it."""
    place = tmp_path / "run"
    (place / "tasks").mkdir(parents=True)
    (place / "run.json").write_text("{}")
    (place / "events.jsonl").write_text("{}\n")
    (place / "tasks" / "train.html").write_text("<p>report")
    (place / "tasks" / "train.ipynb").write_text("{}")
    return place


def _run(run_id, status=RunStatus.SUCCEEDED):
    task = TaskRun(
        task="train",
        status=TaskStatus.SUCCEEDED,
        started=1_700_000_001.0,
        ended=1_700_000_003.5,
        notebook="tasks/train.ipynb",
        report="tasks/train.html",
    )
    lost = TaskRun(task="late", status=TaskStatus.BLOCKED, report="tasks/gone.html")
    return Run(
        facts=msgspec.structs.replace(FACTS, mlflow_run_id=run_id),
        status=status,
        ended=1_700_000_010.25,
        tasks=(task, lost),
        metrics={"auc": 0.75, "nan": float("nan"), "a(b)": 1.0},
    )


def test_it_is_the_tracker_of_that_name():
    assert plugins.find("tracker", "mlflow") is MlflowTracker
    assert isinstance(MlflowTracker("http://x", "e"), Tracker)


def test_a_run_of_ours_is_an_mlflow_run(tracker, folder):
    environment = tracker.start(FACTS)
    run_id = environment["MLFLOW_RUN_ID"]
    client = mlflow_client(tracker.tracking_uri)
    opened = client.get_run(run_id)
    assert opened.info.status == "RUNNING"
    assert opened.info.start_time == 1_700_000_000_250
    assert environment["MLFLOW_TRACKING_URI"] == tracker.tracking_uri
    assert environment["MLFLOW_DISABLE_TELEMETRY"] == "true"

    client.log_metric(run_id, "auc", 0.75)  # a notebook said so itself
    for _ in range(2):  # a second finish changes nothing
        tracker.finish(_run(run_id), folder)
    done = client.get_run(run_id)
    assert (done.info.status, done.info.run_name) == ("FINISHED", FACTS.id)
    assert done.info.end_time == 1_700_000_010_250
    assert done.data.metrics == {"auc": 0.75, "a_b_": 1.0, "seconds": 10.0, "seconds.train": 2.5}
    assert len(client.get_metric_history(run_id, "auc")) == 1
    assert done.data.params["depth"] == "6"
    assert done.data.params["months"] == "[1,2]"
    assert done.data.params["odd_name_"] == "true"
    assert len(done.data.params["text"]) == 6000
    tags = done.data.tags
    assert tags["mlflow.source.git.commit"] == "abc123"
    assert tags["mlops_nb.trigger"] == "schedule"
    assert tags["mlops_nb.status"] == "succeeded"
    assert tags["mlops_nb.tasks"] == "1 succeeded, 1 blocked"
    files = {item.path for item in client.list_artifacts(run_id)}
    assert files == {"environment.txt", "inputs.json", "run.json", "events.jsonl", "tasks"}
    inside = {item.path for item in client.list_artifacts(run_id, "tasks")}
    assert inside == {"tasks/train.html", "tasks/train.ipynb"}
    text = client.download_artifacts(run_id, "environment.txt", str(folder))
    assert Path(text).read_text() == "numpy==2.4.6\npandas==3.1.1\n"


@pytest.mark.parametrize(
    ("status", "theirs"),
    [
        (RunStatus.FAILED, "FAILED"),
        (RunStatus.CANCELLED, "KILLED"),
        (RunStatus.LOST, "FAILED"),
    ],
)
def test_how_a_run_ended_is_told(mlflow_sqlite, folder, status, theirs):
    tracker = MlflowTracker(mlflow_sqlite, "e")
    run_id = tracker.start(FACTS)["MLFLOW_RUN_ID"]
    tracker.finish(_run(run_id, status), folder)
    assert mlflow_client(mlflow_sqlite).get_run(run_id).info.status == theirs


def test_a_run_that_was_never_opened_is_opened_at_its_end(mlflow_sqlite, folder):
    tracker = MlflowTracker(mlflow_sqlite, "e")
    tracker.finish(_run(""), folder)
    client = mlflow_client(mlflow_sqlite)
    (found,) = client.search_runs([client.get_experiment_by_name("e").experiment_id])
    assert found.data.tags["mlops_nb.run"] == FACTS.id


def test_more_figures_than_a_batch_takes(mlflow_sqlite, folder):
    tracker = MlflowTracker(mlflow_sqlite, "e")
    facts = msgspec.structs.replace(FACTS, parameters={f"p{i}": i for i in range(150)})
    run_id = tracker.start(facts)["MLFLOW_RUN_ID"]
    run = msgspec.structs.replace(
        _run(run_id),
        facts=msgspec.structs.replace(facts, mlflow_run_id=run_id),
        metrics={f"m{i}": float(i) for i in range(1500)},
    )
    tracker.finish(run, folder)
    data = mlflow_client(mlflow_sqlite).get_run(run_id).data
    assert (len(data.params), len(data.metrics)) == (150, 1502)


def test_plain_mlflow_in_a_notebooks_process_logs_into_it(mlflow_sqlite, tmp_path):
    environment = MlflowTracker(mlflow_sqlite, "e").start(FACTS)
    code = "import mlflow; mlflow.log_metric('seen', 3); mlflow.log_param('p', 'q')"
    subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, cwd=tmp_path, check=True
    )
    client = mlflow_client(mlflow_sqlite)
    data = client.get_run(environment["MLFLOW_RUN_ID"]).data
    assert (data.metrics, data.params) == ({"seen": 3.0}, {"p": "q"})
    assert list(tmp_path.glob("mlruns*")) == []


def test_a_server_that_is_away_is_said(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TrackingError, match=r"http://127\.0\.0\.1:1: .*is the server running"):
        MlflowTracker("http://127.0.0.1:1", "e").start(FACTS)


def test_artifacts_never_land_in_the_current_folder(mlflow_sqlite, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = {path.name for path in tmp_path.iterdir()}
    tracker = MlflowTracker(mlflow_sqlite, "e")
    tracker.finish(_run(tracker.start(FACTS)["MLFLOW_RUN_ID"]), folder)
    assert {path.name for path in tmp_path.iterdir()} == before
    assert (tmp_path / "mlflow" / "artifacts").is_dir()
