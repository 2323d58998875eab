"""Chooses the picture for a column and for a metric; `mlops_nb.monitoring.svg` draws it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops_nb.monitoring import svg

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from markupsafe import Markup

    from mlops_nb.model import ColumnDrift, PerformancePoint

__all__ = ["METRIC_TITLES", "Chart", "charts", "column_picture"]

METRIC_TITLES = {
    "auc": "ROC area (AUC)",
    "positive_rate": "Share of positives",
    "brier": "Brier score",
    "log_loss": "Log loss",
    "accuracy": "Accuracy",
    "calibration_error": "Calibration error",
    "precision": "Precision",
    "recall": "Recall",
    "mae": "Absolute error (MAE)",
    "rmse": "Squared error (RMSE)",
    "bias": "Mean error",
}
_TOLD_WITHOUT_LABELS = ("auc", "positive_rate", "brier", "mae")


@dataclass(frozen=True)
class Chart:
    """A metric over the windows."""

    metric: str
    title: str
    now: str
    """The latest value with its window and interval."""
    picture: Markup


def charts(
    windows: Iterable[str],
    performance: Sequence[PerformancePoint],
    expected: Mapping[str, float],
) -> list[Chart]:
    """Return a chart per metric: realised with its interval, estimated, and what was expected.

    Parameters
    ----------
    windows
        Labels of the axis; those of the points are added.
    performance
        Points of any windows and metrics.
    expected
        The reference's metrics, drawn as a line.
    """
    axis = sorted({*windows, *(point.window for point in performance)})
    made = []
    for metric, title in METRIC_TITLES.items():
        mine = sorted((p for p in performance if p.metric == metric), key=lambda p: p.window)
        realised = [p for p in mine if p.kind == "realised"]
        estimated = [p for p in mine if p.kind == "estimated"]
        if not realised and (not estimated or metric not in _TOLD_WITHOUT_LABELS):
            continue
        last = (realised or estimated)[-1]
        now = f"{last.window}: {last.value:.3f}"
        if last.low is not None and last.high is not None:
            now += f" ({last.low:.3f} – {last.high:.3f})"
        picture = svg.lines(
            realised,
            estimated,
            axis,
            name=f"{title} over time",
            reference=expected.get(metric),
        )
        made.append(Chart(metric, title, now, picture))
    return made


def column_picture(column: ColumnDrift) -> Markup | None:
    """Draw the reference against the window: a histogram or shares; ``None`` without values."""
    name = f"{column.column}: reference against this window"
    if column.overlay is not None:
        text = _date if column.kind == "datetime" else None
        return svg.overlay(column.overlay, name=name, text=text)
    return svg.shares(column.shares, name=name) if column.shares else None


def _date(seconds: float) -> str:
    from datetime import UTC, datetime

    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")
    except (OverflowError, OSError, ValueError):
        return f"{seconds:.4g}"
