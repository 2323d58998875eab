"""Turns executed notebooks into HTML that fetches nothing, by nbconvert.

Importing nbconvert and compiling its templates takes as long as thirty pages; it is done once, and
beforehand where somebody asks for it.
"""

from __future__ import annotations

import base64
import re
import threading
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any

from mlops_nb.light import light_nbformat
from mlops_nb.model import Json, Record

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["NotebookPage", "notebook_page", "prepare_pages"]

_FETCHED = re.compile(
    r"<(?:script|link|iframe|img|object|embed|source|video|audio)\b[^>]*\b(?:src|href|data)\s*=\s*"
    r"[\"']?(?:https?:)?//[^>]*>(?:\s*</(?:script|iframe|object)>)?",
    re.IGNORECASE,
)
_ADDED = {"injected-parameters", "papermill-error-cell-tag"}
"""Tags of cells that the notebook's author does not know."""
_IMAGES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".svg": "image/svg+xml",
}


class NotebookPage(Record, frozen=True, kw_only=True):
    """A notebook as HTML, to be put into a page."""

    body: str
    anchor: str = ""
    """The failing cell's anchor; empty where none failed."""
    parameters: dict[str, Json] = {}
    """What the notebook was given."""


def notebook_page(path: Path, *, failed: bool = False, cell: int | None = None) -> NotebookPage:
    """Return a notebook as HTML; may be called from several threads.

    Parameters
    ----------
    path
        An executed notebook. One that cannot be read gives a page that says so.
    failed
        Whether it failed: the cell that did gets the anchor.
    cell
        That cell's index among the author's own cells, where no output of the notebook shows it.
    """
    with light_nbformat():
        import nbformat

    try:
        nb = nbformat.read(path, as_version=4)
    except (OSError, ValueError, nbformat.reader.NotJSONError) as error:
        text = escape(str(error))
        return NotebookPage(body=f"<p>The notebook cannot be shown: {text}</p>")
    failing = _failing(nb, cell) if failed else None
    nb.cells = [cell for cell in nb.cells if "papermill-error-cell-tag" not in _tags(cell)]
    for number, one in enumerate(nb.cells):
        # nbconvert makes the anchors from these.
        one["id"] = f"cell-{number}" if one is not failing else "failing-cell"
        _embed(one, path.parent)
    with _EXPORTING:
        body, _ = _exporter().from_notebook_node(nb)
    return NotebookPage(
        body=_FETCHED.sub(_left_out, body),
        anchor="cell-id=failing-cell" if failing is not None else "",
        parameters=dict(nb.metadata.get("papermill", {}).get("parameters", {})),
    )


def prepare_pages() -> None:
    """Get ready for `notebook_page`."""
    with _EXPORTING:
        _exporter()


_EXPORTING = threading.Lock()
"""Held while the exporter is made or used: it keeps the notebook's language in itself."""


@cache
def _exporter() -> Any:
    with light_nbformat():
        from nbformat.v4 import new_code_cell, new_notebook

        from mlops_nb.page_exporter import PageExporter

    # Validated once, not after each of its dozen steps.
    exporter = PageExporter(  # type: ignore[no-untyped-call]
        template_name="basic", embed_images=True, optimistic_validation=True
    )
    # Compiles the templates.
    exporter.from_notebook_node(new_notebook(cells=[new_code_cell("1")]))
    return exporter


def _failing(nb: Any, cell: int | None) -> Any:
    """Return the cell that failed: one with an error among its outputs, or the one that is named."""
    for one in nb.cells:
        if any(output["output_type"] == "error" for output in one.get("outputs", ())):
            return one
    own = [one for one in nb.cells if not _tags(one) & _ADDED]
    return own[cell] if cell is not None and cell < len(own) else None


def _tags(cell: Any) -> set[str]:
    return set(cell.get("metadata", {}).get("tags", ()))


def _embed(cell: Any, folder: Path) -> None:
    """Put local images that Markdown refers to into the page."""
    if cell["cell_type"] != "markdown":
        return

    def embed(match: re.Match[str]) -> str:
        target = folder / match[2]
        kind = _IMAGES.get(target.suffix.lower())
        if kind is None or not target.is_file():
            return match[0]
        data = base64.b64encode(target.read_bytes()).decode()
        return f"![{match[1]}](data:{kind};base64,{data})"

    cell["source"] = re.sub(
        r"!\[([^\]]*)\]\((?!data:|attachment:)([^)\s]+)\)", embed, cell["source"]
    )


def _left_out(match: re.Match[str]) -> str:
    return f"<!-- left out: {escape(match[0][:60]).replace('--', '- -')} -->"
