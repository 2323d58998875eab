"""The monitor of a project: windows recorded once or again, in order or not, all or nothing."""

from __future__ import annotations

import json
import sqlite3
import threading
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest

from mlops_nb.errors import MonitoringError
from mlops_nb.model import AlertState, DriftState, Gap, PerformancePoint, Severity
from mlops_nb.monitoring.monitor import Monitor
from mlops_nb.monitoring.profile import Profile, profile
from mlops_nb.monitoring.reference import Reference
from mlops_nb.monitoring.settings import AlertSettings, MonitoringSettings, NotifierSettings
from mlops_nb.monitoring.sightings import Sighting
from mlops_nb.monitoring.store import StoredWindow

ALERTS = AlertSettings(notify=(NotifierSettings(kind="command", command=("true",)),))


def window(shift: float, seed: int, *, drop: bool = False) -> Profile:
    r = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": r.normal(shift, 1, 1500), "y": r.normal(0, 1, 1500)})
    return profile(frame.drop(columns="y") if drop else frame)


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference([window(0, seed) for seed in range(4)], metrics={"auc": 0.7})


@pytest.fixture
def monitor(tmp_path: Path) -> Monitor:
    return Monitor(tmp_path / ".mlops", alerts=ALERTS)


SHIFTS = {
    "2026-01": 0.0,
    "2026-02": 1.0,
    "2026-03": 1.0,
    "2026-04": 1.0,
    "2026-05": 0.0,
    "2026-06": 0.0,
}


def record(monitor: Monitor, reference: Reference, labels=tuple(SHIFTS)) -> None:
    for label in labels:
        monitor.record_window(
            "m",
            label,
            window(SHIFTS[label], int(label[-2:]) + 50),
            reference=reference,
            version="1",
        )


def auc(label: str, value: float) -> PerformancePoint:
    return PerformancePoint(
        window=label, metric="auc", value=value, low=value - 0.005, high=value + 0.005
    )


def gap(label: str, difference: float) -> Gap:
    return Gap(
        window=label,
        metric="auc",
        realised=0.7,
        expected=0.7,
        difference=difference,
        threshold=0.1,
        drifted=False,
    )


def test_a_drift_opens_an_alert_and_its_end_closes_it(
    monitor: Monitor, reference: Reference
) -> None:
    record(monitor, reference, ["2026-01", "2026-02", "2026-03"])
    (alert,) = monitor.alerts("m")
    assert (alert.subject, alert.aspect, alert.since) == ("x", "drift", "2026-02")
    status = monitor.status("m")
    assert status.state is DriftState.DRIFT
    assert status.severity is Severity.CRITICAL
    assert status.windows == 3
    assert any("x" in line for line in status.advice)
    record(monitor, reference, ["2026-04", "2026-05", "2026-06"])
    assert monitor.alerts("m") == ()
    (alert,) = monitor.alerts("m", active=False)
    assert alert.closed == "2026-06"
    assert monitor.status("m").advice == ("Nothing to do.",)


def test_since_is_told_for_each_window(monitor: Monitor, reference: Reference) -> None:
    record(monitor, reference)
    since = {r.window: r.pinned["x"].since for r in monitor.history("m")}
    assert since == {
        "2026-01": "", "2026-02": "2026-02", "2026-03": "2026-02",
        "2026-04": "2026-02", "2026-05": "", "2026-06": "",
    }  # fmt: skip


def snapshot(monitor: Monitor) -> object:
    return (
        monitor.alerts("m", active=False),
        [(r.window, r.pinned, r.gaps) for r in monitor.history("m")],
    )


def test_recording_a_window_again_changes_nothing(monitor: Monitor, reference: Reference) -> None:
    record(monitor, reference)
    before = snapshot(monitor)
    with monitor.store.reading() as db:
        told = monitor.store.messages(db)
    record(monitor, reference, ["2026-03", "2026-06", "2026-01"])
    assert snapshot(monitor) == before
    with monitor.store.reading() as db:
        assert monitor.store.messages(db) == told
    assert len(told) == 2  # opened and closed
    assert "Acknowledge: " in told[0].text
    assert "Over in window 2026-06" in told[1].text and "Acknowledge" not in told[1].text


