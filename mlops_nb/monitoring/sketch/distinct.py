"""Collects values of a stream into a HyperLogLog sketch, many at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mlops_nb.monitoring.sketch.hll import LG_K, Hll, most_coupons
from mlops_nb.monitoring.sketch.murmur import hash_words
from mlops_nb.monitoring.sketch.scratch import scratch

__all__ = ["Distinct", "leading_zeros"]

Words = NDArray[np.uint64]
_ADDRESS = np.uint64((1 << 26) - 1)


class Distinct:
    """The distinct values of one column.

    Only hashes whose rank exceeds the lowest register can change anything; after a hundred
    thousand values that is one in thirty, so the rest is left out by one comparison.
    """

    def __init__(self) -> None:
        self._coupons: NDArray[np.uint32] | None = np.empty(0, np.uint32)
        self._registers = np.zeros(1 << LG_K, np.uint8)
        self._floor = 0

    def add_words(self, values: Words) -> None:
        """Add 64-bit values: integers in two's complement, doubles as their bits (-0.0 as 0.0)."""
        for _, a, b in hash_words(values):
            self.add_hashes(a, b)

    def add_hashes(self, a: Words, b: Words) -> None:
        """Add values by the halves of their hashes, as `murmur` gives them."""
        second = np.add(a, b, out=scratch("second", np.uint64, len(a)))
        second += b
        if self._floor:
            some = np.flatnonzero(second < np.uint64(1 << (64 - self._floor)))
            second, a, b = second[some], a[some], b[some]
        if not len(second):
            return
        address = (a + b) & _ADDRESS
        rank = np.minimum(leading_zeros(second), 62).astype(np.uint8) + np.uint8(1)
        if self._coupons is not None:
            if len(rank) > 4 * most_coupons(LG_K):
                self._promote()
            else:
                coupons = rank.astype(np.uint32) << np.uint32(26) | address.astype(np.uint32)
                self._coupons = np.union1d(self._coupons, coupons)
                if len(self._coupons) > most_coupons(LG_K):
                    self._promote()
                return
        slots = (address & np.uint64((1 << LG_K) - 1)).astype(np.intp)
        np.maximum.at(self._registers, slots, rank)
        self._floor = int(self._registers.min())

    def _promote(self) -> None:
        self._registers = Hll(coupons=self._coupons).as_registers()
        self._coupons = None

    def finish(self, exact: int | None = None) -> Hll:
        """Return the sketch.

        Parameters
        ----------
        exact
            The number of distinct values, where it is known; it becomes the sketch's estimate.
        """
        if self._coupons is not None:
            return Hll(coupons=self._coupons)
        return Hll(registers=self._registers, hip=None if exact is None else float(exact))


def leading_zeros(words: Words) -> NDArray[np.int32]:
    """Return how many zero bits each word begins with."""
    # A double holds 53 bits exactly, so its exponent is the position of the highest bit.
    high = words >> np.uint64(11)
    zeros: NDArray[np.int32] = 53 - np.frexp(high.astype(np.float64))[1]
    if not high.all():
        short = high == 0
        zeros[short] = 64 - np.frexp(words[short].astype(np.float64))[1]
    return zeros
