"""One look for all charts: quiet axes, and colours that colour-blind readers tell apart.

The colours are Okabe and Ito's, as Wong recommends them: *Points of view: Color blindness*,
Nature Methods 8 (2011).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#8a8a8a"
INK, FAINT = "#333333", "#dddddd"


def use_style() -> None:
    """Set the look for all charts of this notebook."""
    import matplotlib as mpl

    mpl.rcParams.update(
        {
            "axes.axisbelow": True,
            "axes.edgecolor": GREY,
            "axes.grid": True,
            "axes.labelcolor": INK,
            "axes.prop_cycle": mpl.cycler(color=[BLUE, ORANGE, GREEN, GREY]),
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlelocation": "left",
            "axes.titlesize": 11,
            "axes.titleweight": "bold",
            "axes.titlepad": 12,
            "figure.dpi": 110,
            "figure.figsize": (8, 3.6),
            "figure.constrained_layout.use": True,
            "font.size": 9.5,
            "grid.color": FAINT,
            "grid.linewidth": 0.8,
            "legend.frameon": False,
            "lines.linewidth": 1.8,
            "text.color": INK,
            "xtick.color": INK,
            "ytick.color": INK,
            "xtick.major.size": 0,
            "ytick.major.size": 0,
        }
    )


def percent(axes: Axes, *, x: bool = False, y: bool = True) -> None:
    """Write the ticks of an axis of shares as percent."""
    from matplotlib.ticker import PercentFormatter

    if y:
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    if x:
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))


def days(axes: Axes) -> None:
    """Write the ticks of a time axis as short dates."""
    from matplotlib.dates import AutoDateLocator, DateFormatter

    axes.xaxis.set_major_locator(AutoDateLocator(maxticks=8))
    axes.xaxis.set_major_formatter(DateFormatter("%d %b"))


def note(axes: Axes, text: str, at: tuple[object, float], color: str) -> None:
    """Write what a line is beside one of its points: the reader needs no legend."""
    axes.annotate(text, at, (6, -4), textcoords="offset points", color=color)


def intervals(
    axes: Axes,
    labels: list[str],
    values: list[float],
    low: list[float],
    high: list[float],
    *,
    color: str = BLUE,
) -> None:
    """Draw values as dots with their intervals as lines, the first one on top."""
    at = range(len(labels))
    axes.hlines(at, low, high, color=color, linewidth=2, alpha=0.5)
    axes.plot(values, at, "o", color=color, markersize=6)
    axes.set_yticks(list(at), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
