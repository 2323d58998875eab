"""The statistics that drift decisions rest on, over weighted items and counts, not over rows.

Every function names its source. Sketches stand for rows: a KLL sketch gives sorted items with
weights, so a distribution function is exact up to the sketch's rank error, and that error is
counted as if it were sampling error (see `Distribution.effective_n`).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = [
    "FAR",
    "Distribution",
    "align_counts",
    "benjamini_hochberg",
    "chi_square",
    "exceedance",
    "jensen_shannon",
    "kolmogorov_smirnov",
    "population_stability",
    "rate_difference",
    "rates_differ",
    "wasserstein",
    "weighted_sum",
]

FAR = 1e100
"""The largest distance told; its square and its multiples are still numbers."""
_LARGEST = sys.float_info.max
_Z99 = 2.576
"""A sketch states its rank error as a 99% bound: this many standard errors."""


def weighted_sum(values: Floats, weights: Floats) -> float:
    """Return Σ value·weight; ``np.dot`` would wake BLAS' threads, which spin on a busy machine."""
    return float((values * weights).sum())


@dataclass(frozen=True, eq=False)
class Distribution:
    """A distribution as sorted items with weights, from one sketch or pooled from several.

    Parameters
    ----------
    items
        Ascending values.
    weights
        How many rows each item stands for.
    error
        The 99% bound of the rank error, as a share of all rows; 0 for exact data.
    """

    items: Floats
    weights: Floats
    error: float = 0.0

    @staticmethod
    def pool(parts: Sequence[Distribution]) -> Distribution:
        """Return the mixture of distributions, each counted by its rows.

        Rank errors of independent sketches add as variances, weighted by the square of the share.
        """
        parts = [part for part in parts if part.n > 0]
        if not parts:
            return Distribution(np.empty(0), np.empty(0))
        if len(parts) == 1:
            return parts[0]
        items = np.concatenate([part.items for part in parts])
        order = np.argsort(items, kind="stable")
        weights = np.concatenate([part.weights for part in parts])[order]
        n = sum(part.n for part in parts)
        error = sum((part.n / n * part.error) ** 2 for part in parts) ** 0.5
        return Distribution(items[order], weights, error)

    @cached_property
    def cumulative(self) -> Floats:
        """Rows at or below each item."""
        return np.cumsum(self.weights)

    @cached_property
    def n(self) -> float:
        """Rows that the items stand for."""
        return float(self.cumulative[-1]) if len(self.items) else 0.0

    @cached_property
    def effective_n(self) -> float:
        """Rows of an exact sample whose distribution function would be as uncertain as this one.

        A sample's distribution function has variance at most 1/(4n), a sketch adds
        (error/2.576)²: together 1/(1/n + 4·(error/2.576)²). Without it, the sketch's error is
        taken for drift as soon as the rows are many.
        """
        return 1.0 / (1.0 / self.n + 4.0 * (self.error / _Z99) ** 2) if self.n else 0.0

    def cdf(self, xs: Floats, *, side: str = "right") -> Floats:
        """Return the share of rows at or below each x (below it with ``side="left"``)."""
        places = np.searchsorted(self.items, xs, side="right" if side == "right" else "left")
        return np.concatenate(([0.0], self.cumulative))[places] / self.n

    def quantiles(self, ps: Sequence[float] | Floats) -> Floats:
        """Return the smallest items whose distribution function reaches each p."""
        ranks = np.asarray(ps, dtype=float) * self.n
        places = np.searchsorted(self.cumulative, ranks * (1 - 1e-12), side="left")
        return self.items[np.minimum(places, len(self.items) - 1)]

    @cached_property
    def scale(self) -> float:
        """A robust standard deviation: interquartile range / 1.349, wider quantiles where that is 0.

        Rousseeuw and Croux 1993, *Alternatives to the median absolute deviation*: quantile
        ranges of a normal distribution, divided by their length in standard deviations.
        """
        low, q1, q3, high = map(float, self.quantiles((0.025, 0.25, 0.75, 0.975)))
        if q3 > q1:
            return min((q3 - q1) / 1.349, _LARGEST)
        if high > low:
            return min((high - low) / 3.92, _LARGEST)
        # In shares of the largest value, whose square need not be a number.
        largest = float(np.abs(self.items).max()) or 1.0
        mean = float(np.average(self.items / largest, weights=self.weights))
        squares = (self.items / largest - mean) ** 2
        spread = float(np.average(squares, weights=self.weights)) ** 0.5 * largest
        return spread if spread > 0 else max(abs(mean) * largest, 1.0)

    def edges(self, bins: int = 10) -> Floats:
        """Return the inner edges of bins that hold equal shares; fewer where values repeat."""
        inner = np.unique(self.quantiles(np.linspace(0, 1, bins + 1)[1:-1]))
        return inner[inner < self.items[-1]] if len(inner) > 1 else inner

    def masses(self, edges: Floats) -> Floats:
        """Return the share of rows in each bin between inner edges, the open ends included."""
        return np.diff(np.concatenate(([0.0], self.cdf(edges), [1.0])))


