"""Alerts over time: a pure function of what the windows showed and of what people did.

Nothing is remembered between windows but what each one showed: the state is made by replaying
them in their order. So running a window again, or filling in an old one, gives the state that a
straight run would have given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from mlops_nb.model import Alert, AlertState, Record, Transition
from mlops_nb.monitoring.sightings import COLUMN_ASPECTS, bad_windows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mlops_nb.monitoring.settings import MonitoringSettings
    from mlops_nb.monitoring.sightings import Observation, Sighting

__all__ = ["Action", "called", "replay"]


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
    ids: tuple[str, ...] = ()
    """Every id that the alert could have had then, see `called`."""


def replay(
    model: str,
    sightings: Iterable[Sighting],
    actions: Sequence[Action] = (),
    *,
    settings: MonitoringSettings,
) -> tuple[tuple[Alert, ...], dict[str, tuple[Transition, ...]]]:
    """Return every alert there ever was, and what each window changed.

    An alert opens when `open_after` of the last `open_of` windows that could tell were bad (at
    once for schema faults), and closes after `close_after` clean ones in a row. That of a new column
    closes once it has told of it for `known_after` windows; it opens again if the column had gone.

    Parameters
    ----------
    model
        The monitored model.
    sightings
        Of all windows, in any order.
    actions
        Acknowledgements and snoozes, in the order of their time.
    settings
        When to open and close.
    """
    windows = sorted(sightings, key=lambda sighting: sighting.window)
    listed: dict[tuple[str, str], dict[str, Observation]] = {}
    for sighting in windows:
        for seen in sighting.seen:
            listed.setdefault((seen.subject, seen.aspect), {})[sighting.window] = seen
    alerts: list[Alert] = []
    changes: dict[str, list[Transition]] = {}
    for (subject, aspect), found in listed.items():
        if not any(seen.bad for seen in found.values()):
            continue
        row = _Row(model, subject, aspect, settings)
        for sighting in windows:
            moves = row.next(sighting, found.get(sighting.window))
            if moves:
                changes.setdefault(sighting.window, []).extend(moves)
        alerts += row.alerts
    latest = windows[-1].window if windows else ""
    bad = bad_windows(windows)
    acted = [_apply(alert, actions, latest, called(alert, bad)) for alert in alerts]
    acted.sort(key=lambda a: (not a.state.is_active, -a.severity.rank, a.id))
    return tuple(acted), {window: tuple(moves) for window, moves in changes.items()}


class _Row:
    """One subject's windows, read one after another."""

    def __init__(self, model: str, subject: str, aspect: str, settings: MonitoringSettings) -> None:
        self.name = f"{model}/{subject}/{aspect}"
        self.model, self.subject, self.aspect = model, subject, aspect
        self.settings = settings
        self.closed: list[Alert] = []
        self.alert: Alert | None = None
        self.recent: list[tuple[str, bool]] = []
        self.clean = 0
        self.told = 0
        """Windows in a row that showed what settles."""
        self.version: str | None = None

    @property
    def alerts(self) -> list[Alert]:
        return [*self.closed, *([self.alert] if self.alert is not None else [])]

    def next(self, sighting: Sighting, seen: Observation | None) -> list[Transition]:
        """Take in one window; return what it changed.

        That is one thing at most, unless a new version closes an alert and at once opens its own.
        """
        replaced = None
        if self.version not in (None, sighting.version):
            self.recent, self.told = [], 0
            if self.alert is not None:
                text = f"version {sighting.version} replaced the one it was of"
                replaced = self._close(sighting.window, text)
        self.version = sighting.version
        if seen is not None:
            bad = seen.bad
        else:
            clean = self.aspect in COLUMN_ASPECTS and sighting.compared
            bad = False if clean else None
        move = None
        if bad is not None:
            self.recent = [*self.recent, (sighting.window, bad)][-self.settings.open_of :]
            if seen is None or not bad:
                move = self._good(sighting.window)
            else:
                move = self._bad(sighting.window, seen)
        return [change for change in (replaced, move) if change is not None]

    def _good(self, window: str) -> Transition | None:
        self.clean += 1
        self.told = 0
        if self.alert is not None and self.clean >= self.settings.close_after:
            self.recent = []
            return self._close(window)
        return None

    def _bad(self, window: str, seen: Observation) -> Transition | None:
        self.clean = 0
        self.told = self.told + 1 if seen.settles else 0
        if 0 < self.settings.known_after < self.told:
            self.recent = []
            return self._close(window, f"{seen.text}: known for {self.told - 1} windows")
        alert = self.alert
        if alert is None:
            bad = [place for place, was_bad in self.recent if was_bad]
            if not seen.at_once and len(bad) < self.settings.open_after:
                return None
            self.alert = self._open(window, seen, [window] if seen.at_once else bad)
            return Transition(alert=self.alert, change="opened")
        worse = seen.severity.rank > alert.severity.rank
        self.alert = msgspec.structs.replace(
            alert,
            last=window,
            windows=alert.windows + 1,
            severity=seen.severity if worse else alert.severity,
            text=seen.text,
            importance=seen.importance,
        )
        return Transition(alert=self.alert, change="escalated") if worse else None

    def _open(self, window: str, seen: Observation, bad: Sequence[str]) -> Alert:
        return Alert(
            id=f"{self.name}@{bad[0]}",
            model=self.model,
            subject=self.subject,
            aspect=self.aspect,
            state=AlertState.OPEN,
            severity=seen.severity,
            since=bad[0],
            opened=window,
            last=window,
            windows=len(bad),
            text=seen.text,
            importance=seen.importance,
        )

    def _close(self, window: str, text: str = "") -> Transition | None:
        if self.alert is None:
            return None
        alert = msgspec.structs.replace(
            self.alert, state=AlertState.CLOSED, closed=window, text=text or self.alert.text
        )
        self.closed.append(alert)
        self.alert = None
        return Transition(alert=alert, change="closed")


def called(alert: Alert, bad: Mapping[tuple[str, str], Sequence[str]]) -> frozenset[str]:
    """Return every id an alert may be known by: one for each of its bad windows.

    Filling in or correcting a window moves where an alert begins, and its id with it; what people
    did about it and what they were told stay with it as long as one bad window is the same.
    """
    stem = alert.id.removesuffix(f"@{alert.since}")
    mine = bad.get((alert.subject, alert.aspect), ())
    return frozenset(
        {alert.id, *(f"{stem}@{window}" for window in mine if alert.since <= window <= alert.last)}
    )


def _apply(alert: Alert, actions: Sequence[Action], latest: str, ids: frozenset[str]) -> Alert:
    """Put the latest action on an alert that is still active."""
    mine = [action for action in actions if not ids.isdisjoint((action.alert, *action.ids))]
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
