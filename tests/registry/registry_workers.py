"""What the processes of the concurrency and crash tests do; imported by a fork server."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

# Imported before the fork, so that children start at once.
import mlflow.artifacts
import mlflow.store.model_registry.sqlalchemy_store
import mlflow.store.tracking.sqlalchemy_store
import pandas as pd
import psycopg
import sklearn.linear_model
import skops.io
import sqlalchemy as sa
import sqlalchemy.dialects.postgresql.psycopg

from mlops_nb.config import telemetry_off
from mlops_nb.errors import ConflictError, MlopsNbError
from mlops_nb.registry.cleaning import delete_version
from mlops_nb.registry.gates import judge
from mlops_nb.registry.ledger import Ledger
from mlops_nb.registry.promotion import approve, promote, rollback
from mlops_nb.registry.settings import ChampionGate, GateSettings, MetricGate
from mlops_nb.registry.store import Registry
from mlops_nb.registry.versions import find_version, register
from mlops_nb.stores import prepare

__all__ = ["mlflow", "pd", "psycopg", "sklearn", "skops"]

GATES = GateSettings(
    checks={
        "good": MetricGate(metric="roc_auc", min=0.5),
        "not-worse": ChampionGate(margin=0.5, resamples=20),
    }
)


def open_it(uri: str, ledger: str, cache: str, gates: GateSettings | None = None) -> Registry:
    telemetry_off()
    return Registry(
        ledger=Ledger(ledger),
        tracking_uri=uri,
        experiment="tests",
        cache=Path(cache),
        gates=gates,
        actor=f"p{os.getpid()}",
    )


def promote_once(arguments) -> tuple[str, str]:
    """Try one promotion decided against v1; tell how it went."""
    uri, ledger, cache, model, version = arguments
    registry = open_it(uri, ledger, cache)
    try:
        done = promote(registry, model, version, expected=1, actor=f"actor-{version}")
    except ConflictError as error:
        return "lost", str(error)
    except MlopsNbError as error:
        return "failed", str(error)
    return "won", str(done.version) if done.mirrored else done.mirror_error


def promote_until_won(arguments) -> int:
    """Promote against whoever is champion until it works; return how often it was refused."""
    uri, ledger, cache, model, version = arguments
    registry = open_it(uri, ledger, cache)
    refused = 0
    while True:
        with registry.ledger.read() as reader:
            seen = reader.alias(model, "champion")
        try:
            promote(registry, model, version, expected=seen)
        except ConflictError:
            refused += 1
        else:
            return refused


def append_rows(arguments) -> int:
    """Append rows to a ledger, with others doing so at the same time."""
    from mlops_nb.model import EntryKind

    url, count = arguments
    ledger = Ledger(url)
    for number in range(count):
        with ledger.write() as writer:
            writer.append(EntryKind.MENDED, model="m", reason=f"{os.getpid()} {number}")
    return count


def first_use(uri: str) -> str:
    """Use an MLflow SQLite file that may not be there yet."""
    from mlops_nb.stores import mlflow_client

    return str(mlflow_client(uri).create_experiment(f"e{os.getpid()}"))


def open_store(uri: str) -> None:
    prepare(uri)


class Steps:
    """Counts what can be interrupted, and kills this process in the middle of one step."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.count = 0

    def step(self, *_args, **_kwargs) -> None:
        if self.count == self.at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.count += 1


class Watched:
    """A client each call of which is a step before and after."""

    def __init__(self, client, steps: Steps) -> None:
        self._client, self._steps = client, steps

    def __getattr__(self, name):
        value = getattr(self._client, name)
        if not callable(value):
            return value

        def call(*args, **kwargs):
            self._steps.step()
            try:
                return value(*args, **kwargs)
            finally:
                self._steps.step()

        return call


def life_of_a_version(arguments) -> int:
    """Register, judge, promote, approve, roll back and delete; die at a step, or return their number."""
    uri, ledger, cache, model, folder, at = arguments
    steps = Steps(at)
    registry = open_it(uri, ledger, cache, GATES)
    registry._client = Watched(registry.client, steps)
    # Commits of the ledger and of MLflow's own store alike; a kill before one loses it.
    sa.event.listen(sa.Engine, "commit", steps.step)
    sa.event.listen(registry.ledger._engine, "before_cursor_execute", steps.step)
    version = register(registry, folder, model=model).version
    judge(registry, model, version)
    promote(registry, model, version)
    approve(registry, model, version, comment="good")
    rollback(registry, model)
    delete_version(registry, model, version)
    return steps.count


def run_child(target, arguments, sender) -> None:
    """Send back what a target returns; nothing arrives where it was killed."""
    with contextlib.closing(sender):
        sender.send(target(arguments))


def version_of(registry: Registry, model: str, alias: str) -> int:
    return find_version(registry, model, alias).version
