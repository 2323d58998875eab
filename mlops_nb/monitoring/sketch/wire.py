"""Protobuf's wire format: just what the profile's messages need.

Source: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = [
    "CorruptError",
    "delimited",
    "double",
    "fields",
    "read_varint",
    "signed",
    "text",
    "text_map",
    "varint",
    "write_bytes",
    "write_double",
    "write_int",
]

_SHORT = [bytes((value,)) for value in range(0x80)]
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class CorruptError(ValueError):
    """The bytes are not what they should be; callers say in which file and column."""


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number that starts at ``at``, below 2**64, and where the next byte stands."""
    if at < len(data) and data[at] < 0x80:
        return data[at], at + 1
    result = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise CorruptError("a number is cut off or too long")
        byte = data[at]
        at += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result & 0xFFFF_FFFF_FFFF_FFFF, at
        shift += 7


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield a message's fields as number and value: an ``int``, or the bytes of the others.

    Fixed 64-bit and 32-bit values come as their 8 or 4 bytes.
    """
    at, end = 0, len(data)
    while at < end:
        tag = data[at]
        at += 1
        if tag > 0x7F:
            tag, at = read_varint(data, at - 1)
        number, kind = tag >> 3, tag & 7
        if number == 0:
            raise CorruptError("a field has the number 0")
        if kind == _VARINT:
            value, at = read_varint(data, at)
            yield number, value
            continue
        if kind == _BYTES:
            size, at = read_varint(data, at)
        elif kind == _FIXED64:
            size = 8
        elif kind == _FIXED32:
            size = 4
        else:
            raise CorruptError(f"a field has the unknown wire type {kind}")
        if size > end - at:
            raise CorruptError("a field is longer than its message")
        yield number, data[at : at + size]
        at += size


def message(value: int | bytes) -> bytes:
    """Return a field's value as bytes, where it has to be some."""
    if isinstance(value, int):
        raise CorruptError("a number stands where a message should")
    return value


def number(value: int | bytes) -> int:
    """Return a field's value as an unsigned number, where it has to be one."""
    if not isinstance(value, int):
        raise CorruptError("bytes stand where a number should")
    return value


def signed(value: int | bytes) -> int:
    """Return an ``int64`` field."""
    unsigned = number(value)
    return unsigned - (1 << 64) if unsigned >= 1 << 63 else unsigned


def double(value: int | bytes) -> float:
    """Return a ``double`` field."""
    data = message(value)
    if len(data) != 8:
        raise CorruptError("a double has not 8 bytes")
    return float(struct.unpack("<d", data)[0])


def text(value: int | bytes) -> str:
    """Return a ``string`` field."""
    try:
        return message(value).decode()
    except UnicodeDecodeError as error:
        raise CorruptError("a text is not UTF-8") from error


def varint(value: int) -> bytes:
    """Encode a number from -2**63 to 2**64 - 1."""
    if 0 <= value < 0x80:
        return _SHORT[value]
    value &= 0xFFFF_FFFF_FFFF_FFFF
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def delimited(data: bytes) -> bytes:
    """Put a message's length before it."""
    return varint(len(data)) + data


def write_int(number: int, value: int) -> bytes:
    """Encode an integer field."""
    return varint(number << 3 | _VARINT) + varint(value)


def write_double(number: int, value: float) -> bytes:
    """Encode a ``double`` field."""
    return varint(number << 3 | _FIXED64) + struct.pack("<d", value)


def write_bytes(number: int, value: bytes | str) -> bytes:
    """Encode a ``bytes``, ``string`` or message field."""
    data = value.encode("utf-8", "replace") if isinstance(value, str) else value
    return varint(number << 3 | _BYTES) + delimited(data)


def text_map(number: int, entries: Mapping[str, str]) -> bytes:
    """Encode a ``map<string, string>`` field, sorted by key."""
    return b"".join(
        write_bytes(number, write_bytes(1, key) + write_bytes(2, value))
        for key, value in sorted(entries.items())
    )
