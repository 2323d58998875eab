"""Performance without labels, estimated from sketches alone; valid under covariate shift.

Both methods assume that what the model says still means what it meant: the share of positives at
each score, or the size of the error at each prediction, is that of the reference. Where that
breaks (concept drift) the estimate is wrong, and nothing in it shows; the gap to the realised
value does, once labels arrive (see `mlops_nb.monitoring.gap`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlops_nb.errors import MonitoringError
from mlops_nb.model import PerformancePoint, Record
from mlops_nb.monitoring.performance import scores_by_truth
from mlops_nb.monitoring.statistics import Distribution, weighted_sum

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from mlops_nb.monitoring.performance import ScoreSides
    from mlops_nb.monitoring.profile import Profile

    Floats = NDArray[np.float64]

__all__ = [
    "NOTE",
    "Calibration",
    "ErrorModel",
    "estimate",
    "estimate_errors",
    "fit_calibration",
    "fit_errors",
    "scores_by_prediction",
]

NOTE = "valid under covariate shift"
_TINY = 1e-15


class Calibration(Record, frozen=True, kw_only=True):
    """The share of positives at each score, as the reference's labels show it."""

    scores: tuple[float, ...]
    shares: tuple[float, ...]

    def __call__(self, scores: Floats) -> Floats:
        """Return the share of positives at each score, straight lines between the known ones."""
        return np.interp(scores, self.scores, self.shares)


class ErrorModel(Record, frozen=True, kw_only=True):
    """The size of a regressor's error at each prediction, as the reference's labels show it."""

    predictions: tuple[float, ...]
    """Mean prediction of each bin, ascending."""
    counts: tuple[float, ...]
    absolute: tuple[float, ...]
    """Mean absolute error in each bin."""
    square: tuple[float, ...]
    """Mean squared error in each bin."""
    fourth: tuple[float, ...]
    """Mean fourth power of the error in each bin."""


def fit_calibration(sides: ScoreSides, *, bins: int = 40) -> Calibration:
    """Learn what a score means from labelled rows or sketches of the reference.

    Isotonic regression of the outcome on the score (Zadrozny and Elkan 2002, *Transforming
    classifier scores into accurate multiclass probability estimates*), over bins of equal mass.

    Raises
    ------
    MonitoringError
        One of the classes is absent.
    """
    from scipy.optimize import isotonic_regression

    pos, neg = sides.positive, sides.negative
    if not pos.n or not neg.n:
        raise MonitoringError(
            "the reference holds one class only", where="calibration", fix="use more labelled rows"
        )
    both = Distribution.pool([pos, neg])
    edges = both.edges(bins)
    ones, zeros = pos.masses(edges) * pos.n, neg.masses(edges) * neg.n
    total = ones + zeros
    places = np.searchsorted(edges, both.items, side="left")
    sums = np.bincount(places, weights=both.items * both.weights, minlength=len(total))
    held = total > 0
    fitted = isotonic_regression((ones / np.maximum(total, 1))[held], weights=total[held]).x
    return Calibration(
        scores=tuple((sums[held] / total[held]).tolist()), shares=tuple(fitted.tolist())
    )


def scores_by_prediction(
    profile: Profile, *, score: str, prediction: str = "", threshold: float = 0.5
) -> tuple[Distribution, Distribution]:
    """Return the score's distribution where the model said positive, and where negative.

    From the profile's sketches of the score by predicted label; from the score's own sketch, cut
    at the threshold, where there are none.

    Raises
    ------
    MonitoringError
        The profile holds no such score, or a prediction is neither true nor false.
    """
    sides = scores_by_truth(profile, score=score, column=prediction)
    if sides is not None:
        return sides[True], sides[False]
    if score not in profile.columns:
        raise MonitoringError(f'the profile holds no column "{score}"', where="estimate")
    column_profile = profile.columns[score]
    items, counts = column_profile.weighted_items()
    cut = int(np.searchsorted(items, threshold, side="left"))
    weights = counts.astype(float)
    error = column_profile.rank_error
    return (
        Distribution(items[cut:], weights[cut:], error),
        Distribution(items[:cut], weights[:cut], error),
    )


