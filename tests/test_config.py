from __future__ import annotations

import os
import re
from pathlib import Path

import msgspec
import pytest

from mlops_nb.config import find_project, telemetry_off
from mlops_nb.errors import ConfigError, ProjectError
from mlops_nb.monitoring.settings import AlertSettings, MonitoringSettings


class Gates(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    auc: float = 0.5


def settings(folder: Path, text: str) -> None:
    (folder / "pyproject.toml").write_text("[tool.mlops-nb]\n" + text)


def test_bare_project_has_defaults(bare_project: Path) -> None:
    project = find_project(bare_project, env={})
    assert project.root == bare_project
    assert project.name == bare_project.name
    assert project.tracking_uri == f"sqlite:///{bare_project}/.mlops/mlflow.db"
    assert not project.state.exists()


def test_found_from_below_and_by_its_specification(bare_project: Path) -> None:
    below = bare_project / "notebooks" / "deep"
    below.mkdir(parents=True)
    assert find_project(below, env={}).root == bare_project
    assert find_project(bare_project / "pipeline.yaml", env={}).root == bare_project


def test_entry_point_names_another_specification(bare_project: Path) -> None:
    (bare_project / "pipeline.serve.yaml").write_text("tasks: []\n")
    project = find_project(bare_project, env={"ENTRY_POINT": "pipeline.serve.yaml"})
    assert project.spec == bare_project / "pipeline.serve.yaml"


def test_no_project_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="mlops-nb init"):
        find_project(tmp_path, env={})


def test_environment_wins_over_the_file(bare_project: Path) -> None:
    settings(bare_project, "jobs = 2\ncold = false\n")
    project = find_project(bare_project, env={"MLOPS_NB_JOBS": "7", "MLOPS_NB_COLD": "true"})
    assert (project.settings.jobs, project.settings.cold) == (7, True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("job = 2", 'did you mean "jobs"'),
        ("jobs = 'two'", r"Expected `int`, got `str` - at `\$\.jobs`"),
        ("[tool.mlops-nb.tasks.train]\nretrys = 2", "retrys"),
        ("jobs = ", "not valid TOML"),
    ],
)
def test_wrong_settings_are_named(bare_project: Path, text: str, message: str) -> None:
    settings(bare_project, text)
    with pytest.raises(ConfigError, match=message) as caught:
        find_project(bare_project, env={})
    assert "pyproject.toml" in caught.value.where


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('retrain-severity = "critcal"', r"\$.`?retrain-severity"),
        (
            '[[tool.mlops-nb.alerts.notify]]\nkind = "slack"\nseverity = "warn"',
            r"\$.notify.*severity",
        ),
    ],
)
def test_a_severity_that_there_is_not_is_named(bare_project: Path, text: str, place: str) -> None:
    settings(bare_project, f"[tool.mlops-nb.alerts]\n{text}")
    with pytest.raises(ConfigError, match=f"Invalid enum value '(warn|critcal)' - at `{place}"):
        find_project(bare_project, env={}).section("alerts", AlertSettings)


def test_wrong_environment_is_named(bare_project: Path) -> None:
    with pytest.raises(ConfigError, match="MLOPS_NB_JOBS=many"):
        find_project(bare_project, env={"MLOPS_NB_JOBS": "many"})


def test_task_settings_by_name_then_pattern(bare_project: Path) -> None:
    settings(
        bare_project,
        '[tool.mlops-nb.tasks."train-*"]\nretries = 1\n[tool.mlops-nb.tasks.train-2]\nretries = 5\n',
    )
    project = find_project(bare_project, env={})
    assert [project.task_settings(name).retries for name in ("train-1", "train-2", "other")] == [
        1,
        5,
        0,
    ]


def test_a_cache_is_named_relative_to_the_project(
    bare_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings(bare_project, 'cache = "kept"')
    (bare_project / "notebooks").mkdir()
    monkeypatch.chdir(bare_project / "notebooks")
    assert find_project(env={}).cache_url == str(bare_project / "kept")
    for url in ("s3://bucket/kept", "/somewhere/else"):
        assert find_project(env={"MLOPS_NB_CACHE": url}).cache_url == url


def test_section_belongs_to_its_stage(bare_project: Path) -> None:
    settings(bare_project, "[tool.mlops-nb.gates]\nauc = 0.7\n")
    project = find_project(bare_project, env={})
    assert project.section("gates", Gates).auc == 0.7
    settings(bare_project, "[tool.mlops-nb.gates]\nacu = 0.7\n")
    with pytest.raises(ConfigError, match="acu"):
        find_project(bare_project, env={}).section("gates", Gates)


def test_telemetry_is_off() -> None:
    telemetry_off()
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert os.environ["PLOOMBER_STATS_ENABLED"] == "false"


@pytest.mark.parametrize(
    ("table", "said", "fix"),
    [
        ("[monitoring]\nopen-aftr = 2", "unknown field `open-aftr`", '"open-after"'),
        ("[monitoring.drift]\nnul-rate = 0.1", "unknown field `nul-rate`", '"null-rate"'),
        ("[[alerts.notify]]\nkind = 'slack'\nurl-en = 'X'", "unknown field `url-en`", '"url-env"'),
        ("[monitoring]\nopen-after = 5", "no alert would ever open", ""),
        ("[monitoring]\nclose-after = 0", ">= 1", ""),
        ("[monitoring.drift]\nks = -0.1", ">= 0", ""),
        ("[monitoring.drift]\nalpha = nan", "> 0", ""),
        ("[monitoring.drift]\nalpha = 1.0", "< 1", ""),
        ("[monitoring.drift]\nspread = nan", ">= 0", ""),
        ("[monitoring.drift]\nmin-rows = 0", ">= 1", ""),
        ("[alerts]\nmax-attempts = 0", ">= 1", ""),
        ("[[alerts.notify]]\nkind = 'email'\nport = 99999", "<= 65535", ""),
        ("[[alerts.notify]]\nkind = 'slack'\ntimeout = 600.0", "<= 100", ""),
    ],
)
def test_settings_that_would_silence_monitoring_are_refused(
    tmp_path: Path, table: str, said: str, fix: str
) -> None:
    (tmp_path / "pipeline.yaml").write_text("tasks: []\n")
    text = re.sub(r"(?m)^(\[+)", r"\1tool.mlops-nb.", table)
    (tmp_path / "pyproject.toml").write_text(text)
    project = find_project(tmp_path)
    with pytest.raises(ConfigError) as caught:
        project.section("monitoring", MonitoringSettings)
        project.section("alerts", AlertSettings)
    assert said in caught.value.message
    assert fix in caught.value.fix
