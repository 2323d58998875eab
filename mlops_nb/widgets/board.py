"""The versions of a project's models as a table: sort, filter, search, and compare two of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ipywidgets

from mlops_nb.api import models as api
from mlops_nb.widgets.base import Panel
from mlops_nb.widgets.compare import ComparePanel
from mlops_nb.widgets.markup import render
from mlops_nb.widgets.surface import Surface
from mlops_nb.widgets.versions import FILTERS, arranged, gates_text, metric_names, name_of
from mlops_nb.widgets.words import mark

if TYPE_CHECKING:
    from markupsafe import Markup

    from mlops_nb.model import ModelVersion

__all__ = ["ModelBoard"]

_AT_ONCE = 100
"""Rows that a table shows until more are asked for."""


class ModelBoard(Panel):
    """Versions with their figures, aliases, age and gates; select two to compare them.

    Parameters
    ----------
    model
        Which model; all of the project by default.
    project
        A folder or a specification; by default the project that the current folder lies in.

    Examples
    --------
    >>> from mlops_nb.widgets import ModelBoard
    >>> ModelBoard("flights-late")  # doctest: +SKIP
    """

    def __init__(self, model: str = "", *, project: str | None = None) -> None:
        self.model, self.project = model, project
        self._versions: tuple[ModelVersion, ...] | None = None
        self._selected: list[str] = []
        self._by, self._falling, self._most = "version", True, _AT_ONCE
        self._search = ipywidgets.Text(
            placeholder="search versions", layout={"width": "220px"}, continuous_update=True
        )
        self._filter = ipywidgets.Dropdown(
            options=list(FILTERS), layout={"width": "210px"}, tooltip="which versions to show"
        )
        self._compare = ipywidgets.Button(
            description="Compare", disabled=True, tooltip="select two versions to compare them"
        )
        self._refresh = ipywidgets.Button(description="Refresh", tooltip="read the registry again")
        controls = ipywidgets.HBox([self._search, self._filter, self._compare, self._refresh])
        controls.add_class("mnb-controls")
        self._table = Surface()
        self._compared = ipywidgets.VBox([])
        super().__init__(
            f"models of {model}" if model else "models", controls, self._table, self._compared
        )
        self._search.observe(lambda _: self._draw(), "value")
        self._filter.observe(lambda _: self._draw(), "value")
        self._compare.on_click(lambda _: self.compare())
        self._refresh.on_click(lambda _: self.refresh())
        self._table.on("sort", self.sort)
        self._table.on("select", self.select)
        self._table.on("more", self._show_more)
        self._draw()
        self.refresh()

    @property
    def versions(self) -> tuple[ModelVersion, ...]:
        """The versions that are shown, in order."""
        return arranged(
            self._versions or (),
            search=self._search.value,
            narrowed=self._filter.value,
            by=self._by,
            falling=self._falling,
        )

    @property
    def selected(self) -> tuple[str, ...]:
        """What is selected, at most two, as ``model@version``; the first is compared against."""
        return tuple(self._selected)

    @property
    def compared(self) -> ComparePanel | None:
        """The comparison below the table, once it was asked for."""
        panels = self._compared.children
        return panels[0] if panels else None

    def refresh(self) -> None:
        """Read the registry again, in the background."""
        self.start("reading the registry", self._load, self._show)

    def sort(self, column: str) -> None:
        """Sort by a column; once more turns the order round."""
        self._falling = not self._falling if column == self._by else column != "by"
        self._by = column
        self._draw()

    def select(self, version: str) -> None:
        """Select a version, or no longer; a third one takes the place of the first."""
        if version in self._selected:
            self._selected.remove(version)
        elif any(name_of(known) == version for known in self._versions or ()):
            self._selected = [*self._selected[-1:], version]
        self._draw()

    def compare(self) -> None:
        """Compare the two selected versions: the later one against the earlier."""
        if len(self._selected) != 2:
            return
        left, right = sorted(self._selected, key=_number)
        if left.rpartition("@")[0] != right.rpartition("@")[0]:
            self.say("select two versions of one model to compare them", "caution")
            return
        for panel in self._compared.children:
            panel.close()
        self._compared.children = [ComparePanel(left, right, project=self.project)]

    def _load(self) -> tuple[ModelVersion, ...]:
        return api.list_versions(self.project, self.model)

    def _show(self, versions: tuple[ModelVersion, ...]) -> None:
        self._versions = versions
        known = {name_of(version) for version in versions}
        self._selected = [name for name in self._selected if name in known]
        self._draw()

    def _show_more(self, _: str) -> None:
        self._most += 5 * _AT_ONCE
        self._draw()

    def _draw(self) -> None:
        self._compare.disabled = len(self._selected) != 2
        self._table.html = str(self._markup(live=True))

    def set_enabled(self, enabled: bool) -> None:
        """Forbid reading the registry twice at once."""
        self._refresh.disabled = not enabled

    def body(self) -> Markup:
        """Return the table as HTML, without controls."""
        return self._markup(live=False)

    def _markup(self, *, live: bool) -> Markup:
        shown = self.versions
        known = self._versions or ()
        return render(
            "board.html.j2",
            live=live,
            loaded=self._versions is not None,
            total=len(known),
            versions=shown[: self._most],
            more=len(shown) - self._most,
            matching=len(shown),
            metrics=metric_names(known),
            several=len({version.model for version in known}) > 1,
            selected=self._selected,
            by=self._by,
            falling=self._falling,
            name_of=name_of,
            gates_text=gates_text,
            mark=mark,
        )

    def close(self) -> None:
        """Close the comparison too."""
        for panel in self._compared.children:
            panel.close()
        super().close()


def _number(name: str) -> int:
    return int(name.rpartition("@")[2])
