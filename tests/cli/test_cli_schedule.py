"""``mlops-nb schedule`` and ``scheduler`` as a user types them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlops_nb.cli.main import _run
from mlops_nb.errors import ExitCode


@pytest.fixture
def cli(bare_project: Path, capsys):
    """A function that runs the command line and gives exit code, output and errors."""

    def call(*words: str) -> tuple[int, str, str]:
        code = _run(["--project", str(bare_project), *words])
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def as_json(cli):
    def call(*words: str) -> Any:
        code, out, err = cli(*words, "--json")
        assert code == 0, err
        return json.loads(out)

    return call


def test_a_schedules_life(cli, as_json) -> None:
    code, out, _ = cli(
        "schedule", "add", "nightly", "every weekday at 6", "--tz", "Europe/Berlin",
        "-p", "day={{ scheduled_at | date }}", "--retries", "2", "--missed", "3", "--overlap", "queue",
    )  # fmt: skip
    assert code == 0
    assert "At 06:00 on Monday through Friday (Europe/Berlin)" in out
    assert "no daemon is running" in out
    (state,) = as_json("schedule", "list")
    assert state["schedule"]["parameters"] == {"day": "{{ scheduled_at | date }}"}
    assert (state["schedule"]["missed"], state["schedule"]["overlap"]) == (3, "queue")
    assert len(as_json("schedule", "next", "nightly", "-n", "7")) == 7
    assert as_json("schedule", "edit", "nightly", "--when", "@daily")["schedule"]["retries"] == 2
    changed = as_json("schedule", "edit", "nightly", "--timeout", "60")["schedule"]
    assert (changed["timeout"], len(changed["parameters"])) == (60, 1)
    changed = as_json(
        "schedule", "edit", "nightly", "--unset", "timeout", "--unset", "--parameters"
    )["schedule"]
    assert (changed["timeout"], changed["parameters"], changed["retries"]) == (None, {}, 2)
    assert as_json("schedule", "pause", "nightly")["paused"] is True
    assert "paused by" in cli("schedule", "list")[1]
    made = as_json("schedule", "run-now", "nightly")
    assert made["manual"]
    assert "waiting" in cli("schedule", "history", "nightly")[1]
    assert as_json("schedule", "cancel", "nightly", made["local"])["state"] == "cancelled"
    assert as_json("schedule", "history", "--state", "failed") == []
    assert as_json("schedule", "resume", "nightly")["next_at"] is not None
    assert "retries      2" in cli("schedule", "show", "nightly")[1]
    assert as_json("schedule", "remove", "nightly") == {"removed": "nightly"}
    assert "no schedules" in cli("schedule", "list")[1]
    assert as_json("scheduler", "--status") == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("add", "x", "every day at 25"), ExitCode.SCHEDULE, "no time of day"),
        (("add", "x", "61 * * * *"), ExitCode.SCHEDULE, "bad minute"),
        (("add", "a b", "@daily"), ExitCode.SCHEDULE, "cannot name a schedule"),
        (("add", "x", "@daily", "--tz", "berlin"), ExitCode.SCHEDULE, "Europe/Berlin"),
        (("add", "x", "@daily", "-p", "day"), ExitCode.PROJECT, "NAME=VALUE"),
        (("add", "x", "@daily", "-p", "day={{ now }}"), ExitCode.SCHEDULE, "cannot be filled in"),
        (("add", "x", "@daily", "-p", "d={{ ''.__class__ }}"), ExitCode.SCHEDULE, "unsafe"),
        (("add", "x", "@daily", "--missed", "never"), ExitCode.USAGE, "none of skip, once"),
        (("add", "x", "@daily", "--timeout", "0"), ExitCode.SCHEDULE, "seconds above 0"),
        (("add", "x", "@daily", "--start", "soon"), ExitCode.SCHEDULE, "is no date"),
        (("add", "x", "@daily", "--ref", "--exec=x"), ExitCode.SCHEDULE, "names no commit"),
        (("show", "nightli"), ExitCode.SCHEDULE, 'did you mean "nightly"'),
        (("edit", "nightly", "--unset", "tmeout"), ExitCode.SCHEDULE, 'did you mean "timeout"'),
        (("edit", "nightly", "--unset", "when"), ExitCode.SCHEDULE, "cannot be unset"),
        (("edit", "nightly"), ExitCode.USAGE, "say what to change"),
        (("add", "nightly", "@daily"), ExitCode.SCHEDULE, "schedule edit nightly"),
        (("cancel", "nightly", "2026-01-01"), ExitCode.SCHEDULE, "lacks its offset"),
    ],
)
def test_what_is_wrong_is_said(cli, words, code, said) -> None:
    assert cli("schedule", "add", "nightly", "@daily")[0] == 0
    found, _, err = cli("schedule", *words)
    assert found == code, err
    assert said in err


def test_a_run_of_a_schedule_takes_no_tasks(cli) -> None:
    assert cli("run", "--schedule", "x", "--force")[0] == ExitCode.USAGE
    code, _, err = cli("run", "--schedule", "x")
    assert code == ExitCode.SCHEDULE
    assert "no schedule is called" in err
    assert cli("run", "--schedule", "x", "--claim", "nonsense")[0] == ExitCode.USAGE


def test_export_prints_writes_and_checks(cli, as_json, bare_project: Path) -> None:
    cli("schedule", "add", "nightly", "0 6 * * *")
    assert cli("schedule", "export", "--to", "cron", "--machine-tz", "UTC", "--check")[0] == 1
    _, out, _ = cli("schedule", "export", "--to", "cron", "--machine-tz", "UTC", "--print")
    assert out.splitlines()[-1].startswith("0 6 * * * ")
    assert "run --schedule nightly --occurrence due" in out
    made = as_json("schedule", "export", "--to", "cron", "--machine-tz", "UTC")
    assert made["written"] == ["schedules/crontab"]
    assert cli("schedule", "export", "--to", "cron", "--machine-tz", "UTC", "--check")[0] == 0
