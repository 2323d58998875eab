"""Writes HTML pages of a run: one for each task from its executed notebook, and a summary.

A page is one file that fetches nothing: no fonts, scripts or styles from elsewhere (its content
security policy says so as well), images embedded. Made when asked for, not while tasks run.
"""

from __future__ import annotations

import base64
import os
import re
import threading
from datetime import datetime
from functools import cache
from html import escape
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_nb.errors import RunError
from mlops_nb.files import file_name, write_whole
from mlops_nb.light import light_nbformat
from mlops_nb.model import Run, TaskRun, TaskStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from mlops_nb.model import Json

__all__ = ["prepare_reports", "report_path", "write_reports"]

_SYMBOLS = {
    TaskStatus.PENDING: "○",
    TaskStatus.RUNNING: "▶",
    TaskStatus.SUCCEEDED: "✓",
    TaskStatus.SKIPPED: "–",
    TaskStatus.RESTORED: "↺",
    TaskStatus.BLOCKED: "⊘",
    TaskStatus.CANCELLED: "■",
}
_FETCHED = re.compile(
    r"<(?:script|link|iframe|img|object|embed|source|video|audio)\b[^>]*\b(?:src|href|data)\s*=\s*"
    r"[\"']?(?:https?:)?//[^>]*>(?:\s*</(?:script|iframe|object)>)?",
    re.IGNORECASE,
)


def report_path(task: str) -> str:
    """Return where a task's report stands, relative to the run's folder."""
    return f"reports/{file_name(task)}.html"


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
        body, anchor, parameters = _notebook_body(notebook, task)
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


_EXPORTING = threading.Lock()
"""Held while the exporter is made or used: it keeps the notebook's language in itself."""


def _converted(nb: Any) -> str:
    with _EXPORTING:
        body, _ = _exporter().from_notebook_node(nb)
    return str(body)


@cache
def _exporter() -> Any:
    with light_nbformat():
        from nbconvert import HTMLExporter
        from nbformat.v4 import new_code_cell, new_notebook

    # Validated once, not after each of its dozen steps.
    exporter = HTMLExporter(  # type: ignore[no-untyped-call]
        template_name="basic", embed_images=True, optimistic_validation=True
    )
    # Compiles the templates, which takes longer than a page.
    exporter.from_notebook_node(new_notebook(cells=[new_code_cell("1")]))
    return exporter


def prepare_reports(first: Callable[[], object] | None = None) -> None:
    """Get ready for `write_reports` in the background, while a run's first kernel starts.

    Parameters
    ----------
    first
        What is needed sooner: one import waits for another.
    """

    def prepare() -> None:
        if first is not None:
            first()
        with _EXPORTING:
            _exporter()

    threading.Thread(target=prepare, name="mlops-nb reports", daemon=True).start()


def _notebook_body(path: Path, task: TaskRun) -> tuple[str, str, Mapping[str, Json]]:
    """Return a notebook as HTML, the anchor of its failing cell, and its parameters."""
    with light_nbformat():
        import nbformat

    try:
        nb = nbformat.read(path, as_version=4)
    except (OSError, ValueError, nbformat.reader.NotJSONError) as error:
        return f"<p>The notebook cannot be shown: {escape(str(error))}</p>", "", {}
    failing = _failing(nb, task)
    nb.cells = [cell for cell in nb.cells if "papermill-error-cell-tag" not in _tags(cell)]
    for number, cell in enumerate(nb.cells):
        # nbconvert makes the anchors from these.
        cell["id"] = f"cell-{number}" if cell is not failing else "failing-cell"
        _embed(cell, path.parent)
    body = _converted(nb)
    parameters = nb.metadata.get("papermill", {}).get("parameters", {})
    anchor = "cell-id=failing-cell" if failing is not None else ""
    return _FETCHED.sub(_left_out, body), anchor, dict(parameters)


def _failing(nb: Any, task: TaskRun) -> Any:
    """Return the cell that failed: one with an error among its outputs, or the one that is named."""
    if task.status.is_good or task.error is None:
        return None
    for cell in nb.cells:
        if any(output["output_type"] == "error" for output in cell.get("outputs", ())):
            return cell
    own = [cell for cell in nb.cells if not _tags(cell) & _ADDED]
    index = task.error.cell
    return own[index] if index is not None and index < len(own) else None


_ADDED = {"injected-parameters", "papermill-error-cell-tag"}
"""Tags of cells that the notebook's author does not know."""


def _tags(cell: Any) -> set[str]:
    return set(cell.get("metadata", {}).get("tags", ()))


def _embed(cell: Any, folder: Path) -> None:
    """Put local images that Markdown refers to into the page."""
    if cell["cell_type"] != "markdown":
        return

    def embed(match: re.Match[str]) -> str:
        target = folder / match[2]
        kind = _IMAGES.get(target.suffix.lower())
        if kind is None or not target.is_file():
            return match[0]
        data = base64.b64encode(target.read_bytes()).decode()
        return f"![{match[1]}](data:{kind};base64,{data})"

    cell["source"] = re.sub(
        r"!\[([^\]]*)\]\((?!data:|attachment:)([^)\s]+)\)", embed, cell["source"]
    )


_IMAGES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".svg": "image/svg+xml",
}


def _left_out(match: re.Match[str]) -> str:
    return f"<!-- left out: {escape(match[0][:60]).replace('--', '- -')} -->"


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