def kolmogorov_smirnov(reference: Distribution, current: Distribution) -> tuple[float, float]:
    """Return the largest distance of two distribution functions, and its p-value.

    The distance is exact for the given items: its supremum lies at, or just below, an item of
    the current side. The p-value is Kolmogorov's limit with the effective n of both sides
    (Smirnov 1948, *Table for estimating the goodness of fit of empirical distributions*);
    conservative where values repeat.
    """
    from scipy.special import kolmogorov

    here = current.cumulative / current.n
    before = here - current.weights / current.n
    above = float(np.max(here - reference.cdf(current.items)))
    below = float(np.max(reference.cdf(current.items, side="left") - before))
    distance = max(above, below, 0.0)
    n, m = reference.effective_n, current.effective_n
    return distance, float(kolmogorov((n * m / (n + m)) ** 0.5 * distance))


def wasserstein(reference: Distribution, current: Distribution) -> float:
    """Return the first Wasserstein distance over the reference's robust scale.

    The area between the two distribution functions (Vallender 1974, *Calculation of the
    Wasserstein distance between probability distributions on the line*), in robust standard
    deviations, so that tails count by how far they reach.
    """
    xs = np.concatenate((reference.items, current.items))
    order = np.argsort(xs, kind="stable")
    steps = np.concatenate((reference.weights / reference.n, -current.weights / current.n))[order]
    # In quarters, since the difference of two finite numbers need not be one.
    gaps = np.diff(xs[order] / 4)
    area = float(np.sum(np.abs(np.cumsum(steps)[:-1]) * gaps))
    return min(4 * (area / max(reference.scale, sys.float_info.min)), FAR)


def population_stability(reference: Floats, current: Floats) -> float:
    """Return the population stability index of two rows of shares.

    Σ (q − p)·ln(q / p), the symmetric Kullback-Leibler divergence (Kullback and Leibler 1951;
    as PSI in Siddiqi 2006, *Credit Risk Scorecards*). A share below 0.0001 counts as 0.0001, so
    that one row in a new bin is not infinite.
    """
    p, q = np.maximum(reference, 1e-4), np.maximum(current, 1e-4)
    return float(np.sum((q - p) * np.log(q / p)))


def jensen_shannon(reference: Floats, current: Floats) -> float:
    """Return the Jensen-Shannon distance of two rows of shares, from 0 to 1.

    The square root of the divergence in bits (Lin 1991; a metric by Endres and Schindelin 2003).
    """
    middle = (reference + current) / 2

    def divergence(p: Floats) -> float:
        held = p > 0
        return float(np.sum(p[held] * np.log2(p[held] / middle[held])))

    return float(max(0.0, (divergence(reference) + divergence(current)) / 2) ** 0.5)


