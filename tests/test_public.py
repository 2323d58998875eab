"""The public surface is pinned: names in ``mlops_nb`` and subcommands."""

from __future__ import annotations

import subprocess
import sys

import mlops_nb
from mlops_nb.cli.main import COMMANDS

NAMES = [
    "MlopsNbError",
    "Profile",
    "Reference",
    "__version__",
    "load_model",
    "profile",
    "read_manifest",
    "register_model",
    "resolve",
    "sample",
    "save_model",
]
SUBCOMMANDS = [
    "run",
    "plan",
    "status",
    "resume",
    "watch",
    "runs",
    "models",
    "drift",
    "monitor",
    "profile",
    "cache",
    "server",
    "schedule",
    "scheduler",
    "export",
    "environment",
    "init",
    "convert",
    "demo",
]
HEAVY = [
    "ploomber",
    "mlflow",
    "whylogs",
    "sklearn",
    "pandas",
    "numpy",
    "papermill",
    "nbformat",
    "dask",
]


def test_public_names() -> None:
    assert sorted(mlops_nb.__all__) == sorted(NAMES)
    assert dir(mlops_nb) == sorted(NAMES)
    for name in NAMES:
        assert getattr(mlops_nb, name) is not None


def test_subcommands() -> None:
    assert list(COMMANDS) == SUBCOMMANDS


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, mlops_nb.cli.main as m\n"
        "try:\n    m.main(['--help'])\n"
        "except SystemExit as stop:\n    assert stop.code == 0\n"
        f"print('HEAVY', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("HEAVY []")
