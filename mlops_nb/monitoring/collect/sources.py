"""Finds out what data are, and reads them as batches of columns."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from mlops_nb.errors import MonitoringError
from mlops_nb.model import Record
from mlops_nb.monitoring.collect.arrow import empty, index_array, text_array
from mlops_nb.monitoring.collect.columns import Values
from mlops_nb.monitoring.collect.csvfiles import read_csv
from mlops_nb.monitoring.collect.frames import as_batch, check_names, is_frame, library
from mlops_nb.monitoring.collect.parquet import ROWS, Parquet
from mlops_nb.monitoring.collect.table import Batch

__all__ = [
    "Piece",
    "Work",
    "deal",
    "find_pieces",
    "known_rows",
    "paths",
    "read_memory",
    "read_piece",
]

_ENDS = {
    "parquet": (".parquet", ".parq", ".pq"),
    "csv": (".csv", ".csv.gz", ".csv.bz2", ".csv.zst", ".csv.xz"),
    "arrow": (".arrow", ".arrows", ".feather"),
}
_STREAM = b"\xff\xff\xff\xff"
"""How each message of an Arrow stream begins."""
_MEMORY_ROWS = 1 << 18
"""Rows of a table in memory that are looked at at a time, column by column."""

Work = Iterator[tuple[float, Batch]]
"""Batches, each with how many rows' worth of work it is."""


class Piece(Record, frozen=True, kw_only=True):
    """A file, or some row groups of one."""

    path: str
    kind: str
    """``parquet``, ``csv`` or ``arrow``."""
    groups: tuple[tuple[int, int], ...] = ()
    """Row groups of a Parquet file, each with its rows; all where empty."""
    constants: dict[str, str] = {}
    """Columns that stand in the path: ``year=2013/``."""

    @property
    def rows(self) -> int:
        """How many rows there are; 0 where that is not known."""
        return sum(rows for _, rows in self.groups)


def paths(data: object) -> list[str]:
    """Return the paths that data are given by: one, or a list of them; else nothing."""
    several = data if isinstance(data, (list, tuple)) else [data]
    found = [os.fspath(path) for path in several if isinstance(path, (str, os.PathLike))]
    return found if len(found) == len(several) else []


def known_rows(data: Any) -> int | None:
    """Return the rows of a table in memory; ``None`` where they cannot be known beforehand."""
    if library(data) == "pandas":
        return len(data)
    rows = getattr(data, "num_rows", None) or getattr(data, "height", None)
    return rows if isinstance(rows, int) else None


def find_pieces(path: str | Path) -> list[Piece]:
    """Return the files that a path stands for: itself, or all below a folder.

    Folders and files whose names begin with a dot or an underscore are left out.

    Raises
    ------
    MonitoringError
        There is no such file, or none of a known kind.
    """
    path = Path(path)
    if path.is_file():
        return [_piece(path, {}, _kind(path) or _look(path))]
    if not path.is_dir():
        raise MonitoringError(
            "there is no such file or folder",
            where=str(path),
            fix="check the path; it counts from the folder that you are in",
        )
    found: list[Piece] = []
    for file in sorted(path.rglob("*")):
        inside = file.relative_to(path).parts
        kind = _kind(file)
        if kind and file.is_file() and not any(part[0] in "._" for part in inside):
            constants = dict(part.split("=", 1) for part in inside[:-1] if "=" in part)
            found.append(_piece(file, constants, kind))
    if not found:
        raise MonitoringError(
            "the folder holds no Parquet, CSV or Arrow file",
            where=str(path),
            fix="name a folder of .parquet, .csv, .arrow or .feather files",
        )
    return found


def _kind(path: Path) -> str:
    name = path.name.lower()
    return next((kind for kind, ends in _ENDS.items() if name.endswith(ends)), "")


