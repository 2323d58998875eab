"""The curves of two models: one drawing, as SVG in the page's own colours and as PNG."""

from __future__ import annotations

import io
import re
import threading
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

if TYPE_CHECKING:
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
    with _drawing:
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
    # matplotlib escapes every text it writes.
    return Markup(
        text.replace("<svg", f'<svg class="mnb-curves" role="img" aria-label="{name}"', 1)
    )  # noqa: S704


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
    import matplotlib as mpl
    from matplotlib.figure import Figure

    style: dict[str, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": "mlops-nb",
        "font.family": "sans-serif",
        "font.size": 9,
        "axes.edgecolor": _colour("line"),
        "axes.labelcolor": _colour("dim"),
        "axes.titlecolor": _colour("ink"),
        "axes.titlesize": 9.5,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "grid.color": _colour("line"),
        "grid.linewidth": 0.6,
        "xtick.color": _colour("line"),
        "ytick.color": _colour("line"),
        "xtick.labelcolor": _colour("dim"),
        "ytick.labelcolor": _colour("dim"),
        "xtick.major.size": 0,
        "ytick.major.size": 0,
        "legend.frameon": False,
        "legend.labelcolor": _colour("ink"),
        "figure.constrained_layout.use": True,
    }
    with mpl.rc_context(style):
        figure = Figure(figsize=(10.4, 2.75))
        axes = figure.subplots(1, 4)
        sides = (
            ("left", f"v{found.left.version}", found.left_curves),
            ("right", f"v{found.right.version}", found.right_curves),
        )
        for side, label, curves in sides:
            _add(axes, _colour(side), label, curves)
        _finish(axes)
    return figure


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
        edges = [0.0, *curves.scores.x]
        scores.stairs(curves.scores.y, edges, fill=True, color=colour, alpha=0.18)
        scores.stairs(curves.scores.y, edges, color=colour, linewidth=1.4, label=label)


def _finish(axes: Any) -> None:
    roc, recall, calibration, scores = axes
    for panel in (roc, calibration):
        panel.axline((0, 0), slope=1, color=_colour("dim"), linewidth=0.8, linestyle=":")
    _words(roc, "ROC", "false positive rate", "true positive rate")
    _words(recall, "Precision and recall", "recall", "precision")
    _words(calibration, "Calibration", "predicted", "observed")
    _words(scores, "Scores", "score", "share of rows")
    for panel in (roc, recall):
        panel.set(xlim=(0, 1), ylim=(0, 1.02))
    recall.set(ylim=(0, None))
    calibration.set(xlim=(0, None), ylim=(0, None))
    scores.set(ylim=(0, None))
    for panel in axes:
        panel.xaxis.set_major_locator(_few())
        panel.yaxis.set_major_locator(_few())
    for panel in axes:
        if panel.get_legend_handles_labels()[0]:
            panel.legend(loc="best", handlelength=1.2)
            break


def _few() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(4)


def _words(panel: Axes, title: str, x: str, y: str) -> None:
    panel.set(title=title, xlabel=x, ylabel=y)
