"""Picks values out of a block by their ranks, by sorting it or by counting it into bins.

Both give the same values. Which is faster depends on the processor (NumPy's AVX-512 sort runs six
times slower than its AVX2 sort on AMD's Zen 4, where counting beats it three times over) and on the
column (where few values are repeated often, bins cannot part them): so each column tries both on
its first blocks and goes on with the one that took less time.
"""

from __future__ import annotations

from time import thread_time_ns
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Ranker"]

_BINS = 1 << 16
_LEAST = 1 << 14
"""Smaller blocks are sorted: their bins would cost more than they do."""
_ENDS = 0.01
"""Share of the values at each end that go into one bin, lest a long tail empties all others."""


class Ranker:
    """The values of one column's blocks by rank."""

    def __init__(self) -> None:
        self._range: tuple[float, float] | None = None
        self._spent: dict[str, int] = {}
        """Nanoseconds of processor time that the first large block took, by method."""

    def sorts(self, n: int) -> bool:
        """Whether the next block of `n` values had better be sorted."""
        if n < _LEAST or self._range is None:
            return True
        return "bins" in self._spent and self._spent["sort"] <= self._spent["bins"]

    def sort(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return a block sorted."""
        began = thread_time_ns()
        ordered = np.sort(values)
        n = len(ordered)
        if n >= _LEAST:
            self._spent.setdefault("sort", thread_time_ns() - began)
            end = int(n * _ENDS)
            low, high = float(ordered[end]), float(ordered[n - 1 - end])
            if np.isfinite(high - low) and high > low:
                self._range = low, high
        return ordered

    def pick(self, values: NDArray[Any], ranks: NDArray[np.int64]) -> NDArray[Any]:
        """Return the values that would stand at these ascending ranks, were the block sorted.

        Only bins that hold a wanted rank are sorted. Bins follow the order of the values, so what is
        below a bin is below it in the sorted block, too.
        """
        began = thread_time_ns()
        low, high = self._range or (0.0, 1.0)
        scale = (_BINS - 1) / (high - low)
        place = values * scale
        place -= low * scale
        bins = np.clip(place, 0.0, _BINS - 1.0, out=place).astype(np.intp)
        counts = np.bincount(bins, minlength=_BINS)
        reached = np.cumsum(counts)
        at = np.searchsorted(reached, ranks, side="right")
        wanted = np.zeros(_BINS, bool)
        wanted[at] = True
        some = np.sort(np.compress(wanted[bins], values))
        first = np.concatenate(([True], at[1:] != at[:-1]))
        used = at[first]
        # How many values stand before each wanted bin in the block, and in what was sorted of it.
        before = reached[used] - counts[used]
        kept = np.cumsum(counts[used]) - counts[used]
        found: NDArray[Any] = some[ranks - (before - kept)[np.cumsum(first) - 1]]
        self._spent.setdefault("bins", thread_time_ns() - began)
        return found
