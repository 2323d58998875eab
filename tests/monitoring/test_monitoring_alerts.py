"""Alerts over time, as a function of the windows alone."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_nb.model import (
    AlertState,
    ColumnDrift,
    DriftReport,
    DriftState,
    Finding,
    Gap,
    Severity,
    WindowResult,
)
from mlops_nb.monitoring.alerts import Action, replay
from mlops_nb.monitoring.settings import MonitoringSettings
from mlops_nb.monitoring.sightings import Sighting, observe, with_since
from mlops_nb.monitoring.verdict import NEW_COLUMN

SETTINGS = MonitoringSettings()
STATES = {
    ".": DriftState.OK,
    "x": DriftState.DRIFT,
    "s": DriftState.SCHEMA,
    "?": DriftState.INSUFFICIENT,
}


def label(number: int) -> str:
    return f"2026-{number + 1:02d}"


def report(number: int, sign: str, severity: Severity = Severity.WARNING) -> DriftReport:
    state = STATES[sign]
    column = ColumnDrift(
        column="x",
        kind="numeric",
        state=state,
        severity=severity if sign in "xs" else Severity.NONE,
        text=f"moved in {label(number)}" if sign in "xs" else "",
    )
    return DriftReport(window=label(number), columns=(column,), state=state)


def sightings(signs: str, version: str = "1") -> list[Sighting]:
    return [
        observe(label(number), report(number, sign), version=version)
        for number, sign in enumerate(signs)
    ]


def run(signs: str, actions: tuple[Action, ...] = ()):
    return replay("m", sightings(signs), actions, settings=SETTINGS)


@pytest.mark.parametrize(
    ("signs", "expected"),
    [
        ("....", []),
        ("x...", []),
        ("x..x..x", []),  # never two of three
        ("xx", [("2026-01", "2026-02", "")]),
        ("x.x", [("2026-01", "2026-03", "")]),
        ("xx.x..", [("2026-01", "2026-02", "2026-06")]),  # one clean window does not close it
        ("xx..xx", [("2026-01", "2026-02", "2026-04"), ("2026-05", "2026-06", "")]),
        ("x?x", [("2026-01", "2026-03", "")]),  # what cannot tell is skipped
        ("xx?.?.", [("2026-01", "2026-02", "2026-06")]),
        ("s", [("2026-01", "2026-01", "")]),  # schema faults at once
        ("s..", [("2026-01", "2026-01", "2026-03")]),
    ],
)
def test_opens_on_two_of_three_and_closes_after_two_clean(
    signs: str, expected: list[tuple[str, str, str]]
) -> None:
    alerts, _ = run(signs)
    found = sorted((alert.since, alert.opened, alert.closed) for alert in alerts)
    assert found == sorted(expected)


def test_a_schema_fault_says_nothing_of_the_distribution() -> None:
    alerts, _ = run("xxs")
    assert {(a.aspect, a.state) for a in alerts} == {
        ("drift", AlertState.OPEN),
        ("schema", AlertState.OPEN),
    }
    alerts, _ = run("xssx")
    assert {a.aspect: a.since for a in alerts} == {"drift": "2026-01", "schema": "2026-02"}


@settings(max_examples=80, deadline=None)
@given(st.text(alphabet=".xs?", min_size=1, max_size=14), st.randoms())
def test_the_order_in_which_windows_arrive_does_not_matter(signs: str, random) -> None:
    straight = sightings(signs)
    mixed = straight.copy()
    random.shuffle(mixed)
    assert replay("m", mixed, settings=SETTINGS) == replay("m", straight, settings=SETTINGS)


@settings(max_examples=80, deadline=None)
@given(st.text(alphabet=".xs?", min_size=1, max_size=14))
def test_alerts_of_one_subject_never_overlap(signs: str) -> None:
    alerts, changes = run(signs)
    for aspect in ("drift", "schema"):
        mine = sorted((a for a in alerts if a.aspect == aspect), key=lambda a: a.opened)
        for earlier, later in pairwise(mine):
            assert earlier.closed
            assert earlier.closed < later.opened
        assert len({a.id for a in mine}) == len(mine)
    opened = [c for moves in changes.values() for c in moves if c.change == "opened"]
    assert len(opened) == len(alerts)


def test_an_alert_rises_and_keeps_its_worst() -> None:
    rows = [
        observe(label(0), report(0, "x")),
        observe(label(1), report(1, "x")),
        observe(label(2), report(2, "x", Severity.CRITICAL)),
        observe(label(3), report(3, "x")),
    ]
    (alert,), changes = replay("m", rows, settings=SETTINGS)
    assert alert.severity is Severity.CRITICAL
    assert alert.windows == 4
    assert alert.text == "moved in 2026-04"
    assert [c.change for moves in changes.values() for c in moves] == ["opened", "escalated"]


def test_a_new_version_starts_afresh() -> None:
    rows = sightings("xx")
    rows.append(observe(label(2), report(2, "x"), version="2"))
    (alert,), changes = replay("m", rows, settings=SETTINGS)
    assert alert.state is AlertState.CLOSED
    assert alert.text == "version 2 replaced the one it was of"
    assert [c.change for c in changes[label(2)]] == ["closed"]
    rows.append(observe(label(3), report(3, "x"), version="2"))
    alerts, _ = replay("m", rows, settings=SETTINGS)
    assert {a.since for a in alerts} == {"2026-01", "2026-03"}


def test_a_new_version_with_a_fault_closes_one_alert_and_opens_another() -> None:
    rows = [*sightings("s"), observe(label(1), report(1, "s"), version="2")]
    alerts, changes = replay("m", rows, settings=SETTINGS)
    assert [(c.change, c.alert.since) for c in changes[label(1)]] == [
        ("closed", label(0)),
        ("opened", label(1)),
    ]
    assert {a.since: a.state for a in alerts} == {
        label(0): AlertState.CLOSED,
        label(1): AlertState.OPEN,
    }


def test_acknowledged_and_snoozed() -> None:
    (alert,), _ = run("xxxx")
    done = Action(alert=alert.id, kind="acknowledge", actor="ana", reason="known")
    (acted,), _ = run("xxxx", (done,))
    assert (acted.state, acted.actor, acted.reason) == (AlertState.ACKNOWLEDGED, "ana", "known")
    snooze = Action(alert=alert.id, kind="snooze", actor="ana", until="2026-06")
    assert run("xxxx", (snooze,))[0][0].state is AlertState.SNOOZED
    assert run("xxxxxx", (snooze,))[0][0].state is AlertState.OPEN
    assert run("xx....", (snooze,))[0][0].state is AlertState.CLOSED


def test_performance_is_unknown_until_labels_arrive() -> None:
    def gap(number: int, drifted: bool) -> Gap:
        return Gap(
            window=label(number), metric="auc", realised=0.5, expected=0.7, difference=-0.2,
            threshold=0.03, drifted=drifted, text="apart",
        )  # fmt: skip

    rows = [
        observe(label(0), report(0, "."), [gap(0, True)]),
        observe(label(1), report(1, "."), [gap(1, True)]),
        observe(label(2), report(2, ".")),
        observe(label(3), report(3, ".")),
        observe(label(4), report(4, ".")),
    ]
    (alert,), _ = replay("m", rows, settings=SETTINGS)
    assert (alert.subject, alert.aspect, alert.state) == ("auc", "concept", AlertState.OPEN)
    rows[2] = observe(label(2), report(2, "."), [gap(2, False)])
    rows[3] = observe(label(3), report(3, "."), [gap(3, False)])
    (alert,), _ = replay("m", rows, settings=SETTINGS)
    assert alert.closed == label(3)


def with_new_column(signs: str, version: str = "1") -> list[Sighting]:
    """Windows with a column that the reference lacks (``n``), or without it."""
    column = ColumnDrift(
        column="gate",
        kind="categorical",
        state=DriftState.SCHEMA,
        severity=Severity.INFO,
        findings=(
            Finding(
                aspect="schema",
                measure=NEW_COLUMN,
                value=1.0,
                threshold=0.0,
                floor=0.0,
                drifted=True,
            ),
        ),
        text="the column is new",
    )
    return [
        observe(
            label(number),
            DriftReport(window=label(number), columns=(column,) if sign == "n" else ()),
            version=version,
        )
        for number, sign in enumerate(signs)
    ]


@pytest.mark.parametrize(
    ("signs", "expected"),
    [
        ("nnn", [(0, None)]),
        ("nnnn", [(0, 3)]),
        ("nnnnnnnn", [(0, 3)]),
        ("nn..n", [(0, 3), (4, None)]),
        ("nnnnn.n", [(0, 3), (6, None)]),
    ],
)
def test_a_new_column_is_told_of_for_some_windows(
    signs: str, expected: list[tuple[int, int | None]]
) -> None:
    alerts, changes = replay("m", with_new_column(signs), settings=SETTINGS)
    found = sorted((a.opened, a.closed) for a in alerts)
    assert found == [(label(o), "" if c is None else label(c)) for o, c in expected]
    told = [(window, move.change) for window, moves in changes.items() for move in moves]
    assert len(told) == sum(1 if c is None else 2 for _, c in expected)


def test_a_new_column_waits_for_a_new_version_where_that_is_wanted() -> None:
    patient = MonitoringSettings(known_after=0)
    (alert,), _ = replay("m", with_new_column("n" * 12), settings=patient)
    assert alert.state is AlertState.OPEN
    (done,) = [a for a in replay("m", with_new_column("n" * 12), settings=SETTINGS)[0] if a.closed]
    assert done.text == "the column is new: known for 3 windows"


def test_a_column_of_another_type_stays_open() -> None:
    (alert,), _ = replay("m", sightings("ssssssss"), settings=SETTINGS)
    assert alert.state is AlertState.OPEN


def test_settings_rule() -> None:
    once = MonitoringSettings(open_after=1, open_of=1, close_after=1)
    alerts, _ = replay("m", sightings("x.x."), settings=once)
    assert [a.closed for a in alerts] == ["2026-02", "2026-04"]


@pytest.mark.parametrize(
    ("signs", "expected"),
    [
        ("..xxx", "2026-03"),
        (".x.xx", "2026-04"),
        ("xx?x", "2026-01"),
        ("xxsx", "2026-01"),
        ("x", "2026-01"),
    ],
)
def test_since_when(signs: str, expected: str) -> None:
    last = len(signs) - 1
    result = WindowResult(
        model="m", window=label(last), version="1", reports=(report(last, signs[last]),)
    )
    (told,) = with_since([result], sightings(signs))
    assert told.pinned["x"].since == expected
