"""One column of a profile: counts and sketches, and what can be read from them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mlops_nb.monitoring.sketch.container import Component
from mlops_nb.monitoring.sketch.frequent import Frequent
from mlops_nb.monitoring.sketch.hll import Hll
from mlops_nb.monitoring.sketch.kll import Kll
from mlops_nb.monitoring.sketch.wire import CorruptError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TYPES", "ColumnProfile", "Kind"]

Kind = Literal["numeric", "categorical", "datetime", "empty", "mixed"]
TYPES = ("integral", "fractional", "boolean", "string", "object", "tensor")
"""whylogs' counters of the values' types."""
_COUNTS = ("n", "null", "nan", "inf", "true")
_NO_MAXIMUM, _NO_MINIMUM = -(2**63 - 1), 2**63 - 1
"""What whylogs writes for the integers' range where there is none."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ColumnProfile:
    """What is known of one column; it never changes.

    A sketch that is ``None`` does not belong to the column's type: whylogs keeps no distribution
    of datetimes (ours does), and no frequent items of floats.
    """

    name: str
    count: int = 0
    """Values seen, missing ones among them."""
    nulls: int = 0
    """Missing values, NaN among them."""
    nans: int = 0
    infs: int = 0
    trues: int = 0
    types: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(TYPES, 0))
    """How many values were of which type; the keys are `TYPES`."""
    integers: tuple[int, int] | None = None
    """Least and greatest of the integers, held within 64 bits."""
    kll: Kll | None = field(default=None, repr=False)
    moments: tuple[float, float] = (0.0, 0.0)
    """Mean, and the sum of squared differences from it; as whylogs keeps them."""
    hll: Hll | None = field(default=None, repr=False)
    top: Frequent | None = field(default=None, repr=False)
    tracks_integers: bool = False
    """Whether whylogs' ``ints`` metric belongs to the column."""
    is_datetime: bool = False
    """Whether the distribution is of seconds since 1970, UTC."""
    foreign: Mapping[str, Component] = field(default_factory=dict, repr=False)
    """Metrics of whylogs that are carried along unread."""

    @property
    def kind(self) -> Kind:
        """What sort of values the column holds, by whylogs' type counters."""
        numbers = self.types["integral"] + self.types["fractional"]
        texts = self.types["string"] + self.types["boolean"]
        others = self.types["object"] + self.types["tensor"]
        if not numbers + texts + others:
            return "empty"
        if self.is_datetime and not numbers + texts:
            return "datetime"
        if others or (numbers and texts):
            return "mixed"
        return "numeric" if numbers else "categorical"

    @property
    def minimum(self) -> float | None:
        """The least value, exact; seconds since 1970 for datetimes."""
        return self.kll.minimum if self.kll and self.kll.n else None

    @property
    def maximum(self) -> float | None:
        """The greatest value, exact; seconds since 1970 for datetimes."""
        return self.kll.maximum if self.kll and self.kll.n else None

    @property
    def mean(self) -> float | None:
        """The mean; ``None`` without values, or where infinities leave none."""
        if not self.kll or not self.kll.n or not np.isfinite(self.moments[0]):
            return None
        return self.moments[0]

    @property
    def stddev(self) -> float | None:
        """The sample standard deviation; ``None`` without values or where infinities leave none."""
        if not self.kll or not self.kll.n or not np.isfinite(self.moments[1]):
            return None
        return math.sqrt(max(self.moments[1], 0.0) / max(self.kll.n - 1, 1))

    @property
    def rank_error(self) -> float:
        """What a rank in `cdf` may be off by, as a share; 99% bound, single-sided."""
        return self.kll.rank_error if self.kll else 0.0

    @property
    def frequent_error(self) -> float:
        """What a count in `frequent` may be off by, to either side; a bound, not a guess."""
        return self.top.offset / 2 if self.top else 0.0

    def weighted_items(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return the distribution's sorted items and each one's weight.

        The weights sum up to the number of values that have a place on a line. Both are empty
        where the column has no distribution.
        """
        return (self.kll or Kll()).weighted()

    def quantiles(self, ps: ArrayLike) -> NDArray[np.float64]:
        """Return the values below which shares ``ps`` of the column lie.

        Each is the least item whose rank reaches the share (the inverse of the distribution
        function); 0 and 1 give the exact minimum and maximum, a column without values NaN.
        """
        ps = np.asarray(ps, float)
        if self.kll is None or not self.kll.n:
            return np.full(ps.shape, np.nan)
        items, weights = self.weighted_items()
        reached = np.cumsum(weights)
        at = np.searchsorted(reached, np.ceil(ps * self.kll.n - 1e-9), side="left")
        out = items[np.minimum(at, len(items) - 1)]
        out = np.where(ps <= 0, self.kll.minimum, out)
        return np.where(ps >= 1, self.kll.maximum, out)

    def cdf(self, xs: ArrayLike) -> NDArray[np.float64]:
        """Return the share of values at or below each of ``xs``; NaN without values."""
        xs = np.asarray(xs, float)
        if self.kll is None or not self.kll.n:
            return np.full(xs.shape, np.nan)
        items, weights = self.weighted_items()
        reached = np.concatenate(([0], np.cumsum(weights)))
        return np.asarray(reached[np.searchsorted(items, xs, side="right")] / self.kll.n)

    def frequent(self) -> dict[str, float]:
        """Return estimated counts of the frequent values as texts, the greatest first.

        The middle between what a count is at least and at most; see `frequent_error`. Left out are
        values that may occur no more often than one which the sketch has given up (DataSketches'
        "no false positives").
        """
        if not self.top:
            return {}
        offset = self.top.offset
        surely = [(item, least) for item, least in self.top.items.items() if least > offset]
        surely.sort(key=lambda pair: (-pair[1], pair[0]))
        return {item: least + offset / 2 for item, least in surely}

    def distinct(self) -> float:
        """Return the estimated number of distinct values; 0 where they are not counted."""
        return self.hll.estimate() if self.hll else 0.0

    def hll_union(self, other: ColumnProfile) -> float:
        """Return the estimated number of distinct values in both columns together."""
        return (self.hll or Hll()).union(other.hll or Hll()).estimate()

    def components(self) -> dict[str, Component]:
        """Return the column's metrics as they stand in a profile file."""
        out = dict(self.foreign)
        for name, count in zip(
            _COUNTS, (self.count, self.nulls, self.nans, self.infs, self.trues), strict=True
        ):
            out[f"counts/{name}"] = Component(0, 2, count)
        for name in TYPES:
            out[f"types/{name}"] = Component(0, 2, self.types.get(name, 0))
        if self.tracks_integers:
            low, high = self.integers or (_NO_MINIMUM, _NO_MAXIMUM)
            out["ints/min"] = Component(1, 2, low)
            out["ints/max"] = Component(2, 2, high)
        if self.kll is not None:
            out["distribution/kll"] = Component(0, 6, self.kll.to_bytes())
            out["distribution/mean"] = Component(0, 3, float(self.moments[0]))
            out["distribution/m2"] = Component(0, 3, float(self.moments[1]))
        if self.hll is not None:
            out["cardinality/hll"] = Component(0, 5, self.hll.to_bytes())
        if self.top is not None:
            out["frequent_items/frequent_strings"] = Component(0, 4, self.top.to_bytes())
        return out

    @classmethod
    def of_components(
        cls, name: str, parts: Mapping[str, Component], *, is_datetime: bool = False
    ) -> ColumnProfile:
        """Read a column's metrics.

        Raises
        ------
        CorruptError
            A sketch is broken.
        """
        rest = dict(parts)

        def integer(path: str, default: int = 0) -> int:
            part = rest.pop(path, None)
            return part.value if part is not None and isinstance(part.value, int) else default

        def number(path: str) -> float:
            part = rest.pop(path, None)
            return float(part.value) if part is not None and part.field in (2, 3) else 0.0

        def sketch(path: str, number: int) -> bytes | None:
            part = rest.get(path)
            if part is None or part.field != number or not isinstance(part.value, bytes):
                return None
            del rest[path]
            return part.value

        count, nulls, nans, infs, trues = (integer(f"counts/{name}") for name in _COUNTS)
        types = {name: integer(f"types/{name}") for name in TYPES}
        if min(count, nulls, nans, infs, trues, *types.values()) < 0:
            raise CorruptError("a count is negative")
        tracks = "ints/min" in rest and "ints/max" in rest
        low, high = integer("ints/min", _NO_MINIMUM), integer("ints/max", _NO_MAXIMUM)
        moments = number("distribution/mean"), number("distribution/m2")
        kll = sketch("distribution/kll", 6)
        hll = sketch("cardinality/hll", 5)
        top = sketch("frequent_items/frequent_strings", 4)
        return cls(
            name=name,
            count=count,
            nulls=nulls,
            nans=nans,
            infs=infs,
            trues=trues,
            types=types,
            integers=(low, high) if tracks and low <= high else None,
            tracks_integers=tracks,
            kll=None if kll is None else Kll.from_bytes(kll),
            moments=moments,
            hll=None if hll is None else Hll.from_bytes(hll),
            top=None if top is None else Frequent.from_bytes(top),
            is_datetime=is_datetime,
            foreign=rest,
        )
