"""Collects the frequent values of a stream, many at a time.

A block gives exact counts of those of its values that occur at least so often; what it leaves out
is bounded, and the bounds add up to the sketch's offset. That is Misra and Gries' guarantee with
the decrement done once a block instead of once a value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mlops_nb.monitoring.sketch.frequent import Frequent

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["HeavyIntegers", "HeavyTexts", "threshold"]

_KEPT = 4096
"""Candidates that survive a clearing-up; five times what the finished sketch holds."""
_MOST = 4 * _KEPT
MAX_TEXT = 128
"""whylogs keeps so many characters of a frequent text."""


def threshold(n: int) -> int:
    """Return how often a value has to occur in a block of ``n`` to be counted: n / 2,048."""
    return max(1, n >> 11)


class HeavyTexts:
    """Frequent texts."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.offset = 0

    def add(self, texts: Iterable[str], counts: Iterable[int], dropped: int = 0) -> None:
        """Add texts and their counts; no text left out occurred more than ``dropped`` times."""
        known = self.counts
        for text, count in zip(texts, counts, strict=True):
            known[text] = known.get(text, 0) + count
        self.offset += dropped

    def clear_up(self) -> None:
        """Keep the most frequent candidates only, where there are many."""
        if len(self.counts) <= _MOST:
            return
        ranked = sorted(self.counts.items(), key=lambda pair: pair[1], reverse=True)
        self.offset += ranked[_KEPT][1]
        self.counts = dict(ranked[:_KEPT])

    def finish(self, total: int) -> Frequent:
        """Return the sketch of ``total`` values."""
        items: dict[str, int] = {}
        for text, count in self.counts.items():
            short = text[:MAX_TEXT]
            items[short] = items.get(short, 0) + count
        return Frequent.of(items, total=total, offset=self.offset)


class HeavyIntegers:
    """Frequent integers, kept as numbers until the end."""

    def __init__(self) -> None:
        self._keys = [np.empty(0, np.int64)]
        self._counts = [np.empty(0, np.int64)]
        self._held = 0
        self.offset = 0

    def add(self, keys: NDArray[np.int64], counts: NDArray[np.int64], dropped: int = 0) -> None:
        """Add values and their counts; no value left out occurred more than ``dropped`` times."""
        self.offset += dropped
        if not len(keys):
            return
        self._keys.append(keys)
        self._counts.append(counts)
        self._held += len(keys)
        if self._held > _MOST:
            self._clear_up()

    def add_sorted(self, values: NDArray[np.int64]) -> None:
        """Add the frequent values of a sorted block in which most values differ."""
        n = len(values)
        least = threshold(n)
        if least == 1:
            starts = np.flatnonzero(np.concatenate(([True], values[1:] != values[:-1])))
            self.add(values[starts], np.diff(starts, append=n))
            return
        # Whoever occurs that often covers two neighbours of every (least / 2)-th value.
        probes = values[:: least // 2]
        keys = np.unique(probes[1:][probes[1:] == probes[:-1]])
        starts = np.searchsorted(values, keys, side="left")
        counts = np.searchsorted(values, keys, side="right") - starts
        longest = least - 1
        for run in (1, 2, 4, 8, 16):
            if run < longest and not (values[run:] == values[:-run]).any():
                longest = run
                break
        kept = counts > longest
        self.add(keys[kept], counts[kept].astype(np.int64), longest)

    def _clear_up(self) -> None:
        keys, counts = self.totals()
        if len(keys) > _KEPT:
            order = np.argsort(-counts, kind="stable")
            self.offset += int(counts[order[_KEPT]])
            keys, counts = keys[order[:_KEPT]], counts[order[:_KEPT]]
        self._keys, self._counts, self._held = [keys], [counts], len(keys)

    def totals(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the candidates, sorted, and what was counted of each."""
        keys, counts = np.concatenate(self._keys), np.concatenate(self._counts)
        order = np.argsort(keys, kind="stable")
        keys, counts = keys[order], counts[order]
        starts = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1]))[: len(keys)])
        return keys[starts], np.add.reduceat(counts, starts) if len(starts) else counts

    def finish(self, total: int) -> Frequent:
        """Return the sketch of ``total`` values, as texts."""
        keys, counts = self.totals()
        items = dict(zip(map(str, keys.tolist()), counts.tolist(), strict=True))
        return Frequent.of(items, total=total, offset=self.offset)
