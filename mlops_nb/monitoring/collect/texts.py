"""The collector of texts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_nb.monitoring.collect.base import BLOCK, Collector, counters
from mlops_nb.monitoring.collect.strings import hash_strings
from mlops_nb.monitoring.column import ColumnProfile
from mlops_nb.monitoring.sketch.distinct import Distinct
from mlops_nb.monitoring.sketch.heavy import HeavyTexts, threshold
from mlops_nb.monitoring.sketch.kll import Kll

__all__ = ["Texts"]

_FEW = 4096
"""Distinct texts of a block that are still counted one by one."""
_EXACT = 1 << 16
"""Distinct texts of a column that are still counted one by one."""
_BUCKETS = 1 << 14


class Texts(Collector):
    """Texts: counted one by one while few are distinct, else hashed.

    Once hashed, a text is looked at closely where its hash's bucket is full enough for it to be a
    frequent one.
    """

    def __init__(self) -> None:
        self._count = self._nulls = self._nans = 0
        self._heavy = HeavyTexts()
        self._distinct = Distinct()
        self._hashing = False
        self._dictionary: Any = None
        self._used: NDArray[np.int64] = np.empty(0, np.int64)
        self._small: list[Any] = []
        self._held = 0

    def add(self, texts: Any, *, nulls_are_nan: bool = False) -> None:
        """Add an Arrow array of strings, or a dictionary array of them."""
        import pyarrow as pa

        self._count += len(texts)
        self._nulls += texts.null_count
        self._nans += texts.null_count if nulls_are_nan else 0
        if pa.types.is_dictionary(texts.type):
            self._add_dictionary(texts)
            return
        if texts.null_count:
            texts = texts.drop_null()
        if self._held or len(texts) < BLOCK // 8:
            # A copy, lest a small part keeps the whole batch alive.
            self._small.append(pa.concat_arrays([texts, texts.slice(0, 0)]))
            self._held += len(texts)
            if self._held < BLOCK // 2:
                return
            texts, self._small, self._held = pa.concat_arrays(self._small), [], 0
        for start in range(0, len(texts), BLOCK):
            self._add(texts.slice(start, BLOCK))

    def _add(self, texts: Any) -> None:
        if not self._hashing:
            encoded = texts.dictionary_encode()
            if len(encoded.dictionary) <= _FEW:
                self._add_dictionary(encoded)
                return
            self._hash_from_now_on()
        self._add_hashed(texts)

    def _add_dictionary(self, texts: Any) -> None:
        known = texts.indices.drop_null() if texts.indices.null_count else texts.indices
        dictionary = texts.dictionary
        if dictionary is not self._dictionary and not (
            self._dictionary is not None and dictionary.equals(self._dictionary)
        ):
            self._flush()
            self._dictionary = dictionary
            self._used = np.zeros(len(dictionary), np.int64)
        self._used += np.bincount(known.to_numpy(), minlength=len(self._used))

    def _flush(self) -> None:
        """Hand the counts by dictionary index to where they are kept by text."""
        if self._dictionary is None:
            return
        import pyarrow as pa

        at = np.flatnonzero(self._used)
        counts = self._used[at]
        texts = self._dictionary.take(pa.array(at))
        self._dictionary = None
        if self._hashing or len(texts) > _EXACT:
            self._hash_from_now_on()
            self._add_distinct(texts)
            often = counts >= threshold(int(counts.sum()))
            dropped = int(counts[~often].max(initial=0))
            texts, counts = texts.filter(pa.array(often)), counts[often]
            self._heavy.add(texts.to_pylist(), counts.tolist(), dropped)
        else:
            self._heavy.add(texts.to_pylist(), counts.tolist())
            if len(self._heavy.counts) > _EXACT:
                self._hash_from_now_on()

    def _hash_from_now_on(self) -> None:
        if self._hashing:
            return
        import pyarrow as pa

        self._hashing = True
        self._flush()
        self._add_distinct(pa.array(list(self._heavy.counts), pa.large_string()))
        self._heavy.clear_up()

    def _add_distinct(self, texts: Any) -> None:
        for _, a, b in hash_strings(texts):
            self._distinct.add_hashes(a, b)

    def _add_hashed(self, texts: Any) -> None:
        import pyarrow as pa

        pieces: list[tuple[Any, NDArray[np.intp]]] = []
        full = np.zeros(_BUCKETS, np.int64)
        for some, a, b in hash_strings(texts):
            self._distinct.add_hashes(a, b)
            buckets = (a & np.uint64(_BUCKETS - 1)).astype(np.intp)
            full += np.bincount(buckets, minlength=_BUCKETS)
            pieces.append((some, buckets))
        empty = len(texts) - int(full.sum())
        if empty:
            self._heavy.add([""], [empty])
        least = threshold(len(texts))
        suspect = full >= least
        dropped = int(full[~suspect].max(initial=0))
        if suspect.any():
            close = [some.filter(pa.array(suspect[buckets])) for some, buckets in pieces]
            counted = pa.chunked_array(close).value_counts()
            counts = counted.field("counts").to_numpy()
            often = counts >= least
            dropped = max(dropped, int(counts[~often].max(initial=0)))
            frequent = counted.field("values").filter(pa.array(often))
            self._heavy.add(frequent.to_pylist(), counts[often].tolist())
            self._heavy.clear_up()
        self._heavy.offset += dropped

    def finish(self, name: str) -> ColumnProfile:
        """Return what is known; the collector is not used any more."""
        import pyarrow as pa

        if self._small:
            self._add(pa.concat_arrays(self._small))
        self._flush()
        exact = None
        if not self._hashing:
            known = pa.array(list(self._heavy.counts), pa.large_string())
            self._add_distinct(known)
            exact = len(self._heavy.counts) - ("" in self._heavy.counts)
        total = self._count - self._nulls
        return ColumnProfile(
            name=name,
            count=self._count,
            nulls=self._nulls,
            nans=self._nans,
            types=counters(string=total),
            kll=Kll(),
            hll=self._distinct.finish(exact),
            top=self._heavy.finish(total),
        )