def test_backfill_gives_the_state_of_a_straight_run(
    monitor: Monitor, reference: Reference, tmp_path: Path
) -> None:
    record(monitor, reference)
    other = Monitor(tmp_path / "other")
    record(other, reference, ["2026-06", "2026-03", "2026-01", "2026-05", "2026-02", "2026-04"])
    assert snapshot(other) == snapshot(monitor)


def test_backfilled_alerts_that_are_over_are_not_told(reference: Reference, tmp_path: Path) -> None:
    monitor = Monitor(tmp_path, alerts=ALERTS)
    record(monitor, reference, ["2026-06", "2026-05", "2026-04", "2026-03", "2026-02", "2026-01"])
    with monitor.store.reading() as db:
        assert monitor.store.messages(db) == ()


def test_the_trailing_baseline_stands_beside_and_leaves_faulty_windows_out(
    monitor: Monitor, reference: Reference
) -> None:
    record(monitor, reference, ["2026-01", "2026-02"])
    broken = window(1.0, 90, drop=True)
    result = monitor.record_window("m", "2026-02b", broken, reference=reference, version="1")
    assert result.pinned.state is DriftState.SCHEMA
    result = monitor.record_window(
        "m", "2026-03", window(1.0, 91), reference=reference, version="1"
    )
    assert [report.baseline for report in result.reports] == ["pinned", "trailing"]
    assert result.reports[1].reference_windows == ("2026-01", "2026-02")


def test_windows_with_a_new_column_have_a_trailing_baseline_and_no_fault_to_mend(
    monitor: Monitor, reference: Reference
) -> None:
    told = []
    for number in range(1, 5):
        r = np.random.default_rng(number)
        frame = pd.DataFrame({name: r.normal(0, 1, 1500) for name in ("x", "y", "score")})
        result = monitor.record_window(
            "m", f"2026-0{number}", profile(frame), reference=reference, version="1"
        )
        told.append([alert.severity for alert in monitor.alerts("m")])
    assert result.pinned.state is DriftState.OK
    assert [report.baseline for report in result.reports] == ["pinned", "trailing"]
    assert not any("Mend" in line for line in monitor.status("m").advice)
    assert (told[0], told[1], told[-1]) == ([Severity.INFO], [Severity.INFO], [])


def test_slow_drift_shows_against_the_pinned_baseline_alone(
    tmp_path: Path, reference: Reference
) -> None:
    monitor = Monitor(tmp_path)
    for number in range(10):
        result = monitor.record_window(
            "m", f"{number:02d}", window(0.08 * number, 200 + number), reference=reference
        )
    assert [c.column for c in result.reports[0].drifted] == ["x"]
    assert result.reports[1].drifted == ()
    assert any("not from the last" in line for line in monitor.status("m").advice)


def test_labels_that_arrive_late(monitor: Monitor, reference: Reference) -> None:
    record(monitor, reference, ["2026-01", "2026-02", "2026-03"])
    assert monitor.status("m").performance == ()
    for label in ("2026-02", "2026-03"):
        result = monitor.record_performance("m", label, [auc(label, 0.6)])
    assert [gap.aspect for gap in result.gaps] == ["performance"]
    assert {a.aspect for a in monitor.alerts("m")} == {"drift", "performance"}
    assert monitor.status("m").performance[0].value == 0.6
    # The comparison of columns was left as it was.
    assert result.pinned.drifted
    with pytest.raises(MonitoringError, match="was never recorded") as caught:
        monitor.record_performance("m", "2026-2", [auc("2026-2", 0.6)])
    assert 'did you mean "2026-02"?' in str(caught.value)


def test_labels_that_arrive_late_also_tell_that_it_is_over(
    monitor: Monitor, reference: Reference
) -> None:
    labels = [f"2026-0{number}" for number in range(1, 8)]
    for number, label in enumerate(labels):
        monitor.record_window("m", label, window(0, number), reference=reference, version="1")
    for label, value in zip(labels, (0.6, 0.6, 0.7, 0.7), strict=False):
        monitor.record_performance("m", label, [auc(label, value)])
    assert told(monitor) == ["opened", "closed"]


