"""Monitors models: windows of data against the reference of the version that scored them.

``project`` is a folder or a specification, by default the project that the current folder lies
in. The model may be left out where there is one only.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_nb.api.measure import Baseline, Columns, find_baseline, measure
from mlops_nb.api.retrain import Retrained, Retraining
from mlops_nb.api.watching import open_monitor, the_monitored
from mlops_nb.config import Project, find_project
from mlops_nb.errors import ConfigError, MlopsNbError, MonitoringError, PluginError
from mlops_nb.model import Alert, MonitorStatus, Record, Severity, WindowResult
from mlops_nb.monitoring.notify import Delivery

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mlops_nb.model import Event
    from mlops_nb.monitoring.collect.run import Progress
    from mlops_nb.monitoring.monitor import Monitor

__all__ = [
    "Columns",
    "Recorded",
    "acknowledge",
    "alerts",
    "backfill",
    "deliver",
    "monitored_versions",
    "name_windows",
    "record",
    "snooze",
    "status",
    "windows",
]


class Recorded(Record, frozen=True, kw_only=True):
    """A window that was recorded, and what followed from it."""

    result: WindowResult
    drifted: bool
    """Whether the data differ from the pinned reference so much as to be worth a warning."""
    alerts: tuple[Alert, ...] = ()
    """The active ones, the most severe first."""
    delivery: Delivery = Delivery()
    retrained: Retrained | None = None
    """The retraining that this window caused; ``None`` where it caused none."""


def record(
    project: str | None,
    model: str = "",
    *,
    window: str,
    data: Path | str,
    columns: Columns | None = None,
    version: str = "",
    reference: Path | str | None = None,
    ignore: Sequence[str] = (),
    processes: int = 1,
    progress: Progress | None = None,
    retrain: bool = True,
    listener: Callable[[Event], None] | None = None,
) -> Recorded:
    """Record one window: compare, measure, keep alerts, tell of them, retrain where that is set.

    Recording a window again replaces it, as when its labels have arrived.

    Parameters
    ----------
    project, model
        Which model.
    window
        The window's label; labels sort by time, as ``2013-07`` or ``2013-07-01`` do.
    data
        The window's rows (Parquet, CSV, Arrow), or a profile of them.
    columns
        Which columns hold score, prediction and label; performance is not measured by default.
        The label is not compared with the reference: that it comes late is no drift.
    version
        The version that scored the window; by default the one that it was recorded with before,
        else the champion.
    reference
        A reference to compare with instead of the version's own; then the registry is not asked.
    ignore
        Columns to leave out of the comparison.
    processes
        How many share the work on a file; 0 for the number of cores.
    progress
        Called with the rows of a file that are done and, where they are known, all of its rows.
    retrain
        Whether ``retrain = true`` in ``[tool.mlops-nb.alerts]`` is obeyed.
    listener
        Called with the events of a retraining's run.

    Raises
    ------
    MonitoringError
        The data cannot be read, or there is no reference.
    RegistryError
        There is no such model or version.
    """
    found = find_project(project)
    retraining = Retraining(found, window, listener) if retrain else None
    used = columns or Columns()
    monitor = open_monitor(found, retraining, (*ignore, used.label))
    if retraining is not None:
        # Who has to know is told before hours of training.
        retraining.before = partial(_deliver, monitor)
    baseline = _baseline(found, monitor, model, window, version, reference)
    result = _record(
        monitor, baseline, window, Path(data), used, processes, progress, retraining=retraining
    )
    pinned = result.pinned
    return Recorded(
        result=result,
        drifted=pinned is not None and pinned.severity.rank >= Severity.WARNING.rank,
        alerts=monitor.alerts(baseline.model),
        delivery=_total(retraining.delivery if retraining else Delivery(), _deliver(monitor)),
        retrained=retraining.done if retraining else None,
    )


def backfill(
    project: str | None,
    model: str = "",
    *,
    data: dict[str, Path],
    columns: Columns | None = None,
    version: str = "",
    reference: Path | str | None = None,
    ignore: Sequence[str] = (),
    processes: int = 1,
    progress: Callable[[WindowResult], None] | None = None,
) -> tuple[WindowResult, ...]:
    """Record many windows in their order; it neither retrains nor sends anything itself.

    Parameters
    ----------
    project, model, columns, version, reference, ignore, processes
        As for `record`.
    data
        Each window's rows or profile, by its label.
    progress
        Called with each window that is done.

    Raises
    ------
    MonitoringError
        Data cannot be read; the windows before it are recorded.
    """
    found = find_project(project)
    used = columns or Columns()
    monitor = open_monitor(found, None, (*ignore, used.label))
    results: list[WindowResult] = []
    for window in sorted(data):
        baseline = _baseline(found, monitor, model, window, version, reference)
        results.append(_record(monitor, baseline, window, data[window], used, processes))
        if progress is not None:
            progress(results[-1])
    return tuple(results)


def name_windows(files: Sequence[str]) -> dict[str, Path]:
    """Return files by window, from texts ``WINDOW=FILE`` or ``FILE``, whose stem is the window.

    A text that is a file's path as a whole, such as ``month=2013-07/x.parquet``, names no window.

    Raises
    ------
    MonitoringError
        Two files have one window.
    """
    found: dict[str, Path] = {}
    for text in files:
        window, equals, file = ("", "", text) if Path(text).exists() else text.partition("=")
        path = Path(file if equals else text)
        label = window if equals else path.name.partition(".")[0]
        if label in found:
            raise MonitoringError(
                f'two files stand for window "{label}"',
                where=f"{found[label]} and {path}",
                fix="name the windows: WINDOW=FILE",
            )
        found[label] = path
    return found


def status(project: str | None, model: str = "") -> tuple[MonitorStatus, ...]:
    """Return how one or all monitored models stand after their latest windows.

    Raises
    ------
    MonitoringError
        No window of that model was recorded.
    """
    monitor = open_monitor(find_project(project))
    return tuple(monitor.status(name) for name in ([model] if model else monitor.models()))


def windows(project: str | None, model: str = "", *, last: int = 0) -> tuple[WindowResult, ...]:
    """Return a model's windows in their order; the latest `last` ones if asked."""
    monitor = open_monitor(find_project(project))
    return monitor.history(the_monitored(monitor, model), last=last)