def _look(path: Path) -> str:
    """Tell a file's kind by how it begins; text that is neither JSON nor markup is taken for CSV."""
    with path.open("rb") as file:
        head = file.read(4096)
    if head[:4] == b"PAR1":
        return "parquet"
    if head[:6] == b"ARROW1" or head[:4] == _STREAM:
        return "arrow"
    if b"\0" in head or head.lstrip()[:1] in (b"{", b"[", b"<"):
        raise MonitoringError(
            "is neither Parquet nor CSV nor Arrow",
            where=str(path),
            fix="write the table as one of these, or read it with pandas and profile that",
        )
    return "csv"


def _piece(path: Path, constants: dict[str, str], kind: str) -> Piece:
    groups: tuple[tuple[int, int], ...] = ()
    if kind == "parquet":
        metadata = Parquet(str(path), str(path)).metadata
        groups = tuple((i, metadata.row_group(i).num_rows) for i in range(metadata.num_row_groups))
    return Piece(path=str(path), kind=kind, groups=groups, constants=constants)


def deal(pieces: list[Piece], hands: int) -> list[list[Piece]]:
    """Deal pieces out evenly by their rows; a Parquet file may be cut between its row groups."""
    total = sum(piece.rows for piece in pieces)
    cut: list[Piece] = []
    for piece in pieces:
        if piece.rows * hands <= total or not piece.groups:
            cut.append(piece)
        else:
            cut += [_only(piece, (group,)) for group in piece.groups]
    dealt: list[list[Piece]] = [[] for _ in range(hands)]
    done = 0
    for piece in cut:
        hand = min(hands - 1, done * hands // total) if total else 0
        if not total:
            hand = min(range(hands), key=lambda i: len(dealt[i]))
        last = dealt[hand][-1] if dealt[hand] else None
        if last is not None and last.path == piece.path:
            dealt[hand][-1] = _only(piece, last.groups + piece.groups)
        else:
            dealt[hand].append(piece)
        done += piece.rows
    return [hand for hand in dealt if hand]


def _only(piece: Piece, groups: tuple[tuple[int, int], ...]) -> Piece:
    return Piece(path=piece.path, kind=piece.kind, groups=groups, constants=piece.constants)


def read_piece(
    piece: Piece,
    columns: frozenset[str] | None,
    types: dict[str, dict[str, str]],
    *,
    whole_rows: bool,
) -> Work:
    """Yield a piece's batches.

    Parameters
    ----------
    piece
        What to read.
    columns
        The columns wanted; all by default.
    types
        Arrow types of CSV columns by path, where inferring them has failed.
    whole_rows
        Yield all columns of some rows; else Parquet is read column by column.
    """
    if not piece.constants:
        yield from _read(piece, columns, types, whole_rows)
        return
    own = None if columns is None else columns - piece.constants.keys()
    for rows, batch in _read(piece, own or None, types, True):
        count = max((len(values) for values in batch.values()), default=0)
        kept = {n: v for n, v in batch.items() if columns is None or n in columns}
        named = {n: _constant(v, count) for n, v in piece.constants.items() if n not in kept}
        yield rows, {**kept, **{n: v for n, v in named.items() if columns is None or n in columns}}


def _constant(text: str, rows: int) -> Values:
    import pyarrow as pa

    value = None if text == "__HIVE_DEFAULT_PARTITION__" else unquote(text)
    if value is not None and value.lstrip("-").isdecimal():
        return Values(np.full(rows, int(value), np.int64))
    names = pa.nulls(1, pa.large_string()) if value is None else text_array([value])
    return Values(pa.DictionaryArray.from_arrays(index_array(np.zeros(rows, np.int64)), names))


def _read(
    piece: Piece,
    columns: frozenset[str] | None,
    types: dict[str, dict[str, str]],
    whole_rows: bool,
) -> Work:
    if piece.kind == "parquet":
        groups = [group for group, _ in piece.groups]
        file = Parquet(piece.path, piece.path)
        yield from file.batches(columns, groups, whole_rows=whole_rows)
    elif piece.kind == "csv":
        for batch in read_csv(piece.path, columns, types.get(piece.path, {})):
            yield _rows(batch), batch
    else:
        yield from _read_arrow(piece.path, columns)


def _read_arrow(path: str, columns: frozenset[str] | None) -> Work:
    import pyarrow as pa

    try:
        with pa.memory_map(path) as source:
            if source.read(4) == _STREAM:
                source.seek(0)
                with pa.ipc.open_stream(source) as stream:
                    yield from _read_batches(stream, columns, where=path)
                return
            with pa.ipc.open_file(source) as file:
                yield 0, as_batch(empty(file.schema), columns, where=path)
                for i in range(file.num_record_batches):
                    batch = as_batch(file.get_batch(i), columns, where=path)
                    yield _rows(batch), batch
    except (pa.ArrowException, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise MonitoringError(
            f"cannot be read as Arrow: {reason}",
            where=path,
            fix="write it again: it is cut off, damaged, or no Arrow file",
        ) from error


def read_memory(data: Any, columns: frozenset[str] | None, *, whole_rows: bool) -> Work:
    """Yield the batches of a table in memory, a dataset, or anything that yields tables.

    Raises
    ------
    MonitoringError
        It is nothing of the kind.
    """
    if library(data) == "polars" and type(data).__name__ == "LazyFrame":
        data = data.collect()
    if is_frame(data):
        yield from _read_frame(data, columns, whole_rows)
    elif library(data) == "polars":
        # Its stream holds texts, also within lists, in a layout that Arrow cannot pick rows of.
        for part in data.iter_slices(_MEMORY_ROWS) if len(data) else [data]:
            yield from _read_frame(part.to_arrow(), columns, whole_rows)
    elif hasattr(data, "__arrow_c_stream__"):
        import pyarrow as pa

        yield from _read_batches(pa.RecordBatchReader.from_stream(data), columns)
    elif hasattr(data, "scanner") and library(data) == "pyarrow":
        scanner = data.scanner(
            batch_size=ROWS, batch_readahead=1, fragment_readahead=1, use_threads=False
        )
        yield from _read_batches(scanner.to_reader(), columns)
    elif isinstance(data, Iterable) and not isinstance(data, (str, bytes)):
        for part in data:
            if isinstance(part, (str, bytes)) or not (
                is_frame(part) or hasattr(part, "__arrow_c_stream__")
            ):
                raise _foreign(part, "an item of the data")
            yield from read_memory(part, columns, whole_rows=whole_rows)
    else:
        raise _foreign(data, "the data")


def _foreign(data: object, where: str) -> MonitoringError:
    return MonitoringError(
        f"cannot be profiled: it is a {type(data).__qualname__}",
        where=where,
        fix="give a pandas or polars frame, an Arrow table or dataset, the path of Parquet or CSV "
        "files, or an iterator of such tables",
    )


def _read_frame(data: Any, columns: frozenset[str] | None, whole_rows: bool) -> Work:
    whole = as_batch(data, columns)
    size = _rows(whole)
    if whole_rows:
        for start in range(0, size or 1, ROWS):
            part = {n: v.slice(start, min(start + ROWS, size)) for n, v in whole.items()}
            yield _rows(part), part
        return
    for name, values in whole.items():
        for start in range(0, size or 1, _MEMORY_ROWS):
            some = values.slice(start, min(start + _MEMORY_ROWS, size))
            yield len(some) / len(whole), {name: some}


def _read_batches(reader: Any, columns: frozenset[str] | None, *, where: str = "the table") -> Work:
    check_names(reader.schema.names, columns, where)
    yield 0, as_batch(empty(reader.schema), columns)
    for batch in reader:
        part = as_batch(batch, columns)
        yield _rows(part), part


def _rows(batch: Batch) -> int:
    return max((len(values) for values in batch.values()), default=0)
