"""The curves of two models: one drawing, as SVG in the page's own colours and as PNG."""

from __future__ import annotations

import io
import re
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mlops_nb.model import Comparison, Curves

__all__ = ["curves_png", "curves_svg", "has_curves"]

_COLOURS = {
    "ink": ("#333333", "var(--mnb-ink)"),
    "dim": ("#666666", "var(--mnb-dim)"),
    "line": ("#dddddd", "var(--mnb-line)"),
    "left": ("#7a8a99", "var(--mnb-left)"),
    "right": ("#d55e00", "var(--mnb-right)"),
}
"""On paper, and in a page that has a theme."""
_drawing = threading.Lock()
"""matplotlib's font cache and mathtext are not made for several threads at once."""


def has_curves(found: Comparison) -> bool:
    """Whether there is anything to draw."""
    return bool(_filled(found.left_curves) or _filled(found.right_curves))


def curves_svg(found: Comparison) -> Markup:
    """Return the curves as inline SVG whose colours follow the page's theme.

    Parameters
    ----------
    found
        The two models; their version numbers name the lines.
    """
    with _drawing, _text_as_text():
        sink = io.StringIO()
        _draw(found).savefig(
            sink, format="svg", transparent=True, metadata={"Date": None, "Creator": None}
        )
    text = sink.getvalue()
    text = text[text.index("<svg") :]
    for paper, theme in _COLOURS.values():
        text = text.replace(paper, theme)
    # Sizes in the head give way to the page; ids get a prefix of their own, since a page may hold
    # several pictures.
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    prefix = f"c{abs(hash((found.left.digest, found.right.digest))) % 10**8}-"
    text = re.sub(r'\bid="', f'id="{prefix}', text)
    text = re.sub(r"url\(#", f"url(#{prefix}", text)
    text = re.sub(r'href="#', f'href="#{prefix}', text)
    name = f"curves of v{found.left.version} and v{found.right.version}"
    head = f'<svg class="mnb-curves" role="img" aria-label="{name}"'
    return Markup(text.replace("<svg", head, 1))  # noqa: S704 - matplotlib escapes what it writes


def curves_png(found: Comparison) -> bytes:
    """Return the curves as PNG, dark on white."""
    with _drawing:
        sink = io.BytesIO()
        _draw(found).savefig(sink, format="png", dpi=110, facecolor="white")
    return sink.getvalue()


def _filled(curves: Curves) -> bool:
    return bool(curves.roc.x or curves.calibration or curves.scores.x)


def _colour(name: str) -> str:
    return _COLOURS[name][0]


def _draw(found: Comparison) -> Figure:
    from matplotlib.figure import Figure

    # Everything is set on this figure: rcParams belong to whoever plots in the notebook.
    figure = Figure(figsize=(10.4, 2.75), layout="constrained")
    axes = figure.subplots(1, 4)
    sides = (
        ("left", f"v{found.left.version}", found.left_curves),
        ("right", f"v{found.right.version}", found.right_curves),
    )
    for side, label, curves in sides:
        _add(axes, _colour(side), label, curves)
    _finish(axes)
    return figure


@contextmanager
def _text_as_text() -> Iterator[None]:
    """Have SVG keep its letters as text; the renderer has no other way to be told."""
    from matplotlib import rcParams

    before = rcParams["svg.fonttype"], rcParams["svg.hashsalt"]
    rcParams["svg.fonttype"], rcParams["svg.hashsalt"] = "none", "mlops-nb"
    try:
        yield
    finally:
        rcParams["svg.fonttype"], rcParams["svg.hashsalt"] = before


def _add(axes: Any, colour: str, label: str, curves: Curves) -> None:
    roc, recall, calibration, scores = axes
    width = {"color": colour, "linewidth": 1.6, "label": label}
    if curves.roc.x:
        roc.plot(curves.roc.x, curves.roc.y, **width)
    if curves.precision_recall.x:
        recall.plot(curves.precision_recall.x, curves.precision_recall.y, **width)
    if curves.calibration:
        predicted = [item.predicted for item in curves.calibration]
        observed = [item.observed for item in curves.calibration]
        calibration.plot(predicted, observed, "o-", markersize=3.5, **width)
    if curves.scores.x:
        upper = curves.scores.x
        edges = [2 * upper[0] - upper[1], *upper]  # bins are equally wide
        scores.stairs(curves.scores.y, edges, fill=True, color=colour, alpha=0.18)
        scores.stairs(curves.scores.y, edges, color=colour, linewidth=1.4, label=label)


def _finish(axes: Any) -> None:
    roc, recall, calibration, scores = axes
    for panel in (roc, calibration):
        panel.axline((0, 0), slope=1, color=_colour("dim"), linewidth=0.8, linestyle=":")
    _style(roc, "ROC", "false positive rate", "true positive rate")
    _style(recall, "Precision and recall", "recall", "precision")
    _style(calibration, "Calibration", "predicted", "observed")
    _style(scores, "Scores", "score", "share of rows")
    roc.set(xlim=(0, 1), ylim=(0, 1.02))
    recall.set(xlim=(0, 1), ylim=(0, 1.02))
    calibration.set(xlim=(0, None), ylim=(0, None))
    scores.set(ylim=(0, None))
    for panel in axes:
        if panel.get_legend_handles_labels()[0]:
            panel.legend(
                loc="best", handlelength=1.2, frameon=False, fontsize=9, labelcolor=_colour("ink")
            )
            break


def _style(panel: Axes, title: str, x: str, y: str) -> None:
    from matplotlib.ticker import MaxNLocator

    panel.set_title(title, loc="left", fontsize=9.5, fontweight="bold", color=_colour("ink"))
    panel.set_xlabel(x, fontsize=9, color=_colour("dim"))
    panel.set_ylabel(y, fontsize=9, color=_colour("dim"))
    panel.tick_params(length=0, labelsize=8.5, labelcolor=_colour("dim"))
    panel.grid(visible=True, color=_colour("line"), linewidth=0.6)
    panel.set_axisbelow(True)
    for name, spine in panel.spines.items():
        spine.set_visible(name in ("left", "bottom"))
        spine.set_color(_colour("line"))
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
        axis.set_major_formatter(lambda value, _: f"{value:g}")
