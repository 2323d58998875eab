"""Recognizes texts that were seen before, many at a time.

A text of up to 31 bytes is laid out as a few 64-bit words; a multiplicative hash of the words gives
a place in a table, and the text is the one that stands there if all its words are equal. That is
exact, and half as costly as a hash table that is asked for one text after another.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_nb.monitoring.collect.arrow import index_array
from mlops_nb.monitoring.collect.strings import as_words, byte_lengths

__all__ = ["LONGEST", "Recognizer"]

LONGEST = 31
"""Bytes of a text that can be recognized."""
_FACTORS = np.array(
    [0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93], np.uint64
)


class Recognizer:
    """A table of known texts.

    Parameters
    ----------
    texts
        An Arrow array of distinct texts, the most frequent ones last; where two fall onto one
        place, the later one gets it.
    """

    def __init__(self, texts: Any) -> None:
        self.texts = texts
        lengths = byte_lengths(texts)
        words = as_words(texts, lengths, -(-int(lengths.max(initial=1)) // 8))
        self._shift = np.uint64(64 - max(10, min(14, 4 + len(texts).bit_length())))
        places = _places(words, self._shift)
        size = 1 << (64 - int(self._shift))
        # Behind a text stand zeros: one that ends with some could be taken for a shorter one.
        plain = np.flatnonzero(_fills(words, lengths))
        self._owner = np.full(size, -1)
        self._owner[places[plain]] = plain
        self._lengths = np.zeros(size, np.int64)
        self._lengths[places[plain]] = lengths[plain]
        # A free place holds the words of the empty text, which belongs to the first place only.
        self._words = np.zeros((len(words), size), np.uint64)
        self._words[:, places[plain]] = words[:, plain]
        if self._owner[0] < 0:
            self._words[0, 0] = 1
        self._counts = np.zeros(size, np.int64)

    def count(self, texts: Any) -> NDArray[np.intp] | None:
        """Count those of an array of texts without nulls that are known.

        Returns
        -------
        numpy.ndarray
            Where the others stand; ``None``, with nothing counted, where the texts are too long or
            end with zero bytes.
        """
        lengths = byte_lengths(texts)
        if int(lengths.max(initial=0)) > 8 * len(self._words):
            return None
        words = as_words(texts, lengths, len(self._words))
        places = _places(words, self._shift)
        same = words[0] == self._words[0].take(places)
        for own, theirs in zip(words[1:], self._words[1:], strict=True):
            same &= own == theirs.take(places)
        counts = np.bincount(places, minlength=len(self._counts))
        others = np.flatnonzero(~same) if not same.all() else np.empty(0, np.intp)
        if len(others):
            counts -= np.bincount(places[others], minlength=len(self._counts))
        if int((self._lengths * counts).sum()) != int(lengths.sum()) - int(lengths[others].sum()):
            return None
        self._counts += counts
        return others

    def totals(self) -> tuple[list[str], list[int]]:
        """Return the known texts that were seen, and how often."""
        used = np.flatnonzero(self._counts)
        return self.texts.take(index_array(self._owner[used])).to_pylist(), self._counts[
            used
        ].tolist()


def _places(words: NDArray[np.uint64], shift: np.uint64) -> NDArray[np.int64]:
    mixed = words[0] * _FACTORS[0]
    for word, factor in zip(words[1:], _FACTORS[1:], strict=False):
        mixed ^= word * factor
    mixed >>= shift
    places: NDArray[np.int64] = mixed.view(np.int64)
    return places


def _fills(words: NDArray[np.uint64], lengths: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which texts do not end with a zero byte."""
    last = np.maximum(lengths - 1, 0)
    rows = np.ascontiguousarray(words.T).view(np.uint8)
    fills: NDArray[np.bool_] = (rows[np.arange(len(lengths)), last] != 0) | (lengths == 0)
    return fills
