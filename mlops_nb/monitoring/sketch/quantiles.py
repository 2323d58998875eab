"""Collects numbers of a stream into a KLL sketch, block by sorted block.

A KLL sketch fed one value at a time sorts and halves its smallest level over and over. Here a
whole block is sorted at once (numbers sort at memory speed), and every ``2**e``-th value of it goes
straight to level ``e``: each stands in the middle of the values it speaks for. Levels are kept
larger than the finished sketch's, so nearly all of its error comes from the last step alone.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_nb.monitoring.sketch.kll import K, Kll, capacity

__all__ = ["Quantiles", "of_weighted", "step_of"]

Floats = NDArray[np.float64]
Pick = Callable[[NDArray[np.int64]], NDArray[Any]]
_KEPT_BITS = 12
"""A block leaves at least 2**11 items, so its own error is below 1 / 4,096 of it."""
_LEVEL = 8192
"""Items of a level before they are halved; the error that adds up is about 2.6 / 8,192 (99%)."""


class Quantiles:
    """The distribution of one column.

    Parameters
    ----------
    level
        Items of a level before they are halved.
    """

    def __init__(self, level: int = _LEVEL) -> None:
        self._most = level
        self.n = 0
        self._minimum = float("inf")
        self._maximum = float("-inf")
        self._levels: list[list[Floats]] = []
        self._held: list[int] = []
        # Which half survives must not depend on the data; that it is always the same makes the
        # bytes of a profile reproducible.
        self._coin = Random(9001)  # noqa: S311

    def add_sorted(self, values: NDArray[Any], divisor: float = 1.0) -> None:
        """Add a sorted block of numbers without NaN; each is divided by ``divisor``."""
        n = len(values)
        if not n:
            return
        self._see(n, float(values[0]) / divisor, float(values[-1]) / divisor)
        for level, ranks in _segments(n, _top(n)):
            items = values[ranks].astype(np.float64)
            self._put(level, items if divisor == 1.0 else items / divisor)

    def add_picked(self, n: int, low: float, high: float, pick: Pick, divisor: float = 1.0) -> None:
        """Add a block of `n` numbers without NaN, of which ``pick`` returns those at given ranks."""
        if not n:
            return
        self._see(n, low / divisor, high / divisor)
        segments = _segments(n, _top(n))
        found = pick(np.concatenate([_positions(ranks) for _, ranks in segments]))
        at = 0
        for level, ranks in segments:
            count = len(range(ranks.start, ranks.stop, ranks.step))
            items = found[at : at + count].astype(np.float64)
            self._put(level, items if divisor == 1.0 else items / divisor)
            at += count

    def add_weighted(self, values: NDArray[Any], weights: NDArray[np.int64]) -> None:
        """Add sorted numbers, each as often as its weight says."""
        if not len(values):
            return
        reached = np.cumsum(weights)
        n = int(reached[-1])
        self._see(n, float(values[0]), float(values[-1]))
        for level, ranks in _segments(n, _top(n)):
            at = np.searchsorted(reached, _positions(ranks), side="right")
            self._put(level, values[at].astype(np.float64))

    def _see(self, n: int, low: float, high: float) -> None:
        self.n += n
        self._minimum = min(self._minimum, low)
        self._maximum = max(self._maximum, high)

    def _put(self, level: int, items: Floats) -> None:
        while len(self._levels) <= level:
            self._levels.append([])
            self._held.append(0)
        self._levels[level].append(items)
        self._held[level] += len(items)
        if self._held[level] >= self._most:
            # The parts are sorted each: the stable way merges them, which takes a tenth of the time.
            whole = np.sort(np.concatenate(self._levels[level]), kind="stable")
            odd = len(whole) & 1
            self._levels[level] = [whole[:odd]]
            self._held[level] = odd
            self._put(level + 1, whole[odd + self._coin.getrandbits(1) :: 2].copy())

    def finish(self) -> Kll:
        """Return the sketch: exact up to 1,024 values, else about 3,000 items."""
        if not self.n:
            return Kll()
        items = np.concatenate([part for level in self._levels for part in level])
        weights = np.repeat(1 << np.arange(len(self._levels), dtype=np.int64), self._held)
        order = np.argsort(items, kind="stable")
        return of_weighted(
            items[order], weights[order], minimum=self._minimum, maximum=self._maximum
        )


def of_weighted(
    items: Floats, weights: NDArray[np.int64], *, minimum: float, maximum: float
) -> Kll:
    """Make a sketch of sorted items and how often each occurs.

    No item of the sketch stands for more than about a thousandth of all values: stock whylogs'
    quantiles overshoot where one does.
    """
    reached = np.cumsum(weights)
    n = int(reached[-1])
    top = 0
    while (n >> top) + (n & ((1 << top) - 1)).bit_count() > capacity(K, top + 1):
        top += 1
    levels = [np.empty(0) for _ in range(top + 1)]
    for level, ranks in _segments(n, top):
        levels[level] = items[np.searchsorted(reached, _positions(ranks), side="right")]
    return Kll(n=n, minimum=minimum, maximum=maximum, levels=tuple(levels))


def step_of(n: int) -> int:
    """Return how many values of a block of `n` one item speaks for."""
    return 1 << _top(n)


def _top(n: int) -> int:
    return max(0, n.bit_length() - _KEPT_BITS)


def _segments(n: int, top: int) -> list[tuple[int, slice]]:
    """Cut ranks 0 to n into pieces of ``2**top``, the rest into ever smaller powers of two.

    Returns each level with the ranks of its pieces' middles.
    """
    step = 1 << top
    whole = n >> top
    out = [(top, slice(step // 2, whole * step, step))] if whole else []
    at = whole * step
    for level in reversed(range(top)):
        if n >> level & 1:
            middle = at + (1 << level) // 2
            out.append((level, slice(middle, middle + 1, 1)))
            at += 1 << level
    return out


def _positions(ranks: slice) -> NDArray[np.int64]:
    return np.arange(ranks.start, ranks.stop, ranks.step, dtype=np.int64)
