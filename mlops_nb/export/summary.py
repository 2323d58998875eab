"""Tells what a job's runs did, as Markdown for a CI system's summary or comment.

Whatever a notebook or an error says is shown as plain text: nothing in it becomes a link, an image,
a mention or HTML.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlops_nb.model import Run, TaskRun

__all__ = ["markdown"]

_MARKS = {
    "succeeded": "✅",
    "skipped": "⏭️",
    "restored": "♻️",
    "failed": "❌",
    "timed-out": "⏱️",
    "died": "💥",
    "exited": "🚪",
}
_ENTITIES = {ord(char): f"&#{ord(char)};" for char in "&<>\\`*_[]()#|!~"}
_LINES = 60
"""Lines of a failing cell or an error that are shown."""


def markdown(runs: Iterable[Run], title: str = "") -> str:
    """Return what runs did: tasks with state, time and reason; metrics; failing cells.

    Parameters
    ----------
    runs
        The runs, oldest first.
    title
        A heading.
    """
    out = [f"### {_plain(title)}\n"] if title else []
    empty = True
    for run in runs:
        empty = False
        out.append("| task | state | time | why |\n|---|---|---|---|\n")
        for task in run.tasks:
            if task.why == "not selected":
                continue
            seconds = task.seconds
            took = "" if seconds is None else f"{seconds:.1f} s"
            state = task.status.value
            mark = _MARKS.get(state, "•")
            out.append(f"| {_plain(task.task)} | {mark} {state} | {took} | {_plain(task.why)} |\n")
        out.append("\n")
        if run.metrics:
            out.append("| metric | value |\n|---|---|\n")
            out += [f"| {_plain(name)} | {value:.6g} |\n" for name, value in run.metrics.items()]
            out.append("\n")
        out += [_failure(task) for task in run.tasks if task.error is not None]
    if empty:
        out.append("No task has run.\n")
    return "".join(out)


def _failure(task: TaskRun) -> str:
    error = task.error
    if error is None:
        return ""
    cell = f", cell {error.cell}" if error.cell is not None else ""
    parts = [f"**{_plain(task.task)}{cell}: {_plain(error.name)}**\n\n"]
    if error.source:
        parts.append(_block(error.source))
    parts.append(_block(error.message or error.name))
    return "".join(parts)


def _plain(text: str) -> str:
    line = " ".join(text.split()).translate(_ENTITIES)
    # A zero-width space keeps a name from calling somebody and an address from becoming a link.
    return line.replace("@", "@&#8203;").replace("://", ":&#8203;//")


def _block(text: str) -> str:
    # Four spaces make a code block that no fence in the text can end.
    lines = text.splitlines() or [""]
    if len(lines) > _LINES:
        lines = [*lines[:_LINES], f"... {len(lines) - _LINES} more lines"]
    return "".join(f"    {line}\n" for line in lines) + "\n"
