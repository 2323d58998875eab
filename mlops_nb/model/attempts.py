"""One try at one task: what an executor is handed, on this machine or another."""

from __future__ import annotations

from mlops_nb.model.base import Json, Record
from mlops_nb.model.tasks import Task

__all__ = ["Attempt", "Keep", "Resume"]


class Keep(Record, frozen=True, kw_only=True):
    """That a failing notebook's state is to be kept, and what has to be known to use it later."""

    folder: str
    """Absolute path of the folder that takes it."""
    stage: str
    """Absolute path of the task's staging folder."""
    stage_run: str
    """The run whose folder the staging folder lies in: the state speaks of paths in there."""
    limit_mb: float
    """MiB that the state may take."""
    parts: dict[str, str] = {}
    """The parts of the attempt's fingerprint."""


class Resume(Record, frozen=True, kw_only=True):
    """A state that an attempt may go on from."""

    run: str
    """The run that it was kept in."""
    folder: str
    """Absolute path of the folder that holds it."""
    digest: str
    """SHA-256 of its index, as that run's record has it."""
    stage: str
    """Absolute path of the staging folder that its files belong into."""


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
    keep: Keep | None = None
    resume: Resume | None = None
