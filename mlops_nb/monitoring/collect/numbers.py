"""Collectors of floats, integers and truth values."""

from __future__ import annotations

from collections import Counter
from functools import partial

import numpy as np
from numpy.typing import NDArray

from mlops_nb.monitoring.collect.base import BLOCK, Collector, Mapping, Moments, Pending, counters
from mlops_nb.monitoring.collect.ranks import Ranker
from mlops_nb.monitoring.column import ColumnProfile
from mlops_nb.monitoring.sketch.distinct import Distinct
from mlops_nb.monitoring.sketch.frequent import Frequent
from mlops_nb.monitoring.sketch.heavy import HeavyIntegers, HeavyTexts, threshold
from mlops_nb.monitoring.sketch.quantiles import Quantiles
from mlops_nb.monitoring.sketch.scratch import scratch

__all__ = ["Booleans", "Floats", "Integers"]

_INT64 = 2**63 - 1
_PIECE = 1 << 13
"""Values handled at a time where that makes an array: one so small is not given back and faulted
in again."""


class Floats(Collector):
    """Floating-point numbers: a distribution and a cardinality, as whylogs keeps of them."""

    def __init__(self, block: int = BLOCK) -> None:
        self._count = self._nulls = self._nans = self._infs = 0
        self._pending = Pending(block)
        self._moments = Moments()
        self._quantiles = Quantiles(block // 8)
        self._distinct = Distinct()
        self._ranker = Ranker()
        self._repeats = False

    def add(self, values: NDArray[np.floating], absent: int = 0) -> None:
        """Add numbers, NaN where one is missing, and how many were null rather than NaN."""
        self._count += len(values) + absent
        self._nulls += absent
        for block in self._pending.take(values):
            self._add(block)

    def _add(self, block: NDArray[np.floating]) -> None:
        values = scratch("values", np.float64, len(block))
        np.add(block, 0.0, out=values)  # -0.0 and 0.0 are one value
        low = float(values.min())
        if np.isnan(low):
            values = _known(values)
            self._nans += len(block) - len(values)
            if not len(values):
                return
            low = float(values.min())
        high = float(values.max())
        if np.isinf(low) or np.isinf(high):
            self._infs += int(np.isinf(values).sum())
        self._moments.add(values)
        if self._repeats or self._ranker.sorts(values):
            values = self._ranker.sort(values)
            self._quantiles.add_sorted(values)
            once = _runs(values)
            # Few values, often repeated: sorted they are hashed once each, and bins cannot part them.
            self._repeats = len(once) < len(values)
            self._distinct.add_words(once.view(np.uint64))
        else:
            self._distinct.add_words(values.view(np.uint64))
            pick = partial(self._ranker.pick, values)
            self._quantiles.add_picked(len(values), low, high, pick)

    def finish(self, name: str) -> ColumnProfile:
        """Return what is known; the collector is not used any more."""
        for block in self._pending.rest():
            self._add(block)
        return ColumnProfile(
            name=name,
            count=self._count,
            nulls=self._nulls + self._nans,
            nans=self._nans,
            infs=self._infs,
            types=counters(fractional=self._quantiles.n),
            kll=self._quantiles.finish(),
            moments=self._moments.finish(),
            hll=self._distinct.finish(),
        )


class Integers(Collector):
    """Integers: counted one by one while they lie close together, else sorted by blocks."""

    def __init__(self, mapping: Mapping = "integral", block: int = BLOCK) -> None:
        self._mapping = mapping
        self._span = block
        self._count = self._nulls = self._seen = 0
        self._range: tuple[int, int] | None = None
        self._pending = Pending(block)
        self._moments = Moments()
        self._quantiles = Quantiles(block // 8)
        self._distinct = Distinct()
        self._heavy = HeavyIntegers()
        self._low = 0
        self._counts: NDArray[np.int64] | None = np.zeros(0, np.int64)
        """How often each integer from ``_low`` on was seen; ``None`` once they lie too far apart."""
        self._beyond = HeavyTexts()

    def add(self, values: NDArray[np.integer], absent: int = 0) -> None:
        """Add integers without nulls, and how many were null."""
        self._count += len(values) + absent
        self._nulls += absent
        if values.dtype == np.uint64 and len(values) and int(values.max()) > _INT64:
            beyond = values > np.uint64(_INT64)
            self.add_beyond(values[beyond].tolist())
            self._count -= int(beyond.sum())
            values = values[~beyond]
        if values.dtype == np.uint64:
            # Joined with other integers it would turn into floats.
            values = values.view(np.int64)
        for block in self._pending.take(values):
            self._add(block.astype(np.int64, copy=False))

    def add_beyond(self, values: list[int]) -> None:
        """Add integers that 64 bits with a sign cannot hold: by value, not wrapped around."""
        self._count += len(values)
        self._seen += len(values)
        for value in (min(values), max(values)):
            held = max(min(value, _INT64), -_INT64)
            self._spread(held, held)
        floats = np.sort(np.array([_float(value) for value in values]))
        self._moments.add(floats)
        self._quantiles.add_sorted(floats)
        self._distinct.add_words(floats.view(np.uint64))
        counted = Counter(map(str, values))
        self._beyond.add(counted.keys(), counted.values())
        self._beyond.clear_up()

    def _add(self, block: NDArray[np.int64]) -> None:
        if not len(block):
            return
        low, high = int(block.min()), int(block.max())
        self._seen += len(block)
        self._spread(low, high)
        if self._counts is not None and self._fits():
            self._counts += np.bincount(block - self._low, minlength=len(self._counts))
            return
        self._leave_counts()
        values = _sorted(block, low, high)
        floats = scratch("floats", np.float64, len(values))
        np.copyto(floats, values)
        self._moments.add(floats)
        self._quantiles.add_sorted(values)
        new = values[1:] != values[:-1]
        if np.count_nonzero(new) > len(values) // 2:
            self._distinct.add_words(values.view(np.uint64))
            self._heavy.add_sorted(values)
            return
        starts = np.concatenate(([0], np.flatnonzero(new) + 1))
        keys, runs = values[starts], np.diff(starts, append=len(values))
        self._distinct.add_words(keys.view(np.uint64))
        if len(keys) > threshold(len(values)) * 64:
            often = runs >= threshold(len(values))
            dropped = int(runs[~often].max(initial=0))
            self._heavy.add(keys[often], runs[often], dropped)
        else:
            self._heavy.add(keys, runs)

    def _spread(self, low: int, high: int) -> None:
        before = self._range or (low, high)
        self._range = min(before[0], low), max(before[1], high)

    def _fits(self) -> bool:
        """Make room for the range in the counts; tell whether it is narrow enough."""
        if self._range is None or self._counts is None:
            return False
        low, high = self._range
        if high - low >= self._span:
            return False
        if low < self._low or high >= self._low + len(self._counts):
            grown = np.zeros(high - low + 1, np.int64)
            if len(self._counts):
                at = self._low - low
                grown[at : at + len(self._counts)] = self._counts
            self._low, self._counts = low, grown
        return True

    def _known(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        if self._counts is None:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        at = np.flatnonzero(self._counts)
        return at + self._low, self._counts[at]

    def _leave_counts(self) -> None:
        """Hand what was counted to the sketches and go on by sorted blocks."""
        if self._counts is None:
            return
        keys, counts = self._known()
        self._counts = None
        self._moments.add_weighted(keys.astype(np.float64), counts)
        self._quantiles.add_weighted(keys, counts)
        self._distinct.add_words(keys.view(np.uint64))
        self._heavy.add(keys, counts)

    def finish(self, name: str) -> ColumnProfile:
        """Return what is known; the collector is not used any more."""
        for block in self._pending.rest():
            self._add(block.astype(np.int64, copy=False))
        exact = None
        if self._counts is not None:
            exact = int(np.count_nonzero(self._counts)) + len(self._beyond.counts)
            self._leave_counts()
        beyond = self._beyond.finish(sum(self._beyond.counts.values()))
        return ColumnProfile(
            name=name,
            count=self._count,
            nulls=self._nulls,
            types=counters(integral=self._seen),
            integers=self._range if self._mapping == "integral" else None,
            tracks_integers=self._mapping == "integral",
            kll=self._quantiles.finish(),
            moments=self._moments.finish(),
            hll=self._distinct.finish(exact),
            top=self._heavy.finish(self._seen - beyond.total).merge(beyond),
        )


class Booleans(Collector):
    """Truth values: everything whylogs keeps of them follows from three counts."""

    def __init__(self, mapping: Mapping = "integral") -> None:
        self._mapping = mapping
        self._trues = self._falses = self._nulls = self._nans = 0

    def add(self, trues: int, falses: int, nulls: int = 0, nans: int = 0) -> None:
        """Add how many of each there were; ``nans`` of the nulls were NaN."""
        self._trues += trues
        self._falses += falses
        self._nulls += nulls
        self._nans += nans

    def finish(self, name: str) -> ColumnProfile:
        """Return what is known; the collector is not used any more."""
        known = self._trues + self._falses
        values = np.flatnonzero([self._falses, self._trues])
        weights = np.array([self._falses, self._trues])[values]
        quantiles, distinct, moments = Quantiles(), Distinct(), Moments()
        quantiles.add_weighted(values, weights)
        distinct.add_words(values.astype(np.uint64))
        moments.add_weighted(values.astype(np.float64), weights)
        names = ("False", "True")
        top = {names[v]: int(w) for v, w in zip(values, weights, strict=True)}
        return ColumnProfile(
            name=name,
            count=known + self._nulls,
            nulls=self._nulls,
            nans=self._nans,
            trues=self._trues,
            types=counters(boolean=known),
            tracks_integers=self._mapping == "integral",
            kll=quantiles.finish(),
            moments=moments.finish(),
            hll=distinct.finish(),
            top=Frequent.of(top, total=known),
        )


def _known(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Move the values that are not NaN to the front; return those."""
    n = 0
    for start in range(0, len(values), _PIECE):
        part = values[start : start + _PIECE]
        part = part[~np.isnan(part)]
        values[n : n + len(part)] = part
        n += len(part)
    return values[:n]


def _runs(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Leave out repetitions in sorted values, where there are enough of them to be worth it."""
    new = values[1:] != values[:-1]
    if np.count_nonzero(new) > len(values) // 2:
        return values
    return values[np.concatenate(([True], new))]


def _sorted(values: NDArray[np.int64], low: int, high: int) -> NDArray[np.int64]:
    """Sort integers; those close enough together as 32 bits, which takes half the time."""
    out = scratch("sorted", np.int64, len(values))
    if high - low >= 1 << 32:
        np.copyto(out, values)
        out.sort()
        return out
    np.subtract(values, low, out=out)
    near = scratch("near", np.uint32, len(values))
    np.copyto(near, out, casting="unsafe")
    near.sort()
    return np.add(near, low, out=out, dtype=np.int64)


def _float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