def test_an_alert_that_a_correction_takes_away_is_withdrawn(
    monitor: Monitor, reference: Reference
) -> None:
    def again(label: str, shift: float) -> None:
        monitor.record_window("m", label, window(shift, 7), reference=reference, version="1")

    record(monitor, reference, ["2026-01", "2026-02", "2026-03"])
    again("2026-03", 0.0)
    assert monitor.alerts("m", active=False) == ()
    assert told(monitor) == ["opened", "withdrawn"]
    again("2026-03", 0.0)
    assert told(monitor) == ["opened", "withdrawn"]
    again("2026-03", 1.0)
    assert told(monitor) == ["opened", "withdrawn", "opened"]
    again("2026-02", 0.0)
    assert told(monitor) == ["opened", "withdrawn", "opened", "withdrawn"]
    with monitor.store.reading() as db:
        messages = monitor.store.messages(db, model="m")
    assert len({message.key for message in messages}) == 4
    assert "there is no such alert" in messages[1].text
    lines = (monitor.state / "monitor.jsonl").read_text().splitlines()
    kinds = [json.loads(line)["kind"] for line in lines]
    assert kinds.count("alert.withdrawn") == 2


def test_a_window_filled_in_before_an_alert_leaves_what_was_said_of_it(
    monitor: Monitor, reference: Reference
) -> None:
    record(monitor, reference, ["2026-03", "2026-04"])
    (alert,) = monitor.alerts("m")
    monitor.acknowledge(alert.id, actor="ana", reason="known")
    record(monitor, reference, ["2026-02"])
    (moved,) = monitor.alerts("m")
    assert moved.id == alert.id.replace("2026-03", "2026-02")
    assert (moved.state, moved.reason) == (AlertState.ACKNOWLEDGED, "known")
    assert told(monitor) == ["opened"]
    # The message named it by its old id; and mending the window it now begins with moves it back.
    assert monitor.snooze(alert.id, until="2026-09", actor="ana").id == moved.id
    monitor.record_window("m", "2026-02", window(0, 7), reference=reference, version="1")
    (back,) = monitor.alerts("m")
    assert (back.id, back.state) == (alert.id, AlertState.SNOOZED)
    record(monitor, reference, ["2026-05", "2026-06"])
    assert told(monitor) == ["opened", "closed"]


def told(monitor: Monitor) -> list[str]:
    with monitor.store.reading() as db:
        return [message.payload["change"] for message in monitor.store.messages(db)]


def test_acknowledge_and_snooze(monitor: Monitor, reference: Reference) -> None:
    record(monitor, reference, ["2026-01", "2026-02", "2026-03"])
    (alert,) = monitor.alerts("m")
    assert monitor.acknowledge(alert.id, actor="ana").state is AlertState.ACKNOWLEDGED
    assert monitor.status("m").severity is Severity.NONE
    snoozed = monitor.snooze(alert.id, until="2026-04", actor="ana", reason="holiday")
    assert snoozed.state is AlertState.SNOOZED
    record(monitor, reference, ["2026-04"])
    assert monitor.alerts("m")[0].state is AlertState.OPEN
    with monitor.store.reading() as db:
        changes = [m.payload["change"] for m in monitor.store.messages(db)]
    assert changes == ["opened", "reminded"]
    with pytest.raises(MonitoringError, match="no active alert is called") as caught:
        monitor.acknowledge(alert.id[:-1], actor="ana")
    assert alert.id in str(caught.value)


def test_retraining_is_called_once_per_cool_down(tmp_path: Path, reference: Reference) -> None:
    called: list[tuple[str, str]] = []
    monitor = Monitor(
        tmp_path,
        alerts=AlertSettings(retrain=True),
        retrain=lambda model, reason: called.append((model, reason)),
    )
    record(monitor, reference, ["2026-01", "2026-02"])
    assert called == []
    record(monitor, reference, ["2026-03", "2026-04", "2026-03"])
    assert len(called) == 1
    assert called[0][0] == "m"
    assert called[0][1].startswith("x: ")


