"""Draws what monitoring found: one HTML page per window, and an overview; each stands alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_nb.errors import MonitoringError
from mlops_nb.files import write_whole
from mlops_nb.model import DriftState
from mlops_nb.monitoring import svg
from mlops_nb.monitoring.estimate import NOTE
from mlops_nb.monitoring.pictures import charts, column_picture
from mlops_nb.monitoring.wording import figures, lead, notes, pill, span, verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from markupsafe import Markup

    from mlops_nb.model import (
        Alert,
        ColumnDrift,
        DriftReport,
        PerformancePoint,
        SegmentDrift,
        Skill,
        WindowResult,
    )

__all__ = ["ModelView", "render_overview", "render_report", "render_window", "write_page"]

_HEAT_ROWS, _CARDS, _TABLE = 40, 24, 200


@dataclass(frozen=True, kw_only=True)
class ModelView:
    """What a page shows of one model.

    Parameters
    ----------
    history
        The windows up to the one that is shown, in their order; the last one is shown.
    alerts
        The alerts to list; ``None`` leaves the section out.
    performance
        Points of all windows.
    expected
        The reference's metrics.
    skills, advice
        As `MonitorStatus` has them.
    links
        Addresses of other windows' pages, by label.
    """

    history: Sequence[WindowResult]
    alerts: Sequence[Alert] | None = None
    performance: Sequence[PerformancePoint] = ()
    expected: Mapping[str, float] = field(default_factory=dict)
    skills: Sequence[Skill] = ()
    advice: Sequence[str] = ()
    links: Mapping[str, str] = field(default_factory=dict)


def render_report(report: DriftReport) -> str:
    """Return the page of one comparison alone, as ``drift check`` writes it."""
    from mlops_nb.model import WindowResult
    from mlops_nb.monitoring.advice import advise

    result = WindowResult(
        model=report.model or "Comparison",
        window=report.window or "current",
        version=report.version,
        rows=report.rows,
        reports=(report,),
    )
    return render_window(ModelView(history=(result,), advice=advise(result)))


def render_window(view: ModelView) -> str:
    """Return the page of a model's latest window in `view`."""
    return _page([_view(view, cards=True)], single=True)


def render_overview(views: Sequence[ModelView]) -> str:
    """Return one page on several models: how each stands, its heat map, alerts and performance."""
    return _page([_view(view, cards=False) for view in views if view.history], single=False)


def write_page(text: str, path: Path | str) -> Path:
    """Write a page, all or nothing.

    Raises
    ------
    MonitoringError
        The file cannot be written.
    """
    path = Path(path)
    try:
        write_whole(path, text.encode())
    except OSError as error:
        raise MonitoringError(
            f"cannot be written: {error.strerror or error}", where=str(path)
        ) from error
    return path


def _page(views: list[dict[str, Any]], *, single: bool) -> str:
    title = (
        f"{views[0]['model']} · {views[0]['window']} · drift report"
        if single and views
        else "Monitoring overview"
    )
    text: str = _template().render(views=views, single=single, title=title, estimate_note=NOTE)
    return text


@lru_cache(maxsize=1)
def _template() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folder = Path(__file__).parent / "templates"
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2")


def _view(view: ModelView, *, cards: bool) -> dict[str, Any]:
    result = view.history[-1]
    report = result.pinned
    columns = _ordered(report.columns) if report else []
    drifted = [column for column in columns if column.drifted]
    active = None if view.alerts is None else [a for a in view.alerts if a.state.is_active]
    closed = [alert for alert in view.alerts or () if not alert.state.is_active]
    closed.sort(key=lambda alert: (alert.closed, alert.id), reverse=True)
    heat, hidden = _heat(view)
    shown = drifted[:_CARDS] or columns[:4]
    rest = [c for c in columns if c.state is not DriftState.OK or len(columns) <= _TABLE]
    return {
        "model": result.model,
        "version": result.version,
        "window": result.window,
        "pill": pill(report),
        "verdict": verdict(report),
        "lead": lead(report),
        "notes": list(report.notes) if report else [],
        "figures": figures(result, view.alerts),
        "advice": list(view.advice) or ["Nothing to do."],
        "heat": heat if len(view.history) > 1 else None,
        "heat_hidden": hidden,
        "alerts": active,
        "closed": closed,
        "charts": charts((r.window for r in view.history), view.performance, view.expected),
        "performance_notes": notes(result.gaps, view.skills),
        "cards_title": f"What changed ({len(drifted)})"
        if drifted
        else "The most important columns",
        "cards": [_card(column) for column in shown] if cards else [],
        "reference_label": span(report.reference_windows) if report else "",
        "segments": _segments(report) if cards and report else [],
        "table": rest[:_TABLE] if cards else [],
        "table_hidden": len(columns) - len(rest[:_TABLE]) if cards else 0,
    }


def _segments(report: DriftReport) -> list[SegmentDrift]:
    """Return the segments, those that drifted first; the largest of the others."""
    ranked = sorted(
        report.segments,
        key=lambda s: (s.state in (DriftState.OK, DriftState.INSUFFICIENT), -s.rows, s.name),
    )
    return ranked[:_TABLE]


def _ordered(columns: Sequence[ColumnDrift]) -> list[ColumnDrift]:
    return sorted(
        columns,
        key=lambda c: (-c.severity.rank, not c.drifted, -c.importance * c.score, c.column),
    )


def _heat(view: ModelView) -> tuple[Markup | None, int]:
    cells: dict[str, dict[str, svg.HeatCell]] = {}
    rank: dict[str, float] = {}
    for result in view.history:
        for column in result.pinned.columns if result.pinned else ():
            state = (
                "insufficient" if column.state is DriftState.INSUFFICIENT else column.state.value
            )
            text = f"{column.column}, {result.window}: {column.state.value}"
            text += f". {column.text}" if column.text else f", {column.score:.2f} of its threshold"
            cells.setdefault(column.column, {})[result.window] = (state, column.score, text)
            rank[column.column] = rank.get(column.column, 0.0) + (
                (1 + column.severity.rank) if column.drifted else min(column.score, 1) * 0.01
            ) * max(column.importance, 0.05)
    if not cells:
        return None, 0
    names = sorted(cells, key=lambda name: (-rank[name], name))
    windows = [result.window for result in view.history]
    rows = [
        (
            name,
            [
                cells[name].get(window, ("none", 0.0, f"{name}, {window}: not there"))
                for window in windows
            ],
        )
        for name in names[:_HEAT_ROWS]
    ]
    picture = svg.heat_map(
        rows,
        windows,
        name=f"Drift of {len(rows)} columns over {len(windows)} windows",
        links=[view.links.get(window, "") for window in windows],
    )
    return picture, len(names) - len(rows)


def _card(column: ColumnDrift) -> dict[str, Any]:
    facts = [column.kind]
    if column.since:
        facts.append(f"since {column.since}")
    if column.segments:
        facts.append(f"strongest in {', '.join(column.segments[:3])}")
    if max(column.reference_null_rate, column.current_null_rate) > 0:
        facts.append(f"missing {column.reference_null_rate:.1%} → {column.current_null_rate:.1%}")
    if "psi" in column.measures:
        facts.append(f"PSI {column.measures['psi']:.3f}")
    if column.importance < 1:
        facts.append(f"importance {column.importance:.2f}")
    shown = column.severity.value if column.drifted else column.state.value
    if column.state is DriftState.SCHEMA:
        shown = "schema"
    return {
        "column": column,
        "picture": column_picture(column),
        "facts": " · ".join(facts),
        "pill": shown,
    }
