from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlops_nb.api import models
from mlops_nb.cli.main import main
from mlops_nb.errors import ExitCode
from tests import faces_kit as kit

SAID = ("--score", "score", "--predicted", "said", "--label", "late")


@pytest.fixture
def call(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """A function that runs a command in a project with a champion."""
    root = kit.make_project(tmp_path / "p")
    kit.register(root)
    models.promote(str(root), 1)
    capsys.readouterr()
    monkeypatch.chdir(root)

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main(list(arguments))
        assert isinstance(stop.value.code, int)
        told = capsys.readouterr()
        return stop.value.code, told.out, told.err

    return run


def read(told: tuple[int, str, str], code: int = ExitCode.OK) -> Any:
    assert told[0] == code, told[2]
    return json.loads(told[1])


def test_drift_check_exits_with_10_on_drift(call, tmp_path: Path) -> None:
    same = str(kit.window(tmp_path, "same"))
    moved = str(kit.window(tmp_path, "moved", shift=1.5))
    code, out, _ = call("drift", "check", str(kit.reference()), same)
    assert code == ExitCode.OK
    assert "✓ ok" in out and "4 reference windows" in out
    code, out, _ = call("drift", "check", str(kit.reference()), moved, "--page", "page.html")
    assert code == ExitCode.DRIFT
    assert "≠ drift" in out and "page: page.html" in out
    assert Path("page.html").is_file()
    found = read(call("drift", "check", same, moved, "--json"), ExitCode.DRIFT)
    assert found["drifted"] is True
    assert {"window", "state", "severity", "columns"} <= found["report"].keys()
    assert call("drift", "check", same, "none.parquet")[0] == ExitCode.USAGE
    Path("broken.bin").write_bytes(b"not a profile")
    code, _, err = call("drift", "check", same, "broken.bin")
    assert code == ExitCode.MONITORING
    assert "cannot be read as a whylogs profile" in err


def test_profile_of_files_and_of_runs(call, tmp_path: Path) -> None:
    data = str(kit.window(tmp_path, "may"))
    code, out, _ = call("profile", data, "-o", "may.bin", "--segment", "side")
    assert code == ExitCode.OK
    assert "800 rows, 7 columns, 2 segments, written to may.bin" in out
    facts = read(call("profile", "may.bin", "--column", "a", "--json"))
    assert facts["rows"] == 800
    assert facts["columns"][0]["name"] == "a"
    one = read(call("profile", "--data", data, "--column", "a", "--json"))
    assert [column["name"] for column in one["columns"]] == ["a"]
    code, _, err = call("profile", "gone.parquet")
    assert code == ExitCode.MONITORING
    assert "gone.parquet" in err
    # What is no file is a run.
    code, _, err = call("profile")
    assert code == ExitCode.RUN
    assert call("profile", "20260301-0600")[0] == ExitCode.RUN
    code, _, err = call("profile", "latest", "other")
    assert code == ExitCode.USAGE
    assert "name one run, or data files that exist" in err


def test_run_status_alerts_and_answers(call, tmp_path: Path) -> None:
    assert "nothing is monitored yet" in call("monitor", "status")[1]
    clean = str(kit.window(tmp_path, "may", seed=5))
    code, out, _ = call("monitor", "run", "--window", "2013-05", "--data", clean, *SAID)
    assert code == ExitCode.OK
    assert "trips v1, window 2013-05" in out
    assert "realised" in out and "valid under covariate shift" in out
    for number in (6, 7):
        moved = str(kit.window(tmp_path, f"w{number}", seed=number, shift=1.5))
        told = call("monitor", "run", "trips", "--window", f"2013-0{number}", "--data", moved)
    assert told[0] == ExitCode.DRIFT
    assert "trips/a/drift@2013-06" in told[1]
    found = read(
        call("monitor", "run", "--window", "2013-07", "--data", moved, "--json"), ExitCode.DRIFT
    )
    assert found["drifted"] is True and found["retrained"] is None
    assert found["result"]["window"] == "2013-07"

    code, out, _ = call("monitor", "status")
    assert code == ExitCode.OK
    assert "the latest of 3" in out and "→ " in out
    assert read(call("monitor", "status", "--json"))[0]["windows"] == 3
    alert = "trips/a/drift@2013-06"
    assert alert in [row["id"] for row in read(call("monitor", "alerts", "--json"))]
    code, out, _ = call("monitor", "ack", alert, "--reason", "heat", "--actor", "ann")
    assert code == ExitCode.OK
    assert "acknowledged" in out
    snoozed = read(call("monitor", "snooze", alert, "--until", "2013-09", "--json"))
    assert (snoozed["state"], snoozed["snoozed_until"]) == ("snoozed", "2013-09")
    code, _, err = call("monitor", "alerts", "tripz")
    assert code == ExitCode.MONITORING
    assert "tripz" in err and "trips" in err
    code, _, err = call("monitor", "ack", "trips/a/drift@2013-05")
    assert code == ExitCode.MONITORING
    assert alert in err

    code, out, _ = call("monitor", "report", "--window", "2013-06")
    assert code == ExitCode.OK
    assert Path(out.strip()).name == "2013-06.html"
    assert Path(read(call("monitor", "report", "-o", "pages", "--json"))["page"]).is_file()
    assert "nothing to send" in call("monitor", "deliver")[1]


def test_backfill(call, tmp_path: Path) -> None:
    files = [str(kit.window(tmp_path, f"2013-0{n}", seed=n)) for n in (6, 5)]
    code, out, _ = call("monitor", "backfill", *files, *SAID)
    assert code == ExitCode.OK
    assert out.index("2013-05") < out.index("2013-06")
    found = read(call("monitor", "backfill", "-m", "trips", f"2013-04={files[0]}", "--json"))
    assert [row["window"] for row in found] == ["2013-04"]
    assert call("monitor", "backfill")[0] == ExitCode.USAGE


def test_messages_that_cannot_be_sent_are_told_and_wait(call, tmp_path: Path) -> None:
    settings = Path("pyproject.toml")
    notify = '[[tool.mlops-nb.alerts.notify]]\nkind = "command"\ncommand = ["no-such-program"]\n'
    settings.write_text(settings.read_text() + notify)
    for number in (5, 6):
        moved = str(kit.window(tmp_path, f"w{number}", seed=number, shift=1.5))
        told = call("monitor", "run", "--window", f"2013-0{number}", "--data", moved)
    assert "✗ not delivered: command: no-such-program" in told[1]
    assert "mlops-nb monitor deliver tries again" in told[1]
    again = call("monitor", "deliver")
    assert again[0] == ExitCode.OK and "nothing is due" in again[1]
    assert "wait; mlops-nb monitor deliver" in again[1]


def test_what_is_missing_exits_with_its_phase(call, tmp_path: Path) -> None:
    data = str(kit.window(tmp_path, "may"))
    code, _, err = call("monitor", "run", "--window", "w", "--data", data, "--version", "7")
    assert code == ExitCode.REGISTRY
    assert "has no version 7" in err
    code, _, err = call("monitor", "run", "--window", "w", "--data", data, "--score", "scoer")
    assert code == ExitCode.MONITORING
    assert "scoer" in err
    code, _, err = call("monitor", "report")
    assert code == ExitCode.MONITORING
    assert "monitor run" in err


def test_series_and_rules_for_prometheus(call, tmp_path: Path) -> None:
    data = str(kit.window(tmp_path, "may"))
    call("monitor", "run", "--window", "2013-05", "--data", data)
    code, out, _ = call("monitor", "serve", "--textfile", "series.prom")
    assert (code, out.strip()) == (ExitCode.OK, "series.prom")
    assert 'model="trips"' in Path("series.prom").read_text()
    code, _, err = call("monitor", "serve", "--push", "http://127.0.0.1:1")
    assert code == ExitCode.MONITORING
    assert "Pushgateway" in err
    code, _, err = call("monitor", "serve", "--host", "256.0.0.1")
    assert code == ExitCode.MONITORING
    assert "--port" in err
    board = read(call("monitor", "dashboard", "grafana/trips.json", "--json"))["file"]
    assert json.loads(Path(board).read_text())["uid"] == "mlops-nb-monitoring"
    rules, tests = read(call("monitor", "rules", "prometheus", "--json"))
    assert "MlopsNbDrift" in Path(rules).read_text()
    assert Path(rules).name in Path(tests).read_text()


def test_an_alert_that_no_one_knows_is_refused_with_what_is_known(call, tmp_path: Path) -> None:
    for answer in (("ack", "x/y/drift@1"), ("snooze", "x/y/drift@1", "--until", "2")):
        code, out, err = call("monitor", *answer)
        assert code == ExitCode.MONITORING and not out
        assert 'no active alert is called "x/y/drift@1"' in err
        assert "no alert is open" in err and "mlops-nb monitor status" in err
        assert "Traceback" not in err


def test_wrong_data_are_told_with_what_to_do(call, tmp_path: Path) -> None:
    data = str(kit.window(tmp_path, "may"))
    (tmp_path / "folder").mkdir()
    for name, content in (
        ("cut.parquet", b"PAR1"),
        ("empty.parquet", b""),
        ("empty.csv", b""),
        ("empty.bin", b""),
        ("cut.arrow", b"ARROW1"),
        ("folder", None),
        ("none.csv", None),
    ):
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        code, out, err = call("profile", "--data", str(path))
        assert code == ExitCode.MONITORING and not out, name
        assert name in err and "fix:" in err, err
    for option, what in (("--score", "score"), ("--predicted", "predict"), ("--label", "label")):
        code, _, err = call("profile", data, option, "nope")
        assert code == ExitCode.MONITORING
        assert '"nope"' in err and what in err and "fix:" in err
    for command in (
        ("profile", data),
        ("drift", "check", data, data),
        ("monitor", "run", "--window", "w", "--data", data),
    ):
        assert call(*command, "-j", "-1")[0] == ExitCode.USAGE


def test_an_empty_reference_is_no_reference(call, tmp_path: Path) -> None:
    data = str(kit.window(tmp_path, "may"))
    Path("nothing.csv").write_text("a,b,late\n")
    code, _, err = call("drift", "check", "nothing.csv", data)
    assert code == ExitCode.MONITORING
    assert "the reference holds no rows" in err and "fix:" in err


def test_a_window_is_recorded_where_a_notifiers_secret_is_missing(call, tmp_path: Path) -> None:
    settings = Path("pyproject.toml")
    notify = '[[tool.mlops-nb.alerts.notify]]\nkind = "webhook"\nurl-env = "NO_SUCH_URL"\n'
    settings.write_text(settings.read_text() + notify)
    for number in (5, 6):
        moved = str(kit.window(tmp_path, f"w{number}", seed=number, shift=1.5))
        told = call("monitor", "run", "--window", f"2013-0{number}", "--data", moved)
        assert told[0] == ExitCode.DRIFT
        assert "≠ drift" in told[1] and "✗ not delivered" in told[1]
        assert "lacks NO_SUCH_URL" in told[1]
    assert "wait" in told[1]
    code, _, err = call("monitor", "deliver")
    assert code == ExitCode.PROJECT and "lacks NO_SUCH_URL" in err


def test_what_cannot_be_written_is_told_without_the_drafts_name(call, tmp_path: Path) -> None:
    data = str(kit.window(tmp_path, "may"))
    call("monitor", "run", "--window", "2013-05", "--data", data)
    Path("file").write_text("")
    for command in (
        ("monitor", "serve", "--textfile", "file/x.prom"),
        ("monitor", "report", "-o", "file/pages"),
        ("drift", "check", data, data, "--page", "file/x.html"),
    ):
        code, _, err = call(*command)
        assert code == ExitCode.MONITORING
        assert "cannot be written" in err and "file/" in err
        assert "/." not in err, "the temporary file is no one's business"