def test_a_retraining_that_failed_is_asked_for_again(tmp_path: Path, reference: Reference) -> None:
    called: list[str] = []

    def fail(model: str, reason: str) -> None:
        called.append(model)
        if len(called) == 1:
            raise MonitoringError("the pipeline failed")

    monitor = Monitor(tmp_path, alerts=AlertSettings(retrain=True, cool_down=0), retrain=fail)
    record(monitor, reference, ["2026-01", "2026-02"])
    with pytest.raises(MonitoringError, match="the pipeline failed"):
        record(monitor, reference, ["2026-03"])
    # The window itself was written all the same.
    assert monitor.history("m")[-1].window == "2026-03"
    record(monitor, reference, ["2026-04", "2026-04", "2026-04"])
    assert called == ["m", "m"]


def test_a_window_is_written_whole_or_not_at_all(
    monitor: Monitor, reference: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(monitor, reference, ["2026-01", "2026-02"])
    before = snapshot(monitor)

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mlops_nb.monitoring.monitor.claim_retraining", die)
    with pytest.raises(KeyboardInterrupt):
        record(monitor, reference, ["2026-03"])
    monkeypatch.undo()
    assert snapshot(monitor) == before
    with monitor.store.reading() as db:
        assert monitor.store.messages(db) == ()


def test_several_processes_may_record_at_once(tmp_path: Path, reference: Reference) -> None:
    errors: list[BaseException] = []

    def work(label: str) -> None:
        try:
            Monitor(tmp_path).record_window(
                "m",
                label,
                window(SHIFTS[label], int(label[-2:]) + 50),
                reference=reference,
                version="1",
            )
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(label,)) for label in SHIFTS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    monitor = Monitor(tmp_path)
    assert [r.window for r in monitor.history("m")] == list(SHIFTS)
    assert len(monitor.alerts("m", active=False)) == 1


def test_reading_makes_nothing(tmp_path: Path) -> None:
    monitor = Monitor(tmp_path / "state")
    assert monitor.models() == ()
    assert monitor.history("m") == ()
    assert monitor.alerts("m") == ()
    assert monitor.performance("m") == ()
    with pytest.raises(MonitoringError, match="was recorded yet"):
        monitor.status("m")
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    "content", [b"", b"not a database at all, but long enough to be read as one"]
)
def test_a_broken_database_is_told(monitor: Monitor, reference: Reference, content: bytes) -> None:
    monitor.store.path.parent.mkdir(parents=True)
    monitor.store.path.write_bytes(content)
    if not content:  # an empty file is a new database to SQLite
        record(monitor, reference, ["2026-01"])
        return
    with pytest.raises(MonitoringError, match="cannot be") as caught:
        record(monitor, reference, ["2026-01"])
    assert "monitor.db" in str(caught.value)


def test_a_database_of_a_later_version_is_left_alone(
    monitor: Monitor, reference: Reference
) -> None:
    record(monitor, reference, ["2026-01"])
    with sqlite3.connect(monitor.store.path) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(MonitoringError, match="later version"):
        Monitor(monitor.state).history("m")


def test_a_broken_row_is_told(monitor: Monitor, reference: Reference) -> None:
    record(monitor, reference, ["2026-01"])
    with sqlite3.connect(monitor.store.path) as db:
        db.execute("UPDATE windows SET sighting = '{'")
    with pytest.raises(MonitoringError, match="holds a broken row"):
        monitor.alerts("m")


def test_a_figure_that_is_no_number_is_refused_and_breaks_nothing(
    monitor: Monitor, reference: Reference
) -> None:
    record(monitor, reference)
    before = monitor.history("m")
    label = before[-1].window
    with pytest.raises(MonitoringError, match=r"window .*, auc: .*infinite or not a number"):
        monitor.record_performance("m", label, [auc(label, float("inf"))])
    broken = msgspec.structs.replace(before[-1], gaps=(gap(label, float("nan")),))
    with (
        pytest.raises(MonitoringError, match=f"m, window {label}: .*not a number"),
        monitor.store.transaction() as db,
    ):
        monitor.store.put_window(db, StoredWindow(result=broken, sighting=Sighting(window=label)))
    assert monitor.history("m") == before


