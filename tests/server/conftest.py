"""Servers and projects for the tests of the panel's server part."""

from __future__ import annotations

import shutil
from pathlib import Path

import faces_kit as kit
import pytest
from pytest_jupyter.jupyter_server import *  # noqa: F403
from server_kit import Server

PIPELINE = """\
# Two tasks, and a comment that has to stay.
meta:
  extract_upstream: false

tasks:
  - source: notebooks/make.ipynb
    name: make
    product: {nb: products/make.ipynb, data: products/data.json}

  # The second one.
  - source: notebooks/use.ipynb
    name: use
    upstream: [make]
    product:
      nb: products/use.ipynb
      metrics: products/metrics.json
"""
SETTINGS = """
[tool.mlops-nb.gates.checks.good-enough]
kind = "metric"
metric = "roc_auc"
min = 0.6
"""


def small_project(place: Path) -> Path:
    """A project of two quick notebooks."""
    place.mkdir(parents=True)
    (place / "pipeline.yaml").write_text(PIPELINE)
    (place / "pyproject.toml").write_text('[tool.mlops-nb]\ntracking = "none"\njobs = 1\n')
    kit.write_notebook(
        place / "notebooks" / "make.ipynb",
        "upstream = None\nproduct = None\nsize: int = 3  # how many\nmode: str = 'good'",
        "if mode == 'bad':\n    raise ValueError('as asked')",
        "import time\nwhile mode == 'slow':\n    time.sleep(0.1)",
        "import json, pathlib\n"
        "pathlib.Path(product['data']).write_text(json.dumps(list(range(size))))",
    )
    kit.write_notebook(
        place / "notebooks" / "use.ipynb",
        "upstream = None\nproduct = None",
        "import json, pathlib\n"
        "found = json.loads(pathlib.Path(upstream['make']['data']).read_text())\n"
        "pathlib.Path(product['metrics']).write_text(json.dumps({'total': sum(found)}))",
    )
    return place


@pytest.fixture(scope="session")
def loaded_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small project with its pipeline loaded once, which takes Ploomber seconds; copy it."""
    from mlops_nb.config import find_project
    from mlops_nb.pipeline.load import load_pipeline

    place = small_project(tmp_path_factory.mktemp("template") / "small")
    load_pipeline(find_project(place))
    return place


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