def alerts(project: str | None, model: str = "", *, active: bool = True) -> tuple[Alert, ...]:
    """Return a model's alerts, or those of all: the active ones, or all there ever were.

    Raises
    ------
    MonitoringError
        No window of that model was recorded.
    """
    monitor = open_monitor(find_project(project))
    names = [the_monitored(monitor, model)] if model else monitor.models()
    return tuple(alert for name in names for alert in monitor.alerts(name, active=active))


def acknowledge(project: str | None, alert: str, *, reason: str = "", actor: str = "") -> Alert:
    """Note that someone looks after an alert; it stays open and tells nothing more.

    Raises
    ------
    MonitoringError
        There is no such active alert.
    """
    from mlops_nb.registry.store import user_name

    monitor = open_monitor(find_project(project))
    return monitor.acknowledge(alert, actor=actor or user_name(), reason=reason)


def snooze(
    project: str | None, alert: str, *, until: str, reason: str = "", actor: str = ""
) -> Alert:
    """Silence an alert until a window.

    Parameters
    ----------
    project, alert
        Which alert, by its id.
    until
        The first window in which it speaks again.
    reason, actor
        Why, and who; the user by default.

    Raises
    ------
    MonitoringError
        There is no such active alert.
    """
    from mlops_nb.registry.store import user_name

    monitor = open_monitor(find_project(project))
    return monitor.snooze(alert, until=until, actor=actor or user_name(), reason=reason)


def deliver(project: str | None) -> Delivery:
    """Send the messages that wait and are due.

    Raises
    ------
    ConfigError
        A notifier's settings are wrong.
    """
    return open_monitor(find_project(project)).deliver()


def monitored_versions(project: Project) -> set[tuple[str, int]]:
    """Return the versions whose windows are monitored: model and number."""
    monitor = open_monitor(project)
    found = set()
    for model in monitor.models():
        version = monitor.history(model, last=1)[-1].version
        if version.isdecimal():
            found.add((model, int(version)))
    return found


def _baseline(
    project: Project,
    monitor: Monitor,
    model: str,
    window: str,
    version: str,
    reference: Path | str | None,
) -> Baseline:
    """Return what a window is held against: by the version that it names, had before, or champion."""
    if not version and reference is None:
        from mlops_nb.api.opening import opened, the_model

        with opened(project) as (_, registry):
            model = the_model(registry, model)
        before = monitor.recorded(model, window)
        version = before.version if before is not None and before.version else "champion"
    return find_baseline(project, monitor.settings.drift, model, version, reference)


def _record(
    monitor: Monitor,
    baseline: Baseline,
    window: str,
    data: Path,
    columns: Columns,
    processes: int,
    progress: Progress | None = None,
    *,
    retraining: Retraining | None = None,
) -> WindowResult:
    from mlops_nb.api.profiles import profile_files

    profile = profile_files(
        [data],
        segments=monitor.settings.segments,
        score=columns.score,
        predictions=columns.predicted if columns.is_classifier else "",
        label=columns.label if columns.is_classifier else "",
        processes=processes,
        progress=progress,
    )
    points = measure(window, profile, data, columns, baseline)
    try:
        return monitor.record_window(
            baseline.model,
            window,
            profile,
            reference=baseline.reference,
            version=baseline.version,
            performance=points,
            expected=baseline.expected,
        )
    except MlopsNbError as error:
        if retraining is None or retraining.error is not error:
            raise
        # The window is recorded; that a retraining failed is told beside it.
        return next(r for r in monitor.history(baseline.model) if r.window == window)


def _deliver(monitor: Monitor) -> Delivery:
    """Send what waits; what a window showed is told even where a notifier is set up wrongly."""
    try:
        return monitor.deliver()
    except (ConfigError, PluginError) as error:
        return Delivery(waiting=monitor.waiting(), errors=(str(error),))


def _total(one: Delivery, other: Delivery) -> Delivery:
    return Delivery(
        sent=one.sent + other.sent,
        failed=one.failed + other.failed,
        given_up=one.given_up + other.given_up,
        waiting=other.waiting,
        errors=tuple(dict.fromkeys((*one.errors, *other.errors))),
    )
