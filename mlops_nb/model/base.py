"""The root of every record, and how records become JSON and come back checked."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

__all__ = ["Json", "Record", "decode", "encode", "to_builtins"]

Json = Any
"""A JSON value: ``None``, ``bool``, ``int``, ``float``, ``str``, a list or a dict with text keys."""

T = TypeVar("T")


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A frozen, typed record; stages hand these to one another and nothing else."""


def to_builtins(record: object) -> Json:
    """Return a record, or any nesting of records, as plain JSON values."""
    return msgspec.to_builtins(record, str_keys=True)


def encode(record: object, *, indent: int | None = None) -> bytes:
    """Return a record as UTF-8 JSON.

    Parameters
    ----------
    record
        A record, or lists, tuples and dicts of records.
    indent
        Spaces to indent by; one line by default.
    """
    data = msgspec.json.encode(record)
    return data if indent is None else msgspec.json.format(data, indent=indent)


def decode(data: bytes | str, kind: type[T]) -> T:
    """Read JSON into a record type, checking every field.

    Raises
    ------
    msgspec.ValidationError
        A field is missing or has the wrong type; the message names its path.
    msgspec.DecodeError
        The text is not JSON.
    """
    return msgspec.json.decode(data, type=kind)
