"""Mirrors a run to MLflow: a run of ours is an MLflow run, and notebooks log into it.

Importing MLflow takes seconds: `mlops_nb.tracking.session` does that in a process of its own.
"""

from __future__ import annotations

import contextlib
import math
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_nb.config import telemetry_variables
from mlops_nb.model import Run, RunFacts, RunStatus, encode
from mlops_nb.stores import default_artifacts, experiment_id, mlflow_client, mlflow_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["MlflowTracker"]

TAG = "mlops_nb."
_STATUS = {
    RunStatus.RUNNING: "RUNNING",
    RunStatus.SUCCEEDED: "FINISHED",
    RunStatus.FAILED: "FAILED",
    RunStatus.CANCELLED: "KILLED",
    RunStatus.LOST: "FAILED",
}
_PARAM_LIMIT, _METRIC_LIMIT = 100, 1000
"""What MLflow takes in one batch."""


class MlflowTracker:
    """The tracker ``mlflow``; see `mlops_nb.protocols.Tracker`.

    Parameters
    ----------
    tracking_uri
        Absolute: ``sqlite:////…/mlflow.db`` or ``http://…``.
    experiment
        The experiment's name; made if it is missing.
    artifacts
        Artifact location of a new experiment; by default beside a SQLite file, or the server's choice.
    """

    def __init__(self, tracking_uri: str, experiment: str, artifacts: str = "") -> None:
        self.tracking_uri = tracking_uri
        self.experiment = experiment
        self.artifacts = artifacts or default_artifacts(tracking_uri)

    def start(self, facts: RunFacts) -> Mapping[str, str]:
        """Open an MLflow run; return the environment that MLflow's clients in kernels need.

        Raises
        ------
        TrackingError
            MLflow cannot be reached or refuses.
        """
        client = mlflow_client(self.tracking_uri)
        with mlflow_errors(self.tracking_uri):
            experiment = experiment_id(client, self.experiment, artifacts=self.artifacts)
            made = client.create_run(
                experiment,
                run_name=facts.id,
                start_time=int(facts.started * 1000),
                tags=_tags(facts),
            )
        return {
            **telemetry_variables(),
            "MLFLOW_TRACKING_URI": self.tracking_uri,
            "MLFLOW_REGISTRY_URI": self.tracking_uri,
            "MLFLOW_EXPERIMENT_ID": experiment,
            "MLFLOW_RUN_ID": str(made.info.run_id),
        }

    def finish(self, run: Run, folder: Path) -> None:
        """Write parameters, metrics, facts and reports, and close the MLflow run.

        Doing it again changes nothing. A run that was never opened is opened first.

        Parameters
        ----------
        run
            The run as it ended.
        folder
            The run's folder: its record, events, executed notebooks and reports are copied.

        Raises
        ------
        TrackingError
            MLflow cannot be reached or refuses.
        """
        run_id = run.facts.mlflow_run_id or self.start(run.facts)["MLFLOW_RUN_ID"]
        client = mlflow_client(self.tracking_uri)
        with mlflow_errors(self.tracking_uri), _facts_as_files(run) as facts:
            _log_numbers(client, run_id, run)
            client.log_artifacts(run_id, str(facts))
            for name in ("run.json", "events.jsonl"):
                if (folder / name).is_file():
                    client.log_artifact(run_id, str(folder / name))
            for task in run.tasks:
                for path in filter(None, (task.notebook, task.report)):
                    if (folder / path).is_file():
                        place = Path(path).parent.as_posix()
                        client.log_artifact(
                            run_id, str(folder / path), None if place == "." else place
                        )
            ended = None if run.ended is None else int(run.ended * 1000)
            client.set_terminated(run_id, _STATUS[run.status], ended)


def _tags(facts: RunFacts) -> dict[str, str]:
    wanted = {
        "mlflow.user": facts.user,
        "mlflow.source.name": facts.pipeline,
        "mlflow.source.type": "PROJECT",
        "mlflow.source.git.commit": facts.git_commit,
        "mlflow.source.git.branch": facts.git_branch,
        TAG + "run": facts.id,
        TAG + "trigger": facts.trigger,
        TAG + "git_diff": facts.git_diff,
        TAG + "host": facts.host,
        TAG + "python": facts.python,
        TAG + "resumed_from": facts.resumed_from,
    }
    return {key: value for key, value in wanted.items() if value}


def _log_numbers(client: Any, run_id: str, run: Run) -> None:
    from mlflow.entities import Metric, Param, RunTag

    at = int((run.ended or run.facts.started) * 1000)
    there = client.get_run(run_id).data
    figures = dict(run.metrics)
    for task in run.tasks:
        if task.seconds is not None:
            figures[f"seconds.{task.task}"] = task.seconds
    if run.ended is not None:
        figures["seconds"] = run.ended - run.facts.started
    metrics = [
        Metric(_key(name), value, at, 0)
        for name, value in figures.items()
        # What a notebook logged itself stays; a second finish adds no second point.
        if there.metrics.get(_key(name)) != value and not math.isnan(value)
    ]
    params = [
        Param(_key(name), _text(value))
        for name, value in {**run.facts.resolved, **run.facts.parameters}.items()
        if _key(name) not in there.params
    ]
    tags = [RunTag(key, value) for key, value in _tags(run.facts).items()]
    tags += [
        RunTag(TAG + "status", run.status.value),
        RunTag(TAG + "tasks", _tally(run)),
        RunTag(TAG + "targets", ", ".join(run.facts.targets)[:5000]),
    ]
    client.log_batch(run_id, tags=tags)
    for start in range(0, len(metrics), _METRIC_LIMIT):
        client.log_batch(run_id, metrics=metrics[start : start + _METRIC_LIMIT])
    for start in range(0, len(params), _PARAM_LIMIT):
        client.log_batch(run_id, params=params[start : start + _PARAM_LIMIT])


def _tally(run: Run) -> str:
    counts: dict[str, int] = {}
    for task in run.tasks:
        counts[task.status.value] = counts.get(task.status.value, 0) + 1
    return ", ".join(f"{count} {status}" for status, count in counts.items())


def _key(name: str) -> str:
    """Return a name that MLflow takes: letters, digits and ``_-./ :``, at most 250 of them."""
    return re.sub(r"[^\w\-./ :]", "_", name)[:250]


def _text(value: object) -> str:
    text = value if isinstance(value, str) else encode(value).decode()
    return text[:6000]


@contextlib.contextmanager
def _facts_as_files(run: Run) -> Iterator[Path]:
    """Write environment lock and input digests as files that people can use."""
    with tempfile.TemporaryDirectory(prefix="mlops-nb-") as name:
        folder = Path(name)
        lock = "".join(f"{k}=={v}\n" for k, v in sorted(run.facts.environment.items()))
        (folder / "environment.txt").write_text(lock, encoding="utf-8")
        (folder / "inputs.json").write_bytes(encode(run.facts.input_digests, indent=2))
        yield folder
