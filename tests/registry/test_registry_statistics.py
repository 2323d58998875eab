"""Weighted metrics against scikit-learn's, intervals against what they promise, calibration by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from mlops_nb.errors import ArtifactError, GateError
from mlops_nb.registry.compare import curves_of
from mlops_nb.registry.holdout import check_scores, cluster_ids, metrics_of, pair
from mlops_nb.registry.statistics import (
    METRICS,
    bootstrap_metric,
    calibration_bins,
    calibration_error,
    metric_kind,
    paired_bootstrap,
)


def _oracle(name, target, score, weight):
    said = score >= 0.5
    return {
        "roc_auc": lambda: oracle.roc_auc_score(target, score, sample_weight=weight),
        "average_precision": lambda: oracle.average_precision_score(
            target, score, sample_weight=weight
        ),
        "accuracy": lambda: oracle.accuracy_score(target, said, sample_weight=weight),
        "f1": lambda: oracle.f1_score(target, said, sample_weight=weight),
        "log_loss": lambda: oracle.log_loss(
            target, np.c_[1 - score, score], sample_weight=weight, labels=[0, 1]
        ),
        "brier": lambda: oracle.brier_score_loss(target, score, sample_weight=weight),
        "mae": lambda: oracle.mean_absolute_error(target, score, sample_weight=weight),
        "rmse": lambda: oracle.root_mean_squared_error(target, score, sample_weight=weight),
        "r2": lambda: oracle.r2_score(target, score, sample_weight=weight),
    }[name]()


@pytest.mark.parametrize("name", sorted(METRICS))
@given(seed=st.integers(0, 10_000), rows=st.integers(20, 80), digits=st.integers(1, 6))
@settings(max_examples=15, deadline=None)
def test_weighted_metrics_agree_with_scikit_learn(name, seed, rows, digits):
    rng = np.random.default_rng(seed)
    target = (rng.random(rows) < 0.4).astype(float)
    target[:2] = (0.0, 1.0)
    score = np.round(rng.uniform(0.01, 0.99, rows), digits).clip(0.01, 0.99)  # with ties
    weight = rng.integers(0, 3, rows).astype(float)
    weight[:2] = 1
    if name == "f1":
        score[1] = 0.9
    ours = float(METRICS[name].prepare(target, score)(weight[:, None])[0])
    assert ours == pytest.approx(_oracle(name, target, score, weight), abs=1e-9)


@pytest.mark.parametrize("name", sorted(name for name, kind in METRICS.items() if kind.by_cluster))
@given(seed=st.integers(0, 10_000), rows=st.integers(20, 80), clusters=st.integers(1, 9))
@settings(max_examples=15, deadline=None)
def test_weights_of_clusters_give_what_the_same_weights_of_their_rows_give(
    name, seed, rows, clusters
):
    rng = np.random.default_rng(seed)
    target = (rng.random(rows) < 0.4).astype(float)
    target[:2] = (0.0, 1.0)
    score = np.round(rng.uniform(0.01, 0.99, rows), 1)  # with ties
    cluster = rng.integers(0, clusters, rows)
    weights = rng.integers(1, 4, (cluster.max() + 1, 5)).astype(float)
    by_cluster = METRICS[name].by_cluster(target, score, cluster)(weights)
    by_row = METRICS[name].prepare(target, score)(weights[cluster])
    assert by_cluster == pytest.approx(by_row, rel=1e-9)


def test_the_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(3)
    hits = 0
    for round_ in range(100):
        target = np.zeros(150)
        score = rng.normal(0.3, 1.0, 150)
        found = bootstrap_metric("mae", target, score, resamples=200, seed=round_, confidence=0.9)
        truth = 0.3 * (1 - 2 * _phi(-0.3)) + 2 * np.exp(-0.045) / np.sqrt(2 * np.pi)
        hits += found.low <= truth <= found.high
    assert 80 <= hits <= 98


def _phi(x: float) -> float:
    from math import erf, sqrt

    return 0.5 * (1 + erf(x / sqrt(2)))


def test_pairing_takes_out_what_makes_rows_hard():
    rng = np.random.default_rng(0)
    target = rng.normal(size=400) * 10
    champion = target + rng.normal(size=400)
    candidate = champion + 0.001
    found = paired_bootstrap("mae", target, candidate, champion, resamples=300)
    alone = bootstrap_metric("mae", target, candidate, resamples=300)
    assert found.high - found.low < 0.01 * (alone.high - alone.low)
    assert found.difference == pytest.approx(found.champion - found.candidate)


def test_better_is_above_zero_whichever_way_a_metric_points():
    target = np.tile([0.0, 1.0], 100)
    good, bad = np.where(target > 0, 0.9, 0.1), np.where(target > 0, 0.6, 0.5)
    for name in ("log_loss", "brier", "mae", "rmse", "r2"):
        assert paired_bootstrap(name, target, good, bad, resamples=50).low > 0
        assert paired_bootstrap(name, target, bad, good, resamples=50).high < 0


def test_the_same_seed_gives_the_same_interval_and_clusters_widen_it():
    rng = np.random.default_rng(1)
    days = np.repeat(np.arange(20), 50)
    target = np.zeros(1000)
    score = rng.normal(size=20)[days] + 0.1 * rng.normal(size=1000)
    plain = bootstrap_metric("mae", target, score, resamples=200, seed=5)
    assert plain == bootstrap_metric("mae", target, score, resamples=200, seed=5)
    assert plain != bootstrap_metric("mae", target, score, resamples=200, seed=6)
    by_day = bootstrap_metric("mae", target, score, resamples=200, seed=5, clusters=days)
    assert by_day.high - by_day.low > 3 * (plain.high - plain.low)


def test_what_is_undefined_is_said():
    ones = np.ones(50)
    with pytest.raises(GateError, match="roc_auc is undefined on these 50 rows"):
        bootstrap_metric("roc_auc", ones, ones)
    with pytest.raises(GateError, match="roc_auc is undefined"):
        paired_bootstrap("roc_auc", ones, ones, ones)
    rare = np.zeros(200)
    rare[0] = 1.0
    with pytest.raises(GateError, match="more than 5% of the resamples"):
        bootstrap_metric("roc_auc", rare, np.arange(200.0))
    with pytest.raises(GateError, match=r'"rocauc".*did you mean "roc_auc"'):
        metric_kind("rocauc")


def test_calibration_error_by_hand():
    score = np.repeat([0.2, 0.8], 50)
    target = np.r_[np.tile([0, 0, 0, 0, 1], 10), np.tile([1, 1, 1, 0, 0], 10)].astype(float)
    bins = calibration_bins(target, score, bins=2)
    assert [(b.n, b.observed) for b in bins] == [(50, 0.2), (50, 0.6)]
    assert calibration_error(bins) == pytest.approx(0.1)


def test_holdout_metrics_and_clusters_by_column():
    scores = pd.DataFrame(
        {"target": [0, 1] * 50, "score": [0.3, 0.7] * 50, "day": list("abcde") * 20}
    )
    found = metrics_of(scores, ["roc_auc", "brier"], resamples=50, cluster="day")
    assert found["roc_auc"].value == 1.0
    assert found["brier"].better == "lower"
    assert sorted(set(cluster_ids(scores, "day"))) == [0, 1, 2, 3, 4]
    with pytest.raises(GateError, match='no column "night"'):
        metrics_of(scores, ["brier"], cluster="night")
    scores.loc[3, "day"] = None
    with pytest.raises(GateError, match='column "day" misses 1 value'):
        metrics_of(scores, ["brier"], cluster="day")


def test_only_the_same_rows_with_the_same_truth_are_paired():
    left = pd.DataFrame({"target": [0, 1], "score": [0.1, 0.9]}, index=["a", "b"])
    more = pd.DataFrame({"target": [1, 0, 1], "score": [0.8, 0.2, 0.5]}, index=["b", "a", "c"])
    assert pair(left, more)["champion"].tolist() == [0.2, 0.8]
    assert pair(more, left) is None
    assert pair(left, more.assign(target=[0, 0, 1])) is None
    with pytest.raises(ArtifactError, match='no column "target"'):
        check_scores(left[["score"]])


def test_curves_agree_with_scikit_learn():
    rng = np.random.default_rng(2)
    target = (rng.random(3000) < 0.3).astype(int)
    score = np.round(np.clip(target * 0.2 + rng.random(3000) * 0.8, 0, 1), 2)
    found = curves_of(pd.DataFrame({"target": target, "score": score}))
    area = np.trapezoid(found.roc.y, found.roc.x)
    assert area == pytest.approx(oracle.roc_auc_score(target, score), abs=1e-3)
    assert len(found.roc.x) <= 201
    assert (found.roc.x[-1], found.roc.y[-1]) == (1.0, 1.0)
    assert found.precision_recall.y[-1] == pytest.approx(target.mean())
    assert sum(found.scores.y) == pytest.approx(1.0)
    assert sum(part.n for part in found.calibration) == found.n == 3000
    numbers = curves_of(pd.DataFrame({"target": [1.5, 2.5], "score": [1.0, 3.0]}))
    assert (numbers.roc.x, numbers.calibration, numbers.n) == ((), (), 2)
