"""The collector of texts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_nb.monitoring.collect.arrow import index_array, known_values, text_array
from mlops_nb.monitoring.collect.base import BLOCK, Collector, counters
from mlops_nb.monitoring.collect.recognize import LONGEST, Recognizer
from mlops_nb.monitoring.collect.strings import byte_lengths, hash_strings
from mlops_nb.monitoring.column import ColumnProfile
from mlops_nb.monitoring.sketch.distinct import Distinct
from mlops_nb.monitoring.sketch.heavy import HeavyTexts, threshold
from mlops_nb.monitoring.sketch.kll import Kll

__all__ = ["Texts"]

_FEW = 4096
"""Distinct texts of a block that are still counted one by one."""
_EXACT = 1 << 16
"""Distinct texts of a column that are still counted one by one."""
_KNOWN = 1 << 11
"""Distinct texts that are recognized at most."""
_WORTH_KNOWING = 1 << 12
"""Texts of a block that have to be unknown before they are learned."""
_BUCKETS = 1 << 14


class Texts(Collector):
    """Texts: counted one by one while few are distinct, else hashed.

    Once hashed, a text is looked at closely where its hash's bucket is full enough for it to be a
    frequent one.
    """

    def __init__(self, block: int = BLOCK) -> None:
        self._block = block
        self._count = self._nulls = self._nans = 0
        self._heavy = HeavyTexts()
        self._distinct = Distinct()
        self._hashing = False
        self._recognizer: Recognizer | None = None
        self._lessons = 4
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
        if self._held or len(texts) < self._block // 8:
            # A copy, lest a small part keeps the whole batch alive.
            plain = texts.cast(pa.large_string())
            self._small.append(pa.concat_arrays([plain, plain.slice(0, 0)]))
            self._held += len(texts)
            if self._held < self._block // 2:
                return
            texts, self._small, self._held = pa.concat_arrays(self._small), [], 0
        for start in range(0, len(texts), BLOCK):
            self._add(texts.slice(start, BLOCK))

    def _add(self, texts: Any) -> None:
        if self._hashing:
            self._add_hashed(texts)
            return
        rest = texts
        if self._recognizer is not None:
            others = self._recognizer.count(texts)
            if others is not None:
                rest = texts.take(index_array(others)) if len(others) else texts.slice(0, 0)
        if not len(rest):
            return
        encoded = rest.dictionary_encode()
        if len(encoded.dictionary) <= _FEW:
            self._add_dictionary(encoded)
            if len(rest) > max(_WORTH_KNOWING, len(texts) // 8):
                self._learn()
        else:
            self._hash_from_now_on()
            self._add_hashed(rest)

    def _learn(self) -> None:
        """Recognize the texts that were counted so far from now on, where they are short and few."""
        self._flush()
        counts = self._heavy.counts
        if self._lessons == 0 or len(counts) > _KNOWN:
            return
        self._lessons -= 1
        known = [text for text in sorted(counts, key=counts.__getitem__) if len(text) <= LONGEST]
        texts = text_array(known)
        texts = texts.take(index_array(byte_lengths(texts) <= LONGEST))
        self._recognizer = Recognizer(texts) if len(texts) else None

    def _add_dictionary(self, texts: Any) -> None:
        dictionary = texts.dictionary
        if dictionary is not self._dictionary and not (
            self._dictionary is not None and dictionary.equals(self._dictionary)
        ):
            self._flush()
            self._dictionary = dictionary
            self._used = np.zeros(len(dictionary), np.int64)
        self._used += np.bincount(known_values(texts.indices), minlength=len(self._used))

    def _flush(self) -> None:
        """Hand the counts by index to where they are kept by text."""
        known, self._recognizer = self._recognizer, None
        if known is not None:
            self._heavy.add(*known.totals())
        if self._dictionary is None:
            return
        at = np.flatnonzero(self._used)
        counts = self._used[at]
        texts = self._dictionary.take(index_array(at))
        self._dictionary = None
        if self._hashing or len(texts) > _EXACT:
            self._hash_from_now_on()
            self._add_distinct(texts)
            often = counts >= threshold(int(counts.sum()))
            dropped = int(counts[~often].max(initial=0))
            texts, counts = texts.take(index_array(often)), counts[often]
            self._heavy.add(texts.to_pylist(), counts.tolist(), dropped)
        else:
            self._heavy.add(texts.to_pylist(), counts.tolist())
            if len(self._heavy.counts) > _EXACT:
                self._hash_from_now_on()

    def _hash_from_now_on(self) -> None:
        if self._hashing:
            return
        self._hashing = True
        self._flush()
        self._add_distinct(text_array(list(self._heavy.counts)))
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
            close = [some.take(index_array(suspect[buckets])) for some, buckets in pieces]
            counted = pa.chunked_array(close).value_counts()
            counts = known_values(counted.field("counts"))
            often = counts >= least
            dropped = max(dropped, int(counts[~often].max(initial=0)))
            frequent = counted.field("values").take(index_array(often))
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
            known = text_array(list(self._heavy.counts))
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
