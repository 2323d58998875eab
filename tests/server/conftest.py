"""Servers and projects for the tests of the panel's server part."""

from __future__ import annotations

import shutil
from pathlib import Path

import faces_kit as kit
import pytest
from pytest_jupyter.jupyter_server import *  # noqa: F403
from server_kit import Server, small_project

SETTINGS = """
[tool.mlops-nb.gates.checks.good-enough]
kind = "metric"
metric = "roc_auc"
min = 0.6
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The server's root with two small projects; a folder beside it that nobody may see."""
    place = tmp_path_factory.mktemp("server")
    (place / "outside").mkdir()
    (place / "outside" / "pipeline.yaml").write_text("tasks: []\n")
    (place / "outside" / "secret.txt").write_text("hush hush")
    small_project(place / "root" / "one")
    small_project(place / "root" / "deep" / "two words")
    return place / "root"


@pytest.fixture(scope="module")
def server(root: Path):
    """A server that a module's tests share."""
    made = Server(root, root.parent / "home")
    yield made
    made.client.close()
    made.stop()


@pytest.fixture(scope="session")
def models_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two versions, a champion, and three windows of which one drifted; copy it."""
    from mlops_nb.api import models, monitor

    place = kit.make_project(tmp_path_factory.mktemp("models") / "models", SETTINGS)
    kit.register(place)
    kit.register(place, noise=3.0, number=1)
    models.check(str(place), 1, model="trips")
    models.promote(str(place), 1, model="trips", actor="ann", reason="first")
    columns = monitor.Columns(score="score", predicted="said", label="late")
    for name, shift in (("2013-05", 0.0), ("2013-06", 2.0), ("2013-07", 2.0)):
        data = kit.window(place, name, shift=shift)
        monitor.record(str(place), "trips", window=name, data=data, columns=columns, retrain=False)
    return place


@pytest.fixture(scope="module")
def models(root: Path, models_template: Path) -> str:
    """The name of a project with models and windows."""
    shutil.copytree(models_template, root / "models")
    return "models"
