"""Small pictures as inline SVG: no script, no font, no address; colours come from the page's CSS."""

from __future__ import annotations

from math import ceil, floor, isfinite, log10
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mlops_nb.model import Overlay, PerformancePoint, ShareShift

__all__ = ["HeatCell", "Ticks", "heat_map", "lines", "overlay", "shares", "ticks"]

HeatCell = tuple[str, float, str]
"""State (``ok``, ``drift``, ``schema``, ``none``, ``insufficient``), value over threshold, tooltip."""
Ticks = tuple[tuple[float, str], ...]


_LABEL, _LETTER = 32, 6.6
"""Letters of a column's name beside the map, and the room that one takes, wide ones among them."""


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def ticks(low: float, high: float, wanted: int = 4) -> Ticks:
    """Return round numbers within a range, with their texts (Heckbert 1990, *Nice numbers*)."""
    if not (isfinite(low) and isfinite(high)) or high <= low:
        return ((low, f"{low:.4g}"),)
    raw = (high - low) / wanted
    size = 10.0 ** floor(log10(raw))
    step = size * min((f for f in (1, 2, 5, 10) if f * size >= 0.6 * raw), default=10)
    digits = max(0, -floor(log10(step) + 1e-9))
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    return tuple((i * step, _text(i * step, digits)) for i in range(first, last + 1))


def _text(value: float, digits: int) -> str:
    if abs(value) >= 1e6 or (digits > 6 and value):
        return f"{value:.3g}"
    return f"{value:,.{digits}f}"


def overlay(data: Overlay, *, name: str, text: Callable[[float], str] | None = None) -> Markup:
    """Draw a histogram of the reference (filled) and of now (outlined) over the same edges.

    Parameters
    ----------
    data
        Edges and both sides' shares.
    name
        What the picture shows, for those who cannot see it.
    text
        How to write a value of the axis; round numbers by default.
    """
    width, height, left, bottom, top = 420.0, 150.0, 8.0, 20.0, 8.0
    low, high = data.edges[0], data.edges[-1]
    tallest = max((*data.reference, *data.current, 1e-9))

    def x(value: float) -> float:
        return left + (value - low) / (high - low) * (width - 2 * left)

    def y(share: float) -> float:
        return top + (1 - share / tallest) * (height - top - bottom)

    parts = [_open(width, height, name)]
    parts += [
        f'<rect class="ref" x="{x(a):.1f}" y="{y(s):.1f}" width="{max(x(b) - x(a) - 0.6, 0.4):.1f}" '
        f'height="{y(0) - y(s):.1f}"/>'
        for a, b, s in zip(data.edges, data.edges[1:], data.reference, strict=False)
        if s > 0
    ]
    path = [f"M{x(low):.1f} {y(0):.1f}"]
    for a, b, s in zip(data.edges, data.edges[1:], data.current, strict=False):
        path.append(f"L{x(a):.1f} {y(s):.1f}L{x(b):.1f} {y(s):.1f}")
    path.append(f"L{x(high):.1f} {y(0):.1f}")
    line = "".join(path)
    parts.append(f'<path class="cur-fill" d="{line}Z"/><path class="cur" d="{line}"/>')
    parts.append(f'<line class="axis" x1="{left}" x2="{width - left}" y1="{y(0)}" y2="{y(0)}"/>')
    shown = (
        ticks(low, high) if text is None else tuple((v, text(v)) for v, _ in ticks(low, high, 3))
    )
    for value, label in shown:
        place = x(value)
        anchor = "start" if place < 30 else "end" if place > width - 30 else "middle"
        parts.append(
            f'<text x="{place:.1f}" y="{height - 6}" text-anchor="{anchor}">{escape(label)}</text>'
        )
    return Markup("".join(parts) + "</svg>")  # noqa: S704 - every text in it is escaped


