"""A notebook as its cells: what fingerprints and inference need, read fast.

Reading an ``.ipynb`` here costs one pass of a typed JSON decoder that never builds the outputs;
nbformat, whose import alone takes longer than reading hundreds of notebooks, is left for the
formats that need it.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

import msgspec

from mlops_nb.errors import NotebookError
from mlops_nb.model import Record

__all__ = ["TEXT_SUFFIXES", "Cell", "Cells", "cells_of", "find_tagged", "from_node", "language_of"]

TEXT_SUFFIXES = (".py", ".md", ".r", ".R", ".Rmd", ".jl", ".qmd")
"""Text formats that jupytext reads as notebooks."""

INJECTED_TAGS = ("injected-parameters", "debugging-settings")
"""Tags of cells that tools put in; they are no part of the source."""

_LANGUAGES = {
    ".py": "python",
    ".r": "r",
    ".R": "r",
    ".Rmd": "r",
    ".jl": "julia",
}


class Cell(Record, frozen=True, kw_only=True):
    """One cell without its outputs."""

    kind: str
    """``code``, ``markdown`` or ``raw``."""
    source: str
    tags: tuple[str, ...] = ()
    index: int = 0
    """Position in the file, from 0; injected cells count too."""


class Cells(Record, frozen=True, kw_only=True):
    """A notebook without outputs and without injected cells."""

    cells: tuple[Cell, ...] = ()
    kernel: str = ""
    """The kernelspec's name from the metadata; empty where there is none."""
    language: str = "python"
    """In lower case."""
    settings: dict[str, Any] = {}
    """The notebook metadata ``mlops-nb``."""

    @property
    def code(self) -> tuple[Cell, ...]:
        """The code cells."""
        return tuple(cell for cell in self.cells if cell.kind == "code")


class _RawMetadata(msgspec.Struct):
    tags: list[Any] | None = None


class _RawCell(msgspec.Struct):
    cell_type: str
    source: str | list[str] = ""
    metadata: _RawMetadata = msgspec.field(default_factory=_RawMetadata)


class _RawKernel(msgspec.Struct):
    name: str | None = None
    language: str | None = None


class _RawNotebookMetadata(msgspec.Struct):
    kernelspec: _RawKernel | None = None
    language_info: _RawKernel | None = None
    settings: dict[str, Any] = msgspec.field(default_factory=dict, name="mlops-nb")


class _RawNotebook(msgspec.Struct):
    cells: list[_RawCell] | None = None
    metadata: _RawNotebookMetadata = msgspec.field(default_factory=_RawNotebookMetadata)
    nbformat: int = 4


_DECODER = msgspec.json.Decoder(_RawNotebook)


def cells_of(data: bytes, name: str) -> Cells:
    """Read a notebook's cells.

    Parameters
    ----------
    data
        The file's content.
    name
        Its path, for the format (by its suffix) and for messages.

    Raises
    ------
    NotebookError
        The content is not a notebook.
    """
    if PurePath(name).suffix != ".ipynb":
        from mlops_nb.notebooks.read import parse_notebook

        return from_node(parse_notebook(data, name), name)
    try:
        raw = _DECODER.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise NotebookError(
            f"is not a valid notebook: {error}", where=name, fix=_fix_for(data)
        ) from error
    if raw.cells is None or raw.nbformat < 4:
        # Version 3 keeps cells in worksheets; nbformat knows how to lift them.
        from mlops_nb.notebooks.read import parse_notebook

        return from_node(parse_notebook(data, name), name)
    kernel = raw.metadata.kernelspec or _RawKernel()
    language_info = raw.metadata.language_info or _RawKernel()
    return Cells(
        cells=tuple(
            Cell(
                kind=cell.cell_type,
                source=cell.source if isinstance(cell.source, str) else "".join(cell.source),
                tags=tuple(str(tag) for tag in cell.metadata.tags or ()),
                index=index,
            )
            for index, cell in enumerate(raw.cells)
            if not _is_injected(cell.metadata.tags or ())
        ),
        kernel=kernel.name or "",
        language=_language(kernel.language or language_info.name or "", kernel.name or "", name),
        settings=raw.metadata.settings,
    )


def from_node(node: Any, name: str = "notebook.ipynb") -> Cells:
    """Return the cells of a notebook that nbformat has read.

    Parameters
    ----------
    node
        A ``NotebookNode``, version 4.
    name
        Its path, for the language of text formats.
    """
    kernelspec = node.metadata.get("kernelspec") or {}
    language_info = node.metadata.get("language_info") or {}
    main_language = (node.metadata.get("jupytext") or {}).get("main_language", "")
    return Cells(
        cells=tuple(
            Cell(
                kind=cell.cell_type,
                source=cell.source,
                tags=tuple(str(tag) for tag in cell.metadata.get("tags", ())),
                index=index,
            )
            for index, cell in enumerate(node.cells)
            if not _is_injected(cell.metadata.get("tags", ()))
        ),
        kernel=kernelspec.get("name", ""),
        language=_language(
            kernelspec.get("language", "") or language_info.get("name", "") or main_language,
            kernelspec.get("name", ""),
            name,
        ),
        settings=dict(node.metadata.get("mlops-nb") or {}),
    )


def find_tagged(cells: Cells, tag: str = "parameters") -> Cell | None:
    """Return the first code cell with a tag."""
    for cell in cells.cells:
        if cell.kind == "code" and tag in cell.tags:
            return cell
    return None


def language_of(name: str) -> str:
    """Return the language that a file's suffix tells; empty where it does not."""
    return _LANGUAGES.get(PurePath(name).suffix, "")


def _language(stated: str, kernel: str, name: str) -> str:
    if stated:
        return stated.lower()
    if kernel == "ir":
        return "r"
    return language_of(name) or "python"


def _is_injected(tags: Any) -> bool:
    return any(tag in tags for tag in INJECTED_TAGS)


def _fix_for(data: bytes) -> str:
    if not data.strip():
        return "the file is empty: restore it, or save it again in Jupyter"
    if b"<<<<<<<" in data and b">>>>>>>" in data:
        return "it holds Git conflict markers: resolve them (nbdime does so cell by cell)"
    return "restore it from version control, or save it again in Jupyter"
