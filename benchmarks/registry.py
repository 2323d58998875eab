"""Promoting, listing and first use: ``python -m benchmarks.registry``.

Importing MLflow is left out of ``promote_ms`` and ``list_1000_ms`` (listing does not need it), and is
part of ``first_use_seconds``, which is a whole process.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmarks._results import Figure, figure, main
from mlops_nb.config import telemetry_off
from mlops_nb.model import ArtifactInfo, EntryKind, GateResult, Metric, to_builtins
from mlops_nb.registry.artifact import save_model
from mlops_nb.registry.gates import judge
from mlops_nb.registry.holdout import metrics_of
from mlops_nb.registry.ledger import Ledger
from mlops_nb.registry.promotion import promote
from mlops_nb.registry.settings import (
    CalibrationGate,
    ChampionGate,
    GateSettings,
    MetricGate,
    SignatureGate,
    SizeGate,
    SlicesGate,
)
from mlops_nb.registry.store import Registry
from mlops_nb.registry.versions import list_versions, register
from mlops_nb.stores import mlflow_client, prepare

if TYPE_CHECKING:
    from collections.abc import Iterator

GATES = GateSettings(
    checks={
        "good": MetricGate(metric="roc_auc", min=0.6),
        "not-worse": ChampionGate(margin=0.01),
        "slices": SlicesGate(max_drop=0.05),
        "calibrated": CalibrationGate(max_error=0.2),
        "signature": SignatureGate(),
        "small": SizeGate(max_mb=50),
    }
)

_FIRST_USE = """
import sys
from mlops_nb.stores import mlflow_client
mlflow_client(sys.argv[1]).search_experiments()
"""


def _open(folder: Path) -> Registry:
    return Registry(
        ledger=Ledger(f"sqlite:///{folder / 'ledger.db'}"),
        tracking_uri=f"sqlite:///{folder / 'mlflow.db'}",
        cache=folder / "cache",
        gates=GATES,
        actor="bench",
    )


def _artifact(folder: Path, number: int, rows: int) -> Path:
    from sklearn.ensemble import HistGradientBoostingClassifier

    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(rows, 10)), columns=[f"c{i}" for i in range(10)])
    target = (frame["c0"] + rng.normal(size=rows) > 0).astype(int).to_numpy()
    model = HistGradientBoostingClassifier(max_iter=30 + number, random_state=0)
    model.fit(frame[: rows // 2], target[: rows // 2])
    held = frame[rows // 2 :]
    scores = pd.DataFrame(
        {
            "target": target[rows // 2 :],
            "score": model.predict_proba(held)[:, 1],
            "side": np.where(held["c1"] > 0, "a", "b"),
        },
        index=held.index,
    )
    place = folder / f"artifact-{number}"
    metrics = metrics_of(scores, ["roc_auc", "brier"], resamples=50)
    save_model(
        model, place, name="flights", example=frame[:5], metrics=metrics, holdout_scores=scores
    )
    return place


def _promote_ms(rounds: int, rows: int) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as name:
        registry = _open(Path(name))
        for number in range(rounds + 1):
            register(registry, _artifact(Path(name), number, rows))
        promote(registry, "flights", 1, force=True, reason="the first")
        wall, cpu = [], []
        for version in range(2, rounds + 2):
            judge(registry, "flights", version)
            start, used = time.perf_counter(), time.process_time()
            done = promote(registry, "flights", version, reason="better")
            wall.append(time.perf_counter() - start)
            cpu.append(time.process_time() - used)
            if not done.mirrored or done.entry.forced:
                sys.exit("the promotion that was measured is not one")
        registry.close()
    yield figure("promote_ms", 1000 * statistics.median(wall), "ms", "<= 150")
    yield figure("promote_cpu_ms", 1000 * statistics.median(cpu), "ms")


def _list_ms(rounds: int, versions: int) -> Iterator[Figure]:
    info = ArtifactInfo(
        name="flights",
        digest="d" * 64,
        format="skops",
        estimator="sklearn.ensemble.HistGradientBoostingClassifier",
        created=1.0,
        data_digests={f"{month}.parquet": "0" * 64 for month in range(3)},
        metrics={
            metric: Metric(value=0.7, low=0.6, high=0.8, n=20_000)
            for metric in ("roc_auc", "brier", "log_loss", "average_precision")
        },
    )
    with tempfile.TemporaryDirectory() as name:
        registry = _open(Path(name))
        with registry.ledger.write() as writer:
            for number in range(1, versions + 1):
                writer.append(
                    EntryKind.REGISTERED,
                    model="flights",
                    version=number,
                    digest=f"{number:064d}",
                    payload={"info": to_builtins(info), "source": "file:///somewhere"},
                )
                for gate in GATES.checks:
                    result = GateResult(
                        gate=gate,
                        kind="metric",
                        passed=True,
                        reason="roc_auc 0.7 is ≥ 0.6",
                        digest="",
                        settings="",
                    )
                    writer.append(
                        EntryKind.GATE, model="flights", version=number, payload=to_builtins(result)
                    )
            writer.append(EntryKind.PROMOTED, model="flights", version=7, alias="champion")
        registry.close()
        times = []
        for _ in range(rounds):
            registry = _open(Path(name))  # opening is part of it
            start = time.perf_counter()
            found = list_versions(registry)
            times.append(time.perf_counter() - start)
            registry.close()
            if len(found) != versions or len(found[0].gates) != len(GATES.checks):
                sys.exit("the list that was measured is not whole")
    yield figure("list_1000_ms", 1000 * statistics.median(times), "ms", "<= 150")


def _peer_list_ms(rounds: int, versions: int) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as name:
        client = mlflow_client(f"sqlite:///{name}/mlflow.db")
        client.create_registered_model("flights")
        for number in range(versions):
            client.create_model_version("flights", f"file:///somewhere/{number}")
        times = []
        for _ in range(rounds):
            start = time.perf_counter()
            client.search_model_versions("name = 'flights'", max_results=versions)
            times.append(time.perf_counter() - start)
    yield figure("peer:mlflow_list_1000_ms", 1000 * statistics.median(times), "ms", peer="mlflow")


def _prepare(uri: str) -> None:
    prepare(uri)


def _used() -> float:
    """Seconds of CPU that ended children have taken."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _first_use(rounds: int) -> Iterator[Figure]:
    # The very first project of a user makes the tables by MLflow's migrations; the next ones get
    # them from the user's cache.
    wall: dict[str, list[float]] = {"first_use": [], "next_project": []}
    cpu: dict[str, list[float]] = {"first_use": [], "next_project": []}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as name:
            environment = {**os.environ, "XDG_CACHE_HOME": name}
            for kind in wall:
                start, used = time.perf_counter(), _used()
                command = [sys.executable, "-c", _FIRST_USE, f"sqlite:///{name}/{kind}.db"]
                subprocess.run(command, check=True, env=environment)
                wall[kind].append(time.perf_counter() - start)
                cpu[kind].append(_used() - used)
    for kind in wall:
        yield figure(f"{kind}_seconds", statistics.median(wall[kind]), "s", "<= 4")
        yield figure(f"{kind}_cpu_seconds", statistics.median(cpu[kind]), "s")

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["mlflow.store.tracking.sqlalchemy_store", __name__])
    with tempfile.TemporaryDirectory() as name:
        # The worst case: nothing is in the cache, and the eight of them wait for one migration.
        before = os.environ.get("XDG_CACHE_HOME")
        os.environ["XDG_CACHE_HOME"] = name
        wait = context.Process(target=int)
        wait.start()
        wait.join()
        uri = f"sqlite:///{name}/mlflow.db"
        start = time.perf_counter()
        children = [context.Process(target=_prepare, args=(uri,)) for _ in range(8)]
        for child in children:
            child.start()
        for child in children:
            child.join()
        took = time.perf_counter() - start
        os.environ.pop("XDG_CACHE_HOME")
        if before is not None:
            os.environ["XDG_CACHE_HOME"] = before
        if any(child.exitcode for child in children):
            sys.exit("a first use at the same time failed")
    yield figure("first_use_8_processes_seconds", took, "s", "<= 4")


def measure(quick: bool) -> Iterator[Figure]:
    """Yield the figures; fewer rounds and smaller models when quick."""
    telemetry_off()
    yield from _first_use(1 if quick else 5)
    yield from _promote_ms(2 if quick else 9, 2_000 if quick else 40_000)
    yield from _list_ms(3 if quick else 15, 50 if quick else 1000)
    yield from _peer_list_ms(3 if quick else 15, 50 if quick else 1000)


if __name__ == "__main__":
    raise SystemExit(main("registry", measure, ("mlflow", "sqlalchemy", "skops", "scikit-learn")))
