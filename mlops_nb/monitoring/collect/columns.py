"""Sends a column's values to the collectors that know their type."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from numbers import Number
from types import NoneType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mlops_nb.errors import MonitoringError
from mlops_nb.monitoring.collect.arrow import index_array, is_text, known_values, plain_texts
from mlops_nb.monitoring.collect.base import BLOCK
from mlops_nb.monitoring.collect.numbers import Booleans, Floats, Integers
from mlops_nb.monitoring.collect.others import Foreign, Opaque, Stock
from mlops_nb.monitoring.collect.texts import Texts
from mlops_nb.monitoring.collect.times import Datetimes
from mlops_nb.monitoring.column import ColumnProfile
from mlops_nb.monitoring.merging import merge_columns

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops_nb.monitoring.collect.base import Collector, Mapping

__all__ = ["Column", "Values"]

C = TypeVar("C", bound="Collector")
_INT64 = 2**63
_NAT = -(2**63)
_PER_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}


class Values:
    """A part of a column.

    Parameters
    ----------
    values
        A NumPy array, or an Arrow array, chunked or not.
    mapping
        What whylogs makes of the column's declared type, where the values' own type does not say.
    nulls_are_nan
        Whether stock whylogs, given the same column, would take its nulls for NaN.
    """

    def __init__(
        self, values: Any, *, mapping: Mapping | None = None, nulls_are_nan: bool = False
    ) -> None:
        self.values = values
        self.mapping: Mapping | None = mapping
        self.nulls_are_nan = nulls_are_nan

    def __len__(self) -> int:
        return len(self.values)

    def _like(self, values: Any) -> Values:
        return Values(values, mapping=self.mapping, nulls_are_nan=self.nulls_are_nan)

    def slice(self, start: int, stop: int) -> Values:
        """Return some of the rows, without copying them."""
        if isinstance(self.values, np.ndarray):
            return self._like(self.values[start:stop])
        return self._like(self.values.slice(start, stop - start))

    def take(self, rows: NDArray[np.intp]) -> Values:
        """Return copies of some of the rows."""
        if isinstance(self.values, np.ndarray):
            return self._like(self.values[rows])
        return self._like(self.values.take(index_array(rows)))


class Column:
    """One column: its values may be of several types, also one after another.

    Parameters
    ----------
    name
        The column's name.
    stock
        Profiles values of mixed Python types.
    block
        Values handled at a time; fewer need less memory and more time.
    """

    def __init__(self, name: str, stock: Stock, block: int = BLOCK) -> None:
        self.name = name
        self._block = block
        self._stock = stock
        self._nans = 0
        self._parts: dict[tuple[type[Collector], str], Collector] = {}

    def _part(self, kind: type[C], mapping: str, make: Callable[[], C]) -> C:
        known = self._parts.get((kind, mapping))
        if not isinstance(known, kind):
            known = make()
            self._parts[kind, mapping] = known
        return known

    def add(self, part: Values) -> None:
        """Add values."""
        if isinstance(part.values, np.ndarray):
            self._add_numpy(part.values, part)
        else:
            self._add_arrow(part.values, part)

    def finish(self) -> ColumnProfile:
        """Return the column's profile."""
        parts = [part.finish(self.name) for part in self._parts.values()]
        whole = merge_columns(self.name, parts or [ColumnProfile(name=self.name)])
        return replace(whole, nans=whole.nans + self._nans)

    def _floats(self) -> Floats:
        return self._part(Floats, "", lambda: Floats(self._block))

    def _integers(self, mapping: Mapping) -> Integers:
        return self._part(Integers, mapping, lambda: Integers(mapping, self._block))

    def _booleans(self, mapping: Mapping) -> Booleans:
        return self._part(Booleans, mapping, lambda: Booleans(mapping))

    def _opaque(self, mapping: Mapping) -> Opaque:
        return self._part(Opaque, mapping, lambda: Opaque(mapping))

    def _times(self, mapping: Mapping) -> Datetimes:
        return self._part(Datetimes, mapping, lambda: Datetimes(mapping, self._block))

    def _texts(self) -> Texts:
        return self._part(Texts, "", lambda: Texts(self._block))

    def _add_numpy(self, values: NDArray[Any], part: Values) -> None:
        kind = values.dtype.kind
        if kind == "f":
            self._floats().add(values)
        elif kind in "iu":
            self._integers(part.mapping or "integral").add(values)
        elif kind == "b":
            trues = int(np.count_nonzero(values))
            self._booleans(part.mapping or "integral").add(trues, len(values) - trues)
        elif kind == "M":
            self._add_datetimes(values)
        elif kind == "O":
            self._add_objects(values)
        elif kind in "US":
            self._add_objects(values.astype(object))
        else:
            missing = int(np.isnat(values).sum()) if kind == "m" else 0
            self._opaque("any").add(len(values), missing)

    def _add_datetimes(self, values: NDArray[Any]) -> None:
        unit = np.datetime_data(values.dtype)[0]
        if unit not in _PER_SECOND or np.datetime_data(values.dtype)[1] != 1:
            values, unit = values.astype("datetime64[us]"), "us"
        times = values.view(np.int64)
        missing = 0
        if len(times) and int(times.min()) == _NAT:
            known = times != _NAT
            missing = len(times) - int(np.count_nonzero(known))
            times = times[known]
        self._times("any").add(times, _PER_SECOND[unit], missing)

    def _add_arrow(self, values: Any, part: Values) -> None:
        import pyarrow as pa
        from pyarrow import types as t

        kind = values.type
        if isinstance(values, pa.ChunkedArray):
            for chunk in values.chunks or [pa.nulls(0, kind)]:
                self._add_arrow(chunk, part)
        elif isinstance(values, pa.ExtensionArray):
            if is_text(values.storage.type):
                self._add_arrow(values.storage, part)
            else:
                self._opaque("any").add(len(values), values.null_count)
        elif t.is_null(kind):
            self._texts().add(values.cast(pa.string()), nulls_are_nan=part.nulls_are_nan)
        elif t.is_boolean(kind):
            falses = len(values) - values.null_count - values.true_count
            nans = values.null_count if part.nulls_are_nan else 0
            truths = self._booleans(part.mapping or "integral")
            truths.add(values.true_count, falses, values.null_count, nans)
        elif t.is_floating(kind) or t.is_decimal(kind):
            if t.is_decimal(kind):
                values = values.cast(pa.float64())
            self._floats().add(known_values(values), values.null_count)
        elif t.is_integer(kind):
            integers = self._integers(part.mapping or "integral")
            integers.add(known_values(values), values.null_count)
        elif t.is_timestamp(kind) or t.is_date(kind):
            self._add_arrow_times(values, part.mapping or "any")
        elif t.is_dictionary(kind):
            self._add_categories(values, part)
        elif is_text(kind):
            self._texts().add(plain_texts(values), nulls_are_nan=part.nulls_are_nan)
        else:
            self._add_arrow_others(values)

    def _add_arrow_times(self, values: Any, mapping: Mapping) -> None:
        import pyarrow as pa

        if pa.types.is_date(values.type):
            values = values.cast(pa.timestamp("s" if pa.types.is_date32(values.type) else "ms"))
        known = known_values(values.view(pa.int64()))
        self._times(mapping).add(known, _PER_SECOND[values.type.unit], values.null_count)

    def _add_categories(self, values: Any, part: Values) -> None:
        if values.dictionary.null_count:
            self._add_arrow(values.dictionary_decode(), part)
        elif is_text(values.type.value_type):
            import pyarrow as pa

            plain = pa.DictionaryArray.from_arrays(values.indices, plain_texts(values.dictionary))
            self._texts().add(plain, nulls_are_nan=part.nulls_are_nan)
        else:
            decoded = Values(
                values.dictionary_decode(), mapping="string", nulls_are_nan=part.nulls_are_nan
            )
            self._add_arrow(decoded.values, decoded)

    def _add_arrow_others(self, values: Any) -> None:
        from pyarrow import types as t

        kind = values.type
        if t.is_duration(kind) or t.is_time(kind):
            self._opaque("any").add(len(values), values.null_count)
        else:
            self._opaque("string").add(len(values), values.null_count, _tensors(values))

    def _add_objects(self, values: NDArray[np.object_]) -> None:
        """Add Python objects: those of one known type quickly, the others by stock whylogs."""
        kinds = set(map(type, values)) - {NoneType}
        nans = 0
        if not kinds <= {str}:
            import pandas as pd

            try:
                absent = np.asarray(pd.isna(values), bool)
            except ArithmeticError as error:
                raise MonitoringError(
                    "it holds a signalling NaN, which cannot be compared with anything",
                    where=f'column "{self.name}"',
                    fix="replace it by None",
                ) from error
            if absent.any():
                nans = sum(isinstance(x, Number) for x in values[absent])
                kinds = set(map(type, values[~absent]))
        known = _as_arrow(values, kinds)
        if known is not None:
            self._nans += nans
            self._add_arrow(known, Values(known, mapping="string"))
            return
        objects = values.tolist()
        if int in kinds:
            beyond = [x for x in objects if type(x) is int and not -_INT64 <= x < _INT64]
            if beyond:
                self._integers("string").add_beyond(beyond)
                objects = [x for x in objects if type(x) is not int or -_INT64 <= x < _INT64]
        self._part(Foreign, "", lambda: Foreign(self._stock)).add(objects)


