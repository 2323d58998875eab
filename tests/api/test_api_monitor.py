from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from mlops_nb.api import models, monitor, profiles
from mlops_nb.api.monitor import Columns
from mlops_nb.api.pages import write_pages
from mlops_nb.errors import ConfigError, MonitoringError, ProjectError, RegistryError
from mlops_nb.model import AlertState, DriftState, EntryKind
from tests import faces_kit as kit

SAID = Columns(score="score", predicted="said", label="late")
COMMAND = """
[[tool.mlops-nb.alerts.notify]]
kind = "command"
command = ["tee", "-a", {file!r}]
"""


def champion(place: Path, settings: str = "") -> Path:
    root = kit.make_project(place / "p", settings)
    kit.register(root)
    models.check(str(root))
    models.promote(str(root), 1)
    return root


def test_a_window_like_the_reference_is_clean_and_measured(tmp_path: Path) -> None:
    root = champion(tmp_path)
    found = monitor.record(
        str(root), window="2013-05", data=kit.window(tmp_path, "may"), columns=SAID
    )
    assert found.result.pinned is not None
    assert found.result.pinned.state is DriftState.OK
    assert not found.drifted
    assert (found.result.model, found.result.version) == ("trips", "1")
    points = {(p.kind, p.metric): p for p in found.result.performance}
    real, guess = points["realised", "auc"], points["estimated", "auc"]
    assert real.low is not None and real.low < guess.value < (real.high or 0)
    assert {gap.metric for gap in found.result.gaps} >= {"auc", "positive_rate", "brier"}
    assert not [gap for gap in found.result.gaps if gap.drifted]
    assert found.alerts == ()
    assert found.retrained is None


def test_labels_that_come_later_replace_the_window(tmp_path: Path) -> None:
    root = champion(tmp_path)
    early = kit.window(tmp_path, "early", late=float("nan"))
    first = monitor.record(str(root), window="2013-05", data=early, columns=SAID)
    assert {p.kind for p in first.result.performance} == {"estimated"}
    # That labels have not come yet is no drift of theirs.
    assert first.result.pinned is not None
    assert "late" not in [column.column for column in first.result.pinned.columns]
    assert not first.drifted
    # In the meantime another version became champion: the window remains that of the first.
    models.promote(str(root), kit.register(root, noise=0.3), force=True, reason="test")
    later = kit.window(tmp_path, "later")
    second = monitor.record(str(root), window="2013-05", data=later, columns=SAID)
    assert {p.kind for p in second.result.performance} == {"estimated", "realised"}
    assert second.result.version == "1"
    assert len(monitor.windows(str(root))) == 1
    assert monitor.backfill(str(root), data={"2013-05": later})[0].version == "1"
    assert monitor.backfill(str(root), data={"2013-06": later})[0].version == "2"
    named = monitor.record(str(root), window="2013-05", data=later, version="champion")
    assert named.result.version == "2"


def test_drift_alerts_once_and_is_delivered(tmp_path: Path) -> None:
    file = tmp_path / "told.jsonl"
    root = champion(tmp_path, COMMAND.format(file=str(file)))
    for number in (5, 6):
        found = monitor.record(
            str(root),
            window=f"2013-0{number}",
            data=kit.window(tmp_path, f"w{number}", seed=number, shift=1.5),
        )
    assert found.drifted
    (drift,) = [a for a in found.alerts if a.subject == "a"]
    assert (drift.aspect, drift.since, drift.opened) == ("drift", "2013-05", "2013-06")
    assert found.delivery.sent >= 1
    told = [json.loads(part + "}") for part in file.read_text().split("}")[:-1]]
    assert drift.id in [message["alert"] for message in told]
    assert monitor.deliver(str(root)).sent == 0

    acked = monitor.acknowledge(str(root), drift.id, reason="heat", actor="ann")
    assert (acked.state, acked.actor) == (AlertState.ACKNOWLEDGED, "ann")
    snoozed = monitor.snooze(str(root), drift.id, until="2013-09", actor="ann")
    assert (snoozed.state, snoozed.snoozed_until) == (AlertState.SNOOZED, "2013-09")
    (standing,) = monitor.status(str(root))
    assert (standing.windows, standing.state) == (2, DriftState.DRIFT)
    assert monitor.alerts(str(root)) == standing.alerts
    with pytest.raises(MonitoringError, match="no active alert"):
        monitor.acknowledge(str(root), "trips/b/drift@2013-05")

    page = write_pages(str(root))
    assert page.name == "2013-06.html"
    assert 'href="2013-05.html"' in page.read_text()
    earlier = page.with_name("2013-05.html").read_text()
    assert "See the page of 2013-06, the latest window" in earlier
    assert "Nothing to do." not in earlier and "the latest window" not in page.read_text()
    with pytest.raises(MonitoringError, match="never recorded"):
        write_pages(str(root), window="2013-07")


