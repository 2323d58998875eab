"""Two models side by side: figures with intervals, slices, curves, and what differs."""

from __future__ import annotations

from mlops_nb.model.base import Record
from mlops_nb.model.registry import Metric, ModelVersion

__all__ = [
    "Bin",
    "Change",
    "Comparison",
    "Curves",
    "Difference",
    "MetricPair",
    "Points",
    "SlicePair",
    "SliceRow",
]


class Difference(Record, frozen=True, kw_only=True):
    """A paired difference of two models on the same rows; above zero means better."""

    candidate: float
    champion: float
    difference: float
    """Candidate minus champion, turned so that above zero is better."""
    low: float
    high: float
    confidence: float
    n: int
    resamples: int


class Bin(Record, frozen=True, kw_only=True):
    """One bin of a calibration curve."""

    predicted: float
    observed: float
    n: int


class SliceRow(Record, frozen=True, kw_only=True):
    """One slice of a holdout."""

    column: str
    value: str
    n: int
    metrics: dict[str, Metric] = {}


class Points(Record, frozen=True, kw_only=True):
    """A curve as points, thinned for drawing."""

    x: tuple[float, ...] = ()
    y: tuple[float, ...] = ()


class Curves(Record, frozen=True, kw_only=True):
    """The pictures of one model on its holdout; empty where they do not exist."""

    roc: Points = Points()
    """False positive rate against true positive rate."""
    precision_recall: Points = Points()
    """Recall against precision."""
    calibration: tuple[Bin, ...] = ()
    scores: Points = Points()
    """Upper edges of the score's bins, equally wide, against their share of rows; two versions that are
    compared have the same bins."""
    n: int = 0


class MetricPair(Record, frozen=True, kw_only=True):
    """One metric of both."""

    name: str
    left: Metric | None = None
    right: Metric | None = None
    paired: Difference | None = None
    """Right against left on the same rows, where both were scored on them."""


class SlicePair(Record, frozen=True, kw_only=True):
    """One slice of both; right against left."""

    column: str
    value: str
    n: int
    metric: str
    left: float
    right: float
    difference: Difference


class Change(Record, frozen=True, kw_only=True):
    """Something that is not the same for both."""

    name: str
    left: str = ""
    right: str = ""


class Comparison(Record, frozen=True, kw_only=True):
    """Two versions of a model side by side."""

    left: ModelVersion
    right: ModelVersion
    metrics: tuple[MetricPair, ...] = ()
    slices: tuple[SlicePair, ...] = ()
    left_curves: Curves = Curves()
    right_curves: Curves = Curves()
    params: tuple[Change, ...] = ()
    data: tuple[Change, ...] = ()
    requirements: tuple[Change, ...] = ()
    signature: tuple[Change, ...] = ()
    paired_rows: int = 0
    """Rows that both were scored on; 0 where they cannot be compared row by row."""
    note: str = ""
    """Why they cannot be compared row by row."""
