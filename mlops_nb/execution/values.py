"""Parameter values as JSON and back, keeping what JSON has no word for."""

from __future__ import annotations

import datetime as dt
import math
from pathlib import Path, PurePath
from typing import Any

from mlops_nb.errors import ParameterError

__all__ = ["from_json", "to_json"]

_TAG = "$type"


def to_json(value: Any) -> Any:
    """Return a value as plain JSON; tuples, sets, other keys than text, dates and paths are tagged.

    Raises
    ------
    ParameterError
        The value is of another type.
    """
    match value:
        case bool() | None | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else {_TAG: "float", "value": repr(value)}
        case list():
            return [to_json(item) for item in value]
        case tuple() | set() | frozenset():
            return {_TAG: type(value).__name__, "value": [to_json(item) for item in value]}
        case dict():
            if all(isinstance(key, str) for key in value) and _TAG not in value:
                return {key: to_json(item) for key, item in value.items()}
            pairs = [[to_json(key), to_json(item)] for key, item in value.items()]
            return {_TAG: "dict", "value": pairs}
        case dt.datetime() | dt.date() | dt.time():
            return {_TAG: type(value).__name__, "value": value.isoformat()}
        case PurePath():
            return {_TAG: "path", "value": str(value)}
    raise ParameterError(
        f"a value of type {type(value).__name__} cannot be handed to a notebook",
        fix="use numbers, texts, dates, paths, lists, tuples, sets and dictionaries of them",
    )


def from_json(value: Any) -> Any:
    """Return what `to_json` was given."""
    if isinstance(value, list):
        return [from_json(item) for item in value]
    if not isinstance(value, dict):
        return value
    if _TAG not in value:
        return {key: from_json(item) for key, item in value.items()}
    inner = value["value"]
    match value[_TAG]:
        case "float":
            return float(inner)
        case "tuple":
            return tuple(from_json(item) for item in inner)
        case "set":
            return {from_json(item) for item in inner}
        case "frozenset":
            return frozenset(from_json(item) for item in inner)
        case "dict":
            return {from_json(key): from_json(item) for key, item in inner}
        case "datetime":
            return dt.datetime.fromisoformat(inner)
        case "date":
            return dt.date.fromisoformat(inner)
        case "time":
            return dt.time.fromisoformat(inner)
        case _:
            return Path(inner)
