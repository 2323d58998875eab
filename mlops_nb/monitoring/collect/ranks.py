"""Picks values out of a block by their ranks, by sorting it or by counting it into bins.

Both give the same values. Which is faster depends on the processor (NumPy's AVX-512 sort runs five
times slower than its AVX2 sort on AMD's Zen 4, where counting beats it four times over) and on the
column (where few values are repeated often, bins cannot part them): so each column tries both, on a
sample and on its first block, and goes on with the one that took less time.
"""

from __future__ import annotations

from time import thread_time_ns
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_nb.monitoring.sketch.scratch import scratch

__all__ = ["Ranker"]

_BITS = 16
_BINS = 1 << _BITS
_LEAST = 1 << 14
"""Smaller blocks are sorted: their bins would cost more than they do."""
_ENDS = 0.01
"""Share of the values at each end that go into one bin, lest a long tail empties all others."""
_TAILS = 1.5
"""Tails that lengthen the range of the values between by no more than this get bins of their own."""
_SAMPLE = 16
"""Every so many-th value is sorted to learn where the values lie and how long sorting takes."""
_HUGE = float(np.finfo(np.float64).max)
_MAGIC = 2.0**52
"""From here on doubles are the integers, and their last bits are too."""


class Ranker:
    """The values of one column's blocks by rank."""

    def __init__(self) -> None:
        self._range: tuple[Any, Any] | None = None
        self._sorting = 0.0
        """Nanoseconds of processor time that sorting takes, by value and bit of their number."""
        self._sorts: bool | None = None

    def sorts(self, values: NDArray[Any]) -> bool:
        """Whether a block had better be sorted."""
        if len(values) < _LEAST:
            return True
        if self._range is None and not self._sorts:
            self._learn(values)
        return bool(self._sorts)

    def _learn(self, values: NDArray[Any]) -> None:
        """Learn from a sample where values lie and what sorting costs, or that bins are no use."""
        began = thread_time_ns()
        sample = np.sort(values[::_SAMPLE])
        n = len(sample)
        self._sorting = (thread_time_ns() - began) / (n * n.bit_length())
        end = int(n * _ENDS)
        low, high = sample[end].item(), sample[n - 1 - end].item()
        first, last = sample[0].item(), sample[-1].item()
        if last - first <= _TAILS * (high - low):
            low, high = first, last
        span = high - low
        if values.dtype.kind == "i":
            fits = 0 < span < 1 << 63
        else:
            fits = bool(np.isfinite(span)) and span > _BINS / _HUGE
        if fits and np.count_nonzero(sample[1:] != sample[:-1]) > n // 2:
            self._range = low, high
        else:
            self._sorts = True

    def sort(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return a block sorted, in an array that the next one overwrites."""
        ordered = scratch("sorted", values.dtype.type, len(values))
        np.copyto(ordered, values)
        ordered.sort()
        return ordered

    def pick(self, values: NDArray[Any], ranks: NDArray[np.int64]) -> NDArray[Any]:
        """Return the values that would stand at these ascending ranks, were the block sorted.

        Only bins that hold a wanted rank are sorted. Bins follow the order of the values, so what is
        below a bin is below it in the sorted block, too.
        """
        began = thread_time_ns() if self._sorts is None else 0
        bins = self._place(values)
        counts = np.bincount(bins, minlength=_BINS)
        reached = np.cumsum(counts, out=scratch("reached", np.int64, _BINS))
        at = np.searchsorted(reached, ranks, side="right")
        wanted = np.zeros(_BINS, bool)
        wanted[at] = True
        chosen = scratch("chosen", np.bool_, len(values))
        rows = np.take(wanted, bins, out=chosen, mode="clip").nonzero()[0]
        # By bins of 16 bits first, which is a radix sort; what is nearly in order sorts in no time.
        some = values[rows[bins[rows].astype(np.uint16).argsort(kind="stable")]]
        some.sort(kind="stable")
        first = np.concatenate(([True], at[1:] != at[:-1]))
        used = at[first]
        # How many values stand before each wanted bin in the block, and in what was sorted of it.
        held = counts[used]
        before = reached[used] - held
        kept = np.cumsum(held) - held
        found: NDArray[Any] = some[ranks - (before - kept)[np.cumsum(first) - 1]]
        if self._sorts is None:
            n = len(values)
            self._sorts = self._sorting * n * n.bit_length() <= thread_time_ns() - began
        return found

    def _place(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """Return each value's bin."""
        low, high = self._range or (0, 1)
        if values.dtype.kind == "i":
            bins = np.clip(values, low, high, out=scratch("bins", np.int64, len(values)))
            bins -= low
            bins >>= max(0, (high - low).bit_length() - _BITS)
            return bins
        scale = (_BINS - 1) / (high - low)
        place = scratch("bins", np.float64, len(values))
        with np.errstate(over="ignore"):
            np.multiply(values, scale, out=place)
            place += _MAGIC - low * scale
        np.clip(place, _MAGIC, _MAGIC + (_BINS - 1), out=place)
        bins = place.view(np.int64)
        bins -= np.float64(_MAGIC).view(np.int64)
        return bins
