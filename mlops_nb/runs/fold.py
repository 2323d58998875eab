"""Turns a run's events into its record; the one place that knows how."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from mlops_nb.errors import RunError
from mlops_nb.model import (
    CellRun,
    Event,
    EventKind,
    Json,
    Run,
    RunFacts,
    RunStatus,
    TaskRun,
    TaskStatus,
)
from mlops_nb.runs.report import report_path

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Folding", "fold"]


class Folding:
    """A run in the making: feed it events, ask it for the run at any time.

    Parameters
    ----------
    facts
        The run's facts; those of its first event by default, which lack the environment.
    """

    def __init__(self, facts: RunFacts | None = None) -> None:
        self.facts = facts
        self._tasks: dict[str, TaskRun] = {}
        self._cells: dict[str, list[CellRun]] = {}
        self._metrics: dict[str, float] = {}
        self._status = RunStatus.RUNNING
        self._ended: float | None = None
        self.last_seq = 0

    def add(self, event: Event) -> None:
        """Take one event in; one that was seen before is passed over."""
        if event.seq <= self.last_seq:
            return
        self.last_seq = event.seq
        data, kind = event.data, event.kind
        if kind is EventKind.RUN_STARTED:
            if self.facts is None:
                self.facts = msgspec.convert(data, RunFacts)
        elif kind is EventKind.PLAN:
            for item in data["items"]:
                self._planned(item)
        elif kind is EventKind.METRIC:
            self._metrics[str(data["name"])] = float(data["value"])
        elif kind is EventKind.RUN_FINISHED:
            self._status = RunStatus(data["status"])
            self._ended = event.time
        elif event.task:
            self._task_event(event)

    def run(self, *, lost: bool = False) -> Run:
        """Return the run as it stands.

        Parameters
        ----------
        lost
            The process that ran it is known to be gone: without a last event the run is lost.

        Raises
        ------
        RunError
            There was no first event and no facts were given.
        """
        if self.facts is None:
            raise RunError("its first event is missing", where="events.jsonl")
        status = self._status
        if lost and status is RunStatus.RUNNING:
            status = RunStatus.LOST
        return Run(
            facts=self.facts,
            status=status,
            tasks=tuple(self._settled(name, status) for name in self._tasks),
            ended=self._ended,
            metrics=dict(self._metrics),
            last_seq=self.last_seq,
        )

    def _planned(self, item: dict[str, Json]) -> None:
        skip = item["action"] == "skip"
        self._tasks[item["task"]] = TaskRun(
            task=item["task"],
            status=TaskStatus.SKIPPED if skip else TaskStatus.PENDING,
            why=item.get("why", ""),
        )

    def _task_event(self, event: Event) -> None:
        data, name = event.data, event.task
        task = self._tasks.get(name) or TaskRun(task=name)
        if event.kind is EventKind.TASK_STARTED:
            self._cells[name] = []
            task = msgspec.structs.replace(
                task,
                status=TaskStatus.RUNNING,
                attempt=data.get("attempt", 1),
                started=event.time,
                ended=None,
                error=None,
                kernel=data.get("kernel", ""),
                cells_total=data.get("cells", 0),
                cells_done=0,
            )
        elif event.kind is EventKind.TASK_CELL:
            cells = self._cells.setdefault(name, [])
            if data.get("seconds") is not None:  # without, the cell has only begun
                cells.append(
                    CellRun(
                        index=data["index"], seconds=data["seconds"], peak_mb=data.get("peak_mb")
                    )
                )
            task = msgspec.structs.replace(
                task,
                cells_done=len(cells),
                cells_total=data.get("cells", task.cells_total),
                kernel=data.get("kernel", task.kernel),
            )
        elif event.kind is EventKind.TASK_FINISHED:
            done = msgspec.convert({**data, "task": name}, TaskRun)
            task = msgspec.structs.replace(
                done,
                why=done.why or task.why,
                started=task.started if done.started is None else done.started,
                ended=event.time if done.ended is None else done.ended,
                report=done.report or (report_path(name) if done.attempt else ""),
            )
        self._tasks[name] = task

    def _settled(self, name: str, status: RunStatus) -> TaskRun:
        task = self._tasks[name]
        cells = tuple(self._cells.get(name, ()))
        if cells and not task.cells:
            task = msgspec.structs.replace(task, cells=cells)
        if task.status is TaskStatus.RUNNING and status is not RunStatus.RUNNING:
            gone = TaskStatus.CANCELLED if status is RunStatus.CANCELLED else TaskStatus.LOST
            task = msgspec.structs.replace(task, status=gone)
        return task


def fold(events: Iterable[Event], *, facts: RunFacts | None = None, lost: bool = False) -> Run:
    """Return the run that a sequence of events tells.

    Parameters
    ----------
    events
        A run's events from the first one, in order.
    facts
        The run's facts; those of the first event by default, which lack the environment.
    lost
        Whether the process that ran it is known to be gone.

    Raises
    ------
    RunError
        There is no first event and no facts were given.
    """
    folding = Folding(facts)
    for event in events:
        folding.add(event)
    return folding.run(lost=lost)
