"""Makes an executed notebook tell what happened: cell states, the error, and a banner."""

from __future__ import annotations

import html
import textwrap
from typing import TYPE_CHECKING, Any

from mlops_nb.execution.control import is_runnable
from mlops_nb.model import TaskStatus

if TYPE_CHECKING:
    from mlops_nb.execution.control import Control

__all__ = ["BANNER_TAG", "mend", "remove_banners"]

BANNER_TAG = "papermill-error-cell-tag"
"""Papermill's own tag, so that it too removes the banners before the next execution."""

_STYLE = "color:red; font-family:Helvetica Neue, Helvetica, Arial, sans-serif; font-size:2em;"
_ENDS = {
    TaskStatus.FAILED: "An Exception was encountered",
    TaskStatus.TIMED_OUT: "Time ran out",
    TaskStatus.DIED: "The kernel died",
    TaskStatus.EXITED: "The notebook left its kernel",
    TaskStatus.CANCELLED: "Execution was cancelled",
}


def remove_banners(nb: Any) -> None:
    """Take out the banners of an earlier execution."""
    nb.cells = [c for c in nb.cells if BANNER_TAG not in c.metadata.get("tags", [])]


def mend(nb: Any, control: Control) -> None:
    """Correct the cells' states after an execution, and add the error and its banner.

    Cells that never ran are ``pending``, the failing one is ``failed``, the others are
    ``completed``. Where the execution went on from an earlier state, a line says so.
    """
    failed = control.failed
    reached = control.reached if failed is None else failed
    for index, cell in enumerate(nb.cells):
        record = cell.metadata.setdefault("papermill", {})
        if index == failed:
            record["status"], record["exception"] = "failed", True
        elif control.status is None or (index < reached and not is_runnable(cell)):
            record["status"] = "completed"
        elif index >= reached or record.get("status") == "running":
            record["status"] = "pending"
    first = None if control.first is None else nb.cells[control.first]
    if control.status is not None:
        nb.metadata.papermill["exception"] = True
        nb.metadata.papermill["status"] = control.status.value
        _show(nb, control)
    if first is not None:
        run = nb.metadata.papermill["resumed"]["run"]
        place = next(index for index, cell in enumerate(nb.cells) if cell is first)
        text = f"*Resumed here. The cells above were run in run {run} and not again.*"
        nb.cells.insert(place, _markdown(nb, text))


def _show(nb: Any, control: Control) -> None:
    error, failed = control.error, control.failed
    if error is None or control.status is None:
        return
    count = None
    if failed is not None:
        cell = nb.cells[failed]
        count = cell.get("execution_count")
        if not any(o["output_type"] == "error" for o in cell.get("outputs", [])):
            cell.outputs.append(_output(error.name, error.message, error.traceback))
        anchor = f'<span id="papermill-error-cell" style="{_STYLE}">Execution stopped here:</span>'
        if control.banner:
            nb.cells.insert(failed, _markdown(nb, anchor))
    if not control.banner:
        return
    place = f"In [{' ' if count is None else count}]"
    link = f" at '<a href=\"#papermill-error-cell\">{place}</a>'" if failed is not None else ""
    # Cut between words: half a path could no longer be told from another.
    line = f"{error.name}: {error.message}".splitlines()[0]
    text = html.escape(textwrap.shorten(line, 300, placeholder=" …"))
    banner = f'<span style="{_STYLE}">{_ENDS[control.status]}{link}.</span>\n\n<code>{text}</code>'
    nb.cells.insert(0, _markdown(nb, banner))


def _output(name: str, message: str, traceback: str) -> Any:
    from nbformat.v4 import new_output

    lines = (traceback or f"{name}: {message}").splitlines()
    return new_output("error", ename=name, evalue=message, traceback=lines)


def _markdown(nb: Any, text: str) -> Any:
    from nbformat.v4 import new_markdown_cell

    tags = {"tags": [BANNER_TAG]}
    cell = new_markdown_cell(text, metadata=tags)
    if (nb.nbformat, nb.nbformat_minor) < (4, 5):
        del cell["id"]
    return cell
