"""Writes HTML pages of a run: one for each task from its executed notebook, and a summary.

A page is one file that fetches nothing: no fonts, scripts or styles from elsewhere (its content
security policy says so as well), images embedded. Made when asked for, not while tasks run.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from datetime import datetime
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import msgspec

from mlops_nb.errors import RunError
from mlops_nb.files import file_name, write_whole
from mlops_nb.model import Run, TaskRun, TaskStatus, decode
from mlops_nb.pages import NotebookPage, notebook_page

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from mlops_nb.model import Json

__all__ = ["early_page", "prepare_reports", "report_path", "write_reports"]

_SYMBOLS = {
    TaskStatus.PENDING: "○",
    TaskStatus.RUNNING: "▶",
    TaskStatus.SUCCEEDED: "✓",
    TaskStatus.SKIPPED: "–",
    TaskStatus.RESTORED: "↺",
    TaskStatus.BLOCKED: "⊘",
    TaskStatus.CANCELLED: "■",
}
_EARLY = "pages"


def report_path(task: str) -> str:
    """Return where a task's report stands, relative to the run's folder."""
    return f"reports/{file_name(task)}.html"


def prepare_reports() -> None:
    """Get ready for `write_reports`."""
    environment, _ = _environment()
    for name in ("task.html", "summary.html"):
        environment.get_template(name)


def early_page(folder: Path, task: str) -> Path:
    """Return where a good task's notebook may be left as a `NotebookPage` until its report."""
    return folder / _EARLY / f"{file_name(task)}.json"


def write_reports(run: Run, folder: Path, *, tasks: Iterable[str] | None = None) -> dict[str, Path]:
    """Write the reports of a run and its summary.

    Parameters
    ----------
    run
        The run.
    folder
        Its folder; the pages go to ``reports/`` in it.
    tasks
        The tasks to report on; by default those that were started or did not end well.

    Returns
    -------
    dict
        The pages by task; the summary stands under an empty name.

    Raises
    ------
    RunError
        A page cannot be written.
    """
    wanted = {task.task for task in run.tasks} if tasks is None else set(tasks)
    chosen = [
        task
        for task in run.tasks
        if task.task in wanted and (tasks is not None or task.attempt or task.error)
    ]
    pages: dict[str, Path] = {}
    known = {task.task for task in run.tasks if (folder / report_path(task.task)).exists()}
    known |= {task.task for task in chosen}
    try:
        for task in chosen:
            path = folder / report_path(task.task)
            write_whole(path, _task_page(run, task, folder).encode())
            pages[task.task] = path
        shutil.rmtree(folder / _EARLY, ignore_errors=True)
        pages[""] = folder / "reports" / "index.html"
        write_whole(pages[""], _summary_page(run, known).encode())
    except OSError as error:
        raise RunError(f"the report cannot be written: {error}", where=str(folder)) from error
    return pages


def _task_page(run: Run, task: TaskRun, folder: Path) -> str:
    body, anchor = "", ""
    parameters: Mapping[str, Json] = {}
    notebook = folder / task.notebook if task.notebook else None
    if notebook is not None and notebook.exists():
        page = _page(notebook, task, folder)
        body, anchor, parameters = page.body, page.anchor, page.parameters
    log = folder / "logs" / f"{file_name(task.task)}.log"
    return _render(
        "task.html",
        title=f"{task.task} · run {run.id}",
        run=run,
        task=task,
        symbol=_SYMBOLS.get(task.status, "✗"),
        good=task.status.is_good,
        started=_moment(task.started),
        seconds=_seconds(task.seconds),
        parameters=parameters,
        anchor=anchor,
        body=body,
        log=_tail(log),
    )


def _page(notebook: Path, task: TaskRun, folder: Path) -> NotebookPage:
    """Return a notebook as HTML, as it was made while the run went on or made now."""
    if not task.status.is_good:
        cell = None if task.error is None else task.error.cell
        return notebook_page(notebook, failed=task.error is not None, cell=cell)
    with suppress(OSError, msgspec.MsgspecError):
        return decode(early_page(folder, task.task).read_bytes(), NotebookPage)
    return notebook_page(notebook)


def _summary_page(run: Run, reports: set[str]) -> str:
    rows = [
        {
            "task": task,
            "symbol": _SYMBOLS.get(task.status, "✗"),
            "good": task.status.is_good,
            "seconds": _seconds(task.seconds),
            "link": report_path(task.task).removeprefix("reports/") if task.task in reports else "",
        }
        for task in run.tasks
    ]
    seconds = None if run.ended is None else run.ended - run.facts.started
    return _render(
        "summary.html",
        title=f"run {run.id}",
        run=run,
        facts=run.facts,
        rows=rows,
        started=_moment(run.facts.started),
        seconds=_seconds(seconds),
    )


def _render(template: str, **values: Any) -> str:
    environment, style = _environment()
    return str(environment.get_template(template).render(style=style, **values))


@cache
def _environment() -> tuple[Any, str]:
    """Return the templates, each compiled once, and the pages' style."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("mlops_nb.runs"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = resources.files("mlops_nb.runs").joinpath("templates/report.css").read_text("utf-8")
    return environment, style


def _tail(path: Path, limit: int = 100_000) -> str:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - limit))
            return file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""


def _moment(time: float | None) -> str:
    if time is None:
        return ""
    return datetime.fromtimestamp(time).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