def test_rows_in_hand_are_measured_as_their_file_is(tmp_path: Path) -> None:
    from mlops_nb.api.measure import measure, read_baseline
    from mlops_nb.monitoring.reference import Reference

    path = kit.window(tmp_path, "may")
    baseline = read_baseline(
        kit.artifact(), Reference.load(kit.reference()), model="trips", version="1"
    )
    assert {"auc", "brier"} <= baseline.expected.keys()
    made = profiles.profile_files([path], score="score", predictions="said", label="late")
    read, held = (
        measure("w", made, data, SAID, baseline) for data in (path, pd.read_parquet(path))
    )
    assert [(p.kind, p.metric) for p in read] == [(p.kind, p.metric) for p in held]
    for one, other in zip(read, held, strict=True):
        assert one.value == pytest.approx(other.value, abs=0.003)
    assert measure("w", made, path, Columns(), baseline) == ()


def test_a_missing_column_alerts_at_once(tmp_path: Path) -> None:
    root = champion(tmp_path)
    path = kit.window(tmp_path, "may")
    pd.read_parquet(path).drop(columns="b").to_parquet(path)
    found = monitor.record(str(root), window="2013-05", data=path)
    assert found.result.pinned is not None
    assert found.result.pinned.state is DriftState.SCHEMA
    assert ("b", "schema") in [(alert.subject, alert.aspect) for alert in found.alerts]


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    root = kit.make_project(tmp_path / "p")
    data = kit.window(tmp_path, "may")
    with pytest.raises(RegistryError, match="no model is registered"):
        monitor.record(str(root), window="2013-05", data=data)
    assert monitor.status(str(root)) == ()
    with pytest.raises(MonitoringError, match="no window was recorded yet"):
        monitor.windows(str(root))
    kit.register(root)
    with pytest.raises(RegistryError, match='no version holds the alias "champion"'):
        monitor.record(str(root), window="2013-05", data=data)
    with pytest.raises(MonitoringError, match="scor"):
        monitor.record(
            str(root), window="2013-05", data=data, version="1", columns=Columns(score="scor")
        )
    with pytest.raises(MonitoringError, match="which model it belongs to"):
        monitor.record(str(root), window="2013-05", data=data, reference=kit.reference())


def test_a_reference_without_a_registry(tmp_path: Path) -> None:
    root = kit.make_project(tmp_path / "p")
    found = monitor.record(
        str(root),
        "mine",
        window="2013-05",
        data=kit.window(tmp_path, "may", shift=1.5),
        columns=SAID,
        reference=kit.reference(),
    )
    assert found.drifted
    assert (found.result.model, found.result.version) == ("mine", "")
    assert {p.kind for p in found.result.performance} == {"estimated", "realised"}
    assert not (root / ".mlops" / "ledger.db").exists()


def test_a_data_file_is_a_reference_too(tmp_path: Path) -> None:
    root = kit.make_project(tmp_path / "p")
    may, june = kit.window(tmp_path, "may"), kit.window(tmp_path, "june", shift=1.5)
    for data, drifted in ((may, False), (june, True)):
        found = monitor.record(
            str(root), "mine", window=data.stem, data=data, columns=SAID, reference=may
        )
        assert found.drifted is drifted
        assert found.result.pinned is not None
        assert found.result.pinned.reference_windows == ("may",)


