"""Writes YAML as PyYAML does, some ten times faster for the large documents of large pipelines.

Each different scalar is given to PyYAML once, which knows all the quoting; the lines around the
scalars are put together here.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["dump_yaml"]

_Base: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_NEVER = 1_000_000_000
"""Columns after which a line would be broken."""


class _Dumper(_Base):  # type: ignore[misc]
    """Writes scripts as blocks that can be read."""


def _text(dumper: Any, data: str) -> Any:
    # A block cannot safely hold any line break but this one, a tab at a line's start or trailing
    # spaces.
    plain = re.search(r"[^\x20-\x7e\n\u00a0-\u2027\u202a-\ud7ff]|[ \t]\n|^[ \n]", data) is None
    style = "|" if "\n" in data and plain else None
    # Readers of YAML 1.1 and of 1.2 differ in what they take for a number or a truth value.
    if re.fullmatch(r"[-+]?\.?[0-9]\S*|[yYnN]", data):
        style = "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Dumper.add_representer(str, _text)


def dump_yaml(*documents: object) -> str:
    """Return data as YAML: keys in their order, long scripts as blocks, every text quoted in need.

    Parameters
    ----------
    documents
        Dictionaries, lists and scalars; several become several documents.
    """
    mark = "---\n" if len(documents) > 1 else ""
    return "".join(f"{mark}{chr(10).join(_lines(one))}\n" for one in documents)


@lru_cache(maxsize=65_536)
def _scalar(value: object, kind: str) -> tuple[str, ...]:
    """Return a scalar's lines as they stand behind a key at the start of a line."""
    text: str = yaml.dump(
        {"k": value}, Dumper=_Dumper, allow_unicode=True, width=_NEVER, default_flow_style=False
    )
    return tuple(text[3:].rstrip("\n").split("\n"))


def _lines(value: object) -> Iterator[str]:
    """Yield the lines of a value that begins on a line of its own."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _entry(_key(key, type(key).__name__) + ":", item)
    elif isinstance(value, (list, tuple)) and value:
        for item in value:
            if isinstance(item, (dict, list, tuple)) and item:
                head = "- "
                for line in _lines(item):
                    yield head + line if line else line
                    head = "  "
            else:
                yield from _entry("-", item)
    else:
        yield from _leaf(value)


@lru_cache(maxsize=65_536)
def _key(value: object, kind: str) -> str:
    """Return a scalar on one line, as a key has to be."""
    lines = _scalar(value, kind)
    if len(lines) == 1 and not lines[0].startswith(("|", "? ")):
        return lines[0]
    text: str = yaml.dump(value, Dumper=_Base, allow_unicode=True, width=_NEVER, default_style='"')
    return text.rstrip("\n")


def _entry(head: str, value: object) -> Iterator[str]:
    if isinstance(value, dict) and value:
        yield head
        for line in _lines(value):
            yield f"  {line}" if line else line
    elif isinstance(value, (list, tuple)) and value:
        yield head
        yield from _lines(value)
    else:
        first, *rest = _leaf(value)
        yield f"{head} {first}"
        yield from rest


def _leaf(value: object) -> tuple[str, ...]:
    if isinstance(value, dict):
        return ("{}",)
    if isinstance(value, (list, tuple)):
        return ("[]",)
    return _scalar(value, type(value).__name__)
