"""Decides what is told to whom, and queues it in the same transaction that found it."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

from mlops_nb.model import Alert, AlertState, Message, Severity, Transition
from mlops_nb.monitoring.alerts import called

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping, Sequence

    from mlops_nb.monitoring.settings import AlertSettings
    from mlops_nb.monitoring.store import Store

__all__ = ["claim_retraining", "queue_changes"]

_RETRAIN_ASPECTS = ("drift", "performance", "concept")
_WITHDRAWN = ":withdrawn"


def queue_changes(
    store: Store,
    db: sqlite3.Connection,
    *,
    model: str,
    alerts: Sequence[Alert],
    changes: Mapping[str, Sequence[Transition]],
    bad: Mapping[tuple[str, str], Sequence[str]],
    latest: str,
    settings: AlertSettings,
) -> list[tuple[str, Transition]]:
    """Queue a message per notifier for each change that was not told before.

    Filling in old windows tells nothing of alerts that are closed by now; an alert is told once
    as opened, once for each severity it rises to, and as closed if it was told as opened. One that
    was told and that a corrected window takes away is withdrawn, to whom it was told.

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
    bad
        What `mlops_nb.monitoring.alerts.bad_windows` says.
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
    before = _Told(store.announced(db, model))
    standing = {alert.id: (alert, called(alert, bad)) for alert in alerts}
    found = [(window, change) for window in sorted(changes) for change in changes[window]]
    # A snooze that ran out while its cause persists speaks once more.
    found += [
        (latest, Transition(alert=alert, change=f"reminded {alert.snoozed_until}"))
        for alert in alerts
        if alert.state is AlertState.OPEN and alert.snoozed_until
    ]
    for window, change in found:
        alert, ids = standing[change.alert.id]
        if not _is_news(change, alert, ids, before):
            continue
        store.announce(db, model, before.keys(change, ids))
        _queue(store, db, change, before.key(change, ids), window, now, settings)
        told.append((window, change))
    known = frozenset().union(*(ids for _, ids in standing.values()))
    if before.opened() - known:
        told += _withdraw(store, db, model, known, before, now, settings)
    return told


class _Told:
    """What was told of a model's alerts so far.

    A change is noted under every id its alert may have, so that it is known again when the alert's
    start moves. An alert that returns after it was withdrawn is told anew, by keys with a number.
    """

    def __init__(self, noted: frozenset[str]) -> None:
        self._noted = noted
        self._withdrawn = Counter(
            key.rpartition(_WITHDRAWN)[0] for key in noted if _WITHDRAWN in key
        )

    def opened(self) -> frozenset[str]:
        """Return the ids of all alerts that were ever told as opened."""
        return frozenset(key.rpartition(":opened:")[0] for key in self._noted if ":opened:" in key)

    def turn(self, ids: Iterable[str]) -> str:
        """Return what the keys of an alert end with: nothing, or how often it has been told."""
        times = max(self._withdrawn[name] for name in ids)
        return f":{times + 1}" if times else ""

    def key(self, change: Transition, ids: frozenset[str]) -> str:
        return change.key + self.turn(ids)

    def keys(self, change: Transition, ids: frozenset[str]) -> list[str]:
        tail = change.key.removeprefix(change.alert.id) + self.turn(ids)
        return [name + tail for name in sorted(ids)]

    def knows(self, keys: Iterable[str]) -> bool:
        return not self._noted.isdisjoint(keys)

    def knows_of(self, ids: frozenset[str], what: str) -> bool:
        """Tell whether an alert was told as opened or closed, at any severity."""
        turn = self.turn(ids)
        return self.knows(f"{name}:{what}:{one.value}{turn}" for name in ids for one in Severity)


def _is_news(change: Transition, alert: Alert, ids: frozenset[str], before: _Told) -> bool:
    if before.knows(before.keys(change, ids)):
        return False
    if change.change == "closed":
        return before.knows_of(ids, "opened")
    return alert.state.is_active and alert.state is not AlertState.SNOOZED


def _withdraw(
    store: Store,
    db: sqlite3.Connection,
    model: str,
    known: frozenset[str],
    before: _Told,
    now: float,
    settings: AlertSettings,
) -> list[tuple[str, Transition]]:
    """Take back what was told of alerts that are there no more, from those who were told."""
    told: dict[str, tuple[str, Transition]] = {}
    wanted = {one.name or one.kind for one in settings.notify}
    for message in store.messages(db, model=model):
        said = message.payload
        if said.get("change") not in ("opened", "escalated") or message.notifier not in wanted:
            continue
        stem = said["alert"].removesuffix(f"@{said['since']}")
        ids = frozenset({said["alert"], f"{stem}@{said['window']}"})
        turn = before.turn(ids)
        if (
            not ids.isdisjoint(known)
            or not message.key.endswith(said["severity"] + turn)
            or not before.knows([message.key])
            or before.knows_of(ids, "closed")
        ):
            continue
        change = Transition(alert=_gone(said), change="withdrawn")
        key = f"{said['alert']}{_WITHDRAWN}{turn}"
        store.put_message(db, _message(change, key, said["window"], now, message.notifier))
        store.announce(db, model, [f"{name}{_WITHDRAWN}{turn}" for name in ids])
        told[key] = (said["window"], change)
    return list(told.values())


def _gone(said: Mapping[str, str]) -> Alert:
    return Alert(
        id=said["alert"],
        model=said["model"],
        subject=said["subject"],
        aspect=said["aspect"],
        state=AlertState.CLOSED,
        severity=Severity(said["severity"]),
        since=said["since"],
        opened=said["window"],
        last=said["window"],
        text=said["text"],
    )


def claim_retraining(
    store: Store,
    db: sqlite3.Connection,
    *,
    model: str,
    alerts: Sequence[Alert],
    bad: Mapping[tuple[str, str], Sequence[str]],
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
        and answered.isdisjoint(called(alert, bad))
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


def _queue(
    store: Store,
    db: sqlite3.Connection,
    change: Transition,
    key: str,
    window: str,
    now: float,
    settings: AlertSettings,
) -> None:
    for notifier in settings.notify:
        if change.alert.severity.rank >= Severity(notifier.severity).rank:
            name = notifier.name or notifier.kind
            store.put_message(db, _message(change, key, window, now, name))


def _message(change: Transition, key: str, window: str, due: float, notifier: str) -> Message:
    alert = change.alert
    subject = (
        f"[{alert.severity.value}] {alert.model}: {alert.subject} {alert.aspect} {_word(change)}"
    )
    if change.change == "closed":
        text = f"{alert.text}\n\nOver in window {window}; it was bad since {alert.since}."
    elif change.change == "withdrawn":
        text = (
            f"{alert.text}\n\nThis was told of window {window}, bad since {alert.since}."
            " Windows were recorded again since, and by these there is no such alert."
        )
    else:
        text = (
            f"{alert.text}\n\nWindow {window}, bad since {alert.since}.\n"
            f'Acknowledge: mlops-nb monitor ack "{alert.id}"'
        )
    return Message(
        id=0,
        key=key,
        notifier=notifier,
        subject=subject,
        text=text,
        payload={
            "key": key,
            "alert": alert.id,
            "change": _word(change),
            "model": alert.model,
            "subject": alert.subject,
            "aspect": alert.aspect,
            "severity": alert.severity.value,
            "window": window,
            "since": alert.since,
            "text": alert.text,
        },
        due=due,
    )


def _word(change: Transition) -> str:
    return change.change.partition(" ")[0]
