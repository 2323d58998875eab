"""Figures of a model with intervals: the bootstrap, also of pairs and of clusters; calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from mlops_nb.errors import GateError
from mlops_nb.model import Bin, Difference, Metric
from mlops_nb.registry.metrics import METRICS, MetricKind, metric_kind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mlops_nb.registry.metrics import Prepared

    Floats = NDArray[np.float64]

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

_FEW_CLUSTERS = 500
"""Up to so many clusters, a table of how each fares against each costs less than the rows."""


class _Prepared(NamedTuple):
    """A metric of several scores, ready to be weighted: by rows, or by whole clusters."""

    values: list[Prepared]
    units: int
    """What is drawn: rows or clusters."""
    expand: NDArray[np.intp] | None
    """The unit of each row, where the values take weights of rows all the same."""

    def once(self) -> list[float]:
        """Return the metric of each score with every row counted once."""
        import numpy as np

        rows = self.units if self.expand is None else len(self.expand)
        return [float(value(np.ones((rows, 1)))[0]) for value in self.values]

    def resampled(self, resamples: int, seed: int) -> list[Floats]:
        """Return the metric of each score over the same resamples."""
        import numpy as np

        rng = np.random.default_rng(seed)
        rows = self.units if self.expand is None else len(self.expand)
        step = max(1, _CHUNK // max(rows, 1))
        parts: list[list[Floats]] = [[] for _ in self.values]
        for start in range(0, resamples, step):
            size = min(step, resamples - start)
            weights = np.empty((size, rows))
            for index in range(size):
                counts = np.bincount(rng.integers(0, self.units, self.units), minlength=self.units)
                weights[index] = counts if self.expand is None else counts[self.expand]
            by_row = np.ascontiguousarray(weights.T)
            for part, value in zip(parts, self.values, strict=True):
                part.append(value(by_row))
        return [np.concatenate(part) for part in parts]


def _prepare(
    kind: MetricKind, target: Floats, scores: tuple[Floats, ...], clusters: NDArray[np.intp] | None
) -> _Prepared:
    units = len(target) if clusters is None else int(clusters.max()) + 1
    if clusters is not None and kind.by_cluster is not None and units <= _FEW_CLUSTERS:
        return _Prepared([kind.by_cluster(target, one, clusters) for one in scores], units, None)
    return _Prepared([kind.prepare(target, one) for one in scores], units, clusters)


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
    prepared = _prepare(kind, target, (score,), clusters)
    (value,) = prepared.once()
    if not np.isfinite(value):
        raise GateError(f"{name} is undefined on these {len(target)} rows")
    (values,) = prepared.resampled(resamples, seed)
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
    prepared = _prepare(kind, target, (candidate, champion), clusters)
    ours, theirs = prepared.once()
    if not (np.isfinite(ours) and np.isfinite(theirs)):
        raise GateError(f"{name} is undefined on these {len(target)} rows")
    new, old = prepared.resampled(resamples, seed)
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