def shares(rows: Sequence[ShareShift], *, name: str) -> Markup:
    """Draw each category's share in the reference (grey) and now (coloured) as a pair of bars."""
    width, line, label, number = 420.0, 22.0, 96.0, 92.0
    height = line * len(rows) + 4
    longest = max((max(row.reference, row.current) for row in rows), default=1.0) or 1.0
    room = width - label - number
    parts = [_open(width, height, name)]
    for place, row in enumerate(rows):
        y = place * line + 3
        text = row.label if row.label else "(empty text)"
        text = _short(text, 15)
        moved = "new" if row.reference == 0 and not row.is_other else ""
        parts.append(
            f'<text x="{label - 8}" y="{y + 12}" text-anchor="end" class="{"soft" if row.is_other else ""}">'
            f"{escape(text)}<title>{escape(row.label)}</title></text>"
            f'<rect class="ref" x="{label}" y="{y}" height="7" '
            f'width="{max(row.reference / longest * room, 0.6):.1f}" rx="1.5"/>'
            f'<rect class="cur-bar {moved}" x="{label}" y="{y + 8}" height="7" '
            f'width="{max(row.current / longest * room, 0.6):.1f}" rx="1.5"/>'
            f'<text x="{width - 4}" y="{y + 12}" text-anchor="end" class="num">'
            f"{row.reference:.1%} → {row.current:.1%}</text>"
        )
    return Markup("".join(parts) + "</svg>")  # noqa: S704 - every text in it is escaped