def test_a_regressor_is_measured_on_its_rows(tmp_path: Path) -> None:
    from sklearn.linear_model import LinearRegression

    from mlops_nb.registry.artifact import save_model

    frame = kit.rows(1)
    model = LinearRegression().fit(frame[["a", "b"]], frame["c"] * 3 + 5 * frame["a"])
    known = pd.DataFrame({"target": frame["c"] * 3 + 5 * frame["a"]})
    known["score"] = model.predict(frame[["a", "b"]])
    profiles.profile_files([kit.window(tmp_path, "ref", delay=0.0)], out=tmp_path / "ref.bin")
    save_model(
        model,
        tmp_path / "model",
        name="delay",
        example=frame[["a", "b"]].head(3),
        holdout_scores=known,
        reference_profiles=[tmp_path / "ref.bin"],
    )
    root = kit.make_project(tmp_path / "p")
    models.register(str(root), tmp_path / "model")
    now = kit.rows(2)
    data = tmp_path / "now.csv"
    now.assign(said=model.predict(now[["a", "b"]]), true=now["c"] * 3 + 5 * now["a"]).to_csv(
        data, index=False
    )
    found = monitor.record(
        str(root),
        window="2013-05",
        data=data,
        version="latest",
        columns=Columns(predicted="said", label="true"),
    )
    points = {(p.kind, p.metric): p.value for p in found.result.performance}
    assert points["realised", "mae"] == pytest.approx(points["estimated", "mae"], rel=0.15)
    with pytest.raises(MonitoringError, match="does not say which label"):
        monitor.record(
            str(root),
            window="2013-06",
            data=profiles_of(tmp_path, data),
            version="1",
            columns=Columns(predicted="said", label="true"),
        )


def profiles_of(place: Path, data: Path) -> Path:
    profiles.profile_files([data], out=place / "now.bin")
    return place / "now.bin"


def test_backfill_in_order_without_telling_anyone(tmp_path: Path) -> None:
    root = champion(tmp_path, "[tool.mlops-nb.alerts]\nretrain = true\n")
    data = monitor.name_windows(
        [
            str(kit.window(tmp_path, "2013-06", seed=6, shift=1.5)),
            f"2013-05={kit.window(tmp_path, 'may', seed=5, shift=1.5)}",
        ]
    )
    seen: list[str] = []
    found = monitor.backfill(str(root), data=data, progress=lambda r: seen.append(r.window))
    assert seen == [result.window for result in found] == ["2013-05", "2013-06"]
    assert "a" in [alert.subject for alert in monitor.alerts(str(root))]
    assert not (root / ".mlops" / "runs").exists()
    part = tmp_path / "month=2013-07" / "x.parquet"
    part.parent.mkdir()
    part.touch()
    assert monitor.name_windows([str(part), f"2013-08={part}"]) == {"x": part, "2013-08": part}
    with pytest.raises(MonitoringError, match='two files stand for window "x"'):
        monitor.name_windows(["one/x.csv", "x=two.csv"])


RETRAIN = """
[tool.mlops-nb.alerts]
retrain = true
retrain-parameters = { until = "{window}-28" }
[tool.mlops-nb.gates.checks.good-enough]
kind = "metric"
metric = "roc_auc"
min = 0.75
"""
SPEC = """
tasks:
  - source: train.py
    name: train
    product: {nb: out/train.ipynb, done: out/done.txt}
"""


def drifted_twice(root: Path, place: Path) -> monitor.Recorded:
    for number in (5, 6):
        found = monitor.record(
            str(root),
            window=f"2013-0{number}",
            data=kit.window(place, f"w{number}", seed=number, shift=1.5),
        )
    return found


def test_drift_runs_the_pipeline_and_hands_over_a_challenger(tmp_path: Path) -> None:
    root = champion(tmp_path, RETRAIN)
    (root / "pipeline.yaml").write_text(SPEC)
    (root / "train.py").write_text(
        '# %% tags=["parameters"]\nuntil = "2013-04-30"\nupstream = None\nproduct = None\n'
        "# %%\nimport json, os, pathlib, shutil, mlops_nb\n"
        f"old = {str(kit.artifact())!r}\n"
        "model = mlops_nb.load_model(old, digest=mlops_nb.read_manifest(old).digest)\n"
        "import pandas as pd\n"
        "mlops_nb.save_model(model, 'made', name='trips', metrics={'roc_auc': 0.8},\n"
        "    example=pd.read_parquet(old + '/example.parquet'))\n"
        "mlops_nb.register_model('made')\n"
        "pathlib.Path(product['done']).write_text(until)\n"
    )
    found = drifted_twice(root, tmp_path)
    done = found.retrained
    assert done is not None
    assert (done.challenger, done.error) == (2, "")
    assert [(gate.gate, gate.passed) for gate in done.gates] == [("good-enough", True)]
    assert (root / "out" / "done.txt").read_text() == "2013-06-28"
    assert models.show(str(root), "challenger").version.run_id == done.run
    assert models.show(str(root), "champion").version.version == 1
    moved = models.history(str(root))[-1]
    assert (moved.kind, moved.actor) == (EntryKind.PROMOTED, "monitor")
    assert moved.reason.startswith("drift: a: ")
    # Within the cool-down nothing is started again.
    again = monitor.record(
        str(root), window="2013-07", data=kit.window(tmp_path, "w7", seed=7, shift=1.5)
    )
    assert again.retrained is None


