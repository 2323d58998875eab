"""Collectors of what has no distribution, and of what only stock whylogs knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mlops_nb.monitoring.collect.base import BLOCK, Collector, Mapping, counters
from mlops_nb.monitoring.column import ColumnProfile
from mlops_nb.monitoring.merging import merge_columns
from mlops_nb.monitoring.sketch.frequent import Frequent
from mlops_nb.monitoring.sketch.hll import Hll
from mlops_nb.monitoring.sketch.kll import Kll

__all__ = ["Foreign", "Opaque", "Stock"]

Stock = Callable[[str, list[Any]], ColumnProfile]
"""Profiles a column of Python objects with stock whylogs."""


class Opaque(Collector):
    """Values that whylogs only counts: bytes, lists, structures, durations, times of day."""

    def __init__(self, mapping: Mapping) -> None:
        self._mapping = mapping
        self._count = self._nulls = self._tensors = 0

    def add(self, count: int, nulls: int, tensors: int = 0) -> None:
        """Add how many values there were, how many of them null, how many lists of numbers."""
        self._count += count
        self._nulls += nulls
        self._tensors += tensors

    def finish(self, name: str) -> ColumnProfile:
        """Return what is known; the collector is not used any more."""
        known = self._count - self._nulls
        bare = self._mapping == "any"
        return ColumnProfile(
            name=name,
            count=self._count,
            nulls=self._nulls,
            types=counters(object=known - self._tensors, tensor=self._tensors),
            kll=None if bare else Kll(),
            hll=None if bare else Hll(),
            top=None if bare else Frequent(),
        )


class Foreign(Collector):
    """Python objects of mixed types: stock whylogs, in blocks."""

    def __init__(self, stock: Stock) -> None:
        self._stock = stock
        self._values: list[Any] = []
        self._parts: list[ColumnProfile] = []

    def add(self, values: list[Any]) -> None:
        """Add Python objects."""
        self._values += values
        if len(self._values) >= BLOCK:
            self._parts.append(self._stock("", self._values))
            self._values = []

    def finish(self, name: str) -> ColumnProfile:
        """Return what is known; the collector is not used any more."""
        if self._values or not self._parts:
            self._parts.append(self._stock(name, self._values))
        return merge_columns(name, self._parts)
