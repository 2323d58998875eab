"""Tells what a job's runs did in the forms that CI systems show: Markdown, OpenMetrics, JUnit.

Whatever a notebook or an error says is shown as plain text: nothing in it becomes a link, an image,
a mention or HTML.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mlops_nb.model import TaskStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlops_nb.model import Run, TaskRun

__all__ = ["junit", "markdown", "metrics"]

_MARKS = {
    "succeeded": "✅",
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
        rows = [task for task in run.tasks if task.status is not TaskStatus.SKIPPED]
        if rows:
            out.append("| task | state | time | why |\n|---|---|---|---|\n")
        for task in rows:
            seconds = task.seconds
            took = "" if seconds is None else f"{seconds:.1f} s"
            state = task.status.value
            out.append(
                f"| {_plain(task.task)} | {_MARKS.get(state, '•')} {state} | {took} | {_plain(task.why)} |\n"
            )
        if len(rows) < len(run.tasks):
            out.append(f"\nUp to date or not asked for: {len(run.tasks) - len(rows)}.\n")
        out.append("\n")
        if run.metrics:
            out.append("| metric | value |\n|---|---|\n")
            out += [f"| {_plain(name)} | {value:.6g} |\n" for name, value in run.metrics.items()]
            out.append("\n")
        out += [_failure(task) for task in run.tasks if task.error is not None]
    if empty:
        out.append("Nothing to do: every task is up to date.\n")
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


def metrics(runs: Iterable[Run]) -> str:
    """Return the metrics of runs as OpenMetrics text; of two with one name the later one."""
    values = {name: value for run in runs for name, value in run.metrics.items()}
    lines = [
        f"{re.sub(r'[^a-zA-Z0-9_:]', '_', name if name[:1].isalpha() else '_' + name)} {value!r}\n"
        for name, value in values.items()
    ]
    return "".join(lines)


def junit(runs: Iterable[Run], title: str = "") -> str:
    """Return runs as JUnit XML: a task is a test case, so that a failing cell is shown as one."""
    from xml.etree.ElementTree import Element, SubElement, tostring

    suite = Element("testsuite", name=_xml(title) or "pipeline")
    counts = {"tests": 0, "failures": 0, "skipped": 0}
    for run in runs:
        for task in run.tasks:
            counts["tests"] += 1
            case = SubElement(
                suite, "testcase", name=_xml(task.task), classname=_xml(run.facts.pipeline)
            )
            case.set("time", f"{task.seconds or 0:.3f}")
            if task.error is not None:
                counts["failures"] += 1
                failure = SubElement(case, "failure", type=_xml(task.error.name))
                failure.set("message", _xml(task.error.message))
                failure.text = _xml(f"{task.error.source}\n\n{task.error.traceback}")
            elif task.status.value in ("skipped", "blocked", "cancelled"):
                counts["skipped"] += 1
                SubElement(case, "skipped", message=_xml(task.why))
    for name, count in counts.items():
        suite.set(name, str(count))
    return '<?xml version="1.0" encoding="utf-8"?>\n' + tostring(suite, encoding="unicode") + "\n"


def _xml(text: str) -> str:
    """Replace what XML 1.0 cannot hold in any form."""
    return re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)