def test_names_are_checked_and_cannot_leave_the_folder(
    monitor: Monitor, reference: Reference
) -> None:
    for model, label in (("", "w"), ("a/b", "w"), ("m", "")):
        with pytest.raises(MonitoringError, match="need names"):
            monitor.record_window(model, label, window(0, 1), reference=reference)
    with pytest.raises(MonitoringError, match='a point of window "b" was given for "a"'):
        monitor.record_window(
            "m", "a", window(0, 1), reference=reference, performance=[auc("b", 1)]
        )
    monitor.record_window("..", "../../w 1", window(0, 1), reference=reference)
    files = [path.relative_to(monitor.state) for path in monitor.state.rglob("*.bin")]
    assert len(files) == 1
    assert files[0].parts[0] == "profiles"
    assert not list(monitor.state.parent.glob("*.bin"))


def test_the_profiles_folder_has_no_room(monitor: Monitor, reference: Reference) -> None:
    monitor.state.mkdir()
    (monitor.state / "profiles").write_text("in the way")
    with pytest.raises(MonitoringError, match="cannot be written"):
        record(monitor, reference, ["2026-01"])
    assert monitor.history("m") == ()


def test_settings_of_windows(tmp_path: Path, reference: Reference) -> None:
    monitor = Monitor(tmp_path, settings=MonitoringSettings(trailing=0, open_after=1, open_of=1))
    record(monitor, reference, ["2026-01", "2026-02", "2026-03"])
    assert all(len(r.reports) == 1 for r in monitor.history("m"))
    assert monitor.alerts("m")[0].opened == "2026-02"


def test_the_journal_has_one_json_object_a_line(tmp_path: Path, reference: Reference) -> None:
    monitor = Monitor(
        tmp_path,
        alerts=AlertSettings(notify=ALERTS.notify, retrain=True),
        retrain=lambda model, reason: None,
    )
    record(monitor, reference, ["2026-01", "2026-02", "2026-03"])
    monitor.deliver()
    monitor.deliver()
    lines = [json.loads(line) for line in (tmp_path / "monitor.jsonl").read_text().splitlines()]
    assert [line["kind"] for line in lines] == [
        "window.recorded", "window.recorded", "window.recorded", "alert.opened",
        "retraining.started", "retraining.finished", "notifications",
    ]  # fmt: skip
    assert lines[2]["figures"] == {"rows": 1500, "columns": 2, "drifted": 1, "drift_share": 0.5}
    assert (lines[3]["subject"], lines[3]["window"]) == ("x", "2026-03")
    assert lines[6]["figures"] == {"sent": 1, "failed": 0, "given_up": 0}


def test_a_forgotten_model_starts_afresh(monitor: Monitor, reference: Reference) -> None:
    record(monitor, reference, ["2026-01", "2026-02", "2026-03"])
    monitor.record_window("other", "2026-01", window(0, 1), reference=reference)
    monitor.forget("m")
    assert monitor.models() == ("other",)
    assert monitor.alerts("m", active=False) == ()
    record(monitor, reference, ["2026-01"])
    assert len(monitor.history("m")[-1].reports) == 1


def test_an_answer_to_nothing_says_what_is_open(monitor: Monitor, reference: Reference) -> None:
    with pytest.raises(MonitoringError, match="no active alert") as caught:
        monitor.acknowledge("m/x/drift@2026-02", actor="ana")
    assert "no alert is open" in caught.value.fix and "monitor status" in caught.value.fix
    assert not monitor.store.path.exists(), "asking makes no database"
    record(monitor, reference, ["2026-01"])
    with pytest.raises(MonitoringError, match="no active alert") as caught:
        monitor.snooze("anything", until="2026-04", actor="ana")
    assert "no alert is open" in caught.value.fix and "monitor status" in caught.value.fix
    record(monitor, reference, ["2026-02", "2026-03"])
    (alert,) = monitor.alerts("m")
    with pytest.raises(MonitoringError) as caught:
        monitor.acknowledge("anything", actor="ana")
    assert alert.id in caught.value.fix


