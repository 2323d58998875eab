"""Collects a table: every column, and every column again for each segment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from functools import partial

import numpy as np
from numpy.typing import NDArray

from mlops_nb.errors import MonitoringError, nearest
from mlops_nb.monitoring.collect.arrow import known_values
from mlops_nb.monitoring.collect.base import SMALL_BLOCK
from mlops_nb.monitoring.collect.columns import Column, Values
from mlops_nb.monitoring.collect.others import Stock
from mlops_nb.monitoring.column import ColumnProfile
from mlops_nb.monitoring.merging import merge_columns

__all__ = ["MISSING", "OTHER", "Batch", "Columns", "Split", "Table", "trim"]

MISSING = "(missing)"
"""The segment of rows whose segment column is null."""
OTHER = "(other)"
"""The segment of rows whose value is not among the most frequent ones."""
_LIVE = 100
"""Values of a segment column that are followed while data come in."""
_MOST_GONE = 2_000
"""Values that lost their place; beyond that, new ones are "other" at once."""

Batch = Mapping[str, Values]
Columns = dict[str, ColumnProfile]


class Split:
    """Rows by the value of one column.

    A hundred values are followed while data come in. A value that is met when there is no room
    takes the place of the smallest one, if it has more rows at once than that had in all.

    Parameters
    ----------
    column
        The column.
    wanted
        The columns that are profiled by segment; all by default.
    """

    def __init__(self, column: str, wanted: frozenset[str] | None = None) -> None:
        self._column = column
        self._wanted = wanted
        self._live: dict[str, dict[str, Column]] = {}
        self._rows: dict[str, int] = {}
        self._gone: set[str] = set()
        self._evicted: list[Columns] = []

    def add(self, batch: Batch, stock: Stock, columns: frozenset[str] | None = None) -> None:
        """Add a batch of rows, of which ``columns`` are profiled where nothing else is said."""
        if self._column not in batch:
            raise MonitoringError(
                "there is no such column to tell segments, predictions or labels by",
                where=f'column "{self._column}"',
                fix=nearest(self._column, batch),
            )
        codes, labels = _encode(batch[self._column], self._column)
        if not len(codes):
            return
        order = np.argsort(codes, kind="stable")
        bounds = np.searchsorted(codes[order], np.arange(len(labels) + 1))
        counts = np.diff(bounds)
        wanted = columns if self._wanted is None else self._wanted
        names = [name for name in batch if wanted is None or name in wanted]
        taken = {name: batch[name].take(order) for name in names}
        for code in np.argsort(-counts, kind="stable").tolist():
            rows = int(counts[code])
            if not rows:
                continue
            label = self._place(labels[code], rows)
            self._rows[label] = self._rows.get(label, 0) + rows
            table = self._live.setdefault(label, {})
            for name in names:
                column = table.setdefault(name, Column(name, stock, SMALL_BLOCK))
                column.add(taken[name].slice(int(bounds[code]), int(bounds[code + 1])))

    def _place(self, label: str, rows: int) -> str:
        """Return the segment that rows of a value go to, once there is room for it."""
        if label in self._live or label == MISSING:
            return label
        if label in self._gone or len(self._gone) >= _MOST_GONE:
            return OTHER
        if len(self._live) < _LIVE:
            return label
        smallest = min(self._live.keys() - {OTHER, MISSING}, key=lambda key: (self._rows[key], key))
        loser = smallest if self._rows[smallest] < rows else label
        # Some of its rows are "other" now: it must not become a segment again.
        self._gone.add(loser)
        if loser == label:
            return OTHER
        table = self._live.pop(loser)
        self._evicted.append({name: column.finish() for name, column in table.items()})
        return label

    def finish(self) -> dict[tuple[str, str], Columns]:
        """Return each segment's columns."""
        found = {
            (self._column, label): {name: column.finish() for name, column in table.items()}
            for label, table in self._live.items()
        }
        if self._evicted:
            key = (self._column, OTHER)
            found[key] = _join([*self._evicted, *([found[key]] if key in found else [])])
        return found


