"""Alerts over time: a pure function of the windows' observations and of what people did.

Nothing is remembered between windows but the observations themselves: the state is made by
replaying them in the windows' order. So running a window again, or filling in an old one, gives
the state that a straight run would have given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from mlops_nb.model import Alert, AlertState, DriftState, Record, Severity, Transition

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mlops_nb.model import ColumnDrift, DriftReport, Gap
    from mlops_nb.monitoring.settings import MonitoringSettings

__all__ = ["Action", "Observation", "observe", "replay"]


class Observation(Record, frozen=True, kw_only=True):
    """What one window says of one subject."""

    window: str
    version: str = ""
    """The model version; what its predecessor's windows showed counts no more."""
    subject: str
    aspect: str
    bad: bool | None
    """``None`` where the window could not tell: it neither opens nor closes anything."""
    at_once: bool = False
    """Whether one bad window is enough: schema faults."""
    severity: Severity = Severity.NONE
    text: str = ""
    importance: float = 1.0


class Action(Record, frozen=True, kw_only=True):
    """What a person did to an alert."""

    alert: str
    kind: str
    """``acknowledge`` or ``snooze``."""
    actor: str
    reason: str = ""
    until: str = ""
    """For ``snooze``: the first window in which the alert speaks again."""
    time: float = 0.0


def observe(
    window: str, report: DriftReport | None, gaps: Iterable[Gap] = (), *, version: str = ""
) -> tuple[Observation, ...]:
    """Return what a window's report and performance say, subject by subject.

    Parameters
    ----------
    window
        Its label.
    report
        The comparison that alerts follow; ``None`` where there is none.
    gaps
        Realised against estimated, or against reference, performance of the window.
    version
        The model version that was monitored.
    """
    found: list[Observation] = []
    for column in report.columns if report is not None else ():
        found += _observe_column(window, version, column)
    if report is not None and report.volume is not None:
        found.append(
            Observation(
                window=window,
                version=version,
                subject="rows",
                aspect="volume",
                bad=report.volume.drifted,
                severity=Severity.WARNING if report.volume.drifted else Severity.NONE,
                text=report.volume.text,
            )
        )
    found += [
        Observation(
            window=window,
            version=version,
            subject=gap.metric,
            aspect=gap.aspect,
            bad=gap.drifted,
            severity=Severity.CRITICAL if gap.drifted else Severity.NONE,
            text=gap.text,
        )
        for gap in gaps
    ]
    return tuple(found)


def _observe_column(
    window: str, version: str, column: ColumnDrift
) -> tuple[Observation, Observation]:
    schema = column.state is DriftState.SCHEMA
    # A column that is missing, or came as something else, says nothing about its distribution.
    unknown = schema or column.state is DriftState.INSUFFICIENT
    drift = column.state is DriftState.DRIFT
    return (
        Observation(
            window=window,
            version=version,
            subject=column.column,
            aspect="schema",
            bad=schema,
            at_once=True,
            severity=column.severity if schema else Severity.NONE,
            text=column.text if schema else "",
            importance=column.importance,
        ),
        Observation(
            window=window,
            version=version,
            subject=column.column,
            aspect="drift",
            bad=None if unknown else drift,
            severity=column.severity if drift else Severity.NONE,
            text=column.text if drift else "",
            importance=column.importance,
        ),
    )


