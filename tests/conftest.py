"""What every test shares: telemetry off, no user's settings, and projects to work on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlops_nb.config import telemetry_off

telemetry_off()
# Figures must not depend on where the tests run.
for name in [name for name in os.environ if name.startswith("MLOPS_NB_") and "STRESS" not in name]:
    del os.environ[name]


@pytest.fixture
def bare_project(tmp_path: Path) -> Path:
    """A folder with an empty pipeline."""
    (tmp_path / "pipeline.yaml").write_text("tasks: []\n")
    return tmp_path
