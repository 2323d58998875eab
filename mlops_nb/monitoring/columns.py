"""Measures one column of a window against the same column of a reference."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log
from typing import TYPE_CHECKING

import numpy as np

from mlops_nb.monitoring import statistics as stats

if TYPE_CHECKING:
    from mlops_nb.monitoring.settings import DriftSettings
    from mlops_nb.monitoring.summary import ColumnSummary

__all__ = [
    "CATEGORICAL",
    "DATETIME",
    "EMPTY",
    "HIGH",
    "NUMERIC",
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
    # In halves, since the difference of two finite numbers need not be one.
    reach = max(new.high / 2 - old.high / 2, old.low / 2 - new.low / 2, 0.0)
    beyond = max(share * new.valid, 1.0 if reach > 0 else 0.0)
    chance = min(1.0, 2 * stats.exceedance(old.valid, new.valid, beyond))
    span = old.high / 2 - old.low / 2
    found.append(Measured("range", "share beyond", share, settings.beyond, chance))
    if np.isfinite(span) and span > 0 and np.isfinite(reach):
        lengths = min(reach / span, stats.FAR)
        found.append(Measured("range", "reach", lengths, settings.reach, chance))
    return found


def _categories(old: ColumnSummary, new: ColumnSummary, settings: DriftSettings) -> list[Measured]:
    # The sketch of a column full of single values gives up all of them, and knows no label at all.
    if not old.frequent or not (new.frequent or new.frequent_error):
        return []
    least = 20 * max(old.frequent_error, new.frequent_error)
    _, a, b = stats.align_counts(old.frequent, new.frequent, old.valid, new.valid, least=least)
    distance = stats.jensen_shannon(a / a.sum(), b / b.sum())
    chance = stats.chi_square(a, b)
    return [
        Measured("distribution", "jensen-shannon", distance, settings.jensen_shannon, chance),
        _new_categories(old, new, settings),
    ]


def _new_categories(old: ColumnSummary, new: ColumnSummary, settings: DriftSettings) -> Measured:
    """Return the share of rows in categories that the reference never saw, many rare ones included.

    One new category alone must be too frequent to have been missed. All of them together must hold
    more rows than a sample leaves unseen anyhow: the share of the rows whose category came once
    (Good 1953, *The population frequencies of species and the estimation of population parameters*).
    """
    # What the reference's sketch may have dropped is not called new.
    hidden = old.frequent_error * new.valid / old.valid + new.frequent_error
    unseen = [
        count - hidden
        for label, count in new.frequent.items()
        if label not in old.frequent and count > hidden
    ]
    rows = sum(unseen)
    chance = stats.exceedance(old.valid, new.valid, max(unseen, default=0.0))
    chance = min(1.0, chance * max(1, len(old.frequent.keys() | new.frequent.keys())))
    if old.frequent_error == 0:
        # The reference's labels are all known, so the rows that are none of them are new. A label
        # that the sketch does not tell has up to twice its offset of them.
        error = new.frequent_error
        known = sum(new.frequent.get(label, 3 * error) + error for label in old.frequent)
        rows = max(rows, new.valid - known)
        once = sum(count < 1.5 for count in old.frequent.values())
        if rows / new.valid > once / old.valid:
            together = stats.rates_differ(once, old.valid, rows, new.valid)
            chance = min(1.0, 2 * min(chance, together))
    return Measured(
        "new categories", "share of rows", rows / new.valid, settings.new_categories, chance
    )


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
