"""The KLL quantile sketch of doubles, in whylogs' layout.

Sources: Karnin, Lang, Liberty, "Optimal Quantile Approximation in Streams" (FOCS 2016); the layout
and the level capacities are those of Apache DataSketches' C++ library, as whylogs-sketching 3.4.1
writes them.

An item on level ``i`` stands for ``2**i`` values. Bytes, little-endian:

.. code-block:: text

    0   preamble longs in 4-byte units   1 version   2 family 15   3 flags
    4   k u16        6 m u8   7 unused
    8   n u64       16 min k u16   18 levels u8   19 unused (5)
    24  level starts, u32 each; then minimum, maximum, items (f64)

An empty sketch ends after 8 bytes, one of a single item is 8 bytes and that item.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mlops_nb.monitoring.sketch.wire import CorruptError

__all__ = ["K", "Kll", "capacity", "level_capacity"]

K = 1024
"""whylogs' own accuracy parameter."""
M = 8
"""Least items on a level; fixed in DataSketches."""
_FAMILY = 15
_EMPTY, _SORTED, _SINGLE = 1, 2, 4
_MAX_LEVELS = 60
_MAX_N = 1 << 62
"""Sums of weights have to stay within 64 bits."""

Floats = NDArray[np.float64]


@lru_cache(maxsize=4096)
def level_capacity(k: int, levels: int, level: int) -> int:
    """Return how many items a level holds: ``k`` at the top, two thirds of it on each one below."""
    depth = levels - level - 1
    if depth <= 30:
        return max(M, _two_thirds(k, depth))
    return max(M, _two_thirds(_two_thirds(k, depth // 2), depth - depth // 2))


def _two_thirds(k: int, depth: int) -> int:
    doubled: int = (2 * k << depth) // 3**depth
    return (doubled + 1) >> 1


@lru_cache(maxsize=1024)
def capacity(k: int, levels: int) -> int:
    """Return how many items a sketch of that many levels holds."""
    return sum(level_capacity(k, levels, level) for level in range(levels))


@dataclass(frozen=True, eq=False)
class Kll:
    """A KLL sketch: items by level, and what is known exactly."""

    n: int = 0
    """Values seen, NaN left out."""
    minimum: float = float("nan")
    maximum: float = float("nan")
    levels: tuple[Floats, ...] = field(default=(), repr=False)
    """Items of level 0, 1, ...; sorted, but for level 0."""
    k: int = K
    min_k: int = K
    """The least ``k`` of all the sketches merged into this one; it sets the error."""

    @property
    def rank_error(self) -> float:
        """The single-sided normalized rank error at 99% confidence, a share of ``n``.

        DataSketches' empirical fit, ``2.296 / k**0.9723``.
        """
        return 2.296 / self.min_k**0.9723 if len(self.levels) > 1 else 0.0

    def weighted(self) -> tuple[Floats, NDArray[np.int64]]:
        """Return the items sorted, and each one's weight; the weights sum up to ``n``."""
        if self.n == 0:
            return np.empty(0), np.empty(0, np.int64)
        items = np.concatenate(self.levels)
        weights = np.repeat(
            1 << np.arange(len(self.levels), dtype=np.int64), [len(x) for x in self.levels]
        )
        order = np.argsort(items, kind="stable")
        return items[order], weights[order]

    def to_bytes(self) -> bytes:
        """Encode for whylogs."""
        head = struct.pack("<HBx", self.k, M)
        if self.n == 0:
            return struct.pack("<4B", 2, 1, _FAMILY, _EMPTY) + head
        if self.n == 1:
            item = struct.pack("<d", self.minimum)
            return struct.pack("<4B", 2, 2, _FAMILY, _SINGLE) + head + item
        sizes = [len(x) for x in self.levels]
        starts = capacity(self.k, len(sizes)) - np.cumsum(sizes[::-1])[::-1]
        if starts[0] < 0:
            raise ValueError("the sketch holds more items than its levels have room for")
        return b"".join(
            (
                struct.pack("<4B", 6, 1, _FAMILY, 0),
                head,
                struct.pack("<QHB5x", self.n, self.min_k, len(sizes)),
                starts.astype("<u4").tobytes(),
                struct.pack("<2d", self.minimum, self.maximum),
                *(np.ascontiguousarray(x, "<f8").tobytes() for x in self.levels),
            )
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Kll:
        """Decode what whylogs or `to_bytes` wrote.

        Raises
        ------
        CorruptError
            The bytes are not a KLL sketch of doubles, are cut off or contradict themselves.
        """
        if len(data) < 8:
            raise CorruptError("a KLL sketch is cut off")
        _, version, family, flags, k, m = struct.unpack_from("<4BHB", data)
        if family != _FAMILY or version not in (1, 2) or m != M or k < M:
            raise CorruptError("a KLL sketch has a foreign header")
        if flags & _EMPTY:
            return cls(k=k, min_k=k)
        if flags & _SINGLE:
            if len(data) < 16:
                raise CorruptError("a KLL sketch is cut off")
            (item,) = struct.unpack_from("<d", data, 8)
            if item != item:
                raise CorruptError("a KLL sketch holds NaN")
            return cls(n=1, minimum=item, maximum=item, levels=(np.array([item]),), k=k, min_k=k)
        if len(data) < 24:
            raise CorruptError("a KLL sketch is cut off")
        n, min_k, count = struct.unpack_from("<QHB", data, 8)
        if not 1 <= count <= _MAX_LEVELS or not M <= min_k <= k:
            raise CorruptError("a KLL sketch has impossible levels")
        at = 24 + 4 * count
        if len(data) < at + 16:
            raise CorruptError("a KLL sketch is cut off")
        bounds = np.append(np.frombuffer(data, "<u4", count, 24), capacity(k, count)).astype(int)
        sizes = np.diff(bounds)
        total = int(bounds[-1] - bounds[0])
        if (sizes < 0).any() or len(data) < at + 16 + 8 * total:
            raise CorruptError("a KLL sketch is cut off or its levels overlap")
        low, high = struct.unpack_from("<2d", data, at)
        items = np.frombuffer(data, "<f8", total, at + 16).astype(np.float64)
        if not 0 < n < _MAX_N or sum(int(s) << i for i, s in enumerate(sizes)) != n:
            raise CorruptError("a KLL sketch's weights do not sum up to its count")
        if not (low <= high and (items >= low).all() and (items <= high).all()):
            raise CorruptError("a KLL sketch holds items outside its range")
        levels = tuple(np.split(items, np.cumsum(sizes)[:-1]))
        if any((x[1:] < x[:-1]).any() for x in levels[1:]):
            raise CorruptError("a KLL sketch has unsorted levels")
        return cls(n=n, minimum=low, maximum=high, levels=levels, k=k, min_k=min_k)
