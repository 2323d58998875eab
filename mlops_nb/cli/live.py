"""Shows a run as it happens: a live tree on a terminal, one line per task elsewhere.

Both read the run's events and nothing else.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from mlops_nb.cli.output import MARKS, seconds
from mlops_nb.model import Action, Event, EventKind, TaskStatus

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Console, JustifyMethod, RenderableType

    from mlops_nb.model import Pipeline

__all__ = ["LineView", "TreeView", "View", "view_for"]


_JUSTIFY: tuple[JustifyMethod, ...] = ("left", "left", "left", "right", "right", "left")


class View(Protocol):
    """Something that shows events while its ``with`` block lasts."""

    def __enter__(self) -> View: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
    def __call__(self, event: Event) -> None:
        """Take in one event."""
        ...


class _Row:
    __slots__ = ("cells", "done", "ended", "expected", "note", "peak", "started", "status", "why")

    def __init__(self) -> None:
        self.status = "pending"
        self.why = ""
        self.note = ""
        self.cells = 0
        self.done = 0
        self.started: float | None = None
        self.ended: float | None = None
        self.expected: float | None = None
        self.peak: float | None = None


class _State:
    """What the events have said so far about each task."""

    def __init__(self) -> None:
        self.rows: dict[str, _Row] = {}

    def apply(self, event: Event) -> _Row | None:
        data = event.data
        if event.kind is EventKind.PLAN:
            for item in data.get("items", []):
                row = self.rows.setdefault(item["task"], _Row())
                row.why = item.get("why", "")
                row.expected = item.get("expected")
                if item.get("action") == Action.SKIP.value:
                    row.status = TaskStatus.SKIPPED.value
            return None
        if not event.task:
            return None
        row = self.rows.setdefault(event.task, _Row())
        if event.kind is EventKind.TASK_STARTED:
            row.status, row.started, row.ended = "running", event.time, None
            row.cells, row.done = int(data.get("cells") or 0), 0
            row.note = f"attempt {data['attempt']}" if data.get("attempt", 1) > 1 else ""
        elif event.kind is EventKind.TASK_CELL:
            row.done = int(data.get("done", data.get("index", 0) + 1))
            row.cells = int(data.get("cells") or row.cells)
            row.peak = data.get("peak_mb") or row.peak
        elif event.kind is EventKind.NOTE:
            row.note = str(data.get("text", ""))
        elif event.kind is EventKind.TASK_RETRY:
            row.status, row.note = "pending", f"again in {seconds(float(data.get('delay', 0)))}"
        elif event.kind is EventKind.TASK_FINISHED:
            row.status = str(data.get("status", "succeeded"))
            row.why = str(data.get("why") or row.why)
            row.started = data.get("started") or row.started
            row.ended = data.get("ended") or event.time
            row.peak = data.get("peak_mb") or row.peak
            error = data.get("error")
            row.note = f"{error['name']}: {error['message']}".splitlines()[0] if error else ""
        return row


class LineView:
    """One plain line per finished task, for pipes and logs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._state = _State()

    def __enter__(self) -> LineView:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def __call__(self, event: Event) -> None:
        """Print the line that the event calls for, if any."""
        row = self._state.apply(event)
        if event.kind is EventKind.NOTE:
            text = "  ".join(part for part in (event.task, str(event.data["text"])) if part)
            self._console.print(f"! {text}", markup=False)
        if row is None or event.kind not in (EventKind.TASK_FINISHED, EventKind.TASK_RETRY):
            return
        if row.status == TaskStatus.SKIPPED.value:
            return
        sign, _ = MARKS[row.status]
        took = seconds(row.ended - row.started) if row.started and row.ended else ""
        parts = [f"{sign} {row.status:<10} {event.task}", took, row.note or row.why]
        self._console.print("  ".join(part for part in parts if part), markup=False)