def _as_arrow(values: NDArray[np.object_], kinds: set[type]) -> Any:
    """Return Python objects as an Arrow array, or ``None`` where they are of several types."""
    import pyarrow as pa

    if kinds <= {str}:
        try:
            return pa.array(values, pa.large_string(), from_pandas=True)
        except UnicodeEncodeError:
            clean = [
                x.encode("utf-8", "replace").decode() if isinstance(x, str) else x for x in values
            ]
            return pa.array(clean, pa.large_string(), from_pandas=True)
    wanted = {bool: pa.bool_(), int: pa.int64(), date: pa.date32(), datetime: None}
    if len(kinds) != 1 or (kind := kinds.copy().pop()) not in wanted:
        return None
    try:
        return pa.array(values, wanted[kind], from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return None


def _tensors(values: Any) -> int:
    """Count the lists that hold numbers, and at least one: whylogs calls them tensors."""
    from pyarrow import types as t

    kind = values.type
    is_list = t.is_list(kind) or t.is_large_list(kind)
    if not (is_list or t.is_fixed_size_list(kind)):
        return 0
    if not (t.is_integer(kind.value_type) or t.is_floating(kind.value_type)):
        return 0
    known = values.drop_null() if values.null_count else values
    if not is_list:
        return len(known) if kind.list_size else 0
    return int(np.count_nonzero(np.diff(known_values(known.offsets)))) if len(known) else 0
