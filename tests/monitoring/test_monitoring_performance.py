"""Realised performance and its intervals; estimates without labels; the gap between them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from mlops_nb.errors import MonitoringError
from mlops_nb.model import PerformancePoint
from mlops_nb.monitoring.estimate import (
    NOTE,
    estimate,
    estimate_errors,
    fit_calibration,
    fit_errors,
    scores_by_prediction,
)
from mlops_nb.monitoring.gap import gaps, skills
from mlops_nb.monitoring.performance import (
    realised,
    realised_errors,
    score_sides,
    score_sides_of,
    wilson,
)
from mlops_nb.monitoring.profile import profile
from mlops_nb.monitoring.settings import MonitoringSettings
from mlops_nb.monitoring.statistics import Distribution


def sample(rows: int, seed: int = 0, *, a: float = 1.5, b: float = 4.0):
    """Scores that mean what they say, and labels drawn from them."""
    r = np.random.default_rng(seed)
    score = r.beta(a, b, rows)
    return score, (r.random(rows) < score).astype(float)


def values(points) -> dict[str, float]:
    return {point.metric: point.value for point in points}


def exact(numbers: np.ndarray) -> Distribution:
    return Distribution(np.sort(numbers), np.ones(len(numbers)))


def test_metrics_are_those_of_scikit_learn() -> None:
    score, label = sample(4000)
    score = np.round(score, 2)  # with ties
    found = values(realised("w", score_sides(label, score), threshold=0.4))
    assert found["auc"] == pytest.approx(roc_auc_score(label, score))
    assert found["log_loss"] == pytest.approx(log_loss(label, np.clip(score, 1e-15, 1 - 1e-15)))
    assert found["brier"] == pytest.approx(brier_score_loss(label, score))
    said = score >= 0.4
    assert found["accuracy"] == pytest.approx(np.mean(said == label))
    assert found["precision"] == pytest.approx(label[said].mean())
    assert found["recall"] == pytest.approx(said[label == 1].mean())
    assert found["positive_rate"] == pytest.approx(label.mean())


def test_delong_on_the_example_of_its_fast_version() -> None:
    # Sun and Xu 2014: variance by mid-ranks equals the mean squares of the placement values.
    pos, neg = np.array([0.9, 0.8, 0.55, 0.4]), np.array([0.7, 0.5, 0.4, 0.2, 0.1])
    label = np.concatenate((np.ones(4), np.zeros(5)))
    (auc,) = [
        p
        for p in realised("w", score_sides(label, np.concatenate((pos, neg))))
        if p.metric == "auc"
    ]
    above = np.array([np.mean((neg < x) + 0.5 * (neg == x)) for x in pos])
    below = np.array([np.mean((pos > x) + 0.5 * (pos == x)) for x in neg])
    error = (above.var(ddof=1) / 4 + below.var(ddof=1) / 5) ** 0.5
    logit = np.log(auc.value / (1 - auc.value))
    half = 1.959964 * error / (auc.value * (1 - auc.value))
    assert auc.low == pytest.approx(1 / (1 + np.exp(-(logit - half))))
    assert auc.high == pytest.approx(1 / (1 + np.exp(-(logit + half))))


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    score, label = sample(400_000, 99)
    truth = values(realised("all", score_sides(label, score)))
    hits: dict[str, int] = {}
    rounds = 150
    for seed in range(rounds):
        for point in realised("w", score_sides(*reversed(sample(500, seed)))):
            hits[point.metric] = hits.get(point.metric, 0) + (
                point.low <= truth[point.metric] <= point.high
            )
    for metric in ("auc", "log_loss", "brier", "accuracy", "positive_rate", "recall"):
        assert 0.88 <= hits[metric] / rounds <= 1.0, metric


def test_wilsons_interval() -> None:
    # The classic example: 15 of 50.
    assert wilson(15, 50, 1.959964) == pytest.approx((0.1910, 0.4375), abs=1e-4)
    assert wilson(0, 20, 1.96)[0] == 0.0


def test_a_profile_tells_the_same_as_its_rows() -> None:
    score, label = sample(60_000, 3)
    frame = pd.DataFrame({"score": score, "late": np.where(label == 1, "1", "0")})
    part = profile(frame, score="score", label="late")
    sides = score_sides_of(part, score="score", label="late")
    from_profile, from_rows = (
        values(realised("w", sides)),
        values(realised("w", score_sides(label, score))),
    )
    assert from_profile == pytest.approx(from_rows, abs=0.002)
    assert score_sides_of(profile(frame), score="score", label="late") is None


def test_labels_in_words_are_told_and_missing_ones_left_out() -> None:
    score, label = sample(2000, 4)
    said = np.where(score >= 0.5, "late", "on time")
    words = profile(pd.DataFrame({"score": score, "said": said}), score="score", predictions="said")
    for read in (
        lambda: scores_by_prediction(words, score="score", prediction="said"),
        lambda: score_sides_of(words, score="score", label="said"),
    ):
        with pytest.raises(MonitoringError, match=r'"(late|on time)" is neither true nor false'):
            read()
    mixed = pd.Series(label).map({1.0: "true", 0.0: "no"}).astype(object)
    mixed[:500] = None
    mixed[500:900] = np.where(label[500:900] == 1, "1", "0")
    part = profile(pd.DataFrame({"score": score, "label": mixed}), score="score", label="label")
    sides = score_sides_of(part, score="score", label="label")
    assert (sides.labelled, sides.rows) == (1500, 2000)
    assert sides.positive.n == label[500:].sum()


def test_late_labels_count_as_coverage() -> None:
    score, label = sample(1000)
    label[600:] = np.nan
    points = realised("w", score_sides(label, score))
    assert {p.count for p in points} == {600}
    assert {p.coverage for p in points} == {0.6}
    assert realised("w", score_sides(np.full(10, np.nan), np.full(10, 0.5))) == ()
    one_class = values(realised("w", score_sides(np.zeros(50), np.linspace(0, 1, 50))))
    assert "auc" not in one_class
    assert one_class["positive_rate"] == 0


@pytest.mark.parametrize(("few", "area"), [((1, 1, 0, 0), 0.0), ((0, 0, 1, 1), 1.0)])
def test_classes_that_part_in_a_handful_of_rows_prove_little(few: tuple, area: float) -> None:
    (auc,) = [p for p in realised("w", score_sides(few, [0.2, 0.3, 0.4, 0.5])) if p.metric == "auc"]
    # Two pairs: the share of pairs in the right order may be as low as the root of 0.025.
    wide = 0.025**0.5
    assert (auc.low, auc.high) == pytest.approx((wide, 1) if area else (0, 1 - wide))
    assert auc.value == area
    many = realised("w", score_sides([0, 1] * 500, [0.1, 0.9] * 500))[0]
    assert many.low == pytest.approx(0.025 ** (1 / 500))


def test_one_row_has_no_interval() -> None:
    one = {p.metric: p for p in realised("w", score_sides([1, None], [0.3, 0.5]))}
    assert (one["brier"].low, one["brier"].high) == (None, None)
    assert realised_errors("w", [5.0, None], [0.0, 1.0]) == ()


def test_errors_beyond_the_largest_number_are_left_out() -> None:
    found = {p.metric: p for p in realised_errors("w", [1.0, 2.0, 3.0], [1.0, 2.0, 1e200])}
    assert found.keys() == {"mae", "bias"}
    assert found["mae"].value == pytest.approx(1e200 / 3)
    assert found["mae"].high is None


@pytest.mark.parametrize(
    ("label", "score", "message"),
    [
        ([0, 1], [0.1], "2 labels but 1 scores"),
        ([0, 2], [0.1, 0.2], "a label is 2"),
        ([0, 1], [-1.5, 2.5], "a score is 2.5, not a probability"),
        (["x", "y"], [0.1, 0.2], "is not a number"),
    ],
)
def test_wrong_labels_and_scores_are_told(label: list, score: list, message: str) -> None:
    with pytest.raises(MonitoringError, match=message):
        score_sides(label, score)


def test_calibration_error_is_zero_for_honest_scores_only() -> None:
    score, label = sample(50_000)
    honest = values(realised("w", score_sides(label, score)))["calibration_error"]
    boastful = values(realised("w", score_sides(label, np.sqrt(score))))["calibration_error"]
    assert honest < 0.01
    assert boastful > 0.15


def test_the_estimate_from_sketches_is_that_of_every_row() -> None:
    for seed, (a, b) in enumerate([(1.2, 4.0), (0.4, 0.5), (5.0, 5.0)]):
        score, _ = sample(200_000, seed, a=a, b=b)
        said = score >= 0.5
        frame = pd.DataFrame({"score": score, "said": np.where(said, "1", "0")})
        part = profile(frame, score="score", predictions="said")
        ours = values(estimate("w", *scores_by_prediction(part, score="score", prediction="said")))
        every = values(estimate("w", exact(score[said]), exact(score[~said])))
        assert ours == pytest.approx(every, abs=0.0005)
        assert ours["accuracy"] == pytest.approx(
            np.where(said, score, 1 - score).mean(), abs=0.0005
        )
        truth = np.concatenate((np.ones(len(score)), np.zeros(len(score))))
        area = roc_auc_score(
            truth, np.tile(score, 2), sample_weight=np.concatenate((score, 1 - score))
        )
        assert ours["auc"] == pytest.approx(area, abs=0.0005)
        # Without sketches by prediction, the score's own is cut at the threshold.
        cut = values(estimate("w", *scores_by_prediction(profile(frame), score="score")))
        assert cut["accuracy"] == pytest.approx(every["accuracy"], abs=0.001)


def test_the_estimate_holds_under_covariate_shift() -> None:
    now_score, now_label = sample(40_000, 5, a=3.0, b=2.0)
    guess = {
        p.metric: p
        for p in estimate(
            "w", exact(now_score[now_score >= 0.5]), exact(now_score[now_score < 0.5])
        )
    }
    real = values(realised("w", score_sides(now_label, now_score)))
    for metric in ("auc", "accuracy", "brier", "positive_rate", "log_loss", "precision", "recall"):
        assert guess[metric].value == pytest.approx(real[metric], abs=0.012), metric
        assert guess[metric].kind == "estimated"
        assert guess[metric].note == NOTE == "valid under covariate shift"
        assert guess[metric].low < guess[metric].value < guess[metric].high


def test_calibration_mends_dishonest_scores() -> None:
    score, label = sample(60_000, 6)
    boast = np.sqrt(score)
    calibration = fit_calibration(score_sides(label, boast))
    assert list(calibration.shares) == sorted(calibration.shares)
    now_score, now_label = sample(60_000, 7, a=3.0)
    now = np.sqrt(now_score)
    yes, no = exact(now[now >= 0.5]), exact(now[now < 0.5])
    mended = values(estimate("w", yes, no, calibration=calibration))["positive_rate"]
    believed = values(estimate("w", yes, no))["positive_rate"]
    assert mended == pytest.approx(now_label.mean(), abs=0.01)
    assert abs(believed - now_label.mean()) > 0.1
    with pytest.raises(MonitoringError, match="one class only"):
        fit_calibration(score_sides(np.ones(10), np.linspace(0, 1, 10)))


def test_a_regressors_error_is_estimated_from_its_predictions() -> None:
    def make(rows: int, seed: int, mean: float):
        r = np.random.default_rng(seed)
        predicted = r.normal(mean, 10, rows)
        return predicted + r.normal(0, 1 + np.abs(predicted) / 10, rows), predicted

    label, predicted = make(40_000, 0, 0.0)
    model = fit_errors(label, predicted)
    now_label, now = make(40_000, 1, 8.0)
    guess = {p.metric: p for p in estimate_errors("w", exact(now), model)}
    real = {p.metric: p for p in realised_errors("w", now_label, now)}
    was = values(realised_errors("w", label, predicted))
    assert guess["mae"].value == pytest.approx(real["mae"].value, rel=0.03)
    assert guess["rmse"].value == pytest.approx(real["rmse"].value, rel=0.05)
    assert abs(was["mae"] - real["mae"].value) > 0.1
    assert guess["mae"].note == NOTE
    assert abs(real["bias"].value) < 0.1
    with pytest.raises(MonitoringError, match="fewer than two"):
        fit_errors([1.0], [1.0])
    with pytest.raises(MonitoringError, match="3 labels but 2 predictions"):
        realised_errors("w", [1, 2, 3], [1, 2])
    assert realised_errors("w", [None], [1.0]) == ()


def points(
    window: str, real: float, guess: float, half: float = 0.01
) -> tuple[PerformancePoint, ...]:
    return tuple(
        PerformancePoint(
            window=window, metric="positive_rate", value=value, low=value - half,
            high=value + half, kind=kind,
        )
        for value, kind in ((real, "realised"), (guess, "estimated"))
    )  # fmt: skip


def test_the_gap_is_concept_drift_beyond_noise_and_floor() -> None:
    settings = MonitoringSettings(gap=0.03)
    (near,) = gaps(points("w", 0.30, 0.28), {}, settings)
    (noisy,) = gaps(points("w", 0.30, 0.25, half=0.05), {}, settings)
    (apart,) = gaps(points("w", 0.30, 0.20), {}, settings)
    assert (near.drifted, noisy.drifted, apart.drifted) == (False, False, True)
    assert apart.aspect == "concept"
    assert "concept drift" in apart.text
    assert gaps(points("w", 0.3, 0.2)[:1], {}, settings) == ()


def test_decay_must_be_sure_and_in_the_wrong_direction() -> None:
    def auc(value: float, half: float):
        point = PerformancePoint(
            window="w", metric="auc", value=value, low=value - half, high=value + half
        )
        return gaps([point], {"auc": 0.70}, MonitoringSettings(metric_drop=0.02))[0]

    assert auc(0.65, 0.01).drifted
    assert not auc(0.65, 0.08).drifted
    assert not auc(0.69, 0.001).drifted
    assert not auc(0.80, 0.01).drifted
    assert auc(0.65, 0.01).text == "auc is 0.650, worse than 0.700 at the reference"


def test_a_handful_of_labels_decides_nothing_and_coverage_is_told() -> None:
    def auc(count: int):
        point = PerformancePoint(
            window="w", metric="auc", value=0.1, low=0.05, high=0.2, count=count, coverage=0.25
        )
        guess = PerformancePoint(
            window="w", metric="auc", value=0.7, low=0.69, high=0.71, count=2000, kind="estimated"
        )
        return gaps([point, guess], {"auc": 0.7}, MonitoringSettings())

    assert auc(4) == auc(99) == ()
    concept, performance = auc(500)
    assert concept.drifted
    assert performance.drifted
    assert performance.text == (
        "auc is 0.100 where labels are known (25% of the rows), worse than 0.700 at the reference"
    )


def test_a_weak_estimate_is_called_weak() -> None:
    r = np.random.default_rng(0)
    truth = 0.2 + 0.1 * r.standard_normal(12)
    useless = [p for i, t in enumerate(truth) for p in points(f"{i:02d}", t, 0.2)]
    (skill,) = skills(useless, {"positive_rate": 0.2})
    assert skill.weak
    assert "the label-free estimate is weak here" in skill.text
    useful = [p for i, t in enumerate(truth) for p in points(f"{i:02d}", t, t + 0.005)]
    (skill,) = skills(useful, {"positive_rate": 0.2})
    assert not skill.weak
    assert "useful" in skill.text
    (skill,) = skills(useless[:4], {"positive_rate": 0.2})
    assert "too few labelled windows" in skill.text
