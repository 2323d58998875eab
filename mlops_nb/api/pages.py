"""Writes a monitored model's pages."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from mlops_nb.api.watching import open_monitor, the_monitored
from mlops_nb.config import find_project
from mlops_nb.errors import MonitoringError, nearest

__all__ = ["write_pages"]


def write_pages(
    project: str | None, model: str = "", *, window: str = "", folder: Path | str | None = None
) -> Path:
    """Write a model's pages, one for each window, and return the path of one.

    Parameters
    ----------
    project, model
        Which model.
    window
        Whose page is returned; the latest window's by default.
    folder
        Where to; ``.mlops/reports/monitoring/<model>`` by default.

    Raises
    ------
    MonitoringError
        There is no such model or window, or a page cannot be written.
    """
    from mlops_nb.files import file_name
    from mlops_nb.monitoring.report import ModelView, render_window, write_page

    found = find_project(project)
    monitor = open_monitor(found)
    name = the_monitored(monitor, model)
    history = monitor.history(name)
    labels = [result.window for result in history]
    if window and window not in labels:
        raise MonitoringError(
            f'window "{window}" was never recorded', where=name, fix=nearest(window, labels)
        )
    place = Path(folder) if folder else found.state / "reports" / "monitoring" / file_name(name)
    files = {label: f"{file_name(label)}.html" for label in labels}
    standing = monitor.status(name)
    past = (f"See the page of {labels[-1]}, the latest window: it says what to do now.",)
    for number, result in enumerate(history):
        is_latest = number == len(history) - 1
        points = monitor.performance(name, version=result.version)
        view = ModelView(
            history=history[: number + 1],
            # Alerts, skill and advice are known as they stand now, not as they stood then.
            alerts=standing.alerts if is_latest else None,
            performance=[point for point in points if point.window <= result.window],
            expected=monitor.expected(name, result.window),
            skills=standing.skills if is_latest else (),
            advice=standing.advice if is_latest else past,
            links={label: quote(files[label]) for label in labels[: number + 1]},
        )
        write_page(render_window(view), place / files[result.window])
    return place / files[window or labels[-1]]
