"""Monitoring: drift, performance, alerts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nb.api import boards, monitor
from mlops_nb.api.pages import write_pages
from mlops_nb.config import find_project
from mlops_nb.errors import MonitoringError, nearest
from mlops_nb.model.boards import Page
from mlops_nb.server.operations import looking_up

if TYPE_CHECKING:
    from mlops_nb.model import Alert, ColumnDrift, WindowResult
    from mlops_nb.model.boards import AlertList, HeatMap, MonitorList, PerformanceSeries
    from mlops_nb.server.worker import Asked

__all__ = [
    "acknowledge",
    "alerts",
    "column",
    "heatmap",
    "monitors",
    "pages",
    "performance",
    "snooze",
    "window",
]


def monitors(asked: Asked) -> MonitorList:
    """Return how the monitored models stand."""
    return boards.monitor_list(asked.project)


def heatmap(asked: Asked) -> HeatMap:
    """Return columns against windows."""
    query = asked.query
    with looking_up():
        return boards.heat_map(
            asked.project, asked.path["model"], last=query.last, baseline=query.baseline
        )


def window(asked: Asked) -> WindowResult:
    """Return one window."""
    with looking_up():
        return boards.window_result(asked.project, asked.path["model"], asked.path["window"])


def column(asked: Asked) -> ColumnDrift:
    """Return one column of one window."""
    query = asked.query
    with looking_up():
        return boards.window_column(
            asked.project,
            asked.path["model"],
            query.window,
            query.column,
            baseline=query.baseline,
        )


def performance(asked: Asked) -> PerformanceSeries:
    """Return performance over time."""
    with looking_up():
        return boards.performance_series(asked.project, asked.path["model"])


def pages(asked: Asked) -> Page:
    """Write the model's pages."""
    with looking_up():
        page = write_pages(asked.project, asked.path["model"])
    return Page(path=page.relative_to(find_project(asked.project).root).as_posix())


def alerts(asked: Asked) -> AlertList:
    """Return alerts."""
    with looking_up():
        return boards.alert_list(asked.project, asked.query.model, active=asked.query.active)


def acknowledge(asked: Asked) -> Alert:
    """Note that someone looks after an alert."""
    body = asked.body
    _known(asked)
    return monitor.acknowledge(asked.project, body.alert, reason=body.reason, actor=asked.actor)


def snooze(asked: Asked) -> Alert:
    """Silence an alert."""
    body = asked.body
    _known(asked)
    return monitor.snooze(
        asked.project, body.alert, until=body.until, reason=body.reason, actor=asked.actor
    )


def _known(asked: Asked) -> None:
    with looking_up():
        known = [alert.id for alert in monitor.alerts(asked.project)]
        if asked.body.alert not in known:
            raise MonitoringError(
                f'no active alert is called "{asked.body.alert}"',
                fix=nearest(asked.body.alert, known),
            )
