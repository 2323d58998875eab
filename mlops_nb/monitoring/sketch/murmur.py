"""MurmurHash3 (x64, 128 bits) of many values at once.

Source: Austin Appleby's public-domain MurmurHash3; the seed is that of Apache DataSketches, so the
hashes are those that whylogs' HyperLogLog sketches are made of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mlops_nb.monitoring.sketch.scratch import scratch

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BLOCK", "hash_bytes", "hash_rows", "hash_words"]

Words = NDArray[np.uint64]

BLOCK = 1 << 14
"""Values hashed at a time: the scratch arrays then stay in the second-level cache."""
_SEED = 9001
_C1, _C2 = np.uint64(0x87C37B91114253D5), np.uint64(0x4CF5AD432745937F)
_F1, _F2 = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
_33 = np.uint64(33)
_MASK = (1 << 64) - 1


def hash_words(values: Words) -> Iterator[tuple[int, Words, Words]]:
    """Hash 64-bit values, as whylogs does integers and doubles.

    Yields
    ------
    tuple
        For each block the index it starts at, and the finished halves of the hash *before* the
        last two additions: the hash is ``(a + b, a + 2 b)``. Most callers need the second word of
        all values and the first of few. The arrays are reused for the next block, and by the
        thread's next call.
    """
    size = min(BLOCK, len(values))
    a, b, spare = (scratch(use, np.uint64, size) for use in ("hash a", "hash b", "hash"))
    for start in range(0, len(values), BLOCK):
        part = values[start : start + BLOCK]
        n = len(part)
        x, y, t = a[:n], b[:n], spare[:n]
        np.multiply(part, _C1, out=x)
        _rotate(x, 31, t)
        np.multiply(x, _C2, out=x)
        np.bitwise_xor(x, np.uint64(_SEED ^ 8), out=x)
        np.add(x, np.uint64(_SEED ^ 8), out=x)
        np.add(x, np.uint64(_SEED ^ 8), out=y)
        _finish(x, t)
        _finish(y, t)
        yield start, x, y


def hash_rows(words: Words, lengths: NDArray[np.int64]) -> tuple[Words, Words]:
    """Hash byte strings that stand side by side as words.

    Parameters
    ----------
    words
        The first words of all strings, then their second ones, and so on; each string is filled up
        with zeros to an even number of words that holds more bytes than it has.
    lengths
        How many bytes each string has. Those of more 16-byte blocks must come first.

    Returns
    -------
    tuple
        The halves of the hashes, as `hash_words` gives them.
    """
    n = len(lengths)
    blocks = lengths >> 4
    h1 = np.full(n, _SEED, np.uint64)
    h2 = np.full(n, _SEED, np.uint64)
    t = np.empty(n, np.uint64)
    most = int(blocks[0]) if n else 0
    live = n - np.searchsorted(blocks[::-1], np.arange(most), side="right")
    for block, count in enumerate(live.tolist()):
        x, y, s = h1[:count], h2[:count], t[:count]
        np.bitwise_xor(x, _mix1(words[2 * block, :count], s), out=x)
        _rotate(x, 27, s)
        np.add(x, y, out=x)
        np.multiply(x, np.uint64(5), out=x)
        np.add(x, np.uint64(0x52DCE729), out=x)
        np.bitwise_xor(y, _mix2(words[2 * block + 1, :count], s), out=y)
        _rotate(y, 31, s)
        np.add(y, x, out=y)
        np.multiply(y, np.uint64(5), out=y)
        np.add(y, np.uint64(0x38495AB5), out=y)
    # What is left of a row is shorter than a block; its zeros leave the hash as it is.
    if most and int(blocks[-1]) != most:
        each = np.arange(n)
        first, second = words[2 * blocks, each], words[2 * blocks + 1, each]
    else:
        first, second = words[2 * most], words[2 * most + 1]
    np.bitwise_xor(h2, _mix2(second, t), out=h2)
    np.bitwise_xor(h1, _mix1(first, t), out=h1)
    length = lengths.astype(np.uint64)
    np.bitwise_xor(h1, length, out=h1)
    np.bitwise_xor(h2, length, out=h2)
    np.add(h1, h2, out=h1)
    np.add(h2, h1, out=h2)
    _finish(h1, t)
    _finish(h2, t)
    return h1, h2


def hash_bytes(data: bytes) -> tuple[int, int]:
    """Hash one byte string, however long; the halves as `hash_words` gives them."""
    h1 = h2 = _SEED
    whole = len(data) >> 4
    padded = np.frombuffer(data.ljust(16 * whole + 16, b"\0"), "<u8").tolist()
    for block in range(whole):
        h1 ^= _mix_one(padded[2 * block], int(_C1), 31, int(_C2))
        h1 = ((_rotate_one(h1, 27) + h2) * 5 + 0x52DCE729) & _MASK
        h2 ^= _mix_one(padded[2 * block + 1], int(_C2), 33, int(_C1))
        h2 = ((_rotate_one(h2, 31) + h1) * 5 + 0x38495AB5) & _MASK
    h2 ^= _mix_one(padded[2 * whole + 1], int(_C2), 33, int(_C1)) ^ len(data)
    h1 ^= _mix_one(padded[2 * whole], int(_C1), 31, int(_C2)) ^ len(data)
    h1 = (h1 + h2) & _MASK
    h2 = (h2 + h1) & _MASK
    return _finish_one(h1), _finish_one(h2)


def _mix1(k: Words, t: Words) -> Words:
    k = k * _C1
    _rotate(k, 31, t)
    np.multiply(k, _C2, out=k)
    return k


def _mix2(k: Words, t: Words) -> Words:
    k = k * _C2
    _rotate(k, 33, t)
    np.multiply(k, _C1, out=k)
    return k


def _rotate(x: Words, bits: int, t: Words) -> None:
    np.right_shift(x, np.uint64(64 - bits), out=t)
    np.left_shift(x, np.uint64(bits), out=x)
    np.bitwise_or(x, t, out=x)


def _finish(x: Words, t: Words) -> None:
    np.right_shift(x, _33, out=t)
    np.bitwise_xor(x, t, out=x)
    np.multiply(x, _F1, out=x)
    np.right_shift(x, _33, out=t)
    np.bitwise_xor(x, t, out=x)
    np.multiply(x, _F2, out=x)
    np.right_shift(x, _33, out=t)
    np.bitwise_xor(x, t, out=x)


def _mix_one(k: int, c: int, bits: int, d: int) -> int:
    return _rotate_one(k * c & _MASK, bits) * d & _MASK


def _rotate_one(x: int, bits: int) -> int:
    return (x << bits | x >> (64 - bits)) & _MASK


def _finish_one(x: int) -> int:
    x = (x ^ x >> 33) * int(_F1) & _MASK
    x = (x ^ x >> 33) * int(_F2) & _MASK
    return x ^ x >> 33