def test_a_retraining_that_fails_leaves_the_window_recorded(tmp_path: Path) -> None:
    root = champion(tmp_path, RETRAIN)
    (root / "pipeline.yaml").write_text("tasks: [")
    found = drifted_twice(root, tmp_path)
    assert found.retrained is not None
    assert "pipeline.yaml" in found.retrained.error
    assert found.result.window == "2013-06"
    assert [r.window for r in monitor.windows(str(root))] == ["2013-05", "2013-06"]


def test_profiles_of_files_are_merged_and_described(tmp_path: Path) -> None:
    one, two = kit.window(tmp_path, "one"), kit.window(tmp_path, "two", side=None)
    profiles.profile_files([one], out=tmp_path / "one.bin", segments=["side"])
    whole = profiles.profile_files([tmp_path / "one.bin", two])
    facts = profiles.describe(whole, file="x")
    assert facts.rows == 1600
    columns = {column.name: column for column in facts.columns}
    assert (columns["side"].kind, columns["side"].nulls) == ("categorical", 800)
    assert columns["a"].minimum is not None
    assert columns["a"].minimum < (columns["a"].median or 0) < (columns["a"].maximum or 0)
    assert list(columns["side"].top) in (["left", "right"], ["right", "left"])
    assert facts.segments == ("side=left", "side=right")
    with pytest.raises(MonitoringError):
        profiles.profile_files([tmp_path / "none.parquet"])
    with pytest.raises(MonitoringError, match="no data were named"):
        profiles.profile_files([])


def test_drift_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    same, moved = kit.window(tmp_path, "same"), kit.window(tmp_path, "moved", shift=1.5)
    assert not profiles.check_drift(None, kit.reference(), same).drifted
    assert not profiles.check_drift(None, kit.artifact(), same).drifted
    found = profiles.check_drift(None, kit.reference(), moved, page=tmp_path / "page.html")
    assert found.drifted
    assert found.report["a"].drifted
    assert "<html" in (tmp_path / "page.html").read_text()
    little = kit.window(tmp_path, "little", shift=0.4)
    assert profiles.check_drift(None, same, little).drifted
    assert not profiles.check_drift(None, same, little, fail_on="critical").drifted
    extra = kit.window(tmp_path, "extra", gate=1.0)
    assert not profiles.check_drift(None, same, extra).drifted
    assert profiles.check_drift(None, same, extra, fail_on="info").drifted
    assert not profiles.check_drift(None, same, extra, fail_on="info", ignore=["gate"]).drifted


def test_settings_of_a_project_hold_and_broken_ones_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert profiles.monitoring_settings(None).trailing == 6
    with pytest.raises(ProjectError):
        profiles.monitoring_settings(str(tmp_path))
    root = kit.make_project(tmp_path / "p", "[tool.mlops-nb.monitoring]\ntrailing = 3\n")
    assert profiles.monitoring_settings(str(root)).trailing == 3
    (root / "pyproject.toml").write_text("[tool.mlops-nb.monitoring]\ntrailing = 'x'\n")
    monkeypatch.chdir(root)
    with pytest.raises(ConfigError):
        profiles.monitoring_settings(None)


def test_series_are_scraped_as_they_stand(tmp_path: Path) -> None:
    from urllib.request import urlopen

    from mlops_nb.api import metrics

    root = champion(tmp_path)
    server, thread = metrics.serve(str(root), port=0)
    try:
        url = f"http://127.0.0.1:{server.server_port}/metrics"
        monitor.record(str(root), window="2013-05", data=kit.window(tmp_path, "may"))
        with urlopen(url, timeout=10) as answer:
            assert 'model="trips"' in answer.read().decode()
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
