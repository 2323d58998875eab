"""Says where a run's time and memory went, and how long tasks are expected to take."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from mlops_nb.model import EventKind, RunProfile, TaskProfile, TaskStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mlops_nb.model import Event, Run
    from mlops_nb.runs.store import RunStore

__all__ = ["expected_seconds", "first_starts", "longest_path", "profile_run"]

_RUNS = 20
"""Earlier runs that are looked at."""
_SAMPLES = 5
"""The last durations of a task that its expectation is the median of."""


def first_starts(events: Iterable[Event]) -> dict[str, float]:
    """Return when each task was tried for the first time, seconds since the epoch."""
    found: dict[str, float] = {}
    for event in events:
        if event.kind is EventKind.TASK_STARTED:
            found.setdefault(event.task, event.time)
    return found


def profile_run(
    run: Run, upstream: Mapping[str, Sequence[str]], began: Mapping[str, float] | None = None
) -> RunProfile:
    """Return where a run's time and memory went.

    The critical path is the longest chain in the graph of tasks weighted by their durations
    (J. E. Kelley, "Critical-path planning and scheduling", Operations Research 9, 1961).

    Parameters
    ----------
    run
        The run; tasks that were not started count nothing.
    upstream
        The upstream tasks of each task.
    began
        When each task was tried for the first time; see `first_starts`. All its tries, and the
        pauses between them, count as the task's.
    """
    tasks = {task.task: task for task in run.tasks}
    last = {name: max(0.0, task.seconds or 0.0) for name, task in tasks.items()}
    earlier = {
        name: max(0.0, task.started - (began or {}).get(name, task.started))
        for name, task in tasks.items()
        if task.started is not None and task.attempt > 1
    }
    spent = {name: seconds + earlier.get(name, 0.0) for name, seconds in last.items()}
    path, longest = longest_path(spent, upstream)
    work = sum(spent.values())
    end = run.ended if run.ended is not None else run.facts.started + longest
    found = []
    for name, task in tasks.items():
        if task.started is None:
            continue
        ready = max(
            (tasks[up].ended or run.facts.started for up in upstream.get(name, ()) if up in tasks),
            default=run.facts.started,
        )
        in_cells = sum(cell.seconds for cell in task.cells)
        found.append(
            TaskProfile(
                task=name,
                status=task.status,
                seconds=spent[name],
                share=spent[name] / work if work else 0.0,
                waited=max(
                    0.0, task.started - earlier.get(name, 0.0) - max(ready, run.facts.started)
                ),
                overhead=max(0.0, last[name] - in_cells) if task.cells else 0.0,
                peak_mb=task.peak_mb,
                critical=name in path,
                cells=tuple(sorted(task.cells, key=lambda cell: -cell.seconds)),
            )
        )
    return RunProfile(
        run=run.id,
        seconds=max(0.0, end - run.facts.started),
        work=work,
        critical_path=tuple(name for name in path if spent[name] > 0),
        critical_seconds=longest,
        peak_mb=max((task.peak_mb for task in run.tasks if task.peak_mb), default=None),
        tasks=tuple(sorted(found, key=lambda task: -task.seconds)),
    )


def expected_seconds(store: RunStore, task: str = "") -> dict[str, float]:
    """Return how long tasks are expected to take: the median of their last good durations.

    Parameters
    ----------
    store
        The project's runs; the last twenty are looked at.
    task
        Only this task; all by default.

    Returns
    -------
    dict
        Seconds by task; a task that never ended well is not in it.
    """
    samples: dict[str, list[float]] = {}
    for run in store.list(_RUNS):
        for one in run.tasks:
            known = samples.setdefault(one.task, [])
            if (
                one.status is TaskStatus.SUCCEEDED
                and one.seconds is not None
                and len(known) < _SAMPLES
                and task in ("", one.task)
            ):
                known.append(one.seconds)
    return {name: median(seconds) for name, seconds in samples.items() if seconds}


def longest_path(
    spent: Mapping[str, float], upstream: Mapping[str, Sequence[str]]
) -> tuple[list[str], float]:
    """Return the heaviest chain of tasks, from its first to its last, and its weight.

    Parameters
    ----------
    spent
        Seconds by task.
    upstream
        The upstream tasks of each task.
    """
    weight: dict[str, float] = {}
    came_from: dict[str, str] = {}
    for start in spent:
        stack = [start]
        while stack:
            name = stack[-1]
            above = [up for up in upstream.get(name, ()) if up in spent]
            missing = [up for up in above if up not in weight]
            if name in weight or not missing:
                stack.pop()
                best = max(above, key=weight.__getitem__, default="")
                weight[name] = spent[name] + (weight[best] if best else 0.0)
                came_from[name] = best
            else:
                stack.extend(missing)
    last = max(weight, key=weight.__getitem__, default="")
    total = weight.get(last, 0.0)
    path: list[str] = []
    while last:
        path.append(last)
        last = came_from[last]
    return path[::-1], total
