"""The pipeline runs from end to end, and a second run has nothing to do."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, so that a test never touches the real products."""
    copy = tmp_path_factory.mktemp("project") / ROOT.name
    shutil.copytree(
        ROOT, copy, ignore=shutil.ignore_patterns(".mlops", "products", ".git", ".venv")
    )
    return copy


def mlops_nb(project: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "mlops_nb", *arguments]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_runs_and_beats_the_baseline(project: Path) -> None:
    mlops_nb(project, "run")
    metrics = json.loads((project / "products" / "metrics.json").read_text())
    assert metrics["mae"] < metrics["mae_baseline"]


def test_second_run_has_nothing_to_do(project: Path) -> None:
    assert "nothing to do" in mlops_nb(project, "run")
