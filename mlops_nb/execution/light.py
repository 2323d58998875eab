"""Imports Papermill without what it drags in and nobody here uses.

Two things make up most of the import's time: `jsonschema` compiles a grammar in
``rfc3987_syntax`` that only checks internationalised addresses, and Papermill's registry imports
every other engine that is installed. Both are put off until somebody asks for them.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
from types import ModuleType
from typing import Any

__all__ = ["import_papermill"]

_lock = threading.Lock()


class _LaterEngine:
    """Stands in Papermill's registry for an engine of another package."""

    def __init__(self, point: Any) -> None:
        self._point = point

    def __getattr__(self, name: str) -> Any:
        return getattr(self._point.load(), name)


def import_papermill() -> ModuleType:
    """Import ``papermill.engines`` and return it."""
    loaded = sys.modules.get("papermill.engines")
    if loaded is not None and hasattr(loaded, "papermill_engines"):
        return loaded
    with _lock:
        _import_jsonschema()
        return _import_engines()


def _import_jsonschema() -> None:
    name = "rfc3987_syntax"
    if name in sys.modules or "jsonschema" in sys.modules:
        return
    if importlib.util.find_spec(name) is None:
        return  # jsonschema leaves the check out where the package is missing: so it must stay

    def is_valid_syntax(*args: Any, **kwargs: Any) -> Any:
        return importlib.import_module(name).is_valid_syntax(*args, **kwargs)

    stub = ModuleType(name)
    stub.is_valid_syntax = is_valid_syntax  # type: ignore[attr-defined]
    sys.modules[name] = stub
    try:
        importlib.import_module("jsonschema")
    finally:
        del sys.modules[name]


def _import_engines() -> ModuleType:
    entrypoints: Any = importlib.import_module("entrypoints")
    found = entrypoints.get_group_all
    later: list[Any] = []

    def none_yet(group: str, path: Any = None) -> list[Any]:
        points = list(found(group, path))
        if group != "papermill.engine":
            return points
        later.extend(points)
        return []

    entrypoints.get_group_all = none_yet
    try:
        engines = importlib.import_module("papermill.engines")
    finally:
        entrypoints.get_group_all = found
    for point in later:
        engines.papermill_engines.register(point.name, _LaterEngine(point))
    return engines
