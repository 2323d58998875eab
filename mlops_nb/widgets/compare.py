"""Two versions of a model side by side: figures, slices, curves, and what differs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ipywidgets

from mlops_nb.api import models as api
from mlops_nb.model import Record
from mlops_nb.widgets.base import Panel
from mlops_nb.widgets.charts import curves_png, curves_svg, has_curves
from mlops_nb.widgets.markup import render
from mlops_nb.widgets.surface import Surface
from mlops_nb.widgets.words import verdict

if TYPE_CHECKING:
    from markupsafe import Markup

    from mlops_nb.model import Comparison, ModelVersion

__all__ = ["ComparePanel"]

_SLICES = 12
"""Slices that are shown: those where the right one is weakest against the left."""


class _Loaded(Record, frozen=True, kw_only=True):
    """What the background has found."""

    comparison: Comparison
    versions: tuple[ModelVersion, ...]
    curves: str
    png: bytes | None


class ComparePanel(Panel):
    """Champion against challenger, or any two versions: right against left.

    Metrics with intervals, slices, ROC, precision-recall and calibration curves, score
    distributions, and what differs in parameters, data, requirements and signature.

    Parameters
    ----------
    left, right
        The versions: numbers, aliases, ``latest``, or any of these after ``model@``.
    model
        Which model; not needed where the project has one only.
    project
        A folder or a specification; by default the project that the current folder lies in.
    resamples
        Of the paired bootstrap that the differences' intervals come from.

    Examples
    --------
    >>> from mlops_nb.widgets import ComparePanel
    >>> ComparePanel("champion", "latest")  # doctest: +SKIP
    """

    def __init__(
        self,
        left: int | str = "champion",
        right: int | str = "latest",
        *,
        model: str = "",
        project: str | None = None,
        resamples: int = 500,
    ) -> None:
        self.model, self.project, self.resamples = model, project, resamples
        self._loaded: _Loaded | None = None
        self._following = False
        self._left = ipywidgets.Dropdown(description="against", layout={"width": "240px"})
        self._right = ipywidgets.Dropdown(description="compare", layout={"width": "240px"})
        for choice in (self._left, self._right):
            choice.style.description_width = "auto"
            choice.observe(self._chosen, "value")
        controls = ipywidgets.HBox([self._right, self._left])
        controls.add_class("mnb-controls")
        self._content = Surface()
        super().__init__(f"{right} against {left}", controls, self._content)
        self._draw()
        self.compare(left, right)

    @property
    def comparison(self) -> Comparison | None:
        """What was found, once it is."""
        return self._loaded.comparison if self._loaded else None

    def compare(self, left: int | str, right: int | str) -> None:
        """Compare two versions, in the background."""
        self.start(f"comparing {right} with {left}", lambda: self._load(left, right), self._show)

    def _load(self, left: int | str, right: int | str) -> _Loaded:
        found = api.compare(self.project, left, right, model=self.model, resamples=self.resamples)
        drawn = has_curves(found)
        return _Loaded(
            comparison=found,
            versions=api.list_versions(self.project, found.left.model),
            curves=curves_svg(found) if drawn else "",
            png=curves_png(found) if drawn else None,
        )

    def _show(self, loaded: _Loaded) -> None:
        self._loaded = loaded
        found = loaded.comparison
        self.model = found.left.model
        self.name = f"{self.model}: v{found.right.version} against v{found.left.version}"
        options = [(_label(version), version.version) for version in loaded.versions]
        self._following = True
        for choice, version in ((self._left, found.left), (self._right, found.right)):
            choice.options = options
            choice.value = version.version
        self._following = False
        self._draw()

    def _chosen(self, _: object) -> None:
        # Setting the choices to what was found is no choice of the user's.
        if self._following or None in (self._left.value, self._right.value):
            return
        self.compare(self._left.value, self._right.value)

    def set_enabled(self, enabled: bool) -> None:
        """Forbid another choice while one is worked on."""
        self._left.disabled = self._right.disabled = not enabled

    def _draw(self) -> None:
        self._content.html = str(self.body())

    def body(self) -> Markup:
        """Return the comparison as HTML."""
        loaded = self._loaded
        found = loaded.comparison if loaded else None
        slices = sorted(found.slices, key=lambda item: item.difference.difference) if found else []
        return render(
            "compare.html.j2",
            found=found,
            curves=loaded.curves if loaded else "",
            slices=slices[:_SLICES],
            left_out=max(0, len(slices) - _SLICES),
            differs=_differs(found) if found else (),
            verdict=verdict,
        )

    def image(self) -> bytes | None:
        """Return the curves as PNG."""
        return self._loaded.png if self._loaded else None


def _label(version: ModelVersion) -> str:
    aliases = f" ({', '.join(version.aliases)})" if version.aliases else ""
    return f"v{version.version}{aliases}"


def _differs(found: Comparison) -> tuple[tuple[str, str, str, str], ...]:
    groups = {
        "parameter": found.params,
        "data": found.data,
        "requirement": found.requirements,
        "signature": found.signature,
    }
    return tuple(
        (kind, change.name, change.left, change.right)
        for kind, changes in groups.items()
        for change in changes
    )
