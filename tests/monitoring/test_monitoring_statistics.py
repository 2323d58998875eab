"""The statistics against scipy's, and against what they must never say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from scipy.spatial.distance import jensenshannon

from mlops_nb.monitoring import statistics as stats
from mlops_nb.monitoring.statistics import Distribution


def exact(values: np.ndarray) -> Distribution:
    ordered = np.sort(np.asarray(values, dtype=float))
    return Distribution(ordered, np.ones(len(ordered)))


values = st.lists(st.integers(-20, 20).map(float), min_size=2, max_size=60)


@settings(max_examples=60, deadline=None)
@given(values, values)
def test_distances_are_those_of_scipy_with_and_without_ties(a: list[float], b: list[float]) -> None:
    left, right = exact(np.array(a)), exact(np.array(b))
    expected = scipy_stats.ks_2samp(a, b, method="asymp").statistic
    assert stats.kolmogorov_smirnov(left, right)[0] == pytest.approx(expected, abs=1e-12)
    work = scipy_stats.wasserstein_distance(a, b)
    assert stats.wasserstein(left, right) * left.scale == pytest.approx(work, abs=1e-9)


def test_weighted_items_count_as_that_many_rows() -> None:
    r = np.random.default_rng(0)
    rows = np.sort(r.integers(0, 30, 5000).astype(float))
    items, weights = np.unique(rows, return_counts=True)
    other = exact(r.integers(2, 31, 4000))
    a, b = exact(rows), Distribution(items, weights.astype(float))
    assert stats.kolmogorov_smirnov(a, other) == pytest.approx(stats.kolmogorov_smirnov(b, other))
    assert stats.wasserstein(a, other) == pytest.approx(stats.wasserstein(b, other))
    assert b.quantiles((0.25, 0.5, 0.75)) == pytest.approx(a.quantiles((0.25, 0.5, 0.75)))


def test_the_p_value_is_scipys_for_exact_samples() -> None:
    r = np.random.default_rng(1)
    a, b = r.normal(0, 1, 3000), r.normal(0.06, 1, 2500)
    expected = scipy_stats.ks_2samp(a, b, method="asymp").pvalue
    assert stats.kolmogorov_smirnov(exact(a), exact(b))[1] == pytest.approx(expected, rel=0.15)


def test_sketch_error_is_counted_as_sampling_error() -> None:
    one = Distribution(np.arange(1000.0), np.full(1000, 1000.0), error=0.0027)
    # A million rows, known no better than some 200,000 would be.
    assert one.n == 1_000_000
    assert one.effective_n == pytest.approx(1 / (1e-6 + 4 * (0.0027 / 2.576) ** 2))
    assert 150_000 < one.effective_n < 200_000
    # Sketches whose rank is off by half their bound: drift to a naive test, nothing to ours.
    moved = Distribution(np.arange(1000.0) + 3.0, np.full(1000, 1000.0), error=0.0027)
    distance, p = stats.kolmogorov_smirnov(one, moved)
    naive = scipy_stats.kstwobign.sf(distance * (1e6 / 2) ** 0.5)
    assert distance == pytest.approx(0.003)
    assert naive < 0.001 < 0.05 < p


def test_pooling_mixes_by_rows_and_averages_errors_out() -> None:
    r = np.random.default_rng(2)
    parts = [r.normal(0, 1, 4000), r.normal(1, 1, 1000)]
    pooled = Distribution.pool([exact(part) for part in parts])
    whole = exact(np.concatenate(parts))
    assert pooled.items == pytest.approx(whole.items)
    four = Distribution.pool([Distribution(np.arange(10.0), np.ones(10), 0.01)] * 4)
    assert four.error == pytest.approx(0.005)
    assert Distribution.pool([]).n == 0


def test_shares_are_compared_as_scipy_does() -> None:
    p, q = np.array([0.5, 0.3, 0.2, 0.0]), np.array([0.4, 0.3, 0.2, 0.1])
    assert stats.jensen_shannon(p, q) == pytest.approx(jensenshannon(p, q, base=2))
    assert stats.jensen_shannon(p, p) == 0
    assert stats.jensen_shannon(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == pytest.approx(1)
    by_hand = np.sum((q[:3] - p[:3]) * np.log(q[:3] / p[:3])) + 0.0999 * np.log(0.1 / 0.0001)
    assert stats.population_stability(p, q) == pytest.approx(by_hand)


def test_psi_is_small_without_drift_and_finite_with_new_bins() -> None:
    r = np.random.default_rng(3)
    a, b = exact(r.normal(0, 1, 50_000)), exact(r.normal(0, 1, 50_000))
    edges = a.edges()
    assert len(edges) == 9
    assert a.masses(edges) == pytest.approx(np.full(10, 0.1), abs=0.001)
    assert stats.population_stability(a.masses(edges), b.masses(edges)) < 0.002
    far = exact(r.normal(9, 1, 50_000))
    assert 5 < stats.population_stability(a.masses(edges), far.masses(edges)) < 20


def test_chi_square_takes_both_sides_as_samples() -> None:
    a, b = np.array([120.0, 80.0, 40.0, 60.0]), np.array([100.0, 95.0, 55.0, 50.0])
    expected = scipy_stats.chi2_contingency(np.vstack((a, b)), correction=False).pvalue
    assert stats.chi_square(a, b) == pytest.approx(expected)
    assert stats.chi_square(a, np.zeros(4)) == 1.0
    assert stats.chi_square(np.array([5.0]), np.array([7.0])) == 1.0


def test_rare_categories_share_a_bucket() -> None:
    old = {"a": 900.0, "b": 95.0, "once": 1.0}
    new = {"a": 880.0, "b": 110.0, "twice": 2.0}
    labels, a, b = stats.align_counts(old, new, 1000, 1000)
    assert labels == ("a", "b")
    assert a.tolist() == [900, 95, 5]
    assert b.tolist() == [880, 110, 10]


@pytest.mark.parametrize(("n", "m"), [(50, 40), (5000, 200)])
def test_rates_use_the_exact_test_for_few_and_z_for_many(n: int, m: int) -> None:
    assert stats.rates_differ(0, n, 0, m) == 1.0
    assert stats.rates_differ(n, n, m, m) == 1.0
    assert stats.rates_differ(0, n, 1, m) > 0.03
    assert stats.rates_differ(0, n, m // 2, m) < 1e-6
    assert stats.rates_differ(n, n, m // 2, m) < 1e-6


def test_few_hits_are_binomial_among_all_hits() -> None:
    # 0 of 1000 against 4 of 1000: two-sided binomial of 4 in 4 with one half each.
    assert stats.rates_differ(0, 1000, 4, 1000) == pytest.approx(2 * 0.5**4)


def test_one_row_beyond_proves_nothing() -> None:
    assert stats.exceedance(100_000, 100_000, 1) == 0.5
    assert stats.exceedance(100_000, 100_000, 20) < 1e-5
    assert stats.exceedance(100_000, 100_000, 0) == 1.0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_benjamini_hochberg_is_scipys(p: list[float]) -> None:
    assert stats.benjamini_hochberg(p) == pytest.approx(scipy_stats.false_discovery_control(p))


def test_the_scale_survives_outliers_and_constants() -> None:
    r = np.random.default_rng(4)
    assert exact(r.normal(0, 2, 50_000)).scale == pytest.approx(2, rel=0.03)
    wild = np.concatenate((r.normal(0, 2, 9900), np.full(100, 1e9)))
    assert exact(wild).scale == pytest.approx(2, rel=0.1)
    mostly_zero = np.concatenate((np.zeros(900), np.arange(100.0)))
    assert exact(mostly_zero).scale > 0
    assert exact(np.full(10, 3.0)).scale == 3.0
    assert exact(np.zeros(10)).scale == 1.0