def align_counts(
    reference: Mapping[str, float],
    current: Mapping[str, float],
    reference_n: float,
    current_n: float,
    *,
    least: float = 0.0,
) -> tuple[tuple[str, ...], Floats, Floats]:
    """Return labels and both sides' counts, with what is rare or untracked in a last bucket.

    Parameters
    ----------
    reference, current
        Counts by category.
    reference_n, current_n
        All rows with a value; what the categories do not hold goes to the bucket.
    least
        A category stays on its own where both sides expect at least this many of it; and at
        least 5, the old rule for chi-square (Cochran 1954).
    """
    labels = sorted(reference.keys() | current.keys())
    old = np.array([reference.get(label, 0.0) for label in labels])
    new = np.array([current.get(label, 0.0) for label in labels])
    total = reference_n + current_n
    expected = (old + new) * min(reference_n, current_n) / total if total else old
    kept = expected >= max(5.0, least)
    names = tuple(label for label, keep in zip(labels, kept, strict=True) if keep)
    olds = np.append(old[kept], max(0.0, reference_n - old[kept].sum()))
    news = np.append(new[kept], max(0.0, current_n - new[kept].sum()))
    return names, olds, news


def chi_square(reference: Floats, current: Floats) -> float:
    """Return the p-value of Pearson's two-sample chi-square test of homogeneity.

    Both sides are samples (Pearson 1911, *On the probability that two independent distributions
    of frequency are really samples from the same population*); taking the reference as exact is
    what makes a goodness-of-fit test alarm without drift. Buckets that neither side holds are
    left out; the last bucket joins its neighbour where fewer than 5 are expected of it.
    """
    from scipy.special import chdtrc

    table = np.vstack((reference, current))
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] > 1:
        share = table.sum(axis=1).min() / table.sum()
        if table[:, -1].sum() * share < 5:
            table = np.column_stack((table[:, :-2], table[:, -2] + table[:, -1]))
    if table.shape[1] < 2 or not table.sum(axis=1).all():
        return 1.0
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    statistic = float(np.sum((table - expected) ** 2 / expected))
    return float(chdtrc(table.shape[1] - 1, statistic))


def rate_difference(hits: float, n: float, current_hits: float, current_n: float) -> float:
    """Return by how much a rate rose; negative where it fell."""
    return current_hits / max(current_n, 1.0) - hits / max(n, 1.0)


def rates_differ(hits: float, n: float, current_hits: float, current_n: float) -> float:
    """Return the two-sided p-value that two rates are one.

    The pooled z test where every expected count is at least 5; below, the exact conditional
    test of two Poisson rates (Przyborowski and Wilenski 1940), in which the current hits are
    binomial among all hits.
    """
    from scipy.special import bdtr, bdtrc, ndtr

    total = hits + current_hits
    if total == 0 or n == 0 or current_n == 0:
        return 1.0
    rate = total / (n + current_n)
    if min(n, current_n) * min(rate, 1 - rate) >= 5:
        error = (rate * (1 - rate) * (1 / n + 1 / current_n)) ** 0.5
        return float(2 * ndtr(-abs(rate_difference(hits, n, current_hits, current_n)) / error))
    share = current_n / (n + current_n)
    if rate > 0.5:  # the rare event is the opposite one
        hits, current_hits = n - hits, current_n - current_hits
        total = hits + current_hits
        if total == 0:
            return 1.0
    low = float(bdtr(np.floor(current_hits), round(total), share))
    high = (
        float(bdtrc(np.floor(current_hits) - 1, round(total), share)) if current_hits >= 1 else 1.0
    )
    return min(1.0, 2 * min(low, high))


def exceedance(reference_n: float, current_n: float, beyond: float) -> float:
    """Return the chance that the most extreme rows all fall on the current side.

    Among exchangeable rows, the `beyond` largest are all current with a probability of at most
    (m / (n + m))^beyond (Rosenbaum 1954, *Tables for a nonparametric test of location*). So one
    row beyond the reference's maximum, or of a category never seen, proves nothing.
    """
    if beyond <= 0 or current_n <= 0 or reference_n <= 0:
        return 1.0
    return float((current_n / (reference_n + current_n)) ** beyond)


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Return the p-values adjusted for their number: rejecting q ≤ α keeps the false share ≤ α.

    Benjamini and Hochberg 1995, *Controlling the false discovery rate*.
    """
    m = len(p_values)
    if not m:
        return []
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p)
    ranked = p[order] * m / np.arange(1, m + 1)
    adjusted = np.minimum.accumulate(ranked[::-1])[::-1]
    q = np.empty(m)
    q[order] = np.minimum(adjusted, 1.0)
    return [float(value) for value in q]