def test_a_window_that_is_refused_leaves_its_profile_alone(
    monitor: Monitor, reference: Reference
) -> None:
    record(monitor, reference, ["2026-01"])
    (kept,) = monitor.state.glob("profiles/m/*.bin")
    before = kept.read_bytes()
    wrong = auc("2026-01", float("inf"))
    with pytest.raises(MonitoringError, match="infinite"):
        monitor.record_window(
            "m", "2026-01", window(3, 9), reference=reference, performance=[wrong]
        )
    assert kept.read_bytes() == before
    assert monitor.history("m")[0].pinned.state is DriftState.OK


def test_an_alert_that_closes_meanwhile_is_answered_or_refused(
    monitor: Monitor, reference: Reference
) -> None:
    """Two processes at once: a window that closes the alert, and someone who acknowledges it."""
    record(monitor, reference, ["2026-01", "2026-02", "2026-03", "2026-05"])
    (alert,) = monitor.alerts("m")
    failures: list[BaseException] = []

    def answer() -> None:
        other = Monitor(monitor.state)
        for _ in range(30):
            try:
                other.acknowledge(alert.id, actor="ana")
            except MonitoringError:
                return
            except BaseException as error:
                failures.append(error)
                return

    thread = threading.Thread(target=answer)
    thread.start()
    record(monitor, reference, ["2026-06"])
    thread.join()
    assert not failures
    assert monitor.alerts("m") == ()


def test_a_snooze_ends_after_the_latest_window(monitor: Monitor, reference: Reference) -> None:
    record(monitor, reference, ["2026-01", "2026-02", "2026-03"])
    (alert,) = monitor.alerts("m")
    for past in ("", "2025", "2026-03"):
        with pytest.raises(MonitoringError, match="is not after 2026-03, the latest window"):
            monitor.snooze(alert.id, until=past, actor="ana")
    assert monitor.alerts("m")[0].state is AlertState.OPEN
    assert monitor.snooze(alert.id, until="2026-04", actor="ana").state is AlertState.SNOOZED


def test_of_many_open_alerts_a_few_are_offered(monitor: Monitor) -> None:
    wide = {f"column{i}": np.zeros(200) for i in range(30)}
    monitor.record_window(
        "m",
        "1",
        profile(pd.DataFrame({"x": np.zeros(200)})),
        reference=Reference([profile(pd.DataFrame({**wide, "x": np.zeros(200)}))]),
    )
    assert len(monitor.alerts("m")) >= 30
    with pytest.raises(MonitoringError) as caught:
        monitor.acknowledge("?", actor="ana")
    assert caught.value.fix.count("m/column") == 5
    assert "monitor alerts" in caught.value.fix


def test_another_version_in_a_window_takes_its_performance_along(
    monitor: Monitor, reference: Reference
) -> None:
    """A window scored anew by another version is not judged by what the old one realised."""
    bad = auc("2026-01", 0.5)
    told = monitor.record_window(
        "m", "2026-01", window(0, 1), reference=reference, version="1", performance=[bad]
    )
    assert [gap.drifted for gap in told.gaps] == [True]
    again = monitor.record_window("m", "2026-01", window(0, 1), reference=reference, version="1")
    assert again.performance == (bad,), "of the same version it stays"
    other = monitor.record_window("m", "2026-01", window(0, 1), reference=reference, version="2")
    assert other.performance == () and other.gaps == ()
    assert monitor.performance("m") == ()


def test_reading_sees_one_moment(monitor: Monitor, reference: Reference) -> None:
    record(monitor, reference, ["2026-01"])
    other = Monitor(monitor.state)
    with monitor.store.reading() as db:
        assert db is not None
        assert monitor.store.count(db, "m") == 1
        record(other, reference, ["2026-02"])
        assert len(monitor.store.sightings(db, "m")) == 1
    with monitor.store.reading() as db:
        assert db is not None and monitor.store.count(db, "m") == 2


def test_what_a_failed_write_says_is_not_hidden(monitor: Monitor, reference: Reference) -> None:
    """SQLite rolls back by itself where the disk is full; a second time would be an error of its own."""
    record(monitor, reference, ["2026-01"])
    with pytest.raises(MonitoringError, match="disk is full"), monitor.store.transaction() as db:
        db.execute("ROLLBACK")
        raise sqlite3.OperationalError("database or disk is full")
