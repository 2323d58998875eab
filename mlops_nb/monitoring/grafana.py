"""A Grafana dashboard over what `mlops_nb.monitoring.prometheus` exposes, as JSON.

Built with Grafana's own Foundation SDK, so that it follows the dashboard schema; its only importer.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mlops_nb.errors import MonitoringError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["dashboard", "expressions"]

_MODEL = 'model="$model"'
_STATES = (("insufficient data", 1, "#8e99a8"), ("drift", 2, "#e08a1e"), ("schema", 3, "#7d4cc2"))
_OK, _WARN, _BAD = "#2f9e5f", "#e08a1e", "#d23f31"


def dashboard(*, title: str = "mlops-nb monitoring", uid: str = "mlops-nb-monitoring") -> str:
    """Return the dashboard as JSON, ready to import or to provision; the same at every call.

    Parameters
    ----------
    title, uid
        Its name, and the stable id that Grafana knows it by.

    Raises
    ------
    MonitoringError
        The Foundation SDK is not installed.
    """
    try:
        from grafana_foundation_sdk.builders import dashboard as build
        from grafana_foundation_sdk.cog.encoder import JSONEncoder
        from grafana_foundation_sdk.models import dashboard as models
    except ImportError as error:
        raise MonitoringError(
            "the Grafana Foundation SDK is not installed",
            where="grafana",
            fix='pip install "mlops-nb[grafana]"',
        ) from error
    board = (
        build.Dashboard(title)
        .uid(uid)
        .tags(["mlops-nb"])
        .description("Drift, performance, alerts and runs of notebook models.")
        .refresh("1m")
        .time("now-30d", "now")
        .timezone("browser")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .readonly()
        .with_variable(build.DatasourceVariable("source").label("Prometheus").type("prometheus"))
        .with_variable(
            build.QueryVariable("model")
            .label("Model")
            .datasource(models.DataSourceRef(type_val="prometheus", uid="$source"))
            .query("label_values(mlops_nb_window_rows, model)")
            .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        )
    )
    for name, panels in _layout():
        board = board.with_row(build.Row(name))
        for panel in panels:
            board = board.with_panel(panel)
    return json.dumps(board.build(), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


def expressions(text: str) -> tuple[str, ...]:
    """Return every PromQL expression of a dashboard's panels, for checking them with promtool."""
    found: list[str] = []

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if isinstance(value.get("expr"), str):
                found.append(value["expr"])
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(json.loads(text))
    return tuple(found)


def _layout() -> tuple[tuple[str, Sequence[Any]], ...]:
    state = " or ".join(
        f'mlops_nb_column_state{{{_MODEL},state="{name}"}} * {number}'
        for name, number, _ in _STATES
    )
    return (
        (
            "Now",
            (
                _stat(
                    "Columns drifted",
                    f'sum(mlops_nb_column_state{{{_MODEL},state=~"drift|schema"}})',
                    "Columns of the latest window that drifted or broke their schema.",
                    steps=((0, _OK), (1, _WARN), (5, _BAD)),
                ),
                _stat(
                    "Drift by importance",
                    f"mlops_nb_window_drift_ratio{{{_MODEL}}}",
                    "Share of the columns that drifted, weighted by the model's importance.",
                    unit="percentunit",
                    steps=((0, _OK), (0.1, _WARN), (0.3, _BAD)),
                ),
                _stat(
                    "Active alerts",
                    f"sum(mlops_nb_alerts{{{_MODEL}}})",
                    "Alerts whose cause persists.",
                    steps=((0, _OK), (1, _WARN)),
                ),
                _stat(
                    "Critical",
                    f'sum(mlops_nb_alerts{{{_MODEL},severity="critical"}})',
                    "Critical alerts whose cause persists.",
                    steps=((0, _OK), (1, _BAD)),
                ),
                _stat(
                    "Latest window",
                    f"time() - mlops_nb_window_recorded_timestamp_seconds{{{_MODEL}}}",
                    "Time since the latest window was recorded.",
                    unit="s",
                    steps=((0, _OK), (192 * 3600, _WARN), (384 * 3600, _BAD)),
                ),
                _stat(
                    "Notifications waiting",
                    "mlops_nb_notifications_waiting",
                    "Notifications that could not be delivered yet.",
                    steps=((0, _OK), (1, _WARN)),
                ),
            ),
        ),
        (
            "Drift",
            (
                _timeline(
                    "State of each column",
                    f"sum by (column) ({state})",
                    "What each column was, window by window.",
                ),
                _lines(
                    "Change over threshold",
                    ((f"mlops_nb_column_drift_score{{{_MODEL}}}", "{{column}}"),),
                    "1 is the border: the larger of a floor and what is natural.",
                    steps=((0, _OK), (1, _BAD)),
                ),
                _lines(
                    "Missing values",
                    ((f"mlops_nb_column_null_ratio{{{_MODEL}}}", "{{column}}"),),
                    "Share of missing values in each column.",
                    unit="percentunit",
                ),
                _lines(
                    "Rows",
                    ((f"mlops_nb_window_rows{{{_MODEL}}}", "rows"),),
                    "Rows of the latest window.",
                    unit="short",
                ),
            ),
        ),
        (
            "Performance",
            (
                _lines(
                    "Ranking (AUC)",
                    _performance("auc"),
                    "Realised with its 95% interval; the estimate is valid under covariate shift.",
                ),
                _lines(
                    "Share of positives",
                    _performance("positive_rate"),
                    "A lasting gap between realised and estimated is concept drift.",
                    unit="percentunit",
                ),
                _lines("Brier score", _performance("brier"), "Lower is better."),
                _lines(
                    "Absolute error",
                    _performance("mae"),
                    "Of regressors; lower is better.",
                ),
            ),
        ),
        (
            "Runs",
            (
                _lines(
                    "Duration of the latest run",
                    (("mlops_nb_run_last_duration_seconds", "{{pipeline}}"),),
                    "How long the latest finished run of each pipeline took.",
                    unit="s",
                ),
                _lines(
                    "Duration of tasks",
                    (("mlops_nb_task_last_duration_seconds", "{{pipeline}} {{task}}"),),
                    "The tasks of each pipeline's latest finished run.",
                    unit="s",
                ),
                _lines(
                    "Runs that did not succeed",
                    (
                        (
                            'mlops_nb_runs{status=~"failed|lost|cancelled"}',
                            "{{pipeline}} {{status}}",
                        ),
                    ),
                    "Runs that are kept, by how they ended.",
                    unit="short",
                ),
                _lines(
                    "Since the last success",
                    (("time() - mlops_nb_run_last_success_timestamp_seconds", "{{pipeline}}"),),
                    "Time since a run of each pipeline succeeded.",
                    unit="s",
                ),
            ),
        ),
    )


