"""Measures one column of a window against the same column of a reference."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, reduce
from math import exp, log
from typing import TYPE_CHECKING

import numpy as np

from mlops_nb.monitoring import statistics as stats
from mlops_nb.monitoring.sketch.hll import Hll

if TYPE_CHECKING:
    from mlops_nb.monitoring.column import ColumnProfile
    from mlops_nb.monitoring.settings import DriftSettings

__all__ = [
    "CATEGORICAL",
    "DATETIME",
    "EMPTY",
    "HIGH",
    "NUMERIC",
    "ColumnSummary",
    "Measured",
    "kind_of",
    "measure",
]

NUMERIC, CATEGORICAL, HIGH, DATETIME, EMPTY = (
    "numeric",
    "categorical",
    "high cardinality",
    "datetime",
    "empty",
)
_HLL_ERROR = 1.04 / 4096**0.5
"""Relative standard error of a HyperLogLog of 2^12 registers (Flajolet et al. 2007)."""


@dataclass(frozen=True, eq=False)
class ColumnSummary:
    """One column over one window, or over the several windows of a reference."""

    parts: tuple[ColumnProfile, ...]

    @cached_property
    def rows(self) -> int:
        """Rows, missing values included."""
        return sum(part.count for part in self.parts)

    @cached_property
    def missing(self) -> int:
        """Rows without a value, NaN among them."""
        return sum(part.nulls for part in self.parts)

    @cached_property
    def valid(self) -> int:
        """Rows with a value."""
        return self.rows - self.missing

    @cached_property
    def infinite(self) -> int:
        """Rows that are plus or minus infinity."""
        return sum(part.infs for part in self.parts)

    @cached_property
    def types(self) -> dict[str, int]:
        """Rows by type."""
        total: dict[str, int] = {}
        for part in self.parts:
            for name, count in part.types.items():
                if count:
                    total[name] = total.get(name, 0) + count
        return total

    @cached_property
    def distribution(self) -> stats.Distribution:
        """The finite numbers of the column; empty where it has none."""
        return stats.Distribution.pool([_finite(part) for part in self.parts])

    @cached_property
    def frequent(self) -> dict[str, float]:
        """Rows by category; whylogs counts booleans apart."""
        total: dict[str, float] = {}
        for part in self.parts:
            counts = part.frequent()
            booleans = part.types.get("boolean", 0)
            if booleans and not counts:
                counts = {"True": part.trues, "False": booleans - part.trues}
            for label, count in counts.items():
                if count:
                    total[label] = total.get(label, 0.0) + count
        return total

    @cached_property
    def frequent_error(self) -> float:
        """By how many rows a category's count may be too high."""
        return float(sum(part.frequent_error for part in self.parts))

    @cached_property
    def distinct(self) -> float:
        """Distinct values per window: the mean over the windows."""
        return float(np.mean([part.distinct() for part in self.parts]))

    @cached_property
    def hll(self) -> Hll:
        """The distinct values of all windows together."""
        sketches = [part.hll for part in self.parts if part.hll is not None]
        return reduce(Hll.union, sketches) if sketches else Hll()

    @cached_property
    def low(self) -> float:
        """The smallest value; not a number where there is none."""
        return min((p.minimum for p in self.parts if p.minimum is not None), default=float("nan"))

    @cached_property
    def high(self) -> float:
        """The largest value; not a number where there is none."""
        return max((p.maximum for p in self.parts if p.maximum is not None), default=float("nan"))


def _finite(part: ColumnProfile) -> stats.Distribution:
    items, weights = part.weighted_items()
    if part.infs:
        finite = np.isfinite(items)
        items, weights = items[finite], weights[finite]
    return stats.Distribution(items, weights.astype(float), part.rank_error)


@dataclass(frozen=True)
class Measured:
    """One test before its decision."""

    aspect: str
    measure: str
    value: float
    floor: float
    p_value: float


