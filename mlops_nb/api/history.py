"""Runs that were: list, show, compare."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nb.config import find_project
from mlops_nb.model.views import RunChange
from mlops_nb.runs.store import RunStore

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mlops_nb.model import Run, RunStatus

__all__ = ["diff_runs", "get_run", "list_runs", "run_folder"]


def list_runs(
    project: str | None = None, *, limit: int | None = None, status: RunStatus | None = None
) -> tuple[Run, ...]:
    """Return runs, the newest first.

    Parameters
    ----------
    project
        A folder or a specification; by default the project that the current folder lies in.
    limit
        At most so many; all by default.
    status
        Only runs that stand so.
    """
    return tuple(_store(project).list(limit=limit, status=status))


def get_run(project: str | None, run_id: str) -> Run:
    """Return one run by its id, a unique start of it, or ``latest``.

    Raises
    ------
    RunError
        There is no such run, or several.
    """
    return _store(project).get(run_id)


def run_folder(project: str | None, run_id: str) -> Path:
    """Return the folder that holds a run's records, notebooks and reports."""
    return find_project(project).state / "runs" / run_id


def diff_runs(project: str | None, left: str, right: str) -> tuple[RunChange, ...]:
    """Return what differs between two runs, in the order in which it matters.

    Durations differ always and are left out.

    Raises
    ------
    RunError
        There is no such run, or several.
    """
    one, two = get_run(project, left), get_run(project, right)
    changes = [
        *_differences("parameter", one.facts.parameters, two.facts.parameters),
        *_differences(
            "code",
            {"commit": one.facts.git_commit, "uncommitted": one.facts.git_diff[:12]},
            {"commit": two.facts.git_commit, "uncommitted": two.facts.git_diff[:12]},
        ),
        *_differences("input", one.facts.input_digests, two.facts.input_digests),
        *_differences("environment", one.facts.environment, two.facts.environment),
        *_differences(
            "task",
            {task.task: task.status.value for task in one.tasks},
            {task.task: task.status.value for task in two.tasks},
        ),
        *_differences("metric", one.metrics, two.metrics),
    ]
    return tuple(changes)


def _store(project: str | None) -> RunStore:
    return RunStore(find_project(project).state)


def _differences(
    kind: str, left: Mapping[str, object], right: Mapping[str, object]
) -> list[RunChange]:
    return [
        RunChange(kind=kind, name=name, left=_text(left, name), right=_text(right, name))
        for name in sorted(left.keys() | right.keys())
        if left.get(name) != right.get(name)
    ]


def _text(values: Mapping[str, object], name: str) -> str:
    if name not in values:
        return "-"
    value = values[name]
    return f"{value:.6g}" if isinstance(value, float) else str(value)
