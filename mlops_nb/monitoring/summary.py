"""One column over one window, or over the several windows of a reference, read as one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, reduce
from typing import TYPE_CHECKING

import numpy as np

from mlops_nb.monitoring import statistics as stats
from mlops_nb.monitoring.sketch.hll import Hll

if TYPE_CHECKING:
    from mlops_nb.monitoring.column import ColumnProfile

__all__ = ["ColumnSummary"]


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
