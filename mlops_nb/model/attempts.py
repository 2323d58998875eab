"""One try at one task: what an executor is handed, on this machine or another."""

from __future__ import annotations

from mlops_nb.model.base import Json, Record
from mlops_nb.model.tasks import Task

__all__ = ["Attempt"]


class Attempt(Record, frozen=True, kw_only=True):
    """One try at one task, with everything that it takes; crosses process borders as JSON."""

    run: str
    task: Task
    number: int = 1
    """1 for the first try."""
    root: str
    """Absolute path of the project."""
    spec: str = ""
    """Absolute path of the specification."""
    run_dir: str
    """Absolute path of the run's folder."""
    notebook: str = ""
    """Where the executed notebook goes, relative to the run's folder; empty for other tasks."""
    log: str = ""
    """Where the output of the task's process goes, relative to the run's folder."""
    parameters: dict[str, Json] = {}
    """What a notebook is given, ``upstream`` and ``product`` among it, with staged product paths."""
    products: dict[str, str] = {}
    """Where to write each product: its path in the specification, and an absolute staged path."""
    env: dict[str, str] = {}
    """Environment variables, over those of the executor's process."""
    cold: bool = False
    max_output_mb: float = 5.0
