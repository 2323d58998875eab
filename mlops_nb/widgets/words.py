"""Figures, durations and ages for people."""

from __future__ import annotations

import datetime
import time

from markupsafe import Markup

__all__ = ["MARKS", "amount", "duration", "figure", "mark", "moment", "since", "verdict"]

MARKS: dict[str, tuple[str, str]] = {
    "ok": ("✓", "good"),
    "drift": ("≠", "warn"),
    "schema": ("×", "bad"),
    "insufficient data": ("–", "dim"),
    "none": ("·", "dim"),
    "info": ("i", "info"),
    "warning": ("!", "warn"),
    "critical": ("‼", "bad"),
    "open": ("●", "bad"),
    "acknowledged": ("◐", "warn"),
    "snoozed": ("◌", "info"),
    "closed": ("○", "dim"),
    "pending": ("○", "dim"),
    "running": ("▶", "info"),
    "succeeded": ("✓", "good"),
    "skipped": ("=", "dim"),
    "restored": ("↺", "info"),
    "failed": ("✗", "bad"),
    "timed-out": ("✗", "bad"),
    "died": ("✗", "bad"),
    "exited": ("✗", "bad"),
    "cancelled": ("■", "warn"),
    "blocked": ("⊘", "warn"),
    "lost": ("?", "bad"),
    "waiting": ("○", "dim"),
    "missed": ("∅", "warn"),
    "registered": ("·", "dim"),
    "approved": ("✓", "good"),
    "rejected": ("✗", "bad"),
    "rolled-back": ("↩", "warn"),
    "deleted": ("⌫", "dim"),
    "passed": ("✓", "good"),
    "not asked": ("○", "dim"),
    "gate": ("·", "dim"),
    "promoted": ("↑", "good"),
    "unaliased": ("↓", "warn"),
    "unpickled": ("!", "warn"),
    "mended": ("✎", "warn"),
}
"""Sign and tone of each state; the state is always written beside them."""


def mark(state: str, text: str = "") -> Markup:
    """Return a state as sign and word; ``text`` stands in for the word."""
    sign, tone = MARKS.get(state, ("·", "dim"))
    template = Markup('<span class="mnb-{}"><span aria-hidden="true">{}</span> {}</span>')
    return template.format(tone, sign, text or state)


def figure(value: float | None, digits: int = 4) -> str:
    """Return a figure with so many significant digits."""
    return "" if value is None else f"{value:.{digits}g}"


def duration(seconds: float | None) -> str:
    """Return a duration: ``0.4 s``, ``12 s``, ``3 min 05 s``, ``2 h 10 min``."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def since(moment: float, now: float | None = None) -> str:
    """Return an age: ``just now``, ``5 min ago``, ``3 h ago``, ``2 days ago``, else the date."""
    seconds = max(0.0, (time.time() if now is None else now) - moment)
    if seconds < 60:
        return "just now"
    if seconds < 3600:
        return f"{seconds // 60:.0f} min ago"
    if seconds < 86_400:
        return f"{seconds // 3600:.0f} h ago"
    days = int(seconds // 86_400)
    if days < 30:
        return "1 day ago" if days == 1 else f"{days} days ago"
    return f"{datetime.datetime.fromtimestamp(moment).astimezone():%Y-%m-%d}"


def moment(time_: float) -> str:
    """Return a time of the reader's zone: ``2026-11-28 14:03:12``."""
    return f"{datetime.datetime.fromtimestamp(time_).astimezone():%Y-%m-%d %H:%M:%S}"


def amount(size: float) -> str:
    """Return bytes: ``12 kB``, ``3.4 MB``."""
    if size < 1e6:
        return f"{size / 1e3:.0f} kB"
    return f"{size / 1e6:.1f} MB" if size < 1e9 else f"{size / 1e9:.1f} GB"


def verdict(low: float, high: float) -> Markup:
    """Return what an interval of a difference says; above zero is better."""
    if low > 0:
        return Markup('<span class="mnb-good">▲ better</span>')
    if high < 0:
        return Markup('<span class="mnb-bad">▼ worse</span>')
    return Markup('<span class="mnb-dim">≈ unsure</span>')
