"""What monitoring knows, as a panel: without a browser."""

from __future__ import annotations

import functools
import shutil
from pathlib import Path

import pytest

from mlops_nb.api import models, monitor
from mlops_nb.model import AlertState, ColumnDrift, DriftReport, DriftState, Severity, WindowResult
from mlops_nb.widgets import DriftView
from mlops_nb.widgets.heat import arrange, worst_column
from tests import faces_kit as kit

SHIFTS = (0.0, 0.0, 1.5, 1.5)
LATEST = "2013-08"


@functools.cache
def monitored() -> Path:
    """A project in which the last two of four windows drifted; copy it, do not change it."""
    root = kit.make_project(kit.folder() / "monitored")
    kit.register(root)
    models.promote(str(root), 1)
    for number, shift in enumerate(SHIFTS):
        name = f"2013-0{number + 5}"
        monitor.record(
            str(root),
            window=name,
            data=kit.window(root, name, seed=number + 60, shift=shift),
            columns=monitor.Columns(score="score", predicted="said", label="late"),
        )
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return shutil.copytree(monitored(), tmp_path / "p")


@pytest.fixture
def view(root: Path):
    made = DriftView(project=str(root), actor="ann")
    assert made.wait(60)
    yield made
    made.close()


def live(view: DriftView) -> str:
    return "".join(s.html for s in (view._map, view._detail, view._figures, view._alerts))


def test_a_model_is_shown_with_its_worst_column(view: DriftView) -> None:
    assert view.failure is None
    worst = worst_column(monitor.windows(str(view.project)), window=LATEST)
    assert (view.model, view.column, view.window) == ("trips", worst, LATEST)
    assert view._shown() is not None
    assert "not compared in this window" not in view._detail.html
    view.select("a")
    shown = live(view)
    assert "<b>trips v1</b>" in shown and "4 windows" in shown
    assert "mnb-heat-strong" in shown and "mnb-heat-ok" in shown
    assert 'aria-label="a: reference against this window"' in shown
    for metric in ("ROC area (AUC)", "Share of positives"):
        assert metric in shown
    assert "What to do" in shown and "Acknowledge" in shown
    assert {alert.subject for alert in view.alerts} >= {"a"}


def test_columns_and_windows_are_chosen_by_name_and_by_cell(view: DriftView) -> None:
    view._map.press("column", "b")
    view._map.press("window", "2013-05")
    assert (view.column, view.window) == ("b", "2013-05")
    assert "b in 2013-05" in view._detail.html
    assert 'data-value="b" data-key="column:b" aria-pressed="true"' in view._map.html
    row = [name for name, _ in arrange(monitor.windows(str(view.project))).rows].index("a")
    view._map.press("cell", f"{row}:2")
    assert (view.column, view.window) == ("a", "2013-07")
    # What a page sends may be anything.
    for wrong in ("", "x", "99:0", "0:99", "-1:0", "0:"):
        view._map.press("cell", wrong)
    assert (view.column, view.window) == ("a", "2013-07")


def test_the_other_baseline(view: DriftView) -> None:
    assert "against the version" in view._map.html
    view._baseline.value = "trailing"
    assert "against the latest windows" in view._map.html
    assert "not compared" in view._map.html  # the first two windows had none before them
    view.select("a", "2013-05")
    assert "It was not compared in this window." in view._detail.html


def test_alerts_are_answered_with_a_reason(view: DriftView, root: Path) -> None:
    alert = next(a for a in view.alerts if a.subject == "a")
    view._reason.value = "heat <wave>"
    view._alerts.press("acknowledge", alert.id)
    assert view.wait(60)
    assert view.failure is None and view._reason.value == ""
    (kept,) = [a for a in monitor.alerts(str(root)) if a.id == alert.id]
    assert (kept.state, kept.actor, kept.reason) == (AlertState.ACKNOWLEDGED, "ann", "heat <wave>")
    assert "heat &lt;wave&gt;" in view._alerts.html and "heat <wave>" not in view._alerts.html
    assert f'data-key="acknowledge:{alert.id}"' not in view._alerts.html

    view._alerts.press("snooze", alert.id)
    assert "until which window?" in view._notice.html
    view._until.value = LATEST
    view._alerts.press("snooze", alert.id)
    assert "until which window?" in view._notice.html
    view._until.value = "2013-10"
    view._alerts.press("snooze", alert.id)
    assert view.wait(60)
    (kept,) = [a for a in monitor.alerts(str(root)) if a.id == alert.id]
    assert (kept.state, kept.snoozed_until) == (AlertState.SNOOZED, "2013-10")
    assert "snoozed until 2013-10" in view._notice.html


def test_an_alert_that_is_gone_says_so(view: DriftView) -> None:
    view.acknowledge("trips/a/drift@1999")
    assert view.wait(60)
    assert view.failure is not None and "no active alert" in view.failure.what
    assert "no active alert" in view._notice.html
    view.refresh()
    assert view.wait(60)
    assert view.failure is None


