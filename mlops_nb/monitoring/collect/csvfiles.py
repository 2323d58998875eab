"""Reads CSV files as batches; a column whose type turns out to be wrong is read again as a wider one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from mlops_nb.errors import MonitoringError
from mlops_nb.monitoring.collect.arrow import empty
from mlops_nb.monitoring.collect.frames import as_batch, check_names
from mlops_nb.monitoring.collect.table import Batch

__all__ = ["Retype", "read_csv"]

_BLOCK = 1 << 22
"""Bytes parsed at a time; the types are inferred from the first of them."""
_WIDER = {"null": "int64", "int64": "double", "double": "string"}
"""What a column is tried as next; any other type goes to text at once."""
_FAILED = re.compile(r"In CSV column #(\d+): (?:Row #\d+: )?CSV conversion error to ([^:\[(]+)")


class Retype(Exception):  # noqa: N818 - a request to start over, not an error
    """A value does not fit the type inferred for its column: read the file again."""

    def __init__(self, path: str, column: str, kind: str) -> None:
        super().__init__(path, column, kind)
        self.path = path
        self.column = column
        self.kind = kind


def read_csv(path: str, columns: frozenset[str] | None, types: dict[str, str]) -> Iterator[Batch]:
    """Yield a CSV file's rows; empty fields and the usual words for "missing" are null.

    Parameters
    ----------
    path
        The file; ``.gz``, ``.bz2``, ``.zst`` and their like are unpacked.
    columns
        The columns wanted; all by default.
    types
        Arrow types of columns that earlier readings have found.

    Raises
    ------
    MonitoringError
        The file cannot be read or is no CSV.
    Retype
        It has to be read again with another type.
    """
    import pyarrow as pa
    from pyarrow import csv

    try:
        reader = csv.open_csv(
            path,
            read_options=csv.ReadOptions(block_size=_BLOCK, use_threads=False),
            convert_options=csv.ConvertOptions(
                strings_can_be_null=True,
                column_types={name: pa.type_for_alias(kind) for name, kind in types.items()},
            ),
        )
        names = check_names(reader.schema.names, columns, path)
        yield as_batch(empty(reader.schema), columns)
        for batch in reader:
            yield as_batch(batch, columns)
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        found = _FAILED.search(str(error))
        if found is None:
            raise MonitoringError(
                f"cannot be read as CSV: {_first_line(error)}",
                where=path,
                fix="check that its first line names the columns and every line has as many fields",
            ) from error
        name = names[int(found[1])] if int(found[1]) < len(names) else ""
        raise Retype(path, name, _WIDER.get(found[2].strip(), "string")) from error
    except OSError as error:
        raise MonitoringError(f"cannot be read: {_first_line(error)}", where=path) from error


def _first_line(error: Any) -> str:
    return str(error).partition("\n")[0]
