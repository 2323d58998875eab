"""What every collector of a column has in common."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mlops_nb.monitoring.column import TYPES, ColumnProfile
from mlops_nb.monitoring.sketch.scratch import scratch

__all__ = ["BLOCK", "SMALL_BLOCK", "Mapping", "Moments", "Pending", "counters"]

BLOCK = 1 << 16
"""Values handled at a time: half a MiB of numbers, which sorts within the second-level cache."""
SMALL_BLOCK = 1 << 14
"""The same where a column is collected many times over, by segment: less memory, more overhead."""

Mapping = Literal["integral", "fractional", "string", "any"]
"""whylogs' view of a column's declared type; it decides which metrics the column gets."""


def counters(**known: int) -> dict[str, int]:
    """Return whylogs' type counters, zero where they are not given."""
    return {name: int(known.get(name, 0)) for name in TYPES}


class Moments:
    """Mean and sum of squared differences, merged by Chan, Golub and LeVeque's formula (1979)."""

    def __init__(self) -> None:
        self.n = 0
        self.mean = 0.0
        self.m2 = 0.0

    def add(self, values: NDArray[np.float64]) -> None:
        """Add values without NaN."""
        n = len(values)
        if n:
            with np.errstate(invalid="ignore", over="ignore"):
                mean = float(values.mean())
                apart = scratch("apart", np.float64, n)
                np.subtract(values, mean, out=apart)
                self.add_summary(n, mean, float(np.einsum("i,i->", apart, apart)))

    def add_weighted(self, values: NDArray[np.float64], weights: NDArray[np.int64]) -> None:
        """Add values, each as often as its weight says."""
        n = int(weights.sum())
        if n:
            mean = float((values * weights).sum() / n)
            self.add_summary(n, mean, float((weights * (values - mean) ** 2).sum()))

    def add_summary(self, n: int, mean: float, m2: float) -> None:
        """Add values that are known by their number, mean and sum of squared differences."""
        self.n, self.mean, self.m2 = combine((self.n, self.mean, self.m2), (n, mean, m2))

    def finish(self) -> tuple[float, float]:
        """Return mean and sum of squared differences."""
        return self.mean, self.m2


def combine(a: tuple[int, float, float], b: tuple[int, float, float]) -> tuple[int, float, float]:
    """Return number, mean and sum of squared differences of two samples together."""
    if not a[0] or not b[0]:
        return b if not a[0] else a
    n = a[0] + b[0]
    apart = b[1] - a[1]
    mean = (a[1] * a[0] + b[1] * b[0]) / n
    return n, mean, a[2] + b[2] + apart * apart * (a[0] * b[0] / n)


class Pending:
    """Gathers small arrays until a block is worth its overhead."""

    def __init__(self, block: int = BLOCK) -> None:
        self._block = block
        self._parts: list[NDArray[Any]] = []
        self._held = 0

    def take(self, values: NDArray[Any]) -> list[NDArray[Any]]:
        """Add values; return the blocks that are ready."""
        if not self._held and len(values) > self._block // 2:
            return [values[i : i + BLOCK] for i in range(0, len(values), BLOCK)]
        # A copy, lest a small part keeps the whole batch alive.
        self._parts.append(values.copy())
        self._held += len(values)
        return self.rest() if self._held > self._block // 2 else []

    def rest(self) -> list[NDArray[Any]]:
        """Return what is still held."""
        if not self._held:
            return []
        whole = self._parts[0] if len(self._parts) == 1 else np.concatenate(self._parts)
        self._parts, self._held = [], 0
        return [whole[i : i + BLOCK] for i in range(0, len(whole), BLOCK)]


class Collector:
    """Collects one column's values of one sort."""

    def finish(self, name: str) -> ColumnProfile:
        """Return what is known; the collector is not used any more."""
        raise NotImplementedError
