"""Realised performance, from labels as they arrive, with intervals.

A classifier is measured from two distributions of its score: that of the rows whose label turned
out positive, and that of the others. So the same code serves rows and profiles (whose sketches
of the score by label are such distributions).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from mlops_nb.errors import MonitoringError
from mlops_nb.model import PerformancePoint
from mlops_nb.monitoring.statistics import Distribution, weighted_sum

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    from mlops_nb.monitoring.profile import Profile

    Floats = NDArray[np.float64]

__all__ = [
    "HIGHER_IS_BETTER",
    "ScoreSides",
    "realised",
    "realised_errors",
    "score_sides",
    "score_sides_of",
    "scores_by_truth",
]

HIGHER_IS_BETTER = {
    "auc": True,
    "accuracy": True,
    "precision": True,
    "recall": True,
    "log_loss": False,
    "brier": False,
    "calibration_error": False,
    "mae": False,
    "rmse": False,
}
"""Which way a metric is good; those without an entry (``positive_rate``, ``bias``) have none."""
_TINY = 1e-15
_BINS = 10
_DRAWS = 2000


@dataclass(frozen=True, eq=False)
class ScoreSides:
    """A classifier's score where the label was positive, and where it was not."""

    positive: Distribution
    negative: Distribution
    rows: int = 0
    """Rows of the window, those without a label included; 0 for just the labelled ones."""

    @property
    def labelled(self) -> int:
        """Rows whose label is known."""
        return round(self.positive.n + self.negative.n)


def score_sides(label: ArrayLike, score: ArrayLike) -> ScoreSides:
    """Split scores by label; rows whose label or score is missing only count as rows.

    Parameters
    ----------
    label
        1 or true for the positive class, 0 or false; missing (``None``, NaN) where not known yet.
    score
        The model's probability of the positive class.

    Raises
    ------
    MonitoringError
        The lengths differ, a label is neither 0 nor 1, or a score is no probability.
    """
    y, s = _floats(label, "label"), _floats(score, "score")
    if len(y) != len(s):
        raise MonitoringError(f"{len(y)} labels but {len(s)} scores", where="performance")
    known = ~(np.isnan(y) | np.isnan(s))
    yk, sk = y[known], s[known]
    if not np.isin(yk, (0.0, 1.0)).all():
        odd = yk[~np.isin(yk, (0.0, 1.0))][0]
        raise MonitoringError(f"a label is {odd:g}; labels are 0 or 1", where="performance")
    if len(sk) and (sk.min() < 0 or sk.max() > 1):
        raise MonitoringError(
            f"a score is {sk.max() if sk.max() > 1 else sk.min():g}, not a probability",
            where="performance",
            fix="pass predict_proba(...)[:, 1], not decision_function",
        )
    return ScoreSides(_exact(sk[yk == 1]), _exact(sk[yk == 0]), rows=len(y))


def score_sides_of(profile: Profile, *, score: str, label: str) -> ScoreSides | None:
    """Read the two distributions from a profile made with ``score`` and ``label``; else ``None``.

    Raises
    ------
    MonitoringError
        A label is neither true nor false.
    """
    sides = scores_by_truth(profile, score=score, column=label)
    if sides is None:
        return None
    return ScoreSides(sides[True], sides[False], rows=profile.rows)


def scores_by_truth(
    profile: Profile, *, score: str, column: str
) -> dict[bool, Distribution] | None:
    """Return the score's distributions where a column is true and where it is false.

    Rows without a value in the column are left out; ``None`` where no other is known.

    Raises
    ------
    MonitoringError
        The column holds what is neither true nor false.
    """
    from mlops_nb.monitoring.profile import MISSING

    sides: dict[bool, list[Distribution]] = {True: [], False: []}
    for (name, value), part in profile.segments.items():
        if name == column and value != MISSING and score in part.columns:
            found = part.columns[score]
            items, weights = found.weighted_items()
            one = Distribution(items, weights.astype(float), found.rank_error)
            sides[_truth(name, value)].append(one)
    if not any(sides.values()):
        return None
    return {kind: Distribution.pool(parts) for kind, parts in sides.items()}


