"""The live task graph of a run, of this process or of another."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from mlops_nb.api import runs as api
from mlops_nb.api.history import get_run
from mlops_nb.model import RunStatus, TaskStatus
from mlops_nb.widgets.base import Panel
from mlops_nb.widgets.layout import HEIGHT, WIDTH, place
from mlops_nb.widgets.markup import render
from mlops_nb.widgets.surface import Surface
from mlops_nb.widgets.words import MARKS, duration, mark

if TYPE_CHECKING:
    from markupsafe import Markup

    from mlops_nb.model import Run, TaskRun

__all__ = ["RunView"]


class RunView(Panel):
    """A run's tasks as a graph that follows its events until the run ends.

    Select a task to see why it ran, how long it took, and what went wrong. `close` leaves the run
    alone and only stops watching.

    Parameters
    ----------
    run
        The run's id, a unique start of it, or ``latest``.
    project
        A folder or a specification; by default the project that the current folder lies in.

    Examples
    --------
    >>> from mlops_nb.widgets import RunView
    >>> RunView("latest")  # doctest: +SKIP
    """

    def __init__(self, run: str = "latest", *, project: str | None = None) -> None:
        self.project = project
        self._run: Run | None = None
        self._upstream: dict[str, tuple[str, ...]] = {}
        self._chosen = ""
        self._stop = threading.Event()
        self._graph = Surface()
        self._graph.on("task", self.choose)
        super().__init__(f"run {run}", self._graph)
        self._draw()
        self.follow(run)

    @property
    def run(self) -> Run | None:
        """The run as it was last seen."""
        return self._run

    @property
    def chosen(self) -> str:
        """The task whose details are shown; empty for none."""
        return self._chosen

    def follow(self, run: str = "latest") -> None:
        """Watch a run until it ends, in the background."""
        self._stop.set()
        self.wait()
        self._stop = stop = threading.Event()

        def watch() -> None:
            # Shown at once; which task needs which may take seconds to find out.
            found = get_run(self.project, run)
            self._see(found)
            self._upstream = api.task_graph(self.project)
            for state in api.watch_run(self.project, found.id, stop=stop):
                if stop.is_set():
                    return
                self._see(state)

        self.start("following the run", watch)

    def _see(self, run: Run) -> None:
        self._run = run
        self.name = f"run {run.id}"
        self._draw()

    def choose(self, task: str) -> None:
        """Show a task's details, or no longer."""
        self._chosen = "" if task == self._chosen else task
        self._draw()

    def _draw(self) -> None:
        self._graph.html = str(self._markup(live=True))

    def body(self) -> Markup:
        """Return the graph and the list of tasks as HTML."""
        return self._markup(live=False)

    def _markup(self, *, live: bool) -> Markup:
        run = self._run
        if run is None:
            return render("run.html.j2", run=None)
        tasks = {task.task: task for task in run.tasks}
        upstream = {name: ups for name, ups in self._upstream.items() if name in tasks}
        upstream |= {name: () for name in tasks if name not in upstream}
        now = time.time()
        ended = (
            run.ended
            if run.ended is not None
            else (now if run.status is RunStatus.RUNNING else None)
        )
        return render(
            "run.html.j2",
            run=run,
            live=live,
            placed=place(upstream),
            box=(WIDTH, HEIGHT),
            tasks=tasks,
            chosen=tasks.get(self._chosen),
            counts=_counts(run),
            took=None if ended is None else ended - run.facts.started,
            seconds=lambda task: _seconds(task, now),
            marks=MARKS,
            mark=mark,
            duration=duration,
        )

    def _show_busy(self, label: str) -> None:
        # The graph itself shows that the run goes on.
        if not label:
            super()._show_busy(label)

    def close(self) -> None:
        """Stop watching, and take the view off the page."""
        self._stop.set()
        super().close()


def _seconds(task: TaskRun, now: float) -> float | None:
    if task.status is TaskStatus.RUNNING and task.started is not None:
        return max(0.0, now - task.started)
    return task.seconds


def _counts(run: Run) -> tuple[tuple[str, int], ...]:
    counts: dict[str, int] = {}
    for task in run.tasks:
        counts[task.status.value] = counts.get(task.status.value, 0) + 1
    return tuple(sorted(counts.items(), key=lambda pair: list(MARKS).index(pair[0])))
