"""The frequent-items sketch of texts, in whylogs' layout.

Sources: Anderson et al., "A High-Performance Algorithm for Identifying Frequent Items in Data
Streams" (IMC 2017), after Misra and Gries (1982); the layout is that of Apache DataSketches, as
whylogs-sketching 3.4.1 writes it.

At most 768 items are kept, each with a lower bound of its count; what was given up is bounded by
one number, the *offset*. Bytes, little-endian:

.. code-block:: text

    0  preamble longs   1 version 1   2 family 10   3 lg max size   4 lg size   5 flags   6 unused
    8  items u32   12 unused   16 total weight u64   24 offset u64
    32 weights u64 each, then for each item its length u32 and its UTF-8 bytes
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlops_nb.monitoring.sketch.wire import CorruptError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LG_MAX", "Frequent"]

LG_MAX = 10
"""whylogs' own size: a table of 1,024, of which three quarters are used."""
_FAMILY = 10
_EMPTY_FLAGS = 1 | 4
"""DataSketches moved the bit once and sets both to be read by old and new."""


@dataclass(frozen=True, eq=False)
class Frequent:
    """Counts of the most frequent texts."""

    items: Mapping[str, int] = field(default_factory=dict, repr=False)
    """Lower bounds of the counts; a true count is at most ``offset`` above."""
    total: int = 0
    """Texts seen."""
    offset: int = 0
    """The most that any count, also that of an absent text, can be above its lower bound."""
    lg_max: int = LG_MAX

    @property
    def room(self) -> int:
        """How many items are kept."""
        return (1 << self.lg_max) * 3 // 4

    def merge(self, other: Frequent) -> Frequent:
        """Return the sketch of both streams."""
        sums = dict(self.items)
        for item, weight in other.items.items():
            sums[item] = sums.get(item, 0) + weight
        return Frequent.of(
            sums,
            total=self.total + other.total,
            offset=self.offset + other.offset,
            lg_max=min(self.lg_max, other.lg_max),
        )

    @classmethod
    def of(
        cls, items: Mapping[str, int], *, total: int, offset: int = 0, lg_max: int = LG_MAX
    ) -> Frequent:
        """Make a sketch of counts: the greatest ones are kept.

        Where some have to go, the greatest of those is taken off all counts and added to the
        offset, so that each bound still holds.
        """
        room = (1 << lg_max) * 3 // 4
        if len(items) > room:
            ranked = sorted(items.values(), reverse=True)
            cut = ranked[room]
            items = {item: weight - cut for item, weight in items.items() if weight > cut}
            offset += cut
        return cls(items=items, total=total, offset=offset, lg_max=lg_max)

    def to_bytes(self) -> bytes:
        """Encode for whylogs."""
        lg_size = 3
        while (1 << lg_size) * 3 // 4 < len(self.items):
            lg_size += 1
        if not self.total:
            return struct.pack("<8B", 1, 1, _FAMILY, self.lg_max, lg_size, _EMPTY_FLAGS, 0, 0)
        texts = [item.encode("utf-8", "replace") for item in self.items]
        return b"".join(
            (
                struct.pack("<8B", 4, 1, _FAMILY, self.lg_max, lg_size, 0, 0, 0),
                struct.pack("<I4xQQ", len(texts), self.total, self.offset),
                struct.pack(f"<{len(texts)}Q", *self.items.values()),
                *(struct.pack("<I", len(x)) + x for x in texts),
            )
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Frequent:
        """Decode what whylogs or `to_bytes` wrote.

        Raises
        ------
        CorruptError
            The bytes are not a frequent-items sketch, are cut off or contradict themselves.
        """
        if len(data) < 8:
            raise CorruptError("a frequent-items sketch is cut off")
        longs, version, family, lg_max, lg_size, flags = struct.unpack_from("<6B", data)
        if (
            family != _FAMILY
            or version != 1
            or not 3 <= lg_size <= lg_max <= 26
            or longs not in (1, 4)
        ):
            raise CorruptError("a frequent-items sketch has a foreign header")
        if longs == 1 or flags & _EMPTY_FLAGS:
            return cls(lg_max=lg_max)
        if len(data) < 32:
            raise CorruptError("a frequent-items sketch is cut off")
        count, total, offset = struct.unpack_from("<I4xQQ", data, 8)
        if count > (1 << lg_max) * 3 // 4 or len(data) < 32 + 12 * count:
            raise CorruptError("a frequent-items sketch is cut off")
        weights = struct.unpack_from(f"<{count}Q", data, 32)
        items: dict[str, int] = {}
        at = 32 + 8 * count
        for weight in weights:
            if len(data) < at + 4:
                raise CorruptError("a frequent-items sketch is cut off")
            (size,) = struct.unpack_from("<I", data, at)
            at += 4
            if len(data) < at + size:
                raise CorruptError("a frequent-items sketch is cut off")
            item = data[at : at + size].decode("utf-8", "replace")
            items[item] = items.get(item, 0) + weight
            at += size
        if sum(weights) > total or 0 in weights or total + offset >= 1 << 62:
            raise CorruptError("a frequent-items sketch's counts exceed its total")
        return cls(items=items, total=total, offset=offset, lg_max=lg_max)