def estimate(
    window: str,
    said_yes: Distribution,
    said_no: Distribution,
    *,
    calibration: Calibration | None = None,
    level: float = 0.95,
) -> tuple[PerformancePoint, ...]:
    """Estimate a classifier's metrics from its scores alone.

    Confidence-based performance estimation: each row counts as positive with the probability that
    its score states (Guillory et al. 2021, *Predicting with confidence on unseen distributions*;
    the name CBPE is NannyML's). The area under the ROC curve is the expected one over those
    fractional labels. Intervals hold the noise of the labels alone: a Poisson binomial variance,
    and Hanley and McNeil's (1982) for the area.

    Parameters
    ----------
    window
        The window's label.
    said_yes, said_no
        The score where the model predicted positive and negative, see `scores_by_prediction`.
    calibration
        What a score means; the score itself by default.
    level
        The intervals' confidence.
    """
    from scipy.special import ndtri

    n = said_yes.n + said_no.n
    if not n:
        return ()
    z = float(ndtri((1 + level) / 2))
    scores = np.concatenate((said_no.items, said_yes.items))
    weights = np.concatenate((said_no.weights, said_yes.weights))
    chance = np.clip(calibration(scores) if calibration else scores, 0.0, 1.0)
    yes = np.concatenate((np.zeros(len(said_no.items)), np.ones(len(said_yes.items))))
    noise = weights * chance * (1 - chance)

    def mean(if_positive: Floats, if_negative: Floats) -> tuple[float, float]:
        value = weighted_sum(weights, chance * if_positive + (1 - chance) * if_negative) / n
        return value, weighted_sum(noise, (if_positive - if_negative) ** 2) ** 0.5 / n

    kept = np.clip(scores, _TINY, 1 - _TINY)
    found = {
        "accuracy": mean(yes, 1 - yes),
        "positive_rate": mean(np.ones_like(scores), np.zeros_like(scores)),
        "brier": mean((1 - scores) ** 2, scores**2),
        "log_loss": mean(-np.log(kept), -np.log(1 - kept)),
    }
    hits = weighted_sum(weights * yes, chance)
    positives = weighted_sum(weights, chance)
    if said_yes.n:
        spread = weighted_sum(noise, yes) ** 0.5
        found["precision"] = hits / said_yes.n, spread / said_yes.n
    if positives:
        recall = hits / positives
        spread = weighted_sum(noise, (yes - recall) ** 2) ** 0.5
        found["recall"] = recall, spread / positives
    if 0 < positives < n:
        area = _expected_area(scores, weights, chance)
        found["auc"] = area, _hanley_mcneil(area, positives, n - positives)
    return tuple(
        PerformancePoint(
            window=window,
            metric=metric,
            value=value,
            low=max(0.0, value - z * error),
            high=value + z * error if metric == "log_loss" else min(1.0, value + z * error),
            count=round(n),
            kind="estimated",
            method="CBPE from sketches",
            level=level,
            coverage=0.0,
            note=NOTE,
        )
        for metric, (value, error) in found.items()
    )


def _expected_area(scores: Floats, weights: Floats, chance: Floats) -> float:
    """Return the area under the ROC curve when each row is positive by its chance; ties half."""
    order = np.argsort(scores, kind="stable")
    _, groups = np.unique(scores[order], return_inverse=True)
    ones = np.bincount(groups, weights=(weights * chance)[order]).astype(float)
    zeros = np.bincount(groups, weights=(weights * (1 - chance))[order]).astype(float)
    below = np.cumsum(zeros) - zeros / 2
    return float(weighted_sum(ones, below) / (ones.sum() * zeros.sum()))


def _hanley_mcneil(area: float, positives: float, negatives: float) -> float:
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    variance = (
        area * (1 - area) + (positives - 1) * (q1 - area**2) + (negatives - 1) * (q2 - area**2)
    ) / (positives * negatives)
    return float(max(variance, 0.0) ** 0.5)


def fit_errors(label: ArrayLike, prediction: ArrayLike, *, bins: int = 100) -> ErrorModel:
    """Learn a regressor's errors by prediction, on labelled rows of the reference.

    The mean of the loss in bins of equal mass, of 30 rows at least: a regressogram (Tukey 1961).

    Raises
    ------
    MonitoringError
        There are fewer than two labelled rows.
    """
    y, p = np.asarray(label, dtype=float), np.asarray(prediction, dtype=float)
    known = np.isfinite(y) & np.isfinite(p)
    y, p = y[known], p[known]
    if len(y) < 2:
        raise MonitoringError("fewer than two labelled rows", where="error model")
    edges = Distribution(np.sort(p), np.ones(len(p))).edges(min(bins, max(1, len(p) // 30)))
    places = np.searchsorted(edges, p, side="left")
    counts = np.bincount(places).astype(float)
    held = counts > 0
    error = np.abs(p - y)

    def mean(values: Floats) -> tuple[float, ...]:
        return tuple((np.bincount(places, weights=values)[held] / counts[held]).tolist())

    return ErrorModel(
        predictions=mean(p),
        counts=tuple(counts[held].tolist()),
        absolute=mean(error),
        square=mean(error**2),
        fourth=mean(error**4),
    )


def estimate_errors(
    window: str, prediction: Distribution, model: ErrorModel, *, level: float = 0.95
) -> tuple[PerformancePoint, ...]:
    """Estimate a regressor's ``mae`` and ``rmse`` from its predictions alone.

    Direct loss estimation with the prediction as the one covariate: the reference's mean loss at
    each prediction, straight lines between its bins and constant beyond them, averaged over the
    window's predictions (importance weighting under covariate shift, Shimodaira 2000; DLE is
    NannyML's name). So a sketch of the predictions is all it needs. Intervals hold the
    reference's and the window's sampling noise.
    """
    from scipy.special import ndtri

    if not prediction.n:
        return ()
    z = float(ndtri((1 + level) / 2))
    places = np.array(model.predictions)
    shares = prediction.masses((places[1:] + places[:-1]) / 2)
    counts = np.maximum(np.array(model.counts), 1.0)
    points = []
    for metric, means, squares in (
        ("mae", np.array(model.absolute), np.array(model.square)),
        ("rmse", np.array(model.square), np.array(model.fourth)),
    ):
        expected = np.interp(prediction.items, places, means)
        value = weighted_sum(expected, prediction.weights) / prediction.n
        within = np.maximum(squares - means**2, 0.0)
        here = weighted_sum(shares, squares) - value**2
        variance = weighted_sum(shares**2, within / counts) + max(here, 0.0) / prediction.n
        error = variance**0.5
        if metric == "rmse":
            value = value**0.5
            error = error / (2 * value) if value else 0.0
        points.append(
            PerformancePoint(
                window=window,
                metric=metric,
                value=value,
                low=max(0.0, value - z * error),
                high=value + z * error,
                count=round(prediction.n),
                kind="estimated",
                method="loss by prediction",
                level=level,
                coverage=0.0,
                note=NOTE,
            )
        )
    return tuple(points)
