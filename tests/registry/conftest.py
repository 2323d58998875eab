"""Registries on SQLite and on a real server, and small artifacts to put into them."""

from __future__ import annotations

import uuid
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from mlops_nb.registry.artifact import save_model
from mlops_nb.registry.holdout import metrics_of
from mlops_nb.registry.ledger import Ledger
from mlops_nb.registry.settings import GateSettings
from mlops_nb.registry.store import Registry


def _data(rows: int) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(7)
    frame = pd.DataFrame(rng.normal(size=(rows, 3)), columns=["a", "b", "c"])
    chance = 1 / (1 + np.exp(-(frame["a"] + 0.5 * frame["b"])))
    return frame, (rng.random(rows) < chance).astype(int)


@pytest.fixture(scope="session")
def _build(tmp_path_factory: pytest.TempPathFactory):
    frame, target = _data(1600)
    folder = tmp_path_factory.mktemp("artifacts")
    count = iter(range(10_000))

    def build(number: int, name: str, strength: float, more: dict) -> Path:
        seen = frame
        if strength < 1:
            noise = np.random.default_rng(number).normal(size=seen.shape)
            seen = seen * strength + noise * (1 - strength)
        model = LogisticRegression(C=1.0 + number / 1000).fit(seen[:800], target[:800])
        rows = frame[800:]
        scores = pd.DataFrame(
            {
                "target": target[800:],
                "score": model.predict_proba(rows)[:, 1],
                "side": np.where(rows["c"] > 0, "right", "left"),
            },
            index=rows.index,
        )
        place = folder / str(next(count))
        given = {
            "example": frame.head(5),
            "metrics": metrics_of(scores, ["roc_auc", "brier"], resamples=100),
            "holdout_scores": scores,
        }
        save_model(model, place, name=name, **{**given, **more})
        return place

    return build


@pytest.fixture(scope="session")
def _built() -> dict[tuple[int, str, float], Path]:
    return {}


@pytest.fixture
def make_artifact(_build, _built):
    """A function that saves a model, each call another one.

    ``strength`` is how much of what it could know the model knows. Artifacts without further
    arguments are shared by tests: register them, do not change them.
    """
    count = iter(range(1000))

    def make(name: str = "model", strength: float = 1.0, **more) -> Path:
        number = next(count)
        if more:
            return _build(number, name, strength, more)
        key = (number, name, strength)
        if key not in _built:
            _built[key] = _build(number, name, strength, {})
        return _built[key]

    return make


@pytest.fixture
def make_registry(tmp_path: Path):
    """A function that opens a registry on a tracking URI with a ledger of this test's own."""
    opened = []

    def make(uri: str, *, ledger: str = "", gates: GateSettings | None = None, actor: str = "ann"):
        registry = Registry(
            ledger=Ledger(ledger or f"sqlite:///{tmp_path / 'ledger.db'}"),
            tracking_uri=uri,
            experiment="tests",
            cache=tmp_path / "cache",
            gates=gates,
            actor=actor,
        )
        opened.append(registry)
        return registry

    yield make
    for registry in opened:
        registry.close()


@pytest.fixture
def registry(make_registry, mlflow_sqlite: str) -> Registry:
    """A registry on SQLite without gates."""
    return make_registry(mlflow_sqlite)


@pytest.fixture(params=["sqlite", "server"])
def any_registry(request: pytest.FixtureRequest, make_registry) -> Registry:
    """A registry on SQLite, and one on a real MLflow server."""
    name = {"sqlite": "mlflow_sqlite", "server": "mlflow_server"}[request.param]
    return make_registry(request.getfixturevalue(name))


@pytest.fixture
def model() -> str:
    """A model name that no other test uses."""
    return f"m-{uuid.uuid4().hex[:8]}"
