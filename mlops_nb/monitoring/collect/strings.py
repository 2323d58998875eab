"""Hashes Arrow strings as whylogs does, many at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlops_nb.monitoring.collect.arrow import index_array, known_values
from mlops_nb.monitoring.sketch.murmur import BLOCK, hash_bytes, hash_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["as_words", "byte_lengths", "hash_strings"]

Words = NDArray[np.uint64]
Lengths = NDArray[np.int64]
_ROOM = 1 << 21
"""Bytes of the words that strings are hashed by at a time."""
_LONG = 1 << 16
"""Longer strings, in bytes, are hashed one by one."""


def hash_strings(texts: Any) -> Iterator[tuple[Any, Words, Words]]:
    """Hash the strings of a ``string`` or ``large_string`` array without nulls.

    Empty strings are left out, as DataSketches does. The order is not kept.

    Yields
    ------
    tuple
        Some of the strings, and the halves of their hashes, as `murmur.hash_words` gives them.
    """
    for start in range(0, len(texts), BLOCK):
        part = texts.slice(start, BLOCK)
        lengths = byte_lengths(part)
        known = lengths > 0
        if not known.all():
            part, lengths = part.take(index_array(known)), lengths[known]
            if not len(lengths):
                continue
        blocks = lengths >> 4
        low, high = int(blocks.min()), int(blocks.max())
        if (high + 1) * 16 * len(part) <= _ROOM:
            words = as_words(part, lengths, 2 * high + 2)
            if low == high:
                yield part, *hash_rows(words, lengths)
                continue
            order = np.argsort(-blocks, kind="stable")
            a, b = hash_rows(words[:, order], lengths[order])
            back = np.empty_like(order)
            back[order] = np.arange(len(order))
            yield part, a[back], b[back]
        elif high * 16 < _LONG:
            order = np.argsort(-blocks, kind="stable")
            yield from _by_length(part.take(index_array(order)), lengths[order])
        else:
            long = lengths >= _LONG
            some = part.take(index_array(long))
            hashes = [hash_bytes(text.encode()) for text in some.to_pylist()]
            both = np.array(hashes, np.uint64)
            yield some, both[:, 0].copy(), both[:, 1].copy()
            yield from hash_strings(part.take(index_array(~long)))


def _by_length(texts: Any, lengths: Lengths) -> Iterator[tuple[Any, Words, Words]]:
    """Hash strings that are sorted by their number of 16-byte blocks, the longest first."""
    start = 0
    while start < len(lengths):
        count = 2 * (int(lengths[start]) // 16 + 1)
        size = max(1, _ROOM // (8 * count))
        part = lengths[start : start + size]
        some = texts.slice(start, size)
        yield some, *hash_rows(as_words(some, part, count), part)
        start += size


def byte_lengths(texts: Any) -> Lengths:
    """Return how many bytes each string of an array without nulls has."""
    import pyarrow.compute as pc

    return known_values(pc.binary_length(texts)).astype(np.int64, copy=False)


def as_words(texts: Any, lengths: Lengths, count: int) -> Words:
    """Return strings as 64-bit words, filled up with zeros.

    Parameters
    ----------
    texts
        Strings without nulls.
    lengths
        Their lengths; none is beyond ``8 * count``.
    count
        How many words each string gets.

    Returns
    -------
    numpy.ndarray
        The first words of all strings, then their second ones, and so on.
    """
    n = len(texts)
    if not n:
        return np.zeros((count, 0), np.uint64)
    length = int(lengths[0])
    if (lengths == length).all():
        return _equal_words(*_data(texts), n, length, count)
    import pyarrow.compute as pc

    # Its "characters" are bytes, and what they mean does not matter here.
    data, start = _data(pc.ascii_rpad(texts, width=8 * count, padding="\0"))
    rows = data[start : start + n * 8 * count].reshape(n, 8 * count).view("<u8")
    return np.ascontiguousarray(rows.T, np.uint64)


def _equal_words(data: NDArray[np.uint8], start: int, n: int, length: int, count: int) -> Words:
    """Read strings of one length by words, each over what follows it, and cut that off again."""
    out = np.zeros((count, n), np.uint64)
    if not length:
        return out
    # The words of the last strings could lie beyond the end.
    tail = min(n, 8 // length + 1)
    rows = np.zeros((tail, 8 * count), np.uint8)
    rows[:, :length] = data[start + (n - tail) * length : start + n * length].reshape(tail, length)
    out[:, n - tail :] = rows.view("<u8").T
    for i in range(-(-length // 8) if n > tail else 0):
        words = np.ndarray((n - tail,), "<u8", data, start + 8 * i, (length,))
        rest = length - 8 * i
        if rest >= 8:
            out[i, : n - tail] = words
        else:
            np.bitwise_and(words, np.uint64((1 << 8 * rest) - 1), out=out[i, : n - tail])
    return out


def _data(texts: Any) -> tuple[NDArray[np.uint8], int]:
    """Return an array's bytes, and where those of its first string begin."""
    _, offsets, data = texts.buffers()
    size = np.int64 if str(texts.type).startswith("large") else np.int32
    start = np.frombuffer(offsets, size, 1, texts.offset * np.dtype(size).itemsize)[0]
    return np.frombuffer(data or b"", np.uint8), int(start)
