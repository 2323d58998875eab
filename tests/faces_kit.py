"""Small real projects with models, references and windows, for the tests of what people touch."""

from __future__ import annotations

import atexit
import functools
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

FEATURES = ["a", "b", "c"]


@functools.cache
def folder() -> Path:
    """A folder for what all tests share; made once, since MLflow's tables and models take seconds."""
    made = Path(tempfile.mkdtemp(prefix="mlops-nb-faces-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


@functools.cache
def mlflow_template() -> Path:
    """An MLflow SQLite file with its tables."""
    from mlops_nb.stores import prepare

    path = folder() / "mlflow.db"
    prepare(f"sqlite:///{path}")
    return path


def rows(seed: int, count: int = 800, shift: float = 0.0) -> pd.DataFrame:
    """Rows whose outcome follows ``a`` and ``b``; ``shift`` moves ``a``."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(count, 3)), columns=FEATURES)
    frame["a"] += shift
    frame["side"] = np.where(frame["c"] > 0, "right", "left")
    chance = 1 / (1 + np.exp(-(1.5 * frame["a"] + frame["b"])))
    frame["late"] = (rng.random(count) < chance).astype(float)
    return frame


@functools.cache
def classifier(noise: float = 0.0) -> Any:
    """A fitted model; with noise it knows less."""
    from sklearn.linear_model import LogisticRegression

    seen = rows(1, 2000)
    features = seen[FEATURES] + np.random.default_rng(2).normal(size=(2000, 3)) * noise
    return LogisticRegression().fit(features, seen["late"])


def scored(frame: pd.DataFrame, noise: float = 0.0) -> pd.DataFrame:
    """The rows with the model's score and the label that it gives."""
    score = classifier(noise).predict_proba(frame[FEATURES])[:, 1]
    return frame.assign(score=score, said=(score >= 0.5).astype(float))


@functools.cache
def reference(shift: float = 0.0) -> Path:
    """A reference of four windows, saved."""
    from mlops_nb.monitoring.profile import profile
    from mlops_nb.monitoring.reference import Reference

    place = folder() / f"reference-{shift:g}"
    windows = [
        profile(scored(rows(10 + n, shift=shift)), predictions="said", score="score", label="late")
        for n in range(4)
    ]
    Reference(windows, [f"2013-0{n + 1}" for n in range(4)]).save(place)
    return place


@functools.cache
def artifact(name: str = "trips", noise: float = 0.0, shift: float = 0.0, number: int = 0) -> Path:
    """A saved model with its holdout and reference; register it, do not change it."""
    from mlops_nb.registry.artifact import save_model
    from mlops_nb.registry.holdout import metrics_of

    known = scored(rows(5, 1000), noise)
    holdout = known[["score", "side"]].assign(target=known["late"])
    place = folder() / f"{name}-{noise:g}-{shift:g}-{number}"
    save_model(
        classifier(noise),
        place,
        name=name,
        example=known[FEATURES].head(3),
        metrics=metrics_of(holdout, ["roc_auc", "brier"], resamples=50),
        holdout_scores=holdout,
        reference_profiles=sorted(reference(shift).iterdir()),
        run_id=f"run-{number}",
    )
    return place


def make_project(place: Path, settings: str = "") -> Path:
    """A project with an empty pipeline, these settings, and MLflow's tables in place."""
    (place / ".mlops").mkdir(parents=True)
    (place / "pipeline.yaml").write_text("tasks: []\n")
    (place / "pyproject.toml").write_text(f'[tool.mlops-nb]\ntracking = "none"\n{settings}')
    shutil.copy(mlflow_template(), place / ".mlops" / "mlflow.db")
    return place


def register(project: Path, **which: Any) -> int:
    """Register a model of this kit in a project; return its version."""
    from mlops_nb.api import models

    return models.register(str(project), artifact(**which), actor="ann").version


def window(place: Path, name: str, *, seed: int = 50, shift: float = 0.0, **more: Any) -> Path:
    """A window's scored rows as Parquet; ``more`` sets columns."""
    path = place / f"{name}.parquet"
    scored(rows(seed, shift=shift)).assign(**more).to_parquet(path, index=False)
    return path


def write_notebook(path: Path, parameters: str, *cells: str) -> Path:
    """A notebook with a parameters cell."""
    made = [
        {
            "cell_type": "code",
            "id": f"cell-{number}",
            "source": source,
            "metadata": {} if number else {"tags": ["parameters"]},
            "outputs": [],
            "execution_count": None,
        }
        for number, source in enumerate((parameters, *cells))
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    whole = {"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(whole))
    return path
