"""Everything that is known of a monitored model, at once, for those who draw it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nb.api.watching import open_monitor, the_monitored
from mlops_nb.config import find_project
from mlops_nb.model import Alert, PerformancePoint, Record, Skill, WindowResult

if TYPE_CHECKING:
    from markupsafe import Markup

    from mlops_nb.model import ColumnDrift
    from mlops_nb.monitoring.pictures import Chart

__all__ = ["Monitored", "charts_of", "look", "picture_of"]


class Monitored(Record, frozen=True, kw_only=True):
    """A monitored model; its name is empty where nothing was recorded in the project."""

    models: tuple[str, ...] = ()
    """All monitored models of the project."""
    model: str = ""
    history: tuple[WindowResult, ...] = ()
    """The windows in their order."""
    alerts: tuple[Alert, ...] = ()
    """All there ever were, active ones first, the most severe of them first."""
    performance: tuple[PerformancePoint, ...] = ()
    expected: dict[str, float] = {}
    """The metrics that the latest window's version was accepted with."""
    skills: tuple[Skill, ...] = ()
    advice: tuple[str, ...] = ()

    @property
    def weak(self) -> tuple[Skill, ...]:
        """The label-free estimates not to be leaned on, of the metrics that alerts follow."""
        from mlops_nb.monitoring.gap import CONCEPT_METRICS

        return tuple(s for s in self.skills if s.weak and s.metric in CONCEPT_METRICS)

    @property
    def active(self) -> tuple[Alert, ...]:
        """The alerts whose cause persists."""
        return tuple(alert for alert in self.alerts if alert.state.is_active)


def look(project: str | None, model: str = "") -> Monitored:
    """Return all that is known of a monitored model.

    Parameters
    ----------
    project
        A folder or a specification; by default the project that the current folder lies in.
    model
        Which model; by default the only one, or the first of several.

    Raises
    ------
    MonitoringError
        No window of that model was recorded.
    """
    monitor = open_monitor(find_project(project))
    models = monitor.models()
    if not models and not model:
        return Monitored()
    name = the_monitored(monitor, model or models[0])
    history = monitor.history(name)
    standing = monitor.status(name)
    return Monitored(
        models=models,
        model=name,
        history=history,
        alerts=monitor.alerts(name, active=False),
        performance=monitor.performance(name),
        expected=monitor.expected(name, history[-1].window),
        skills=standing.skills,
        advice=standing.advice,
    )


def picture_of(column: ColumnDrift) -> Markup | None:
    """Draw the reference against the window as SVG; ``None`` for a column without values.

    Classes: ``ref`` and ``cur`` for the two sides, as in `charts_of`'s ``real``, ``guess``, ``base``.
    """
    from mlops_nb.monitoring.pictures import column_picture

    return column_picture(column)


def charts_of(view: Monitored) -> list[Chart]:
    """Draw each metric over the windows as SVG: realised, estimated, expected."""
    from mlops_nb.monitoring.pictures import charts

    return charts((result.window for result in view.history), view.performance, view.expected)