def heat_map(
    rows: Sequence[tuple[str, Sequence[HeatCell]]],
    windows: Sequence[str],
    *,
    name: str,
    links: Sequence[str] = (),
) -> Markup:
    """Draw columns by windows; how far beyond its threshold by colour, what it is by a sign.

    Parameters
    ----------
    rows
        A column's name and its cell in each window.
    windows
        Their labels.
    name
        What the picture shows.
    links
        An address per window that its label leads to; empty texts for none.
    """
    gap = 2.0
    names = [_short(column, _LABEL) for column, _ in rows]
    label = 24 + _LETTER * max(map(len, names), default=4)
    longest = max((len(window) for window in windows), default=1)
    head = 16 + 5.2 * min(longest, 16)
    count = max(len(windows), 1)
    cell = min(44.0, max(9.0, 820.0 / count - gap))
    width = label + count * (cell + gap) + 14 + 3.6 * min(longest, 16)
    height = head + len(rows) * (22.0 + gap) + 4
    parts = [_open(width, height, name, natural=True)]
    every = max(1, -(-14 // max(int(cell), 1)))
    for place, window in enumerate(windows):
        if place % every and place != count - 1:
            continue
        x = label + place * (cell + gap) + cell / 2 + 2
        window = _short(window, 16)
        text = f'<text class="soft" transform="translate({x:.1f} {head - 8}) rotate(-52)">{escape(window)}</text>'
        link = links[place] if place < len(links) else ""
        parts.append(f'<a href="{escape(link)}">{text}</a>' if link else text)
    for line, (column, cells) in enumerate(rows):
        y = head + line * (22.0 + gap)
        parts.append(
            f'<text x="{label - 10:.1f}" y="{y + 15}" text-anchor="end">{escape(names[line])}'
            f"<title>{escape(column)}</title></text>"
        )
        for place, (state, ratio, tip) in enumerate(cells):
            x = label + place * (cell + gap)
            kind = state if state != "drift" else ("drift2" if ratio >= 3 else "drift1")
            if state == "ok":
                kind = "ok1" if ratio >= 0.6 else "ok0"
            sign = {"drift1": "", "drift2": "!", "schema": "✕", "insufficient": "–"}.get(kind, "")
            parts.append(
                f'<g><title>{escape(tip)}</title><rect class="heat {kind}" x="{x:.1f}" y="{y:.1f}" '
                f'width="{cell:.1f}" height="22" rx="3"/>'
            )
            if sign and cell >= 12:
                parts.append(
                    f'<text class="sign {kind}" x="{x + cell / 2:.1f}" y="{y + 15}" text-anchor="middle">{sign}</text>'
                )
            parts.append("</g>")
    return Markup("".join(parts) + "</svg>")  # noqa: S704 - every text in it is escaped


def lines(
    realised: Sequence[PerformancePoint],
    estimated: Sequence[PerformancePoint],
    windows: Sequence[str],
    *,
    name: str,
    reference: float | None = None,
) -> Markup:
    """Draw a metric over the windows: realised with its interval, estimated dashed, reference dotted."""
    width, height, left, right, top, bottom = 440.0, 190.0, 46.0, 12.0, 10.0, 34.0
    places = {window: place for place, window in enumerate(windows)}
    values = [v for p in (*realised, *estimated) for v in (p.value,) if isfinite(v)]
    values += [v for p in realised for v in (p.low, p.high) if v is not None and isfinite(v)]
    if reference is not None:
        values.append(reference)
    if not values:
        return Markup("")
    low, high = min(values), max(values)
    margin = (high - low) * 0.08 or abs(high) * 0.05 or 0.05
    low, high = low - margin, high + margin

    def x(window: str) -> float:
        span = max(len(windows) - 1, 1)
        return left + places[window] / span * (width - left - right)

    def y(value: float) -> float:
        return top + (high - value) / (high - low) * (height - top - bottom)

    parts = [_open(width, height, name)]
    for value, label in ticks(low, high):
        parts.append(
            f'<line class="grid" x1="{left}" x2="{width - right}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>'
            f'<text class="soft" x="{left - 6}" y="{y(value) + 3.5:.1f}" text-anchor="end">{label}</text>'
        )
    if reference is not None:
        parts.append(
            f'<line class="base" x1="{left}" x2="{width - right}" y1="{y(reference):.1f}" y2="{y(reference):.1f}"/>'
        )
    shown = sorted({0, (len(windows) - 1) // 2, len(windows) - 1})
    for place in shown if windows else ():
        anchor = "start" if place == 0 else "end" if place == len(windows) - 1 else "middle"
        anchor = "middle" if len(windows) == 1 else anchor
        parts.append(
            f'<text class="soft" x="{x(windows[place]):.1f}" y="{height - 14}" text-anchor="{anchor}">'
            f"{escape(windows[place])}</text>"
        )
    banded = [(p, p.low, p.high) for p in realised if p.low is not None and p.high is not None]
    if len(banded) > 1:
        upper = [f"{x(p.window):.1f},{y(up):.1f}" for p, _, up in banded]
        lower = [f"{x(p.window):.1f},{y(down):.1f}" for p, down, _ in reversed(banded)]
        parts.append(f'<polygon class="band" points="{" ".join(upper + lower)}"/>')
    for points, kind in ((estimated, "guess"), (realised, "real")):
        path = " ".join(f"{x(p.window):.1f},{y(p.value):.1f}" for p in points)
        if path:
            parts.append(f'<polyline class="{kind}" points="{path}"/>')
        for p in points:
            tip = f"{p.window}: {p.value:.4g}"
            if p.low is not None and p.high is not None:
                tip += f" ({p.low:.4g} to {p.high:.4g})"
            size = 2.8 if kind == "real" else 2.0
            parts.append(
                f'<circle class="{kind}-dot" cx="{x(p.window):.1f}" cy="{y(p.value):.1f}" r="{size}">'
                f"<title>{escape(tip)}, {escape(p.kind)}</title></circle>"
            )
    return Markup("".join(parts) + "</svg>")  # noqa: S704 - every text in it is escaped


def _open(width: float, height: float, name: str, *, natural: bool = False) -> str:
    size = f' width="{width:.0f}" height="{height:.0f}"' if natural else ""
    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}"{size} role="img" aria-label="{escape(name)}">'
        f"<title>{escape(name)}</title>"
    )
