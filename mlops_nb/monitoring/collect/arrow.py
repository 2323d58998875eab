"""Makes Arrow arrays of NumPy arrays and texts.

``pyarrow.array`` and ``to_numpy`` would do, but they import pandas to find out whether it has to do
with it, which costs more time and memory than profiling a small file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["empty", "index_array", "is_text", "known_values", "plain_texts", "text_array"]

_FLOATS = {"halffloat": "float16", "float": "float32", "double": "float64"}


def index_array(values: NDArray[Any]) -> Any:
    """Return an ``int64`` array; truth values stand for the places of the true ones."""
    import pyarrow as pa

    if values.dtype == np.bool_:
        values = np.flatnonzero(values)
    data = pa.py_buffer(np.ascontiguousarray(values, np.int64))
    return pa.Array.from_buffers(pa.int64(), len(values), [None, data])


def known_values(values: Any) -> NDArray[Any]:
    """Return an array of numbers without its nulls."""
    plain = values.drop_null() if values.null_count else values
    name = str(plain.type)
    dtype = np.dtype(_FLOATS.get(name, name))
    if not len(plain):
        return np.empty(0, dtype)
    return np.frombuffer(plain.buffers()[1], dtype, len(plain), plain.offset * dtype.itemsize)


def is_text(kind: Any) -> bool:
    """Tell whether a type is one of Arrow's three layouts of texts."""
    return str(kind) in ("string", "large_string", "string_view")


def plain_texts(values: Any) -> Any:
    """Return texts, or other values, in a layout that all of Arrow's functions work with."""
    import pyarrow as pa

    return values.cast(pa.large_string()) if str(values.type) == "string_view" else values


def text_array(texts: Sequence[str]) -> Any:
    """Return a ``large_string`` array."""
    import pyarrow as pa

    encoded = [text.encode() for text in texts]
    offsets = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum([len(text) for text in encoded], out=offsets[1:])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.large_string(), len(encoded), buffers)


def empty(schema: Any) -> Any:
    """Return a record batch without rows."""
    import pyarrow as pa

    return pa.RecordBatch.from_arrays([pa.nulls(0, f.type) for f in schema], schema=schema)
