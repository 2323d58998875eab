"""Models, monitoring and exports as a screen shows them: joined and cut to what is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nb.api import monitor, promotion
from mlops_nb.api.opening import opened, resolve_version, the_model
from mlops_nb.api.watching import open_monitor, the_monitored
from mlops_nb.config import find_project
from mlops_nb.errors import MonitoringError, RegistryError, nearest
from mlops_nb.model import DriftState, Severity
from mlops_nb.model.boards import (
    AlertList,
    Gates,
    HeatCell,
    HeatColumn,
    HeatMap,
    HeatWindow,
    History,
    ModelList,
    ModelSummary,
    MonitorList,
    PerformanceSeries,
    VersionList,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlops_nb.model import ColumnDrift, DriftReport, GateResult, WindowResult

__all__ = [
    "alert_list",
    "find_version",
    "gate_board",
    "heat_map",
    "ledger_history",
    "model_list",
    "monitor_list",
    "performance_series",
    "version_list",
    "window_column",
    "window_result",
]


def model_list(project: str | None) -> ModelList:
    """Return each model with who serves, who challenges and what came last."""
    with opened(project) as (_, registry), registry.ledger.read() as reader:
        found = []
        for model in sorted(reader.models()):
            versions = {version.version: version for version in reader.versions(model)}
            if not versions:
                continue
            aliases = reader.aliases(model)
            found.append(
                ModelSummary(
                    model=model,
                    versions=len(versions),
                    latest=versions[max(versions)],
                    champion=versions.get(aliases.get("champion", 0)),
                    challenger=versions.get(aliases.get("challenger", 0)),
                    aliases={name: number for name, number in aliases.items() if number},
                )
            )
    return ModelList(models=tuple(found))


def version_list(project: str | None, model: str) -> VersionList:
    """Return a model's versions, the newest first.

    Raises
    ------
    RegistryError
        There is no such model.
    """
    from mlops_nb.registry.versions import list_versions

    with opened(project) as (_, registry):
        with registry.ledger.read() as reader:
            known = reader.models()
        if model not in known:
            raise RegistryError(f'no model is called "{model}"', fix=nearest(model, known))
        return VersionList(model=model, versions=list_versions(registry, model))


def find_version(project: str | None, version: str, *, model: str) -> tuple[str, int]:
    """Return model and number that a number, an alias or ``latest`` means.

    Raises
    ------
    RegistryError
        There is no such model or version.
    """
    with opened(project) as (_, registry):
        return resolve_version(registry, version, model)


def gate_board(
    project: str | None,
    version: str,
    *,
    model: str,
    alias: str = "champion",
    results: Iterable[GateResult] = (),
) -> Gates:
    """Return a version's gates as they count now, with the answers that were just given.

    Raises
    ------
    RegistryError
        There is no such version.
    """
    name, number = find_version(project, version, model=model)
    states = promotion.gates(project, number, model=name, alias=alias)
    return Gates(
        model=name,
        version=number,
        alias=alias,
        gates=states,
        results=tuple(results),
        ready=all(state.ok for state in states),
    )


def ledger_history(project: str | None, model: str) -> History:
    """Return the ledger's rows of a model, oldest first.

    Raises
    ------
    RegistryError
        There is no such model.
    """
    from mlops_nb.registry.versions import history

    with opened(project) as (_, registry):
        name = the_model(registry, model)
        with registry.ledger.read() as reader:
            known = reader.models()
        if name not in known:
            raise RegistryError(f'no model is called "{name}"', fix=nearest(name, known))
        return History(model=name, entries=history(registry, name))


def monitor_list(project: str | None) -> MonitorList:
    """Return how the monitored models stand."""
    return MonitorList(models=monitor.status(project))


def alert_list(project: str | None, model: str = "", *, active: bool = True) -> AlertList:
    """Return alerts, the most severe first, then the latest.

    Raises
    ------
    MonitoringError
        No window of that model was recorded.
    """
    if model:
        the_monitored(open_monitor(find_project(project)), model)
    found = monitor.alerts(project, model, active=active)
    latest = sorted(found, key=lambda alert: alert.last, reverse=True)
    return AlertList(alerts=tuple(sorted(latest, key=lambda alert: -alert.severity.rank)))


def heat_map(
    project: str | None, model: str, *, last: int = 0, baseline: str = "pinned"
) -> HeatMap:
    """Return columns against windows.

    Parameters
    ----------
    project, model
        Which model.
    last
        The latest windows only; 0 for all.
    baseline
        ``pinned`` or ``trailing``: the comparison that is shown.

    Raises
    ------
    MonitoringError
        No window of that model was recorded, or there is no such baseline.
    """
    _check_baseline(baseline)
    history = monitor.windows(project, model, last=last)
    reports = [_report(result, baseline) for result in history]
    columns: dict[str, ColumnDrift] = {}
    for report in reports:
        if report is not None:
            columns.update({column.column: column for column in report.columns})
    by_name = [
        {} if report is None else {column.column: column for column in report.columns}
        for report in reports
    ]
    rows = [
        HeatColumn(
            column=name,
            kind=latest.kind,
            importance=latest.importance,
            cells=tuple(_cell(found.get(name)) for found in by_name),
        )
        for name, latest in columns.items()
    ]
    rows.sort(key=lambda row: (-_trouble(row), -row.importance, row.column))
    return HeatMap(
        model=model,
        baseline=baseline,
        windows=tuple(
            _window(result, report) for result, report in zip(history, reports, strict=True)
        ),
        columns=tuple(rows),
    )


def window_result(project: str | None, model: str, window: str) -> WindowResult:
    """Return everything known of one window.

    Raises
    ------
    MonitoringError
        There is no such window.
    """
    history = monitor.windows(project, model)
    for result in history:
        if result.window == window:
            return result
    raise MonitoringError(
        f'window "{window}" was never recorded',
        where=model,
        fix=nearest(window, [result.window for result in history]),
    )


def window_column(
    project: str | None, model: str, window: str, column: str, *, baseline: str = "pinned"
) -> ColumnDrift:
    """Return one column of one window with what is drawn of it.

    Raises
    ------
    MonitoringError
        There is no such window, or it was not compared in that column.
    """
    _check_baseline(baseline)
    report = _report(window_result(project, model, window), baseline)
    known = {} if report is None else {found.column: found for found in report.columns}
    if column not in known:
        raise MonitoringError(
            f'column "{column}" was not compared',
            where=f"{model}, window {window}",
            fix=nearest(column, known),
        )
    return known[column]


def performance_series(project: str | None, model: str) -> PerformanceSeries:
    """Return a model's performance over all its windows.

    Raises
    ------
    MonitoringError
        No window of that model was recorded.
    """
    kept = open_monitor(find_project(project))
    name = the_monitored(kept, model)
    points = kept.performance(name)
    return PerformanceSeries(
        model=name,
        metrics=tuple(dict.fromkeys(point.metric for point in points)),
        points=points,
        gaps=tuple(gap for result in kept.history(name) for gap in result.gaps),
        skills=kept.status(name).skills,
    )


def _check_baseline(baseline: str) -> None:
    known = ("pinned", "trailing")
    if baseline not in known:
        raise MonitoringError(f'no baseline is called "{baseline}"', fix=nearest(baseline, known))


def _report(result: WindowResult, baseline: str) -> DriftReport | None:
    return next((report for report in result.reports if report.baseline == baseline), None)


def _window(result: WindowResult, report: DriftReport | None) -> HeatWindow:
    return HeatWindow(
        window=result.window,
        version=result.version,
        rows=result.rows,
        state=report.state if report else DriftState.INSUFFICIENT,
        severity=report.severity if report else Severity.NONE,
        drifted=len(report.drifted) if report else 0,
        recorded=result.recorded,
    )


def _cell(column: ColumnDrift | None) -> HeatCell | None:
    if column is None:
        return None
    return HeatCell(
        state=column.state, severity=column.severity, score=column.score, text=column.text
    )


def _trouble(row: HeatColumn) -> float:
    """Severity of all windows; the latest ones weigh most."""
    count = len(row.cells)
    return sum(
        cell.severity.rank * (place + 1) / count for place, cell in enumerate(row.cells) if cell
    )
