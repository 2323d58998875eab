"""What people do about alerts: they look after one, or silence it for a while."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from mlops_nb.errors import MonitoringError, nearest
from mlops_nb.monitoring.alerts import Action, called, replay
from mlops_nb.monitoring.records import Records
from mlops_nb.monitoring.sightings import bad_windows

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from mlops_nb.model import Alert

__all__ = ["Answers"]

_OFFERED = 5


class Answers(Records):
    """What was recorded, and what people did about it."""

    def acknowledge(self, alert: str, *, actor: str, reason: str = "") -> Alert:
        """Note that someone looks after an alert.

        Raises
        ------
        MonitoringError
            There is no such active alert.
        """
        return self._do(Action(alert=alert, kind="acknowledge", actor=actor, reason=reason))

    def snooze(self, alert: str, *, until: str, actor: str, reason: str = "") -> Alert:
        """Silence an alert until a window.

        Parameters
        ----------
        alert
            Its id.
        until
            The first window in which it speaks again.
        actor, reason
            Who, and why.

        Raises
        ------
        MonitoringError
            There is no such active alert, or the window is not after the latest one.
        """
        return self._do(Action(alert=alert, kind="snooze", actor=actor, reason=reason, until=until))

    def _do(self, action: Action) -> Alert:
        """Note what someone did; in one transaction, lest a window closes the alert in between."""
        model = action.alert.partition("/")[0]
        if not self.store.path.exists():
            raise _no_alert(action.alert, ())
        with self.store.transaction() as db:
            seen = self.store.sightings(db, model)
            actions = self.store.actions(db, model)
            alerts, _ = replay(model, seen, actions, settings=self.settings)
            bad = bad_windows(seen)
            # A message may name it by the window that it began with when it was sent.
            known = {alert.id: called(alert, bad) for alert in alerts if alert.state.is_active}
            meant = next((name for name, ids in known.items() if action.alert in ids), None)
            if meant is None:
                raise _no_alert(action.alert, self._open_alerts(db))
            if action.kind == "snooze" and action.until <= seen[-1].window:
                raise MonitoringError(
                    f'"{action.until}" is not after {seen[-1].window}, the latest window',
                    where=meant,
                    fix="name the first window in which it is to speak again",
                )
            done = msgspec.structs.replace(
                action, alert=meant, time=time.time(), ids=tuple(sorted(known[meant]))
            )
            self.store.put_action(db, model, done)
            alerts, _ = replay(model, seen, [*actions, done], settings=self.settings)
        return next(alert for alert in alerts if alert.id == meant)

    def _open_alerts(self, db: sqlite3.Connection) -> list[str]:
        """Return the ids of all models' active alerts."""
        found: list[str] = []
        for model in self.store.models(db):
            alerts, _ = replay(model, self.store.sightings(db, model), settings=self.settings)
            found += [alert.id for alert in alerts if alert.state.is_active]
        return found


def _no_alert(name: str, known: Sequence[str]) -> MonitoringError:
    return MonitoringError(
        f'no active alert is called "{name}"',
        where="monitoring",
        fix=_offer(name, known)
        or 'no alert is open, so there is none to answer; "mlops-nb monitor status" shows how models '
        "stand",
    )


def _offer(name: str, known: Sequence[str]) -> str:
    """Return the nearest of the ids, or the first few of many."""
    offer = nearest(name, known)
    if offer.startswith("known") and len(known) > _OFFERED:
        return (
            f'known: {", ".join(sorted(known)[:_OFFERED])} …; "mlops-nb monitor alerts" lists all'
        )
    return offer