def realised(
    window: str, sides: ScoreSides, *, threshold: float = 0.5, level: float = 0.95, seed: int = 0
) -> tuple[PerformancePoint, ...]:
    """Return a classifier's metrics on the rows whose labels have arrived.

    - ``auc``: Mann-Whitney; variance of DeLong, DeLong and Clarke-Pearson 1988 by the mid-ranks of
      Sun and Xu 2014, interval on the logit scale (Pepe 2003), so that it stays within 0 and 1;
      where the classes part, Clopper and Pearson's bound (1934) over disjoint pairs of the two.
    - ``accuracy``, ``precision``, ``recall``, ``positive_rate``: Wilson's interval (1927).
    - ``log_loss``, ``brier``: means over rows, with the normal interval of a mean; none for
      one row.
    - ``calibration_error``: mean absolute difference of score and outcome in ten bins of equal
      mass (Naeini, Cooper and Hauskrecht 2015); the percentile interval of a parametric
      bootstrap of the bins' sums (Efron and Tibshirani 1993), biased upwards for few rows.

    Parameters
    ----------
    window
        The window's label.
    sides
        See `score_sides` and `score_sides_of`.
    threshold
        From this score on the model says positive.
    level
        The intervals' confidence.
    seed
        Of the bootstrap.

    Returns
    -------
    tuple
        Empty where no label is known; without ``auc`` where one class is absent.
    """
    pos, neg = sides.positive, sides.negative
    n = pos.n + neg.n
    if not n:
        return ()
    z = _z(level)
    rows = max(sides.rows, sides.labelled)
    points: list[PerformancePoint] = []

    def add(metric: str, value: float, low: float | None, high: float | None, method: str) -> None:
        points.append(
            PerformancePoint(
                window=window,
                metric=metric,
                value=value,
                low=low,
                high=high,
                count=sides.labelled,
                method=method,
                level=level,
                coverage=min(1.0, n / rows) if rows else 1.0,
            )
        )

    if pos.n and neg.n:
        area, error = _delong(pos, neg)
        if 0 < area < 1:
            add("auc", area, *_logit_interval(area, error, z), "DeLong, logit interval")
        else:
            # So many pairs of their own rows were ordered alike: all of them, or none.
            least = (0.5 - level / 2) ** (1 / min(pos.n, neg.n))
            low, high = (least, 1.0) if area >= 1 else (0.0, 1.0 - least)
            add("auc", area, low, high, "Clopper-Pearson interval of disjoint pairs")
    for metric, loss in (("log_loss", _log_loss), ("brier", _brier)):
        value, error = _mean_loss(pos, neg, loss)
        sure = n > 1
        low, high = max(0.0, value - z * error), value + z * error
        add(metric, value, low if sure else None, high if sure else None, "normal interval")
    tp = pos.n * _at_least(pos, threshold)
    fp = neg.n * _at_least(neg, threshold)
    for metric, hits, of in (
        ("accuracy", tp + neg.n - fp, n),
        ("precision", tp, tp + fp),
        ("recall", tp, pos.n),
        ("positive_rate", pos.n, n),
    ):
        if of:
            add(metric, hits / of, *wilson(hits, of, z), "Wilson interval")
    add("calibration_error", *_calibration_error(pos, neg, level, seed), "bootstrap of ten bins")
    return tuple(points)


def realised_errors(
    window: str, label: ArrayLike, prediction: ArrayLike, *, level: float = 0.95
) -> tuple[PerformancePoint, ...]:
    """Return a regressor's ``mae``, ``rmse`` and ``bias`` where labels have arrived.

    Means with the normal interval; the RMSE's by the delta method from the mean square. Nothing
    where fewer than two labels are known, since one error has no spread; and no figure that leaves
    the range of floats, be it a value or an interval.

    Raises
    ------
    MonitoringError
        The lengths differ, or a value is not a number.
    """
    y, p = _floats(label, "label"), _floats(prediction, "prediction")
    if len(y) != len(p):
        raise MonitoringError(f"{len(y)} labels but {len(p)} predictions", where="performance")
    known = np.isfinite(y) & np.isfinite(p)
    n = int(known.sum())
    if n < 2:
        return ()
    z = _z(level)

    def mean(values: Floats) -> tuple[float, float]:
        return float(values.mean()), float(values.std(ddof=1)) / n**0.5

    with np.errstate(over="ignore", invalid="ignore"):
        errors = p[known] - y[known]
        mae, mae_error = mean(np.abs(errors))
        mse, mse_error = mean(errors**2)
        bias, bias_error = mean(errors)
    rmse = mse**0.5
    rmse_error = mse_error / (2 * rmse) if rmse else 0.0
    points = []
    for metric, value, error, method in (
        ("mae", mae, mae_error, "normal interval"),
        ("rmse", rmse, rmse_error, "delta method"),
        ("bias", bias, bias_error, "normal interval"),
    ):
        if not isfinite(value):
            continue
        low, high = value - z * error, value + z * error
        points.append(
            PerformancePoint(
                window=window,
                metric=metric,
                value=value,
                low=(low if metric == "bias" else max(0.0, low)) if isfinite(error) else None,
                high=high if isfinite(error) else None,
                count=n,
                method=method,
                level=level,
                coverage=n / len(y),
            )
        )
    return tuple(points)


