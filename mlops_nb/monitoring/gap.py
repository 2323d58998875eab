"""Holds realised performance against what was expected: of the estimate, and of the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nb.model import Gap, Skill
from mlops_nb.monitoring.performance import HIGHER_IS_BETTER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlops_nb.model import PerformancePoint
    from mlops_nb.monitoring.settings import MonitoringSettings

__all__ = ["CONCEPT_METRICS", "DECAY_METRICS", "gaps", "skills"]

CONCEPT_METRICS = ("positive_rate", "auc", "mae")
"""Compared with the estimate: how many, how well ranked, how far off. The others follow these."""
DECAY_METRICS = ("auc", "brier", "mae")
"""Compared with the reference."""
_ENOUGH = 4
_USEFUL = 0.5


def gaps(
    points: Sequence[PerformancePoint],
    reference: Mapping[str, float],
    settings: MonitoringSettings,
) -> tuple[Gap, ...]:
    """Compare each realised metric of a window with its estimate and with the reference.

    The estimate holds as long as only the inputs change (covariate shift); where it and the
    realised value part by more than `gap` and more than their noise, the relation between inputs
    and outcome changed: concept drift. A metric that is worse than the reference's by more than
    `metric_drop`, the whole interval included, is decay, whatever its cause.

    A value of fewer rows than the drift's `min_rows` cannot tell either way, and makes no gap: few
    labels, the first to arrive at that, are no sample of the window.

    Parameters
    ----------
    points
        Realised and estimated points of one window.
    reference
        The metrics where the model was accepted.
    settings
        `gap` and `metric_drop`, in the metric's own unit; of the reference's value for errors
        such as ``mae``, which have a unit of their own. And ``drift.min_rows``.
    """
    # A point that does not say how many rows it rests on is taken at its word.
    told = [p for p in points if not 0 < p.count < settings.drift.min_rows]
    realised = {p.metric: p for p in told if p.kind == "realised"}
    estimated = {p.metric: p for p in told if p.kind == "estimated"}
    found = []
    for metric in CONCEPT_METRICS:
        if metric in realised and metric in estimated:
            unit = _unit(metric, estimated[metric].value)
            found.append(_concept(realised[metric], estimated[metric], settings.gap * unit))
    for metric in DECAY_METRICS:
        if metric in realised and metric in reference:
            drop = settings.metric_drop * _unit(metric, reference[metric])
            found.append(_decay(realised[metric], reference[metric], drop))
    return tuple(found)


def _concept(real: PerformancePoint, guess: PerformancePoint, floor: float) -> Gap:
    difference = real.value - guess.value
    noise = (_half(real) ** 2 + _half(guess) ** 2) ** 0.5
    threshold = max(floor, noise)
    drifted = abs(difference) > threshold
    text = f"{_said(real)}, the estimate without labels was {guess.value:.3f}"
    if drifted:
        text += ": the outcome no longer follows the inputs as it did (concept drift)"
    return Gap(
        window=real.window,
        metric=real.metric,
        realised=real.value,
        expected=guess.value,
        difference=difference,
        threshold=threshold,
        drifted=drifted,
        text=text,
    )


def _decay(real: PerformancePoint, reference: float, drop: float) -> Gap:
    sign = 1.0 if HIGHER_IS_BETTER[real.metric] else -1.0
    loss = sign * (reference - real.value)
    # The interval's good end: the metric must be worse than the reference beyond doubt.
    best = real.high if sign > 0 else real.low
    sure = best is None or sign * (reference - best) > 0
    drifted = loss > drop and sure
    word = "worse than" if drifted else "against"
    return Gap(
        window=real.window,
        metric=real.metric,
        aspect="performance",
        realised=real.value,
        expected=reference,
        difference=real.value - reference,
        threshold=drop,
        drifted=drifted,
        text=f"{_said(real)}, {word} {reference:.3f} at the reference",
    )


def skills(
    history: Sequence[PerformancePoint], reference: Mapping[str, float]
) -> tuple[Skill, ...]:
    """Tell how good the estimates have been where labels came later, metric by metric.

    An estimate is called weak where its mean absolute error is more than half of that of always
    guessing the reference's value; with fewer than four labelled windows it is not known.
    """
    realised = {(p.window, p.metric): p.value for p in history if p.kind == "realised"}
    estimated = {(p.window, p.metric): p.value for p in history if p.kind == "estimated"}
    found = []
    for metric in sorted({metric for _, metric in estimated}):
        windows = sorted(w for w, m in estimated if m == metric and (w, m) in realised)
        if metric not in reference or not windows:
            continue
        n = len(windows)
        error = sum(abs(estimated[w, metric] - realised[w, metric]) for w in windows) / n
        constant = sum(abs(reference[metric] - realised[w, metric]) for w in windows) / n
        weak = n >= _ENOUGH and error > _USEFUL * constant
        found.append(
            Skill(
                metric=metric,
                windows=n,
                error=error,
                constant_error=constant,
                weak=weak,
                text=_skill_text(metric, n, error, constant, weak),
            )
        )
    return tuple(found)


def _skill_text(metric: str, windows: int, error: float, constant: float, weak: bool) -> str:
    facts = (
        f"over {windows} labelled windows the estimate of {metric} was off by {error:.3f} on average; "
        f"always guessing the reference's value, by {constant:.3f}"
    )
    if windows < _ENOUGH:
        return f"too few labelled windows to judge the estimate: {facts}"
    if weak:
        return f"the label-free estimate is weak here: {facts}. Wait for labels before acting on it"
    return f"the label-free estimate is useful here: {facts}"


def _said(real: PerformancePoint) -> str:
    where = (
        f" where labels are known ({real.coverage:.0%} of the rows)" if real.coverage < 1 else ""
    )
    return f"{real.metric} is {real.value:.3f}{where}"


def _half(point: PerformancePoint) -> float:
    if point.low is None or point.high is None:
        return 0.0
    return (point.high - point.low) / 2


def _unit(metric: str, value: float) -> float:
    return abs(value) if metric in ("mae", "rmse") else 1.0
