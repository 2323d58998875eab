"""The HyperLogLog sketch of distinct values, in whylogs' layout.

Sources: Flajolet et al., "HyperLogLog" (AofA 2007); Ertl, "New cardinality estimation algorithms
for HyperLogLog sketches" (arXiv:1702.01284, 2017) for the estimate after merging; the layout is
that of Apache DataSketches, as whylogs-sketching 3.4.1 writes it.

A value's hash gives a *coupon*: 26 bits of address and 6 bits of rank (leading zeros + 1). Up to a
few hundred coupons are kept as they are; beyond that, the highest rank of each of the 2**lg_k
addresses. Bytes, little-endian:

.. code-block:: text

    0  preamble ints  1 version 1  2 family 7  3 lg k  4 lg array  5 flags  6 count | cur min  7 mode
    list:   8  coupons u32                set:  8  count u32  12  coupons u32
    HLL:    8  hip f64   16 kxq0 f64   24 kxq1 f64   32 slots at cur min u32   36 exceptions u32
            40 registers (4, 6 or 8 bits each), then the exceptions of the 4-bit form as coupons
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mlops_nb.monitoring.sketch.wire import CorruptError

__all__ = ["LG_K", "Hll"]

LG_K = 12
"""whylogs' own size: 4,096 registers, a standard error of 1.6%."""
_FAMILY = 7
_EMPTY, _COMPACT, _OUT_OF_ORDER = 4, 8, 16
_LIST, _SET, _HLL = 0, 1, 2
_HLL_4, _HLL_6, _HLL_8 = 0, 1, 2
_TYPE_SHIFT = 2
_COUPON_PAIR = 1 / (3 * 2.0**26)
"""The chance that two values share a coupon: 2**-26 for the address, a third for the rank."""

Registers = NDArray[np.uint8]
Coupons = NDArray[np.uint32]


