"""What a page says in words and figures of one window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nb.model import DriftState, Severity
from mlops_nb.monitoring.pictures import METRIC_TITLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops_nb.model import Alert, DriftReport, Gap, Skill, WindowResult

__all__ = ["figures", "lead", "notes", "pill", "span", "verdict"]


def pill(report: DriftReport | None) -> str:
    """Return the colour that a window's state is shown in, as the style sheet calls it."""
    if report is None or report.state is DriftState.INSUFFICIENT:
        return "insufficient"
    if report.state is DriftState.OK:
        return "ok"
    if report.state is DriftState.SCHEMA:
        return "schema"
    return report.severity.value if report.severity is not Severity.NONE else "drift"


def verdict(report: DriftReport | None) -> str:
    """Return a window's state in words."""
    if report is None:
        return "no data"
    texts = {
        DriftState.OK: "no drift",
        DriftState.DRIFT: "drift",
        DriftState.SCHEMA: "schema fault",
        DriftState.INSUFFICIENT: "insufficient data",
    }
    return texts[report.state]


def lead(report: DriftReport | None) -> str:
    """Return the sentence at the head of the page: what changed, and since when."""
    if report is None:
        return "This window was not compared with a reference."
    found = report.drifted
    if report.state is DriftState.INSUFFICIENT:
        return f"{report.rows:,} rows are too few to decide anything."
    volume = report.volume
    amount = f" The number of rows changed: {volume.text}." if volume and volume.drifted else ""
    if not found:
        natural = (
            " within what is natural between its windows"
            if len(report.reference_windows) > 1
            else ""
        )
        return f"All {len(report.columns)} columns are as in the reference{natural}.{amount}"
    names = ", ".join(column.column for column in found[:4])
    more = f" and {len(found) - 4} more" if len(found) > 4 else ""
    text = f"{len(found)} of {len(report.columns)} columns changed: {names}{more}."
    first = min((c.since for c in found if c.since), default="")
    if first and first != report.window:
        text += (
            f" It has been so since {first}."
            if len(found) == 1
            else f" The longest of these has lasted since {first}."
        )
    return text + amount


def figures(result: WindowResult, alerts: Sequence[Alert] | None) -> list[tuple[str, str]]:
    """Return the figures at the head of the page, each with what it counts."""
    report = result.pinned
    found = [(f"{result.rows:,}", "rows in the window")]
    if report is not None:
        windows = len(report.reference_windows)
        found.append(
            (
                f"{report.reference_rows:,}",
                f"reference rows, {windows} window{'s' if windows != 1 else ''}",
            )
        )
        found.append((f"{len(report.drifted)} of {len(report.columns)}", "columns drifted"))
        found.append((f"{report.drift_share:.0%}", "of the importance drifted"))
    if alerts is not None:
        active = sum(alert.state.is_active for alert in alerts)
        found.append((str(active), "active alerts"))
    real = {p.metric: p for p in result.performance if p.kind == "realised"}
    found += [
        (f"{real[metric].value:.3f}", f"realised {metric.upper()}")
        for metric in ("auc", "mae")
        if metric in real
    ]
    return found


def notes(gaps: Sequence[Gap], skills: Sequence[Skill]) -> dict[str, list[str]]:
    """Say what the estimate is worth, and where realised performance left what was expected."""
    told = [s for s in skills if s.metric in ("auc", "positive_rate", "mae")]
    return {
        "weak": [_sentence(skill.text) for skill in told if skill.weak],
        "soft": [_sentence(skill.text) for skill in told if not skill.weak],
        "gaps": [_sentence(gap.text) for gap in gaps if gap.drifted],
    }


def _sentence(text: str) -> str:
    """Begin with a capital, and a metric with the name that its chart has."""
    first, _, rest = text.partition(" ")
    named = METRIC_TITLES.get(first, f"{first[:1].upper()}{first[1:]}")
    return f"{named} {rest}."


def span(labels: Sequence[str]) -> str:
    """Return labels in short: from the first to the last of them."""
    if len(labels) <= 2:
        return ", ".join(labels)
    return f"{labels[0]} to {labels[-1]}, {len(labels)} windows"
