"""Decides what is told to whom, and queues it in the same transaction that found it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mlops_nb.model import AlertState, Message, Severity, Transition

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from mlops_nb.model import Alert
    from mlops_nb.monitoring.settings import AlertSettings
    from mlops_nb.monitoring.store import Store

__all__ = ["claim_retraining", "queue_changes"]

_RETRAIN_ASPECTS = ("drift", "performance", "concept")


def queue_changes(
    store: Store,
    db: sqlite3.Connection,
    *,
    model: str,
    alerts: Sequence[Alert],
    changes: Mapping[str, Sequence[Transition]],
    latest: str,
    settings: AlertSettings,
) -> list[tuple[str, Transition]]:
    """Queue a message per notifier for each change that was not told before.

    Filling in old windows tells nothing of alerts that are closed by now; an alert is told once
    as opened, once for each severity it rises to, and as closed if it was told as opened.

    Parameters
    ----------
    store, db
        The store and its open transaction.
    model
        The monitored model.
    alerts
        All of them, as they stand now.
    changes
        What each window changed.
    latest
        The latest window.
    settings
        Who is told, and from which severity on.

    Returns
    -------
    list
        What was not told before, with its window.
    """
    now = time.time()
    told: list[tuple[str, Transition]] = []
    standing = {alert.id: alert for alert in alerts}
    for window in sorted(changes):
        for change in changes[window]:
            alert = standing.get(change.alert.id)
            if alert is None or not _is_news(store, db, model, change, alert):
                continue
            if store.announce(db, model, change.key):
                _queue(store, db, change, window, now, settings)
                told.append((window, change))
    for alert in alerts:
        # A snooze that ran out while its cause persists speaks once more.
        if alert.state is AlertState.OPEN and alert.snoozed_until:
            reminder = Transition(alert=alert, change=f"reminded {alert.snoozed_until}")
            if store.announce(db, model, reminder.key):
                _queue(store, db, reminder, latest, now, settings)
                told.append((latest, reminder))
    return told


def claim_retraining(
    store: Store,
    db: sqlite3.Connection,
    *,
    model: str,
    alerts: Sequence[Alert],
    settings: AlertSettings,
) -> tuple[int, str]:
    """Claim a retraining where an open alert asks for one that no retraining answered yet.

    The claim is the lock: within the cool-down nobody else gets one. A process that dies while
    it retrains leaves its alerts unanswered, so that they ask again after the cool-down.

    Returns
    -------
    tuple
        The claim's number and the reason; 0 and an empty text where none is due.
    """
    if not settings.retrain:
        return 0, ""
    answered = store.answered(db, model)
    asking = [
        alert
        for alert in alerts
        if alert.state is AlertState.OPEN
        and alert.aspect in _RETRAIN_ASPECTS
        and alert.severity.rank >= Severity(settings.retrain_severity).rank
        and alert.id not in answered
    ]
    if not asking:
        return 0, ""
    more = f" and {len(asking) - 3} more" if len(asking) > 3 else ""
    reason = "; ".join(f"{alert.subject}: {alert.text}" for alert in asking[:3]) + more
    number = store.start_retraining(
        db,
        model,
        [alert.id for alert in asking],
        reason,
        now=time.time(),
        cool_down=settings.cool_down * 3600,
    )
    return number, reason if number else ""


def _is_news(
    store: Store,
    db: sqlite3.Connection,
    model: str,
    change: Transition,
    alert: Alert,
) -> bool:
    if change.change == "closed":
        opened = (f"{alert.id}:opened:{severity.value}" for severity in Severity)
        return any(store.was_announced(db, model, key) for key in opened)
    return alert.state.is_active and alert.state is not AlertState.SNOOZED


def _queue(
    store: Store,
    db: sqlite3.Connection,
    change: Transition,
    window: str,
    now: float,
    settings: AlertSettings,
) -> None:
    alert = change.alert
    subject = (
        f"[{alert.severity.value}] {alert.model}: {alert.subject} {alert.aspect} {_word(change)}"
    )
    if change.change == "closed":
        text = f"{alert.text}\n\nOver in window {window}; it was bad since {alert.since}."
    else:
        text = (
            f"{alert.text}\n\nWindow {window}, bad since {alert.since}.\n"
            f'Acknowledge: mlops-nb monitor ack "{alert.id}"'
        )
    payload = {
        "key": change.key,
        "alert": alert.id,
        "change": _word(change),
        "model": alert.model,
        "subject": alert.subject,
        "aspect": alert.aspect,
        "severity": alert.severity.value,
        "window": window,
        "since": alert.since,
        "text": alert.text,
    }
    for notifier in settings.notify:
        if alert.severity.rank >= Severity(notifier.severity).rank:
            store.put_message(
                db,
                Message(
                    id=0,
                    key=change.key,
                    notifier=notifier.name or notifier.kind,
                    subject=subject,
                    text=text,
                    payload=payload,
                    due=now,
                ),
            )


def _word(change: Transition) -> str:
    return change.change.partition(" ")[0]