def test_the_picture_shows_the_same_without_controls(view: DriftView) -> None:
    view.select("b", "2013-06")
    picture = str(view.picture())
    for text in ("b in 2013-06", "ROC area (AUC)", "<b>a</b> drift", "monitoring of trips"):
        assert text in picture
    assert "data-do=" not in picture and "<script" not in picture and "http" not in picture
    bundle = view._still()
    assert bundle["text/plain"] == "monitoring of trips"


def test_nothing_monitored_and_an_unknown_model(tmp_path: Path, root: Path) -> None:
    empty = DriftView(project=str(kit.make_project(tmp_path / "empty")))
    assert empty.wait(60) and empty.failure is None
    assert "Nothing is monitored yet." in empty._map.html
    assert empty._detail.html == empty._alerts.html == ""
    empty.close()
    wrong = DriftView("tripz", project=str(root))
    assert wrong.wait(60) and wrong.failure is not None
    assert 'no window of "tripz"' in wrong.failure.what
    wrong.close()


def test_several_models_can_be_chosen(root: Path) -> None:
    monitor.record(
        str(root), "mine", window="w1", data=kit.window(root, "w1"), reference=kit.reference()
    )
    view = DriftView(project=str(root))
    assert view.wait(60)
    assert view.model == "mine" and view._model.layout.display == ""
    view._model.value = "trips"
    assert view.wait(60)
    assert (view.model, view.window) == ("trips", LATEST)
    assert "No window says which columns hold score" not in view._figures.html
    view._model.value = "mine"
    assert view.wait(60)
    assert "No window says which columns hold score" in view._figures.html
    assert "No alert is open." in view._alerts.html
    view.close()


def result(window: str, version: str, *columns: ColumnDrift) -> WindowResult:
    return WindowResult(
        model="m", window=window, version=version, reports=(DriftReport(columns=columns),)
    )


def test_the_map_puts_the_worst_first_and_names_every_state() -> None:
    def column(name: str, state: DriftState, score: float = 0.1, **more: object) -> ColumnDrift:
        return ColumnDrift(column=name, kind="numeric", state=state, score=score, **more)  # type: ignore[arg-type]

    warned = {"severity": Severity.WARNING}
    found = arrange(
        [
            result(
                "w1", "1",
                column("calm", DriftState.OK), column("near", DriftState.OK, 0.9),
                column("few", DriftState.INSUFFICIENT), column("bad", DriftState.DRIFT, 1.5, **warned),
            ),
            result("w2", "1", column("bad", DriftState.DRIFT, 4.0, **warned)),
            result("w3", "2", column("bad", DriftState.SCHEMA, 1.0, **warned)),
            WindowResult(model="m", window="w4", version="2"),
        ]
    )  # fmt: skip
    assert found.windows == ("w1", "w2", "w3", "w4")
    assert found.versions == ("1", "", "2", "")
    assert found.rows[0][0] == "bad"
    assert [cell.tone for cell in found.rows[0][1]] == ["drift", "strong", "schema", "none"]
    tones = {name: cells[0].tone for name, cells in found.rows}
    assert tones == {"bad": "drift", "near": "near", "calm": "ok", "few": "unsure"}
    assert arrange([], most=3).rows == ()
    wide = [result("w", "", *(column(f"c{i}", DriftState.OK) for i in range(40)))]
    assert (len(arrange(wide).rows), arrange(wide).hidden) == (25, 15)


def test_the_first_column_shown_is_the_worst_that_the_window_compared() -> None:
    def column(name: str, state: DriftState, score: float, **more: object) -> ColumnDrift:
        return ColumnDrift(column=name, kind="numeric", state=state, score=score, **more)  # type: ignore[arg-type]

    warned, critical = {"severity": Severity.WARNING}, {"severity": Severity.CRITICAL}
    gone = result("w1", "1", column("gone", DriftState.DRIFT, 9.0, **critical))
    latest = result(
        "w2",
        "1",
        column("few", DriftState.INSUFFICIENT, 8.0),
        column("small", DriftState.DRIFT, 1.5, **warned),
        column("large", DriftState.DRIFT, 4.0, **warned),
        column("missing", DriftState.SCHEMA, 1.0, **critical),
    )
    history = [gone, latest]
    assert arrange(history).rows[0][0] == "gone", "the map goes by all windows"
    assert worst_column(history, window="w2") == "missing"
    drifted = result("w2", "1", *latest.reports[0].columns[:3])
    assert worst_column([gone, drifted], window="w2") == "large"
    calm = [
        column("b", DriftState.OK, 0.5, importance=0.2),
        column("a", DriftState.OK, 0.5, importance=0.1),
        column("c", DriftState.OK, 0.4, importance=1.0),
    ]
    assert worst_column([result("w2", "1", *calm)], window="w2") == "b"
    undecided = result("w2", "1", column("few", DriftState.INSUFFICIENT, 8.0))
    assert worst_column([gone, undecided], window="w2") == "gone"
    assert worst_column(history, window="w2", baseline="trailing") == ""
    assert worst_column([], window="") == ""
