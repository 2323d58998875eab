"""Metrics that weigh their rows: what a bootstrap computes thousands of times.

Every metric is computed for many weightings of the rows at once, so that a bootstrap sorts the
scores only once. Where whole clusters are drawn and they are few, rows are summed by cluster first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from mlops_nb.errors import GateError, nearest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Prepared = Callable[[Floats], Floats]
    """Takes weights of shape (rows, resamples), gives one value a resample."""

__all__ = ["METRICS", "MetricKind", "metric_kind"]


class MetricKind(msgspec.Struct, frozen=True):
    """How a metric is prepared, and which way is better."""

    prepare: Callable[[Floats, Floats], Prepared]
    better: str = "higher"
    by_cluster: Callable[[Floats, Floats, NDArray[np.intp]], Prepared] | None = None
    """As ``prepare``, with each row's cluster as third argument: then takes weights of clusters."""

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


def _auc_by_cluster(target: Floats, score: Floats, clusters: NDArray[np.intp]) -> Prepared:
    """Area under the ROC curve from how often each cluster's hits pass each cluster's misses."""
    import numpy as np

    units = int(clusters.max()) + 1
    hit = target > 0.5
    hits, of_hit = score[hit], clusters[hit]
    won = np.empty((units, units))
    for unit in range(units):
        misses = np.sort(score[~hit & (clusters == unit)])
        passed = np.searchsorted(misses, hits, "left") + np.searchsorted(misses, hits, "right")
        won[:, unit] = np.bincount(of_hit, passed / 2, units)
    up = np.bincount(of_hit, minlength=units).astype(float)
    down = np.bincount(clusters[~hit], minlength=units).astype(float)

    def value(weights: Floats) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            total = np.einsum("ur,ur->r", weights, won @ weights)
            return np.asarray(total / ((up @ weights) * (down @ weights)))

    return value


def _mean_of(loss: Callable[[Floats, Floats], Floats], better: str = "lower") -> MetricKind:
    def prepare(
        target: Floats, score: Floats, clusters: NDArray[np.intp] | None = None
    ) -> Prepared:
        import numpy as np

        losses, rows = loss(target, score), np.ones(len(target))
        if clusters is not None:
            losses = np.bincount(clusters, losses).astype(float)
            rows = np.bincount(clusters, rows).astype(float)
        return lambda weights: np.asarray(losses @ weights / (rows @ weights))

    return MetricKind(prepare, better, by_cluster=prepare)


def _log_loss(target: Floats, score: Floats) -> Floats:
    import numpy as np

    clipped = np.clip(score, 1e-15, 1 - 1e-15)
    return np.asarray(-np.where(target > 0.5, np.log(clipped), np.log1p(-clipped)))


def _rmse(target: Floats, score: Floats, clusters: NDArray[np.intp] | None = None) -> Prepared:
    import numpy as np

    squared = _mean_of(lambda t, s: (t - s) ** 2)
    if clusters is not None and squared.by_cluster is not None:
        mean = squared.by_cluster(target, score, clusters)
    else:
        mean = squared.prepare(target, score)
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
    "roc_auc": MetricKind(_auc, by_cluster=_auc_by_cluster),
    "average_precision": MetricKind(_average_precision),
    "accuracy": _mean_of(lambda t, s: ((t > 0.5) == (s >= 0.5)).astype(float), "higher"),
    "f1": MetricKind(_f1),
    "log_loss": _mean_of(_log_loss),
    "brier": _mean_of(lambda t, s: (t - s) ** 2),
    "mae": _mean_of(lambda t, s: abs(t - s)),
    "rmse": MetricKind(_rmse, "lower", by_cluster=_rmse),
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
