"""Reads Parquet files column by column, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from mlops_nb.errors import MonitoringError
from mlops_nb.monitoring.collect.arrow import empty
from mlops_nb.monitoring.collect.columns import Values
from mlops_nb.monitoring.collect.frames import as_batch, check_names
from mlops_nb.monitoring.collect.table import Batch

__all__ = ["ROWS", "Parquet"]

ROWS = 1 << 16
"""Rows decoded at a time."""
_SPLIT_ROWS = 1 << 16
"""Rows decoded at a time where they are dealt out to segments."""
_CELLS = 1 << 22
"""Cells decoded at a time where a table is wide."""
_PASSES = 64
"""A wide table is read in so many groups of columns."""
_INDEX_BYTES = 3.0
"""Bytes a value takes in the file, at most, where all of a text column is dictionary-encoded."""


class Parquet:
    """One Parquet file, or some row groups of it.

    Parameters
    ----------
    source
        A path, or an open file.
    where
        What to call it in an error.

    Raises
    ------
    MonitoringError
        It cannot be read or is no Parquet file.
    """

    def __init__(self, source: Any, where: str) -> None:
        import pyarrow as pa

        self._where = where
        try:
            self._file = self._open(source)
            self.metadata = self._file.metadata
            encoded = self._encoded_texts()
            if encoded:
                self._file = self._open(source, metadata=self.metadata, read_dictionary=encoded)
        except (pa.ArrowException, OSError) as error:
            raise self._error(error) from error

    @staticmethod
    def _open(source: Any, **options: Any) -> Any:
        from pyarrow import parquet

        return parquet.ParquetFile(
            source, pre_buffer=False, page_checksum_verification=True, **options
        )

    def _error(self, error: Exception) -> MonitoringError:
        reason = str(error).partition("\n")[0]
        return MonitoringError(
            f"cannot be read as Parquet: {reason}",
            where=self._where,
            fix="write it again: it is cut off, damaged, or no Parquet file",
        )

    def _encoded_texts(self) -> list[str]:
        """Return the text columns that can be decoded as dictionaries, without touching their texts."""
        from pyarrow import types as t

        texts = {
            f.name
            for f in self._file.schema_arrow
            if t.is_string(f.type) or t.is_large_string(f.type)
        }
        groups = range(self.metadata.num_row_groups)
        ends = {groups[0], groups[-1]} if groups else set()
        out: list[str] = []
        for i in range(self.metadata.num_columns):
            name = self.metadata.schema.column(i).path
            chunks = [self.metadata.row_group(g).column(i) for g in ends] if name in texts else []
            if chunks and all(
                chunk.has_dictionary_page
                and chunk.total_uncompressed_size <= _INDEX_BYTES * chunk.num_values
                for chunk in chunks
            ):
                out.append(name)
        return out

    def batches(
        self,
        columns: frozenset[str] | None = None,
        groups: Sequence[int] | None = None,
        *,
        whole_rows: bool = False,
    ) -> Iterator[tuple[float, Batch]]:
        """Yield batches, each with how many rows' worth of work it is.

        Parameters
        ----------
        columns
            The columns wanted; all by default.
        groups
            The row groups wanted; all by default.
        whole_rows
            Yield all columns of some rows; else one or a few columns at a time, which needs the
            least memory.
        """
        import pyarrow as pa

        schema = self._file.schema_arrow
        names = check_names(schema.names, columns, self._where)
        names = [name for name in names if columns is None or name in columns]
        wanted = list(range(self.metadata.num_row_groups)) if groups is None else list(groups)
        yield 0, as_batch(empty(schema), frozenset(names))
        step = len(names) if whole_rows else -(-len(names) // _PASSES)
        for start in range(0, len(names), step or 1):
            some = names[start : start + step]
            rows = min(_SPLIT_ROWS if whole_rows else ROWS, max(1024, _CELLS // len(some)))
            try:
                for batch in self._file.iter_batches(
                    rows, row_groups=wanted, columns=some, use_threads=False
                ):
                    done = batch.num_rows * len(some) / len(names)
                    yield done, {name: Values(batch.column(i)) for i, name in enumerate(some)}
            except (pa.ArrowException, OSError) as error:
                raise self._error(error) from error
