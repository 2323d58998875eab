"""Takes tables in memory apart into columns, without copying what need not be copied."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from mlops_nb.errors import MonitoringError
from mlops_nb.monitoring.collect.arrow import plain_texts
from mlops_nb.monitoring.collect.columns import Values
from mlops_nb.monitoring.collect.table import Batch

__all__ = ["as_batch", "check_names", "is_frame", "library"]


def library(data: object) -> str:
    """Return the name of the package that an object's type comes from."""
    return type(data).__module__.partition(".")[0]


def is_frame(data: object) -> bool:
    """Tell whether an object is a table that `as_batch` can take apart."""
    name = type(data).__name__
    origin = library(data)
    return (origin == "pandas" and name == "DataFrame") or (
        origin == "pyarrow" and name in ("Table", "RecordBatch")
    )


def as_batch(
    data: Any, columns: frozenset[str] | None = None, *, where: str = "the table"
) -> Batch:
    """Return the columns of a pandas frame, an Arrow table or record batch.

    Parameters
    ----------
    data
        The table.
    columns
        The columns wanted; all by default.
    where
        What to call it in an error.

    Raises
    ------
    MonitoringError
        Two columns have one name, or a wanted one is missing.
    """
    if library(data) == "pandas":
        names = check_names([str(name) for name in data.columns], columns, where)
        wanted = [(i, n) for i, n in enumerate(names) if columns is None or n in columns]
        return {name: _of_series(data.iloc[:, i]) for i, name in wanted}
    names = check_names(data.schema.names, columns, where)
    wanted = [(i, n) for i, n in enumerate(names) if columns is None or n in columns]
    return {name: Values(plain_texts(data.column(i))) for i, name in wanted}


def check_names(names: list[str], wanted: Iterable[str] | None, where: str) -> list[str]:
    """Return the column names, once it is clear what each of them means."""
    known = Counter(names)
    if len(known) < len(names):
        twice = sorted(name for name, count in known.items() if count > 1)
        raise MonitoringError(
            f'several columns are called "{twice[0]}"',
            where=where,
            fix="give each column a name of its own",
        )
    missing = sorted(set(wanted or ()) - known.keys())
    if missing:
        from mlops_nb.errors import nearest

        raise MonitoringError(
            f'there is no column "{missing[0]}"', where=where, fix=nearest(missing[0], known)
        )
    return names


def _of_series(series: Any) -> Values:
    """Return a pandas column as stock whylogs sees it."""
    import pandas as pd
    import pyarrow as pa

    dtype = series.dtype
    if isinstance(dtype, np.dtype):
        return Values(series.to_numpy())
    if isinstance(dtype, pd.DatetimeTZDtype):
        return Values(series.to_numpy(f"datetime64[{dtype.unit}]"))
    if isinstance(dtype, pd.SparseDtype):
        return Values(series.sparse.to_dense().to_numpy())
    if isinstance(dtype, pd.CategoricalDtype):
        return _of_categories(series)
    try:
        values = pa.array(series.array, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, UnicodeEncodeError):
        return Values(series.astype(object).to_numpy())
    # pandas' own text type says NaN where it means a missing value.
    nan = isinstance(dtype, pd.StringDtype) and dtype.na_value is not pd.NA
    return Values(values, nulls_are_nan=nan)


def _of_categories(series: Any) -> Values:
    import pyarrow as pa

    try:
        names = pa.array(series.cat.categories.array, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, UnicodeEncodeError):
        return Values(series.astype(object).to_numpy())
    if not (pa.types.is_string(names.type) or pa.types.is_large_string(names.type)):
        return Values(series.astype(object).to_numpy())
    codes = series.cat.codes.to_numpy()
    index = pa.array(codes, mask=codes < 0) if len(codes) and codes.min() < 0 else pa.array(codes)
    return Values(pa.DictionaryArray.from_arrays(index, names), nulls_are_nan=True)
