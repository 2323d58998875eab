"""nbconvert's HTML exporter without what it does twice; imported only where a page is made."""

from __future__ import annotations

from typing import Any

from bs4 import BeautifulSoup
from nbconvert import HTMLExporter
from nbconvert.exporters.templateexporter import TemplateExporter
from nbconvert.filters import Highlight2HTML, clean_html
from nbconvert.filters.widgetsdatatypefilter import WidgetsDataTypeFilter

__all__ = ["PageExporter"]

_MARKUP = ("text/html", "text/markdown", "image/svg+xml", "application/javascript")
"""Outputs that go into the page as their author wrote them."""


class _Clean(str):
    """HTML that was made here, all text in it escaped."""

    __slots__ = ()


class PageExporter(HTMLExporter):
    """Half of nbconvert's time goes into taking apart what it has just made: it cleans the code that
    Pygments has marked up and escaped, and parses the whole page once more to find pictures without
    a description. Here both are done only where a notebook brings markup of its own.
    """

    def from_notebook_node(  # type: ignore[override]  # as nbconvert's own does
        self, nb: Any, resources: dict[str, Any] | None = None, **kw: Any
    ) -> tuple[str, dict[str, Any]]:
        """Convert a notebook; see `nbconvert.HTMLExporter`."""
        language = nb.metadata.get("language_info", {})
        highlight = Highlight2HTML(
            pygments_lexer=language.get("pygments_lexer", language.get("name")), parent=self
        )
        exporter: Any = self
        resources = exporter._init_resources(resources)
        filters = {
            "highlight_code": lambda *a, **k: _Clean(highlight(*a, **k)),
            "clean_html": _cleaned,
            "filter_data_type": WidgetsDataTypeFilter(
                notebook_metadata=self._nb_metadata, parent=self, resources=resources
            ),
        }
        for name, one in filters.items():
            exporter.register_filter(name, one)
        body, resources = TemplateExporter.from_notebook_node(self, nb, resources, **kw)
        return _balanced(body) if "<img" in body or _has_markup(nb) else body, resources


def _cleaned(element: Any) -> str:
    return element if isinstance(element, _Clean) else clean_html(element)


def _has_markup(nb: Any) -> bool:
    for cell in nb.cells:
        if cell.cell_type != "code":
            if "<" in cell.source or cell.cell_type == "raw":
                return True
        elif any(kind in output.get("data", ()) for output in cell.outputs for kind in _MARKUP):
            return True
    return False


def _balanced(body: str) -> str:
    """Close what a cell left open, and describe its pictures to who cannot see them."""
    soup = BeautifulSoup(body, features="html.parser")
    for image in soup.select("img:not([alt])"):
        image.attrs["alt"] = "No description has been provided for this image"
    return str(soup)