def kind_of(column: ColumnSummary, settings: DriftSettings) -> str:
    """Tell how a column is compared, from what its reference holds.

    Whole numbers and text with few distinct values, and booleans, are categories; text with many
    is compared by its frequent values, its distinct count and how many values are new.
    """
    types = column.types
    total = sum(types.values())
    if not total:
        return EMPTY
    if any(part.kind == "datetime" for part in column.parts):
        return DATETIME
    main = max(types, key=lambda name: types[name])
    exact = bool(column.frequent) and column.frequent_error == 0
    if main == "fractional":
        return NUMERIC
    if main == "integral":
        few = exact and len(column.frequent) <= settings.max_categories
        return CATEGORICAL if few else NUMERIC
    return CATEGORICAL if exact else HIGH


def measure(
    kind: str, reference: ColumnSummary, current: ColumnSummary, settings: DriftSettings
) -> list[Measured]:
    """Return every test that applies; what has too few values on one side is left out.

    Parameters
    ----------
    kind
        See `kind_of`; the reference's kind decides.
    reference, current
        The two sides.
    settings
        The floors.
    """
    found = [_missing(reference, current, settings)]
    if min(reference.valid, current.valid) < settings.min_rows:
        return found
    found.append(_types(reference, current, settings))
    if reference.infinite or current.infinite:
        found.append(_infinite(reference, current, settings))
    if kind in (NUMERIC, DATETIME):
        found += _numeric(kind, reference, current, settings)
    if kind in (CATEGORICAL, HIGH):
        found += _categories(reference, current, settings)
    if kind == HIGH or (kind == NUMERIC and "integral" in reference.types):
        found += _cardinality(reference, current, settings)
    return found


def _missing(old: ColumnSummary, new: ColumnSummary, settings: DriftSettings) -> Measured:
    change = stats.rate_difference(old.missing, old.rows, new.missing, new.rows)
    p = stats.rates_differ(old.missing, old.rows, new.missing, new.rows)
    return Measured("missing values", "rate change", abs(change), settings.null_rate, p)


def _infinite(old: ColumnSummary, new: ColumnSummary, settings: DriftSettings) -> Measured:
    change = stats.rate_difference(old.infinite, old.rows, new.infinite, new.rows)
    p = stats.rates_differ(old.infinite, old.rows, new.infinite, new.rows)
    return Measured("infinities", "rate change", abs(change), settings.infinities, p)


def _types(old: ColumnSummary, new: ColumnSummary, settings: DriftSettings) -> Measured:
    """Total variation distance of the type shares: the share of values whose type changed."""
    if old.types.keys() == new.types.keys() and len(old.types) == 1:
        return Measured("types", "share changed", 0.0, settings.types, 1.0)
    labels = sorted(old.types.keys() | new.types.keys())
    a = np.array([old.types.get(label, 0) for label in labels], dtype=float)
    b = np.array([new.types.get(label, 0) for label in labels], dtype=float)
    distance = 0.5 * float(np.abs(a / a.sum() - b / b.sum()).sum())
    return Measured("types", "share changed", distance, settings.types, stats.chi_square(a, b))


def _numeric(
    kind: str, old: ColumnSummary, new: ColumnSummary, settings: DriftSettings
) -> list[Measured]:
    if min(old.distribution.n, new.distribution.n) < settings.min_rows:
        return []
    distance, p = stats.kolmogorov_smirnov(old.distribution, new.distribution)
    found = [Measured("distribution", "ks", distance, settings.ks, p)]
    if kind == DATETIME:
        return found
    work = stats.wasserstein(old.distribution, new.distribution)
    found.append(Measured("distribution", "wasserstein", work, settings.wasserstein, p))
    share = 0.0
    if new.high > old.high:
        share += 1.0 - float(new.distribution.cdf(np.array([old.high]))[0])
    if new.low < old.low:
        share += float(new.distribution.cdf(np.array([old.low]), side="left")[0])
    reach = max(new.high - old.high, old.low - new.low, 0.0)
    beyond = max(share * new.valid, 1.0 if reach > 0 else 0.0)
    chance = min(1.0, 2 * stats.exceedance(old.valid, new.valid, beyond))
    span = old.high - old.low
    found.append(Measured("range", "share beyond", share, settings.beyond, chance))
    if np.isfinite(span) and span > 0 and np.isfinite(reach):
        found.append(Measured("range", "reach", reach / span, settings.reach, chance))
    return found