class Table:
    """A table: batches of rows, or of some of its columns where there are no segments.

    Parameters
    ----------
    stock
        Profiles columns of mixed Python objects.
    splits
        The segments.
    columns
        The columns wanted, where batches hold more for the sake of the segments; all by default.
    pool
        Threads that columns and segments are handed to.
    """

    def __init__(
        self,
        stock: Stock,
        splits: Sequence[Split] = (),
        columns: frozenset[str] | None = None,
        pool: Executor | None = None,
    ) -> None:
        self._stock = stock
        self._wanted = columns
        self._columns: dict[str, Column] = {}
        self._splits = splits
        self._pool = pool
        self._running: dict[object, Future[None]] = {}

    def add(self, batch: Batch) -> None:
        """Add rows."""
        for name, values in batch.items():
            if self._wanted is not None and name not in self._wanted:
                continue
            column = self._columns.setdefault(name, Column(name, self._stock))
            self._do(column, partial(column.add, values))
        for split in self._splits:
            self._do(split, partial(split.add, batch, self._stock, self._wanted))

    def _do(self, whose: Column | Split, job: Callable[[], None]) -> None:
        """Do a job, at once or in a thread; one column's jobs follow one another."""
        if self._pool is None:
            job()
            return
        before = self._running.get(id(whose))
        if before is not None:
            before.result()
        self._running[id(whose)] = self._pool.submit(job)

    def finish(self) -> tuple[Columns, dict[tuple[str, str], Columns]]:
        """Return the columns, and the columns by segment."""
        for job in self._running.values():
            job.result()
        segments: dict[tuple[str, str], Columns] = {}
        for split in self._splits:
            segments.update(split.finish())
        return {name: column.finish() for name, column in self._columns.items()}, segments


def trim(
    segments: Mapping[tuple[str, str], Columns], column: str, keep: int
) -> dict[tuple[str, str], Columns]:
    """Join all but the greatest segments of a column into one."""
    mine = {key: columns for key, columns in segments.items() if key[0] == column}
    rest = {key: columns for key, columns in segments.items() if key[0] != column}
    fixed = {key for key in mine if key[1] in (OTHER, MISSING)}
    ranked = sorted(mine.keys() - fixed, key=lambda key: (-_rows(mine[key]), key))
    small = ranked[keep:] + sorted(key for key in fixed if key[1] == OTHER)
    rest.update({key: mine[key] for key in [*ranked[:keep], *fixed] if key not in small})
    if small:
        rest[column, OTHER] = _join([mine[key] for key in small])
    return rest


def _join(tables: Sequence[Columns]) -> Columns:
    names = dict.fromkeys(name for table in tables for name in table)
    return {
        name: merge_columns(name, [table[name] for table in tables if name in table])
        for name in names
    }


def _rows(columns: Columns) -> int:
    return max((column.count for column in columns.values()), default=0)


def _encode(part: Values, column: str) -> tuple[NDArray[np.intp], list[str]]:
    """Return each row's segment as a number, and the segments' names."""
    import pyarrow as pa

    values = part.values
    if isinstance(values, np.ndarray):
        if values.dtype.kind == "O":
            import pandas as pd

            absent = np.asarray(pd.isna(values), bool).tolist()
            pairs = zip(values.tolist(), absent, strict=True)
            values = pa.array([None if gone else _label(x) for x, gone in pairs], pa.large_string())
        else:
            values = pa.array(values, from_pandas=True)
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    try:
        encoded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
    except pa.ArrowNotImplementedError as error:
        raise MonitoringError(
            f"values of type {values.type} cannot name a segment",
            where=f'column "{column}"',
            fix="segment by a column of texts, integers or truth values",
        ) from error
    labels = [_label(x) for x in encoded.dictionary.to_pylist()]
    codes = known_values(encoded.indices.cast(pa.int64()).fill_null(len(labels)))
    # Several values may share a name, such as 1 and 1.0.
    names = list(dict.fromkeys([*labels, MISSING]))
    place = {name: i for i, name in enumerate(names)}
    return np.array([place[label] for label in [*labels, MISSING]])[codes], names


def _label(value: object) -> str:
    if value is None or value != value:
        return MISSING
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
