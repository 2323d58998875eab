"""Hashes Arrow strings as whylogs does, many at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlops_nb.monitoring.sketch.murmur import BLOCK, hash_bytes, hash_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["hash_strings"]

Words = NDArray[np.uint64]
_MATRIX = 1 << 21
"""Bytes of the matrix that strings are laid out in for hashing."""
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
    import pyarrow.compute as pc

    for start in range(0, len(texts), BLOCK):
        part = texts.slice(start, BLOCK)
        lengths = pc.binary_length(part).to_numpy(zero_copy_only=False).astype(np.int64)
        blocks = lengths >> 4
        low, high = int(blocks.min()), int(blocks.max())
        if low == high and (high + 1) * 16 * len(part) <= _MATRIX:
            rows = _matrix(part, lengths, 16 * (high + 1))
        elif high * 16 < _LONG:
            order = np.argsort(-blocks, kind="stable")
            yield from _by_length(part.take(order), lengths[order])
            continue
        else:
            long = lengths >= _LONG
            hashes = [hash_bytes(text.encode()) for text in part.filter(long).to_pylist()]
            both = np.array(hashes, np.uint64)
            yield part.filter(long), both[:, 0].copy(), both[:, 1].copy()
            yield from hash_strings(part.filter(~long))
            continue
        known = lengths > 0
        if not known.all():
            part, rows, lengths = part.filter(known), rows[known], lengths[known]
        yield part, *hash_rows(rows, lengths)


def _by_length(texts: Any, lengths: NDArray[np.int64]) -> Iterator[tuple[Any, Words, Words]]:
    """Hash strings that are sorted by their number of 16-byte blocks, the longest first."""
    known = lengths > 0
    if not known.all():
        texts, lengths = texts.filter(known), lengths[known]
    start = 0
    while start < len(lengths):
        width = 16 * (int(lengths[start]) // 16 + 1)
        size = max(1, _MATRIX // width)
        part = lengths[start : start + size]
        some = texts.slice(start, size)
        yield some, *hash_rows(_matrix(some, part, width), part)
        start += size


def _matrix(texts: Any, lengths: NDArray[np.int64], width: int) -> NDArray[np.uint8]:
    """Lay strings out as the rows of a matrix, filled up with zeros."""
    import pyarrow.compute as pc

    n = len(texts)
    length = int(lengths[0])
    if (lengths == length).all():
        data, start = _data(texts)
        rows = np.zeros((n, width), np.uint8)
        rows[:, :length] = data[start : start + n * length].reshape(n, length)
        return rows
    # Its "characters" are bytes, and what they mean does not matter here.
    data, start = _data(pc.ascii_rpad(texts, width=width, padding="\0"))
    return data[start : start + n * width].reshape(n, width)


def _data(texts: Any) -> tuple[NDArray[np.uint8], int]:
    """Return an array's bytes, and where those of its first string begin."""
    _, offsets, data = texts.buffers()
    size = np.int64 if str(texts.type).startswith("large") else np.int32
    start = np.frombuffer(offsets, size, 1, texts.offset * np.dtype(size).itemsize)[0]
    return np.frombuffer(data or b"", np.uint8), int(start)
