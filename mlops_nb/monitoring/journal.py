"""``monitor.jsonl``: what monitoring did, one JSON object a line, for log shippers and dashboards.

Written after the database, which holds the truth; a process killed in between leaves a line out.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from mlops_nb.errors import MonitoringError
from mlops_nb.model import Record, encode

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from mlops_nb.model import Transition, WindowResult
    from mlops_nb.monitoring.notify import Delivery

__all__ = ["JournalLine", "append", "of_delivery", "of_retraining", "of_transition", "of_window"]


class JournalLine(Record, frozen=True, kw_only=True):
    """One line."""

    time: float
    """Seconds since the epoch, UTC."""
    kind: str
    """``window.recorded``, ``alert.opened``, ``alert.escalated``, ``alert.closed``,
    ``alert.withdrawn``, ``alert.reminded``, ``retraining.started``, ``retraining.finished`` or ``notifications``."""
    model: str = ""
    window: str = ""
    subject: str = ""
    aspect: str = ""
    state: str = ""
    severity: str = ""
    text: str = ""
    figures: dict[str, float] = {}


def of_window(result: WindowResult) -> JournalLine:
    """Return the line of a recorded window."""
    report = result.pinned
    figures = {"rows": float(result.rows)}
    if report is not None:
        figures |= {
            "columns": len(report.columns),
            "drifted": len(report.drifted),
            "drift_share": report.drift_share,
        }
    realised = {p.metric: p.value for p in result.performance if p.kind == "realised"}
    return JournalLine(
        time=result.recorded,
        kind="window.recorded",
        model=result.model,
        window=result.window,
        state=report.state.value if report is not None else "",
        severity=report.severity.value if report is not None else "",
        text=", ".join(column.column for column in report.drifted[:10]) if report else "",
        figures={**figures, **realised},
    )


def of_transition(window: str, change: Transition) -> JournalLine:
    """Return the line of a change of an alert."""
    alert = change.alert
    return JournalLine(
        time=time.time(),
        kind=f"alert.{change.change.partition(' ')[0]}",
        model=alert.model,
        window=window,
        subject=alert.subject,
        aspect=alert.aspect,
        state=alert.state.value,
        severity=alert.severity.value,
        text=alert.text,
    )


def of_retraining(what: str, result: WindowResult, reason: str) -> JournalLine:
    """Return the line of a retraining that ``started`` or ``finished``."""
    return JournalLine(
        time=time.time(),
        kind=f"retraining.{what}",
        model=result.model,
        window=result.window,
        text=reason,
    )


def of_delivery(done: Delivery) -> JournalLine:
    """Return the line of a round of deliveries."""
    return JournalLine(
        time=time.time(),
        kind="notifications",
        text="; ".join(done.errors[:5]),
        figures={"sent": done.sent, "failed": done.failed, "given_up": done.given_up},
    )


def append(path: Path, lines: Iterable[JournalLine]) -> None:
    """Add lines; each is one write at the file's end, so that processes do not mix theirs.

    Raises
    ------
    MonitoringError
        The file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            for line in lines:
                os.write(handle, encode(line) + b"\n")
        finally:
            os.close(handle)
    except OSError as error:
        raise MonitoringError(
            f"cannot be written: {error.strerror or error}", where=str(path)
        ) from error