class TreeView:
    """The pipeline as a tree with states, cell progress, times and memory."""

    def __init__(self, console: Console, pipeline: Pipeline) -> None:
        self._state = _State()
        self._prefix = _tree(pipeline)
        for name in self._prefix:
            self._state.rows[name] = _Row()
        self._height = console.size.height
        self._live = Live(
            console=console,
            refresh_per_second=8,
            get_renderable=self.render,
            transient=False,
            vertical_overflow="crop",
        )

    def __enter__(self) -> TreeView:
        self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def __call__(self, event: Event) -> None:
        """Take in one event; the screen follows by itself."""
        self._state.apply(event)

    def render(self) -> RenderableType:
        """Return the tree as it stands."""
        grid = Table.grid(padding=(0, 2, 0, 0), expand=True)
        names = self._shown()
        rows = [self._cells(name, self._state.rows[name]) for name in names]
        for place, justify in enumerate(_JUSTIFY):
            # What does not fit is cut off the reasons, never off names and states.
            needed = max((cells[place].cell_len for cells in rows), default=0)
            last = place == len(_JUSTIFY) - 1
            grid.add_column(
                justify=justify,
                no_wrap=True,
                overflow="ellipsis",
                min_width=None if last else needed,
                ratio=1 if last else None,
            )
        for cells in rows:
            grid.add_row(*cells)
        hidden = len(self._prefix) - len(names)
        if not hidden:
            return grid
        return Group(grid, Text(f"  and {hidden} more tasks", style="dim"))

    def _shown(self) -> list[str]:
        """All tasks where they fit; else the ones in motion first, in the pipeline's order."""
        room = max(self._height - 4, 8)
        names = list(self._prefix)
        if len(names) <= room:
            return names
        rank = {"running": 0, "failed": 1, "died": 1, "timed-out": 1, "exited": 1, "pending": 2}
        order = sorted(names, key=lambda name: rank.get(self._state.rows[name].status, 3))
        chosen = set(order[:room])
        return [name for name in names if name in chosen]

    def _cells(self, name: str, row: _Row) -> tuple[Text, ...]:
        sign, style = MARKS[row.status]
        label = Text.assemble(
            (self._prefix[name], "dim"), (name, "bold" if row.status == "running" else "")
        )
        return (
            label,
            Text(f"{sign} {row.status}", style=style),
            _bar(row),
            Text(_elapsed(row)),
            Text(f"{row.peak:,.0f} MiB" if row.peak else "", style="dim"),
            Text(row.note or row.why, style="red" if row.note and style.endswith("red") else "dim"),
        )


def view_for(console: Console, pipeline: Pipeline) -> View:
    """Return the view that suits the stream: a tree on a terminal, else lines."""
    return TreeView(console, pipeline) if console.is_terminal else LineView(console)


def _bar(row: _Row, width: int = 12) -> Text:
    if row.status != "running" or not row.cells:
        return Text("")
    full = round(width * min(row.done / row.cells, 1))
    return Text.assemble(
        ("━" * full, "cyan"), ("━" * (width - full), "dim"), (f" {row.done}/{row.cells}", "dim")
    )


def _elapsed(row: _Row) -> str:
    if row.started is None:
        return ""
    text = seconds((row.ended or time.time()) - row.started)
    if row.ended is None and row.expected:
        text += f" of ~{seconds(row.expected)}"
    return text


def _tree(pipeline: Pipeline) -> dict[str, str]:
    """Return the guide in front of each task, in the order of a depth-first walk.

    A task hangs below the one of its upstream tasks that lies deepest, so that the tree's depth
    is the length of the road to it.
    """
    depth: dict[str, int] = {}
    children: dict[str, list[str]] = {"": []}
    for task in pipeline.tasks:
        parent = max(task.upstream, key=lambda up: depth.get(up, 0), default="")
        depth[task.name] = depth.get(parent, -1) + 1
        children.setdefault(parent, []).append(task.name)
        children.setdefault(task.name, [])
    guides: dict[str, str] = {}

    def walk(name: str, before: str) -> None:
        kids = children[name]
        for place, kid in enumerate(kids):
            last = place == len(kids) - 1
            guides[kid] = before + (("└─ " if last else "├─ ") if name else "")
            walk(kid, before + (("   " if last else "│  ") if name else ""))

    walk("", "")
    return guides