def _categories(old: ColumnSummary, new: ColumnSummary, settings: DriftSettings) -> list[Measured]:
    if not old.frequent or not new.frequent:
        return []
    least = 20 * max(old.frequent_error, new.frequent_error)
    _, a, b = stats.align_counts(old.frequent, new.frequent, old.valid, new.valid, least=least)
    distance = stats.jensen_shannon(a / a.sum(), b / b.sum())
    found = [
        Measured(
            "distribution",
            "jensen-shannon",
            distance,
            settings.jensen_shannon,
            stats.chi_square(a, b),
        )
    ]
    # What the reference's sketch may have dropped is not called new.
    hidden = old.frequent_error * new.valid / old.valid + new.frequent_error
    unseen = [
        count - hidden
        for label, count in new.frequent.items()
        if label not in old.frequent and count > hidden
    ]
    share = sum(unseen) / new.valid
    chance = stats.exceedance(old.valid, new.valid, max(unseen, default=0.0))
    chance = min(1.0, chance * max(1, len(old.frequent.keys() | new.frequent.keys())))
    found.append(
        Measured("new categories", "share of rows", share, settings.new_categories, chance)
    )
    return found


def _cardinality(old: ColumnSummary, new: ColumnSummary, settings: DriftSettings) -> list[Measured]:
    """Distinct count and share of new values, from HyperLogLog alone.

    The expected number of distinct values grows with the rows, and ever more slowly (the
    rarefaction curve, Hurlbert 1971): with r times the rows it lies between d and r·d. Only what
    leaves that band counts as a change.
    """
    window_rows = old.valid / len(old.parts)
    ratio = new.valid / window_rows
    low, high = old.distinct * min(1.0, ratio), old.distinct * max(1.0, ratio)
    seen = max(new.distinct, 1.0)
    change = max(log(seen / high), log(max(low, 1.0) / seen), 0.0)
    error = (2 * _HLL_ERROR**2 + 1 / seen + 1 / max(old.distinct, 1.0)) ** 0.5
    found = [
        Measured(
            "distinct values", "log ratio", change, settings.distinct, _two_sided(change / error)
        )
    ]
    # The union with itself is estimated as the union is: what both get wrong falls out.
    union, known = old.hll.union(new.hll).estimate(), old.hll.union(old.hll).estimate()
    fresh = min(1.0, max(0.0, (union - known) / seen))
    error = _HLL_ERROR * (union**2 + known**2) ** 0.5 / seen
    usual = _unseen_share(old.valid, known)
    # One window cannot show how many values are new each time, and populations with rare values
    # bring more of them than the even one: halfway to "all" is the least that counts.
    floor = settings.new_values if len(old.parts) > 1 else 0.5 + usual / 2
    chance = _two_sided(max(0.0, fresh - usual) / error)
    found.append(Measured("new values", "share of values", fresh, floor, chance))
    return found


def _unseen_share(rows: float, distinct: float) -> float:
    """Return which share of the population's values a sample of so many rows leaves unseen.

    For S equally likely values, n rows show d = S·(1 − exp(−n/S)) of them (the occupancy problem,
    Feller 1968, IV.2) and miss exp(−n/S); uneven values leave more unseen. 1 where no value came
    twice: such a column may be an identifier, and says nothing of what it leaves out.
    """
    ratio = distinct / max(rows, 1.0)
    if ratio >= 0.999:
        return 1.0
    low, high = 0.0, 1.0 / max(ratio, 1e-9) + 1.0
    for _ in range(50):
        middle = (low + high) / 2
        if (1 - exp(-middle)) / middle > ratio:
            low = middle
        else:
            high = middle
    return exp(-low)


def _two_sided(z: float) -> float:
    from scipy.special import ndtr

    return float(2 * ndtr(-abs(z)))
