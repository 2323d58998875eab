"""Orders a block of integers by 16 leading bits, where those are as good as all 64.

NumPy sorts integers of 16 bits by radix, at 2 ns a value on any processor, which is a twentieth of
what sorting 64 bits takes. What is lost is the order within a bin, the values that share those bits.
A value of a sketch that stands in the middle of ``2**e`` values is off by half of them already; a
bin is accepted where it holds fewer than ``2 * 2**e``, so a rank is off by no more than that many.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mlops_nb.monitoring.sketch.quantiles import step_of
from mlops_nb.monitoring.sketch.scratch import scratch

__all__ = ["Coarse"]

_BITS = 16
_LEAST = 1 << 14
"""Smaller blocks are sorted in no time, and their bins would hold too many of so few."""
_SAMPLE = 256
"""Every so many-th value tells which unit the values are multiples of."""

Words = NDArray[np.uint64]
Pick = Callable[[NDArray[np.int64]], Words]


class Coarse:
    """The order of one column's blocks."""

    def __init__(self) -> None:
        self._unit = 1
        """What all values seen are multiples of, above their least: a day of a column of dates."""
        self._useless = False

    def order(self, values: Words, span: int) -> Pick | None:
        """Order a block whose least value is 0 and whose greatest is ``span``.

        Returns
        -------
        callable or None
            Gives the values at ascending ranks, until the next block is ordered: exactly where the
            block has at most 2**16 units between its ends, else with a rank error below
            ``2 * step_of(n) / n``, which is at most 1 / 1,024. ``None`` where bins hold too many;
            that column is not tried again.
        """
        if self._useless or len(values) < _LEAST:
            return None
        found = self._by_unit(values, span) or self._by_bits(values, span)
        if found is None:
            self._unit = int(np.gcd.reduce(values[::_SAMPLE]))
            found = self._by_unit(values, span)
            self._useless = found is None
        return found

    def _by_unit(self, values: Words, span: int) -> Pick | None:
        """Count in units, where all values are multiples of one and the bins suffice."""
        if self._unit <= 1 or span // self._unit >= 1 << _BITS:
            return None
        unit = np.uint64(self._unit)
        bins = np.floor_divide(values, unit, out=scratch("bins", np.uint64, len(values)))
        again = np.multiply(bins, unit, out=scratch("again", np.uint64, len(values)))
        if not np.array_equal(again, values):
            return None
        ordered = _sorted(bins)
        return lambda ranks: ordered[ranks].astype(np.uint64) * unit

    def _by_bits(self, values: Words, span: int) -> Pick | None:
        """Leave out the bits beyond the first 16, where no bin gets too full by it."""
        beyond = max(0, span.bit_length() - _BITS)
        bins = np.right_shift(
            values, np.uint64(beyond), out=scratch("bins", np.uint64, len(values))
        )
        ordered = _sorted(bins)
        step = step_of(len(ordered))
        # Of 2 * step values in a row two are looked at, whatever the first one is.
        looked = ordered[::step]
        if beyond and (looked[1:] == looked[:-1]).any():
            return None
        middle = np.uint64((1 << beyond) >> 1)

        def pick(ranks: NDArray[np.int64]) -> Words:
            found: Words = ordered[ranks].astype(np.uint64) << np.uint64(beyond)
            found += middle
            return np.minimum(found, np.uint64(span), out=found)

        return pick


def _sorted(bins: Words) -> NDArray[np.uint16]:
    ordered = scratch("ordered", np.uint16, len(bins))
    np.copyto(ordered, bins, casting="unsafe")
    ordered.sort(kind="stable")  # by radix
    return ordered
