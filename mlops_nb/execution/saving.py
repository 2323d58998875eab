"""Writes the executed notebook while it runs: whole at every moment, and seldom.

A save replaces the file atomically. Saves are made when the notebook starts, at most once a second
while it runs, and when it ends; only the cells that changed are turned into JSON again.
"""

from __future__ import annotations

import json
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

import msgspec

from mlops_nb.errors import ExecutionError
from mlops_nb.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Saver", "notebook_json", "outputs_folder"]

_EVERY = 1.0  # seconds between saves while the notebook runs
_SHARE = 0.1  # of the run's time that saving may take
_TRANSIENT = ("orig_nbformat", "orig_nbformat_minor", "signature")


class Saver:
    """Saves one notebook to one path.

    Parameters
    ----------
    path
        Where to; ``None`` saves nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._fragments: dict[int, tuple[Any, str]] = {}
        self._next = 0.0

    def touch(self, index: int) -> None:
        """Say that a cell changed."""
        self._fragments.pop(index, None)

    def forget(self) -> None:
        """Say that every cell may have changed."""
        self._fragments.clear()

    def is_due(self) -> bool:
        """Whether a save may be made now."""
        return self.path is not None and monotonic() >= self._next

    def save(self, nb: Any) -> None:
        """Write the notebook now.

        Raises
        ------
        ExecutionError
            It cannot be written.
        """
        if self.path is None:
            return
        began = monotonic()
        cells = ",\n".join(self._fragment(i, cell) for i, cell in enumerate(nb["cells"]))
        try:
            write_whole(self.path, _document(nb, cells).encode("utf-8", "surrogatepass"))
        except OSError as error:
            raise ExecutionError(
                f"the executed notebook cannot be written: {error.strerror}",
                where=str(self.path),
                fix="look for free space, and for the right to write there",
            ) from error
        took = monotonic() - began
        self._next = began + took + max(_EVERY, took / _SHARE)

    def _fragment(self, index: int, cell: Any) -> str:
        known = self._fragments.get(index)
        if known is not None and known[0] is cell:
            return known[1]
        text = _cell_json(cell)
        self._fragments[index] = (cell, text)
        return text


def notebook_json(nb: Any) -> str:
    """Return a notebook as the JSON text that Jupyter writes."""
    return _document(nb, ",\n".join(_cell_json(cell) for cell in nb["cells"]))


def _document(nb: Any, cells: str) -> str:
    rest = {key: nb[key] for key in nb if key not in ("cells", *_TRANSIENT)}
    rest["metadata"] = {k: v for k, v in nb["metadata"].items() if k not in _TRANSIENT}
    body = _dumps(rest)
    # Keys are sorted and "cells" is the first, as in every notebook that nbformat writes.
    return '{\n "cells": [' + (f"\n{cells}\n ]" if cells else "]") + "," + body[1:] + "\n"


def _dumps(value: object) -> str:
    dumps = partial(json.dumps, sort_keys=True, ensure_ascii=False, default=_ascii)
    try:
        # json writes in C only where it does not indent: a fifth of the time, and the same text.
        return msgspec.json.format(dumps(value), indent=1)
    except (UnicodeEncodeError, msgspec.DecodeError):  # halves of characters, and what is no number
        return dumps(value, indent=1)


def _ascii(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("ascii")
    raise TypeError(f"{type(value).__name__} in a notebook")


def _cell_json(cell: Mapping[str, Any]) -> str:
    # Line breaks inside strings are escaped, so every real one is JSON's own.
    return "  " + _dumps(_split_cell(cell)).replace("\n", "\n  ")


def _split_cell(cell: Mapping[str, Any]) -> dict[str, Any]:
    """Return a cell with its long texts as lists of lines, the form notebooks have on disk."""
    plain = {key: value for key, value in cell.items() if key != "metadata"}
    plain["metadata"] = {k: v for k, v in cell["metadata"].items() if k != "trusted"}
    plain["source"] = _lines(cell["source"])
    if "outputs" in plain:
        plain["outputs"] = [_split_output(output) for output in cell["outputs"]]
    if "attachments" in plain:
        plain["attachments"] = {k: _split_data(v) for k, v in cell["attachments"].items()}
    return plain


def _split_output(output: Mapping[str, Any]) -> dict[str, Any]:
    plain = dict(output)
    if output["output_type"] in ("execute_result", "display_data"):
        plain["data"] = _split_data(output["data"])
    elif output["output_type"] == "stream":
        plain["text"] = _lines(output["text"])
    return plain


def _split_data(data: Mapping[str, Any]) -> dict[str, Any]:
    return {kind: _lines(value) if _is_text(kind) else value for kind, value in data.items()}


def _is_text(kind: str) -> bool:
    return kind.startswith("text/") or kind in ("application/javascript", "image/svg+xml")


def _lines(value: Any) -> Any:
    return value.splitlines(True) if isinstance(value, str) else value


def outputs_folder(notebook: Path) -> Path:
    """Return the folder beside an executed notebook that holds what is too large for it."""
    return notebook.with_name(notebook.name + ".outputs")
