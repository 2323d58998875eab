"""Reads notebooks: ``.ipynb``, and the text formats that jupytext knows."""

from __future__ import annotations

import warnings
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from mlops_nb.errors import NotebookError
from mlops_nb.notebooks.cells import TEXT_SUFFIXES, _fix_for, cells_of

if TYPE_CHECKING:
    from mlops_nb.notebooks.cells import Cells

__all__ = ["parse_notebook", "read_bytes", "read_cells", "read_notebook"]


def read_notebook(path: Path | str) -> Any:
    """Read a notebook into an nbformat node, version 4.

    Parameters
    ----------
    path
        An ``.ipynb`` file or a text notebook (percent or light script, Markdown, R Markdown).

    Returns
    -------
    nbformat.NotebookNode
        With an id on each cell.

    Raises
    ------
    NotebookError
        The file is missing, cannot be read, or is not a notebook.
    """
    return parse_notebook(read_bytes(path), str(path))


def read_cells(path: Path | str) -> Cells:
    """Read only a notebook's cells, without outputs and without injected cells.

    Raises
    ------
    NotebookError
        The file is missing, cannot be read, or is not a notebook.
    """
    return cells_of(read_bytes(path), str(path))


def read_bytes(path: Path | str) -> bytes:
    """Return a notebook file's content.

    Raises
    ------
    NotebookError
        The file is missing or cannot be read.
    """
    path = Path(path)
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise NotebookError(
            "the notebook does not exist", where=str(path), fix=_neighbour(path)
        ) from error
    except IsADirectoryError as error:
        raise NotebookError("is a folder, not a notebook", where=str(path)) from error
    except OSError as error:
        raise NotebookError(f"cannot be read: {error.strerror}", where=str(path)) from error


def parse_notebook(data: bytes, name: str) -> Any:
    """Read a notebook's content into an nbformat node, version 4.

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
    suffix = PurePath(name).suffix
    if suffix != ".ipynb" and suffix not in TEXT_SUFFIXES:
        raise NotebookError(
            f'files ending in "{suffix}" are not notebooks',
            where=name,
            fix=f"known: .ipynb, {', '.join(TEXT_SUFFIXES)}",
        )
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotebookError("is not UTF-8 text", where=name, fix=_fix_for(data)) from error
    if suffix == ".ipynb":
        return _with_ids(_parse_ipynb(text, name))
    return _with_ids(_parse_text(text, suffix, name), afresh=True)


def _parse_ipynb(text: str, name: str) -> Any:
    import nbformat

    reads: Any = nbformat.reads
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # missing ids are mended below
            node = reads(text, as_version=4)
            cells = node.cells
    except (
        nbformat.reader.NotJSONError,
        nbformat.ValidationError,
        AttributeError,
        KeyError,
        TypeError,
        ValueError,
    ) as error:
        reason = str(error).partition("\n")[0][:200]
        raise NotebookError(
            f"is not a valid notebook: {reason}", where=name, fix=_fix_for(text.encode())
        ) from error
    if not isinstance(cells, list):
        raise NotebookError("is not a valid notebook: it has no cells", where=name)
    return node


def _parse_text(text: str, suffix: str, name: str) -> Any:
    import jupytext
    import yaml

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return jupytext.reads(text, fmt=suffix)
    except (ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        reason = str(error).partition("\n")[0][:200]
        raise NotebookError(f"jupytext cannot read it: {reason}", where=name) from error


def _with_ids(node: Any, *, afresh: bool = False) -> Any:
    """Give cells without an id one by their place, so that reading twice gives the same."""
    node["nbformat"], node["nbformat_minor"] = 4, max(node.get("nbformat_minor", 5), 5)
    seen: set[str] = set()
    for index, cell in enumerate(node.cells):
        if afresh or not cell.get("id") or cell["id"] in seen:
            cell["id"] = f"cell-{index}"
        seen.add(cell["id"])
    return node


def _neighbour(path: Path) -> str:
    """Name a notebook with another suffix, or a near name, in the same folder."""
    from mlops_nb.errors import nearest

    try:
        there = [
            entry.name
            for entry in path.parent.iterdir()
            if entry.suffix == ".ipynb" or entry.suffix in TEXT_SUFFIXES
        ]
    except OSError:
        return f"the folder {path.parent} does not exist either"
    return nearest(path.name, there)
