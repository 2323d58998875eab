"""Alerts over time: a pure function of what the windows showed and of what people did.

Nothing is remembered between windows but what each one showed: the state is made by replaying
them in their order. So running a window again, or filling in an old one, gives the state that a
straight run would have given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from mlops_nb.model import (
    Alert,
    AlertState,
    DriftState,
    Record,
    Severity,
    Transition,
    WindowResult,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from mlops_nb.model import ColumnDrift, DriftReport, Gap
    from mlops_nb.monitoring.settings import MonitoringSettings

__all__ = [
    "Action",
    "Observation",
    "Sighting",
    "bad_windows",
    "called",
    "observe",
    "replay",
    "with_since",
]

_COLUMN_ASPECTS = ("drift", "schema")


class Observation(Record, frozen=True, kw_only=True):
    """What one window says of one subject."""

    subject: str
    aspect: str
    bad: bool | None
    """``None`` where the window could not tell: it neither opens nor closes anything."""
    at_once: bool = False
    """Whether one bad window is enough: schema faults."""
    severity: Severity = Severity.NONE
    text: str = ""
    importance: float = 1.0


class Sighting(Record, frozen=True, kw_only=True):
    """What one window showed. Columns that are not listed were compared and found clean."""

    window: str
    version: str = ""
    """The model version; what its predecessor's windows showed counts no more."""
    compared: bool = True
    """False where there was no reference to compare columns with."""
    seen: tuple[Observation, ...] = ()


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


def observe(
    window: str, report: DriftReport | None, gaps: Iterable[Gap] = (), *, version: str = ""
) -> Sighting:
    """Return what a window's report and performance show.

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
        found += _observe_column(column)
    if report is not None and report.volume is not None:
        found.append(
            Observation(
                subject="rows",
                aspect="volume",
                bad=report.volume.drifted,
                severity=Severity.WARNING if report.volume.drifted else Severity.NONE,
                text=report.volume.text,
            )
        )
    found += [
        Observation(
            subject=gap.metric,
            aspect=gap.aspect,
            bad=gap.drifted,
            severity=Severity.CRITICAL if gap.drifted else Severity.NONE,
            text=gap.text,
        )
        for gap in gaps
    ]
    return Sighting(window=window, version=version, compared=report is not None, seen=tuple(found))


def _observe_column(column: ColumnDrift) -> Iterator[Observation]:
    if column.state is DriftState.OK:
        return
    if column.state is DriftState.INSUFFICIENT:
        yield Observation(subject=column.column, aspect="drift", bad=None)
        return
    schema = column.state is DriftState.SCHEMA
    yield Observation(
        subject=column.column,
        aspect="schema" if schema else "drift",
        bad=True,
        at_once=schema,
        severity=column.severity,
        text=column.text,
        importance=column.importance,
    )
    if schema:
        # Missing, or of another type, it says nothing about its distribution.
        yield Observation(subject=column.column, aspect="drift", bad=None)


def replay(
    model: str,
    sightings: Iterable[Sighting],
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
            self.recent = []
            if self.alert is not None:
                text = f"version {sighting.version} replaced the one it was of"
                replaced = self._close(sighting.window, text)
        self.version = sighting.version
        if seen is not None:
            bad = seen.bad
        else:
            clean = self.aspect in _COLUMN_ASPECTS and sighting.compared
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
        if self.alert is not None and self.clean >= self.settings.close_after:
            self.recent = []
            return self._close(window)
        return None

    def _bad(self, window: str, seen: Observation) -> Transition | None:
        self.clean = 0
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


def bad_windows(sightings: Iterable[Sighting]) -> dict[tuple[str, str], list[str]]:
    """Return the windows in which each subject was bad, by subject and aspect."""
    bad: dict[tuple[str, str], list[str]] = {}
    for sighting in sightings:
        for seen in sighting.seen:
            if seen.bad:
                bad.setdefault((seen.subject, seen.aspect), []).append(sighting.window)
    return bad


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


def with_since(
    results: Sequence[WindowResult], sightings: Sequence[Sighting]
) -> tuple[WindowResult, ...]:
    """Say of each drifted column since which window it has been so without a break."""
    ordered = sorted(sightings, key=lambda sighting: sighting.window)
    bad: dict[str, dict[str, bool | None]] = {}
    for sighting in ordered:
        row = bad.setdefault(sighting.window, {})
        for seen in sighting.seen:
            if seen.aspect in _COLUMN_ASPECTS:
                row[seen.subject] = row.get(seen.subject) or seen.bad
    told = []
    for result in results:
        if result.pinned is None:
            told.append(result)
            continue
        before = [
            sighting.window
            for sighting in ordered
            if sighting.window < result.window
            and sighting.version == result.version
            and sighting.compared
        ]
        columns = tuple(
            msgspec.structs.replace(column, since=_since(column, result.window, before, bad))
            if column.drifted
            else column
            for column in result.pinned.columns
        )
        report = msgspec.structs.replace(result.pinned, columns=columns)
        told.append(msgspec.structs.replace(result, reports=(report, *result.reports[1:])))
    return tuple(told)


def _since(
    column: ColumnDrift,
    window: str,
    before: Sequence[str],
    bad: Mapping[str, Mapping[str, bool | None]],
) -> str:
    since = window
    for earlier in reversed(before):
        was = bad[earlier].get(column.column, False)
        if was is False:
            break
        since = earlier if was else since
    return since
