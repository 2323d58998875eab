"""Arranges what monitoring found as a map of columns over windows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nb.model import ColumnDrift, DriftState, Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops_nb.model import DriftReport, WindowResult

__all__ = ["Cell", "HeatMap", "arrange", "report_of", "worst_column"]

_STRONG = 3.0
"""From this multiple of its threshold on a change is shown as a strong one."""
_NEAR = 0.6


class Cell(Record, frozen=True, kw_only=True):
    """One column in one window."""

    tone: str
    """``ok``, ``near``, ``drift``, ``strong``, ``schema``, ``unsure`` or ``none``."""
    sign: str = ""
    text: str = ""
    """For the tip and for screen readers."""


class HeatMap(Record, frozen=True, kw_only=True):
    """Columns over windows, the ones that drifted most first."""

    windows: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    """Of each window; empty texts where it is that of the window before."""
    rows: tuple[tuple[str, tuple[Cell, ...]], ...] = ()
    hidden: int = 0
    """Columns beyond those in `rows`."""


_SIGNS = {"drift": "≠", "strong": "!", "schema": "×", "unsure": "–"}


def report_of(result: WindowResult, baseline: str) -> DriftReport | None:
    """Return a window's comparison with one baseline; ``None`` where there was none."""
    return next((report for report in result.reports if report.baseline == baseline), None)


def worst_column(history: Sequence[WindowResult], *, window: str, baseline: str = "pinned") -> str:
    """Return the column to look at first, empty where there is none.

    That is, of those that the window compared, the one of the greatest severity; then of the
    greatest drift as a multiple of its threshold, then the most important, then the first by name.
    Where the window compared none, it is the first column of the map.

    Parameters
    ----------
    history
        The windows in their order.
    window
        The window that is shown.
    baseline
        ``pinned`` or ``trailing``.
    """
    reports = (report_of(result, baseline) for result in history if result.window == window)
    compared = [
        column
        for report in reports
        if report is not None
        for column in report.columns
        if column.state is not DriftState.INSUFFICIENT
    ]
    if compared:
        return min(compared, key=_by_drift).column
    rows = arrange(history, baseline=baseline, most=1).rows
    return rows[0][0] if rows else ""


def _by_drift(column: ColumnDrift) -> tuple[float, float, float, str]:
    return -column.severity.rank, -column.score, -column.importance, column.column


def arrange(
    history: Sequence[WindowResult], *, baseline: str = "pinned", most: int = 25
) -> HeatMap:
    """Return the map of a model's windows.

    Parameters
    ----------
    history
        The windows in their order.
    baseline
        ``pinned`` or ``trailing``.
    most
        How many columns to show.
    """
    cells: dict[str, dict[str, Cell]] = {}
    weight: dict[str, float] = {}
    for result in history:
        report = report_of(result, baseline)
        for column in report.columns if report is not None else ():
            cells.setdefault(column.column, {})[result.window] = _cell(column, result.window)
            worst = 1 + column.severity.rank if column.drifted else min(column.score, 1) / 100
            rank = weight.get(column.column, 0.0)
            weight[column.column] = rank + worst * max(column.importance, 0.05)
    names = sorted(cells, key=lambda name: (-weight[name], name))
    windows = tuple(result.window for result in history)
    return HeatMap(
        windows=windows,
        versions=_changes([result.version for result in history]),
        rows=tuple(
            (name, tuple(cells[name].get(window) or _absent(name, window) for window in windows))
            for name in names[:most]
        ),
        hidden=max(0, len(names) - most),
    )


def _changes(versions: Sequence[str]) -> tuple[str, ...]:
    before = ""
    found = []
    for version in versions:
        found.append(version if version != before else "")
        before = version
    return tuple(found)


def _absent(name: str, window: str) -> Cell:
    return Cell(tone="none", text=f"{name}, {window}: not compared")


def _cell(column: ColumnDrift, window: str) -> Cell:
    match column.state:
        case DriftState.SCHEMA:
            tone = "schema"
        case DriftState.INSUFFICIENT:
            tone = "unsure"
        case DriftState.DRIFT:
            tone = "strong" if column.score >= _STRONG else "drift"
        case _:
            tone = "near" if column.score >= _NEAR else "ok"
    said = column.text or f"{column.score:.2f} of its threshold"
    return Cell(
        tone=tone,
        sign=_SIGNS.get(tone, ""),
        text=f"{column.column}, {window}: {column.state.value}; {said}",
    )