def _performance(metric: str) -> tuple[tuple[str, str], ...]:
    labels = f'{_MODEL},metric="{metric}"'
    return (
        (f'mlops_nb_performance{{{labels},kind="realised"}}', "realised"),
        (f'mlops_nb_performance_low{{{labels},kind="realised"}}', "lower end"),
        (f'mlops_nb_performance_high{{{labels},kind="realised"}}', "upper end"),
        (f'mlops_nb_performance{{{labels},kind="estimated"}}', "estimated"),
    )


def _common(panel: Any, title: str, text: str, height: int, span: int) -> Any:
    from grafana_foundation_sdk.models import dashboard as models

    source = models.DataSourceRef(type_val="prometheus", uid="$source")
    return panel.title(title).description(text).datasource(source).height(height).span(span)


def _query(expr: str, legend: str, ref: str) -> Any:
    from grafana_foundation_sdk.builders import prometheus

    return prometheus.Dataquery().expr(expr).legend_format(legend).ref_id(ref)


def _thresholds(steps: Sequence[tuple[float, str]]) -> Any:
    from grafana_foundation_sdk.builders import dashboard as build
    from grafana_foundation_sdk.models import dashboard as models

    return (
        build.ThresholdsConfig()
        .mode(models.ThresholdsMode.ABSOLUTE)
        .steps([models.Threshold(value=value, color=color) for value, color in steps])
    )


def _stat(
    title: str,
    expr: str,
    text: str,
    *,
    steps: Sequence[tuple[float, str]],
    unit: str = "short",
) -> Any:
    from grafana_foundation_sdk.builders import stat
    from grafana_foundation_sdk.models import common

    panel = (
        stat.Panel()
        .with_target(_query(expr, "", "A").instant())
        .unit(unit)
        .no_value("–")
        .graph_mode(common.BigValueGraphMode.NONE)
        .color_mode(common.BigValueColorMode.VALUE)
        .thresholds(_thresholds(steps))
    )
    return _common(panel, title, text, 4, 4)


def _lines(
    title: str,
    queries: Sequence[tuple[str, str]],
    text: str,
    *,
    unit: str = "none",
    steps: Sequence[tuple[float, str]] = (),
) -> Any:
    from grafana_foundation_sdk.builders import common as build
    from grafana_foundation_sdk.builders import timeseries
    from grafana_foundation_sdk.models import common

    panel = (
        timeseries.Panel()
        .unit(unit)
        .line_width(1.5)
        .fill_opacity(0)
        .line_interpolation(common.LineInterpolation.STEP_AFTER)
        .legend(
            build.VizLegendOptions()
            .show_legend(True)
            .display_mode(common.LegendDisplayMode.LIST)
            .placement(common.LegendPlacement.BOTTOM)
        )
    )
    for place, (expr, legend) in enumerate(queries):
        panel = panel.with_target(_query(expr, legend, chr(ord("A") + place)))
    if steps:
        style = build.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED)
        panel = panel.thresholds(_thresholds(steps)).thresholds_style(style)
    return _common(panel, title, text, 8, 12)


def _timeline(title: str, expr: str, text: str) -> Any:
    from grafana_foundation_sdk.builders import statetimeline
    from grafana_foundation_sdk.models import common
    from grafana_foundation_sdk.models import dashboard as models

    names = {
        str(number): models.ValueMappingResult(text=name, color=color, index=number)
        for name, number, color in (("ok", 0, _OK), *_STATES)
    }
    panel = (
        statetimeline.Panel()
        .with_target(_query(expr, "{{column}}", "A"))
        .show_value(common.VisibilityMode.NEVER)
        .merge_values(True)
        .fill_opacity(80)
        .mappings([models.ValueMap(options=names)])
    )
    return _common(panel, title, text, 10, 24)