@dataclass(frozen=True, eq=False)
class Hll:
    """A HyperLogLog sketch: either coupons or registers."""

    lg_k: int = LG_K
    coupons: Coupons | None = field(default=None, repr=False)
    """Distinct coupons, sorted; ``None`` where there are registers."""
    registers: Registers | None = field(default=None, repr=False)
    """The highest rank by address; ``None`` where there are coupons."""
    hip: float | None = None
    """The estimate kept while values came in one by one; ``None`` once merged."""

    @property
    def is_empty(self) -> bool:
        """Whether no value was ever seen."""
        return self.registers is None and (self.coupons is None or len(self.coupons) == 0)

    def estimate(self) -> float:
        """Return the estimated number of distinct values.

        Coupons: their number plus the collisions to be expected among them. Registers: the running
        estimate where it is known (as stock does), else Ertl's improved raw estimator (2017, §2.4).
        """
        if self.coupons is not None:
            count = len(self.coupons)
            return count + count * (count - 1) / 2 * _COUPON_PAIR
        if self.registers is None:
            return 0.0
        return self.hip if self.hip is not None else _improved_raw(self.registers)

    def as_registers(self) -> Registers:
        """Return the registers, made from the coupons where need be; do not write to them."""
        if self.registers is not None:
            return self.registers
        out = np.zeros(1 << self.lg_k, np.uint8)
        if self.coupons is not None:
            address = (self.coupons & np.uint32((1 << self.lg_k) - 1)).astype(np.intp)
            np.maximum.at(out, address, (self.coupons >> np.uint32(26)).astype(np.uint8))
        return out

    def union(self, other: Hll) -> Hll:
        """Return the sketch of both sets of values."""
        if self.is_empty or other.is_empty:
            return other if self.is_empty else self
        lg_k = min(self.lg_k, other.lg_k)
        if self.coupons is not None and other.coupons is not None:
            both = np.union1d(self.coupons, other.coupons)
            if len(both) <= most_coupons(lg_k):
                return Hll(lg_k=lg_k, coupons=both)
        merged = np.maximum(_fold(self.as_registers(), lg_k), _fold(other.as_registers(), lg_k))
        return Hll(lg_k=lg_k, registers=merged)

    def to_bytes(self) -> bytes:
        """Encode for whylogs: in its own 4-bit form."""
        if self.registers is not None:
            return self._registers_to_bytes(self.registers)
        coupons = np.empty(0, np.uint32) if self.coupons is None else self.coupons
        count = len(coupons)
        data = coupons.astype("<u4").tobytes()
        if count < 8:
            flags = _COMPACT | (0 if count else _EMPTY)
            return struct.pack("<8B", 2, 1, _FAMILY, self.lg_k, 3, flags, count, _LIST) + data
        lg_array = max(5, _table_size(count))
        head = struct.pack("<8BI", 3, 1, _FAMILY, self.lg_k, lg_array, _COMPACT, 0, _SET, count)
        return head + data

    def _registers_to_bytes(self, registers: Registers) -> bytes:
        low = int(registers.min())
        above = registers - np.uint8(low)
        exceptions = np.flatnonzero(above > 14)
        nibbles = np.minimum(above, 15)
        powers = np.bincount(registers, minlength=64) * 2.0 ** -np.arange(64)
        flags = _COMPACT | (_OUT_OF_ORDER if self.hip is None else 0)
        lg_array = 0
        if len(exceptions):
            lg_array = max(_LG_AUX[self.lg_k], _table_size(len(exceptions)))
        coupons = registers[exceptions].astype(np.uint32) << 26 | exceptions.astype(np.uint32)
        return b"".join(
            (
                struct.pack("<8B", 10, 1, _FAMILY, self.lg_k, lg_array, flags, low, _HLL),
                struct.pack("<3d", self.hip or 0.0, powers[:32].sum(), powers[32:].sum()),
                struct.pack("<2I", int((above == 0).sum()), len(exceptions)),
                (nibbles[0::2] | nibbles[1::2] << 4).astype(np.uint8).tobytes(),
                coupons.astype("<u4").tobytes(),
            )
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Hll:
        """Decode what whylogs or `to_bytes` wrote, in any of the three forms.

        Raises
        ------
        CorruptError
            The bytes are not a HyperLogLog sketch, are cut off or contradict themselves.
        """
        if len(data) < 8:
            raise CorruptError("an HLL sketch is cut off")
        ints, version, family, lg_k, _, flags, count, mode = struct.unpack_from("<8B", data)
        if family != _FAMILY or version != 1 or not 4 <= lg_k <= 21:
            raise CorruptError("an HLL sketch has a foreign header")
        form, kind = mode & 3, mode >> _TYPE_SHIFT & 3
        if form == _HLL and ints == 10:
            return _read_registers(data, lg_k, flags, count, kind)
        if form == _LIST and ints == 2:
            start = 8
        elif form == _SET and ints == 3 and len(data) >= 12:
            (count,) = struct.unpack_from("<I", data, 8)
            start = 12
        else:
            raise CorruptError("an HLL sketch has an unknown form")
        if flags & _EMPTY:
            count = 0
        # The updatable form pads its coupons with zeros; a coupon is never zero.
        held = np.frombuffer(data, "<u4", (len(data) - start) // 4, start).astype(np.uint32)
        held = held[:count] if flags & _COMPACT else held[held != 0]
        coupons = np.unique(held)
        if len(coupons) != count or (coupons >> 26 == 0).any():
            raise CorruptError("an HLL sketch is cut off or repeats its coupons")
        few = cls(lg_k=lg_k, coupons=coupons)
        if count <= most_coupons(lg_k):
            return few
        return cls(lg_k=lg_k, registers=few.as_registers())


_LG_AUX = (0, 2, 2, 2, 2, 2, 2, 3, 3, 3, 4, 4, 5, 5, 6, 7, 8, 9, 10, 11, 12, 13)
"""log2 of the first size of the exceptions' table, by lg k; DataSketches' ``LG_AUX_ARR_INTS``."""


def most_coupons(lg_k: int) -> int:
    """Return how many coupons are kept before they become registers."""
    return 7 if lg_k < 8 else 3 << (lg_k - 3) >> 2


def _table_size(count: int) -> int:
    """Return log2 of the least table that so many coupons fill to three quarters at most."""
    return (-(-4 * count // 3) - 1).bit_length()


def _read_registers(data: bytes, lg_k: int, flags: int, low: int, kind: int) -> Hll:
    size = 1 << lg_k
    body = {_HLL_4: size // 2, _HLL_6: size * 3 // 4 + 1, _HLL_8: size}.get(kind)
    if body is None or len(data) < 40 + body:
        raise CorruptError("an HLL sketch is cut off")
    hip, _, _, _, exceptions = struct.unpack_from("<3d2I", data, 8)
    raw = np.frombuffer(data, np.uint8, body, 40)
    if kind == _HLL_8:
        registers = raw.copy()
    elif kind == _HLL_6:
        bits = np.unpackbits(raw, bitorder="little")[: 6 * size].reshape(size, 6)
        registers = np.packbits(bits, axis=1, bitorder="little").ravel()
    else:
        registers = np.empty(size, np.uint8)
        registers[0::2], registers[1::2] = raw & 15, raw >> 4
        unknown = registers == 15
        registers += np.uint8(low)
        held = np.frombuffer(data, "<u4", (len(data) - 40 - body) // 4, 40 + body)
        held = held[:exceptions] if flags & _COMPACT else held[held != 0]
        address = (held & ((1 << lg_k) - 1)).astype(np.intp)
        if len(held) != exceptions or not unknown[address].all() or unknown.sum() != exceptions:
            raise CorruptError("an HLL sketch's exceptions do not match its registers")
        registers[address] = (held >> 26).astype(np.uint8)
    if registers.max(initial=0) > 63 or low > 63:
        raise CorruptError("an HLL sketch has an impossible register")
    keeps_order = not flags & _OUT_OF_ORDER
    if keeps_order and not (np.isfinite(hip) and hip >= 0):
        raise CorruptError("an HLL sketch has an impossible estimate")
    return Hll(lg_k=lg_k, registers=registers, hip=hip if keeps_order else None)


def _fold(registers: Registers, lg_k: int) -> Registers:
    """Return the registers of a smaller sketch of the same values."""
    folded: Registers = registers.reshape(-1, 1 << lg_k).max(axis=0)
    return folded


def _improved_raw(registers: Registers) -> float:
    """Ertl's improved raw estimator: no bias correction tables, good over the whole range."""
    m = len(registers)
    counts = np.bincount(registers, minlength=64)
    # 64 hash bits behind 26 of address would allow rank 64; DataSketches caps it at 63.
    q = 62
    z = m * _tau(1 - counts[q + 1] / m)
    for rank in range(q, 0, -1):
        z = 0.5 * (z + counts[rank])
    z += m * _sigma(counts[0] / m)
    return float(m * m / (2 * np.log(2)) / z) if z > 0 else float("inf")


def _sigma(x: float) -> float:
    if x == 1:
        return float("inf")
    y, z = 1.0, x
    while True:
        x *= x
        before, z = z, z + x * y
        y += y
        if z == before:
            return z


def _tau(x: float) -> float:
    if x in (0.0, 1.0):
        return 0.0
    y, z = 1.0, 1 - x
    while True:
        x = x**0.5
        before = z
        y *= 0.5
        z -= (1 - x) ** 2 * y
        if z == before:
            return z / 3
