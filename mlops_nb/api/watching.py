"""Opens a project's monitor, and finds the monitored model that is meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from mlops_nb.errors import MonitoringError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mlops_nb.config import Project
    from mlops_nb.monitoring.monitor import Monitor

__all__ = ["open_monitor", "the_monitored"]


def open_monitor(
    project: Project, retrain: Callable[[str, str], None] | None = None, ignore: Sequence[str] = ()
) -> Monitor:
    """Return a project's monitor.

    Parameters
    ----------
    project
        Which project.
    retrain
        What a retraining calls; none is started without it.
    ignore
        Columns to leave out of comparisons, besides those of the settings.

    Raises
    ------
    ConfigError
        The settings are wrong.
    """
    from mlops_nb.monitoring.monitor import Monitor
    from mlops_nb.monitoring.settings import AlertSettings, MonitoringSettings

    settings = project.section("monitoring", MonitoringSettings)
    drift = msgspec.structs.replace(
        settings.drift, ignore=(*settings.drift.ignore, *filter(None, ignore))
    )
    return Monitor(
        project.state,
        settings=msgspec.structs.replace(settings, drift=drift),
        alerts=project.section("alerts", AlertSettings),
        retrain=retrain,
    )


def the_monitored(monitor: Monitor, model: str) -> str:
    """Return the model that is meant: the named one, else the only one that was ever monitored.

    Raises
    ------
    MonitoringError
        No window of it was recorded, or several models were monitored.
    """
    known = monitor.models()
    if model and model in known:
        return model
    if not model and len(known) == 1:
        return known[0]
    if model or not known:
        raise MonitoringError(
            f'no window of "{model}" was recorded yet' if model else "no window was recorded yet",
            where="monitoring",
            fix=nearest(model, known) or 'record one with "mlops-nb monitor run"',
        )
    raise MonitoringError("which model is meant?", fix=f"name one of {', '.join(known)}")
