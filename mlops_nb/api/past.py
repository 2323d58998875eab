"""Runs as a screen shows them: the history, one run, its events and logs, two side by side."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from mlops_nb.api.history import diff_runs
from mlops_nb.config import find_project
from mlops_nb.errors import RunError, nearest
from mlops_nb.files import file_name
from mlops_nb.model import RunStatus, TaskStatus
from mlops_nb.model.views import (
    EventsView,
    LastRun,
    LogView,
    RunDiff,
    RunList,
    RunSummary,
    RunTaskView,
    RunView,
    TaskPair,
)
from mlops_nb.runs.store import RunStore

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from mlops_nb.config import Project
    from mlops_nb.model import Run, TaskRun

__all__ = [
    "find_run",
    "last_runs",
    "launch_log",
    "read_log",
    "remove_run",
    "run_events",
    "summarize",
    "view_diff",
    "view_run",
    "view_runs",
]

_FAILED = (TaskStatus.FAILED, TaskStatus.TIMED_OUT, TaskStatus.DIED, TaskStatus.EXITED)


def launch_log(project: Project, run_id: str) -> Path:
    """Return where the output goes of the process of a run that was launched; see `launch`."""
    return project.state / "launch" / f"{file_name(run_id)}.log"


def summarize(run: Run) -> RunSummary:
    """Return a run as one line."""
    facts = run.facts
    counts = Counter(task.status.value for task in run.tasks)
    return RunSummary(
        id=run.id,
        status=run.status,
        trigger=facts.trigger,
        started=facts.started,
        ended=run.ended,
        seconds=None if run.ended is None else max(0.0, run.ended - facts.started),
        parameters=facts.parameters,
        metrics=run.metrics,
        targets=facts.targets,
        user=facts.user,
        host=facts.host,
        git_commit=facts.git_commit,
        dirty=bool(facts.git_diff),
        counts=dict(counts),
        tasks=len(run.tasks),
        failed=tuple(task.task for task in run.tasks if task.status in _FAILED),
        resumed_from=facts.resumed_from,
        last_seq=run.last_seq,
    )


def view_runs(
    project: str | None,
    *,
    limit: int = 50,
    before: str = "",
    status: RunStatus | None = None,
    task: str = "",
) -> RunList:
    """Return a page of the history, the newest first.

    Parameters
    ----------
    project
        A folder or a specification; by default the project that the current folder lies in.
    limit
        At most so many.
    before
        Only runs older than this id.
    status, task
        Only runs of that status, with that task.
    """
    store = _store(project)
    page = store.list(limit + 1, status=status, task=task, before=before)
    # A run takes weeks at most; those that go on are found among the latest.
    active = [run.id for run in store.list(20) if run.status is RunStatus.RUNNING]
    return RunList(
        runs=tuple(summarize(run) for run in page[:limit]),
        active=tuple(active),
        total=len(store.ids()),
        before=page[limit - 1].id if len(page) > limit else "",
    )


def find_run(project: str | None, run_id: str) -> Run:
    """Return a run by its whole id, or ``latest``.

    Raises
    ------
    RunError
        There is no such run.
    """
    store = _store(project)
    known = store.ids()
    if run_id != "latest" and run_id not in known:
        raise RunError(f'no run is called "{run_id}"', fix=nearest(run_id, known[:50]))
    return store.get(run_id)


def view_run(project: str | None, run_id: str) -> RunView:
    """Return a run with its tasks, its cells and where its pages are.

    Raises
    ------
    RunError
        There is no such run.
    """
    found = find_project(project)
    run = find_run(project, run_id)
    folder = RunStore(found.state).folder / run.id
    place = _Place(found, folder)
    return RunView(
        summary=summarize(run),
        facts=msgspec.structs.replace(run.facts, environment={}, input_digests={}),
        tasks=tuple(_task(task, place) for task in run.tasks),
        folder=folder.relative_to(found.root).as_posix(),
        report=place.of("reports/index.html"),
        log=_relative(found, launch_log(found, run.id)),
    )


def last_runs(project: Project, runs: Iterable[Run]) -> dict[str, LastRun]:
    """Return for each task the latest of the runs, newest first, in which it did something."""
    found: dict[str, LastRun] = {}
    for run in runs:
        place = _Place(project, RunStore(project.state).folder / run.id)
        for task in run.tasks:
            did = task.attempt or task.status in (TaskStatus.RESTORED, TaskStatus.RUNNING)
            if did and task.task not in found:
                view = _task(task, place)
                found[task.task] = LastRun(
                    run=run.id,
                    status=view.status,
                    started=view.started,
                    ended=view.ended,
                    seconds=view.seconds,
                    error=view.error,
                    notebook=view.notebook,
                    report=view.report,
                    log=view.log,
                    cells_total=view.cells_total,
                    cells_done=view.cells_done,
                )
    return found


def run_events(
    project: str | None, run_id: str, *, since: int = 0, limit: int = 10_000
) -> EventsView:
    """Return a run's events after a ``seq``, the oldest first.

    Raises
    ------
    RunError
        There is no such run, or its log is damaged.
    """
    run = find_run(project, run_id)
    events = _store(project).events(run.id, since=since)
    last = events[-1].seq if events else max(run.last_seq, 0)
    return EventsView(run=run.id, status=run.status, events=events[:limit], last_seq=last)


def read_log(project: str | None, run_id: str, task: str = "", *, limit: int = 200_000) -> LogView:
    """Return the end of what a task printed, or the process of a run that was launched.

    Parameters
    ----------
    project, run_id
        Which run; a launched one is known before its first event.
    task
        Which task; the run's own process where empty.
    limit
        Bytes from the end.

    Raises
    ------
    RunError
        There is no such run or task, or the log cannot be read.
    """
    found = find_project(project)
    path = launch_log(found, run_id)
    if task or not path.is_file():
        run = find_run(project, run_id)
        run_id, path = run.id, launch_log(found, run.id)
        if task:
            names = [one.task for one in run.tasks]
            if task not in names:
                raise RunError(
                    f'has no task "{task}"', where=f"run {run.id}", fix=nearest(task, names)
                )
            path = RunStore(found.state).folder / run.id / _log_path(task)
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - limit))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return LogView(run=run_id, task=task)
    except OSError as error:
        raise RunError(f"cannot be read: {error}", where=str(path)) from error
    return LogView(run=run_id, task=task, text=text, size=size, truncated=size > limit)


def view_diff(project: str | None, left: str, right: str) -> RunDiff:
    """Return two runs side by side.

    Raises
    ------
    RunError
        There is no such run.
    """
    one, two = find_run(project, left), find_run(project, right)
    before = {task.task: task for task in one.tasks}
    after = {task.task: task for task in two.tasks}
    pairs = []
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name), after.get(name)
        pairs.append(
            TaskPair(
                task=name,
                left=old.status if old else None,
                right=new.status if new else None,
                left_seconds=old.seconds if old else None,
                right_seconds=new.seconds if new else None,
            )
        )
    return RunDiff(
        left=summarize(one),
        right=summarize(two),
        changes=diff_runs(project, one.id, two.id),
        tasks=tuple(pairs),
    )


def remove_run(project: str | None, run_id: str) -> None:
    """Delete a run's records.

    Raises
    ------
    RunError
        There is no such run, it goes on, or it cannot be deleted.
    """
    run = find_run(project, run_id)
    found = find_project(project)
    RunStore(found.state).remove(run.id)
    launch_log(found, run.id).unlink(missing_ok=True)


class _Place:
    """Where the files of one run stand, relative to the project."""

    def __init__(self, project: Project, folder: Path) -> None:
        self.folder = folder
        self.prefix = folder.relative_to(project.root).as_posix()

    def of(self, path: str) -> str:
        """Return a file's path relative to the project; empty where it is not there."""
        return f"{self.prefix}/{path}" if path and (self.folder / path).is_file() else ""


def _task(task: TaskRun, place: _Place) -> RunTaskView:
    return RunTaskView(
        task=task.task,
        status=task.status,
        why=task.why,
        attempt=task.attempt,
        started=task.started,
        ended=task.ended,
        seconds=task.seconds,
        kernel=task.kernel,
        error=task.error,
        peak_mb=task.peak_mb,
        cells=task.cells,
        cells_total=task.cells_total,
        cells_done=task.cells_done,
        notebook=place.of(task.notebook),
        report=place.of(task.report),
        log=place.of(_log_path(task.task)) if task.attempt else "",
    )


def _log_path(task: str) -> str:
    return f"logs/{file_name(task)}.log"


def _relative(project: Project, path: Path) -> str:
    return path.relative_to(project.root).as_posix() if path.is_file() else ""


def _store(project: str | None) -> RunStore:
    return RunStore(find_project(project).state)
