"""Figures of a model with intervals: weighted metrics, the paired bootstrap, calibration.

Every metric is computed for many weightings of the rows at once, so that a bootstrap sorts the
scores only once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from mlops_nb.errors import GateError, nearest
from mlops_nb.model import Bin, Difference, Metric

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Prepared = Callable[[Floats], Floats]
    """Takes weights of shape (rows, resamples), gives one value a resample."""

__all__ = [
    "METRICS",
    "MetricKind",
    "bootstrap_metric",
    "calibration_bins",
    "calibration_error",
    "metric_kind",
    "paired_bootstrap",
]

_CHUNK = 2_000_000
"""Weights held at a time: 16 MB."""


class MetricKind(msgspec.Struct, frozen=True):
    """How a metric is prepared, and which way is better."""

    prepare: Callable[..., Callable[..., object]]
    better: str = "higher"

    @property
    def sign(self) -> float:
        """1 where higher is better, -1 where lower is."""
        return 1.0 if self.better == "higher" else -1.0


def _auc(target: Floats, score: Floats) -> Prepared:
    """Area under the ROC curve as the Mann-Whitney statistic, ties counted half."""
    import numpy as np

    hits, misses = np.flatnonzero(target > 0.5), np.flatnonzero(~(target > 0.5))
    misses = misses[np.argsort(score[misses], kind="stable")]
    below = np.searchsorted(score[misses], score[hits], side="left")
    not_above = np.searchsorted(score[misses], score[hits], side="right")
    tied = np.flatnonzero(not_above > below)

    def value(weights: Floats) -> Floats:
        passed = np.zeros((len(misses) + 1, weights.shape[1]))
        np.cumsum(weights[misses], axis=0, out=passed[1:])
        up = weights[hits]
        won = np.einsum("ij,ij->j", up, passed[below])
        if len(tied):
            half = passed[not_above[tied]] - passed[below[tied]]
            won += 0.5 * np.einsum("ij,ij->j", up[tied], half)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(won / (up.sum(axis=0) * passed[-1]))

    return value


def _average_precision(target: Floats, score: Floats) -> Prepared:
    """Average precision: precision at every threshold weighted by the step in recall."""
    import numpy as np

    order = np.argsort(-score, kind="stable")
    positive = (target[order] > 0.5).astype(float)[:, None]
    # Only the last row of equal scores is a threshold that exists.
    ends = np.flatnonzero(np.r_[np.diff(score[order]) != 0, True])

    def value(weights: Floats) -> Floats:
        ordered = weights[order]
        seen = np.cumsum(ordered, axis=0)[ends]
        hits = np.cumsum(ordered * positive, axis=0)[ends]
        with np.errstate(invalid="ignore", divide="ignore"):
            precision = np.where(seen > 0, hits / seen, 0.0)
            steps = np.diff(hits, axis=0, prepend=0.0)
            return np.asarray((precision * steps).sum(axis=0) / hits[-1])

    return value


def _mean_of(loss: Callable[[Floats, Floats], Floats]) -> Callable[[Floats, Floats], Prepared]:
    def prepare(target: Floats, score: Floats) -> Prepared:
        import numpy as np

        losses = loss(target, score)
        return lambda weights: np.asarray(losses @ weights / weights.sum(axis=0))

    return prepare


def _log_loss(target: Floats, score: Floats) -> Floats:
    import numpy as np

    clipped = np.clip(score, 1e-15, 1 - 1e-15)
    return np.asarray(-np.where(target > 0.5, np.log(clipped), np.log1p(-clipped)))


def _rmse(target: Floats, score: Floats) -> Prepared:
    import numpy as np

    mean = _mean_of(lambda t, s: (t - s) ** 2)(target, score)
    return lambda weights: np.sqrt(mean(weights))


def _r2(target: Floats, score: Floats) -> Prepared:
    import numpy as np

    residual = (target - score) ** 2

    def value(weights: Floats) -> Floats:
        total = weights.sum(axis=0)
        centre = target @ weights / total
        spread = target**2 @ weights / total - centre**2
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(1 - residual @ weights / total / spread)

    return value


def _f1(target: Floats, score: Floats) -> Prepared:
    import numpy as np

    hit = ((target > 0.5) & (score >= 0.5)).astype(float)
    either = (target > 0.5).astype(float) + (score >= 0.5).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        return lambda weights: np.asarray(2 * (hit @ weights) / (either @ weights))


METRICS: dict[str, MetricKind] = {
    "roc_auc": MetricKind(_auc),
    "average_precision": MetricKind(_average_precision),
    "accuracy": MetricKind(_mean_of(lambda t, s: ((t > 0.5) == (s >= 0.5)).astype(float))),
    "f1": MetricKind(_f1),
    "log_loss": MetricKind(_mean_of(_log_loss), "lower"),
    "brier": MetricKind(_mean_of(lambda t, s: (t - s) ** 2), "lower"),
    "mae": MetricKind(_mean_of(lambda t, s: abs(t - s)), "lower"),
    "rmse": MetricKind(_rmse, "lower"),
    "r2": MetricKind(_r2),
}
"""Metrics that can be computed from target and score alone, by name."""


def metric_kind(name: str) -> MetricKind:
    """Return a metric by name.

    Raises
    ------
    GateError
        There is none of that name.
    """
    if name not in METRICS:
        raise GateError(
            f'"{name}" cannot be computed from target and score', fix=nearest(name, METRICS)
        )
    return METRICS[name]


def _resampled(
    prepared: tuple[Prepared, ...],
    rows: int,
    resamples: int,
    seed: int,
    clusters: NDArray[np.intp] | None,
) -> tuple[Floats, ...]:
    """Values of every prepared metric over the same resamples of rows, or of whole clusters."""
    import numpy as np

    rng = np.random.default_rng(seed)
    units = rows if clusters is None else int(clusters.max()) + 1
    step = max(1, _CHUNK // max(rows, 1))
    parts: list[list[Floats]] = [[] for _ in prepared]
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        weights = np.empty((size, rows))
        for index in range(size):
            counts = np.bincount(rng.integers(0, units, units), minlength=units)
            weights[index] = counts if clusters is None else counts[clusters]
        by_row = np.ascontiguousarray(weights.T)
        for part, value in zip(parts, prepared, strict=True):
            part.append(value(by_row))
    return tuple(np.concatenate(part) for part in parts)


def _interval(values: Floats, confidence: float, what: str) -> tuple[float, float]:
    import numpy as np

    finite = values[np.isfinite(values)]
    if len(finite) < 0.95 * len(values):
        raise GateError(
            f"{what} is undefined on more than 5% of the resamples",
            fix="use a larger holdout, or one that holds both classes",
        )
    tail = (1 - confidence) / 2
    low, high = np.quantile(finite, [tail, 1 - tail])
    return float(low), float(high)


def bootstrap_metric(
    name: str,
    target: Floats,
    score: Floats,
    *,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
    clusters: NDArray[np.intp] | None = None,
) -> Metric:
    """Return a metric with its percentile bootstrap interval.

    Parameters
    ----------
    name
        One of `METRICS`.
    target, score
        Truth (0 or 1, or a number) and what the model says (a probability, or a number).
    confidence
        Of the two-sided interval.
    resamples
        Number of bootstrap resamples.
    seed
        Of the resampling: the same seed gives the same interval.
    clusters
        A number from 0 for each row; rows of one cluster (a day, a customer) are drawn together.

    Raises
    ------
    GateError
        The metric is unknown, or undefined on these rows.

    Notes
    -----
    Efron and Tibshirani, *An Introduction to the Bootstrap* (1993), chapter 13.
    """
    import numpy as np

    kind = metric_kind(name)
    prepared = kind.prepare(target, score)
    value = float(prepared(np.ones((len(target), 1)))[0])  # type: ignore[index]
    if not np.isfinite(value):
        raise GateError(f"{name} is undefined on these {len(target)} rows")
    (values,) = _resampled((prepared,), len(target), resamples, seed, clusters)  # type: ignore[arg-type]
    low, high = _interval(values, confidence, name)
    return Metric(value=value, low=low, high=high, better=kind.better, n=len(target))


def paired_bootstrap(
    name: str,
    target: Floats,
    candidate: Floats,
    champion: Floats,
    *,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
    clusters: NDArray[np.intp] | None = None,
) -> Difference:
    """Return how much better one model is than another on the same rows, with an interval.

    Both are computed on the same resamples, so that what makes a row hard cancels out. Parameters
    as for `bootstrap_metric`.

    Raises
    ------
    GateError
        The metric is unknown, or undefined on these rows.

    Notes
    -----
    Percentile interval of the paired bootstrap: Efron and Tibshirani (1993), chapters 10 and 13.
    """
    import numpy as np

    kind = metric_kind(name)
    prepared = (kind.prepare(target, candidate), kind.prepare(target, champion))
    ones = np.ones((len(target), 1))
    ours, theirs = (float(value(ones)[0]) for value in prepared)  # type: ignore[index]
    if not (np.isfinite(ours) and np.isfinite(theirs)):
        raise GateError(f"{name} is undefined on these {len(target)} rows")
    new, old = _resampled(prepared, len(target), resamples, seed, clusters)  # type: ignore[arg-type]
    low, high = _interval(kind.sign * (new - old), confidence, name)
    return Difference(
        candidate=ours,
        champion=theirs,
        difference=kind.sign * (ours - theirs),
        low=low,
        high=high,
        confidence=confidence,
        n=len(target),
        resamples=resamples,
    )


def calibration_bins(target: Floats, score: Floats, bins: int = 10) -> tuple[Bin, ...]:
    """Return mean prediction against observed share in bins of about equally many rows."""
    import numpy as np

    order = np.argsort(score, kind="stable")
    groups = [part for part in np.array_split(order, bins) if len(part)]
    return tuple(
        Bin(predicted=float(score[part].mean()), observed=float(target[part].mean()), n=len(part))
        for part in groups
    )


def calibration_error(bins: tuple[Bin, ...]) -> float:
    """Return the expected calibration error: the mean gap of the bins, weighted by their rows.

    Notes
    -----
    With bins of equal mass, as in Nixon et al., *Measuring Calibration in Deep Learning* (2019).
    """
    total = sum(part.n for part in bins)
    return sum(part.n * abs(part.predicted - part.observed) for part in bins) / total
