"""A run is an MLflow run as well, and notebooks log into it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from mlops_nb.config import find_project
from mlops_nb.errors import ExitCode
from mlops_nb.stores import mlflow_client
from tests.e2e.helpers import CLI, chain, cli, cli_json, notebook, write_text

pytestmark = pytest.mark.slow

LOGGING = "import mlflow\nmlflow.log_metric('accuracy', 0.75)"


@pytest.fixture
def tracked(tmp_path: Path) -> Path:
    chain(tmp_path)
    settings = tmp_path / "pyproject.toml"
    settings.write_text(settings.read_text().replace('"none"', '"mlflow"'))
    notebook(tmp_path / "a.ipynb", LOGGING, write_text("'a'"))
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "-A"], cwd=tmp_path, check=True)
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", *identity, "commit", "-qm", "start"], cwd=tmp_path, check=True)
    return tmp_path


def mlflow_run(folder: Path, run_id: str) -> object:
    return mlflow_client(find_project(folder).tracking_uri).get_run(run_id)


def test_run_is_mirrored_with_what_notebooks_log(tracked: Path) -> None:
    done = cli(tracked, "run", "-p", "depth=4")
    assert done.returncode == ExitCode.OK, done.stdout + done.stderr
    facts = cli_json(tracked, "runs", "show")["facts"]
    found = mlflow_run(tracked, facts["mlflow_run_id"])
    assert found.data.metrics["accuracy"] == 0.75  # type: ignore[attr-defined]
    assert found.data.params["depth"] == "4"  # type: ignore[attr-defined]
    assert found.data.tags["mlflow.source.git.commit"] == facts["git_commit"]  # type: ignore[attr-defined]
    assert found.info.status == "FINISHED"  # type: ignore[attr-defined]


@pytest.mark.timeout(300)
def test_killed_runner_closes_the_tracked_run_too(tracked: Path) -> None:
    notebook(
        tracked / "b.ipynb",
        "import os, time\nopen('pid', 'w').write('x')\ntime.sleep(120)",
        upstream=["a"],
        params="depth = 1",
    )
    process = subprocess.Popen([*CLI, "run"], cwd=tracked, stdout=subprocess.DEVNULL)
    end = time.monotonic() + 120
    while not (tracked / "pid").exists():
        assert time.monotonic() < end
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    client = mlflow_client(find_project(tracked).tracking_uri)
    statuses: set[str] = set()
    while statuses != {"FAILED"}:
        assert time.monotonic() < end + 30, statuses
        time.sleep(0.2)
        experiments = [item.experiment_id for item in client.search_experiments()]
        statuses = {run.info.status for run in client.search_runs(experiments)}


def test_unreachable_tracker_stops_a_run_that_needs_it(tracked: Path) -> None:
    done = cli(tracked, "run", env={"MLOPS_NB_TRACKING_URI": "sqlite:////proc/no/mlflow.db"})
    assert done.returncode == ExitCode.TRACKING
    assert "/proc/no" in done.stderr
    assert not (tracked / "products/a.txt").exists()