def replay(
    model: str,
    observations: Iterable[Observation],
    actions: Sequence[Action] = (),
    *,
    settings: MonitoringSettings,
) -> tuple[tuple[Alert, ...], dict[str, tuple[Transition, ...]]]:
    """Return every alert there ever was, and what each window changed.

    An alert opens when `open_after` of the last `open_of` windows that could tell were bad (at
    once for schema faults), and closes after `close_after` clean ones in a row.

    Parameters
    ----------
    model
        The monitored model.
    observations
        Of all windows, in any order.
    actions
        Acknowledgements and snoozes, in the order of their time.
    settings
        When to open and close.
    """
    rows: dict[tuple[str, str], list[Observation]] = {}
    for seen in sorted(observations, key=lambda o: o.window):
        rows.setdefault((seen.subject, seen.aspect), []).append(seen)
    alerts: list[Alert] = []
    changes: dict[str, list[Transition]] = {}
    windows = sorted({seen.window for row in rows.values() for seen in row})
    latest = windows[-1] if windows else ""
    for row in rows.values():
        found, moves = _replay_one(model, row, settings)
        alerts += found
        for window, move in moves:
            changes.setdefault(window, []).append(move)
    acted = tuple(_apply(alert, actions, latest) for alert in alerts)
    acted = tuple(sorted(acted, key=lambda a: (not a.state.is_active, -a.severity.rank, a.id)))
    return acted, {window: tuple(moves) for window, moves in changes.items()}


def _replay_one(
    model: str, row: Sequence[Observation], settings: MonitoringSettings
) -> tuple[list[Alert], list[tuple[str, Transition]]]:
    alerts: list[Alert] = []
    moves: list[tuple[str, Transition]] = []
    recent: list[Observation] = []
    alert: Alert | None = None
    clean = 0
    version = row[0].version
    for seen in row:
        if seen.version != version:
            version, recent = seen.version, []
            if alert is not None:
                alert = _close(alert, seen.window, f"version {version} replaced the one it was of")
                moves.append((seen.window, Transition(alert=alert, change="closed")))
                alerts.append(alert)
                alert = None
        if seen.bad is None:
            continue
        recent = [*recent[-(settings.open_of - 1) :], seen] if settings.open_of > 1 else [seen]
        bad = [past for past in recent if past.bad]
        if alert is None:
            if seen.bad and (seen.at_once or len(bad) >= settings.open_after):
                first = seen if seen.at_once else bad[0]
                alert = _open(model, seen, first.window, len(bad))
                moves.append((seen.window, Transition(alert=alert, change="opened")))
                clean = 0
            continue
        if not seen.bad:
            clean += 1
            if clean >= settings.close_after:
                alert = _close(alert, seen.window)
                moves.append((seen.window, Transition(alert=alert, change="closed")))
                alerts.append(alert)
                alert, recent = None, []
            continue
        clean = 0
        worse = seen.severity.rank > alert.severity.rank
        alert = msgspec.structs.replace(
            alert,
            last=seen.window,
            windows=alert.windows + 1,
            severity=seen.severity if worse else alert.severity,
            text=seen.text or alert.text,
            importance=seen.importance,
        )
        if worse:
            moves.append((seen.window, Transition(alert=alert, change="escalated")))
    if alert is not None:
        alerts.append(alert)
    return alerts, moves


def _close(alert: Alert, window: str, text: str = "") -> Alert:
    return msgspec.structs.replace(
        alert, state=AlertState.CLOSED, closed=window, text=text or alert.text
    )


def _open(model: str, seen: Observation, since: str, bad: int) -> Alert:
    return Alert(
        id=f"{model}/{seen.subject}/{seen.aspect}@{since}",
        model=model,
        subject=seen.subject,
        aspect=seen.aspect,
        state=AlertState.OPEN,
        severity=seen.severity,
        since=since,
        opened=seen.window,
        last=seen.window,
        windows=1 if seen.at_once else bad,
        text=seen.text,
        importance=seen.importance,
    )


def _apply(alert: Alert, actions: Sequence[Action], latest: str) -> Alert:
    """Put the latest action on an alert that is still active."""
    mine = [action for action in actions if action.alert == alert.id]
    if not mine:
        return alert
    last = mine[-1]
    state = alert.state
    if alert.state.is_active:
        if last.kind == "acknowledge":
            state = AlertState.ACKNOWLEDGED
        elif latest < last.until:
            state = AlertState.SNOOZED
    return msgspec.structs.replace(
        alert, state=state, actor=last.actor, reason=last.reason, snoozed_until=last.until
    )
