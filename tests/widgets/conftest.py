"""A registry with three versions for the widgets, and the promise that no thread is left behind."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from mlops_nb.api import models
from tests.faces_kit import make_project, register

GATES = """
[tool.mlops-nb.gates.checks.good-enough]
kind = "metric"
metric = "roc_auc"
min = 0.6

[tool.mlops-nb.gates.checks.seen]
kind = "approval"
role = "reviewer"

[tool.mlops-nb.gates.roles]
reviewer = ["ann"]
"""


@pytest.fixture(scope="session")
def _registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = make_project(tmp_path_factory.mktemp("widgets") / "trips", GATES)
    for number, noise in ((1, 1.0), (2, 0.0), (3, 3.0)):
        register(made, number=number, noise=noise)
    where = str(made)
    for version in (1, 2):
        models.approve(where, version, role="reviewer", actor="ann")
        models.check(where, version, actor="ann")
    models.promote(where, 1, reason="the first", actor="ann")
    models.promote(where, 3, alias="challenger", actor="ann")
    return made


@pytest.fixture
def project(_registry: Path, tmp_path: Path) -> Path:
    """A project of this test's own: v1 is champion, v2 could be, v3 is challenger and unjudged."""
    place = tmp_path / "trips"
    # The models' files stay where they were registered.
    shutil.copytree(_registry, place, ignore=shutil.ignore_patterns("cache", "*.lock"))
    return place


@pytest.fixture(autouse=True)
def no_thread_is_left():
    """Fail a test that leaves work going on."""
    yield
    left = [thread.name for thread in threading.enumerate() if thread.name.startswith("mlops-nb:")]
    assert left == []