def wilson(hits: float, n: float, z: float) -> tuple[float, float]:
    """Return Wilson's score interval of a share (1927, *Probable inference*)."""
    rate, square = hits / n, z * z
    middle = (rate + square / (2 * n)) / (1 + square / n)
    half = z / (1 + square / n) * (rate * (1 - rate) / n + square / (4 * n * n)) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)


def _delong(pos: Distribution, neg: Distribution) -> tuple[float, float]:
    """Return the area under the ROC curve and its standard error."""
    above = (neg.cdf(pos.items) + neg.cdf(pos.items, side="left")) / 2
    below = 1 - (pos.cdf(neg.items) + pos.cdf(neg.items, side="left")) / 2
    area = float(weighted_sum(above, pos.weights) / pos.n)

    def variance(values: Floats, side: Distribution) -> float:
        if side.n <= 1:
            return 0.25
        return float(weighted_sum((values - area) ** 2, side.weights) / (side.n - 1)) / side.n

    return area, (variance(above, pos) + variance(below, neg)) ** 0.5


def _logit_interval(area: float, error: float, z: float) -> tuple[float, float]:
    middle, half = np.log(area / (1 - area)), z * error / (area * (1 - area))
    low, high = 1 / (1 + np.exp(-(middle - half))), 1 / (1 + np.exp(-(middle + half)))
    return float(low), float(high)


def _log_loss(score: Floats, label: int) -> Floats:
    kept = np.clip(score if label else 1 - score, _TINY, 1.0)
    return np.asarray(-np.log(kept))


def _brier(score: Floats, label: int) -> Floats:
    return np.asarray((score - label) ** 2)


def _mean_loss(
    pos: Distribution, neg: Distribution, loss: Callable[[Floats, int], Floats]
) -> tuple[float, float]:
    values = np.concatenate((loss(pos.items, 1), loss(neg.items, 0)))
    weights = np.concatenate((pos.weights, neg.weights))
    n = float(weights.sum())
    mean = float(weighted_sum(values, weights) / n)
    variance = float(weighted_sum((values - mean) ** 2, weights) / max(n - 1, 1))
    return mean, (variance / n) ** 0.5


def _calibration_error(
    pos: Distribution, neg: Distribution, level: float, seed: int
) -> tuple[float, float, float]:
    both = Distribution.pool([pos, neg])
    edges = both.edges(_BINS)

    def sums(side: Distribution, label: int, power: int) -> Floats:
        places = np.searchsorted(edges, side.items, side="left")
        residual = (label - side.items) ** power * side.weights
        return np.bincount(places, weights=residual, minlength=len(edges) + 1).astype(float)

    residual = sums(pos, 1, 1) + sums(neg, 0, 1)
    square = sums(pos, 1, 2) + sums(neg, 0, 2)
    value = float(np.abs(residual).sum() / both.n)
    draws = np.random.default_rng(seed).normal(
        residual, np.sqrt(square), size=(_DRAWS, len(residual))
    )
    spread = np.abs(draws).sum(axis=1) / both.n
    low, high = np.quantile(spread, ((1 - level) / 2, (1 + level) / 2))
    return value, float(min(low, value)), float(max(high, value))


def _at_least(side: Distribution, threshold: float) -> float:
    return 1.0 - float(side.cdf(np.array([threshold]), side="left")[0]) if side.n else 0.0


def _exact(values: Floats) -> Distribution:
    ordered = np.sort(values)
    return Distribution(ordered, np.ones(len(ordered)))


def _floats(values: ArrayLike, what: str) -> Floats:
    try:
        import pandas as pd

        return pd.to_numeric(pd.Series(values).astype("Float64")).to_numpy(float, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise MonitoringError(f"a {what} is not a number: {error}", where="performance") from error


def _truth(column: str, value: str) -> bool:
    text = value.strip().casefold()
    if text in ("1", "1.0", "true", "yes"):
        return True
    if text in ("0", "0.0", "false", "no"):
        return False
    raise MonitoringError(
        f'"{value}" is neither true nor false',
        where=f'column "{column}"',
        fix="write 1 for the positive class, whose probability the score is, and 0 for the other",
    )


def _z(level: float) -> float:
    from scipy.special import ndtri

    return float(ndtri((1 + level) / 2))
