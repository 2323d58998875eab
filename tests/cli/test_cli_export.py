from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mlops_nb.errors import ExitCode
from tests.e2e.helpers import chain, cli, cli_json

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chain(tmp_path_factory.mktemp("export"))


def test_targets_are_listed(folder: Path) -> None:
    found = {one["name"]: one for one in cli_json(folder, "export")}
    assert {"github", "gitlab", "jenkins", "argo", "kubeflow"} <= set(found)
    assert found["github"]["title"] == "GitHub Actions"
    assert "Argo Workflows" in cli(folder, "export").stdout


def test_written_then_checked_then_stale(folder: Path) -> None:
    assert cli(folder, "export", "gitlab", "--check").returncode == ExitCode.ERROR
    assert not (folder / ".gitlab-ci.yml").exists()
    written = cli_json(folder, "export", "gitlab")["written"]
    assert ".gitlab-ci.yml" in written
    assert cli(folder, "export", "gitlab", "--check").returncode == ExitCode.OK
    path = folder / ".gitlab-ci.yml"
    path.write_text(path.read_text() + "# edited\n")
    stale = cli(folder, "export", "gitlab", "--check")
    assert stale.returncode == ExitCode.ERROR
    assert "-# edited" in stale.stdout


def test_what_an_earlier_export_left_is_removed(folder: Path) -> None:
    settings = folder / "pyproject.toml"
    before = settings.read_text()
    settings.write_text(before + '[tool.mlops-nb.export]\nschedule = "30 4 * * *"\n')
    assert "argo/cron.yaml" in cli_json(folder, "export", "argo")["written"]
    settings.write_text(before)
    assert cli(folder, "export", "argo", "--check").returncode == ExitCode.ERROR
    assert "  - argo/cron.yaml" in cli(folder, "export", "argo").stdout
    assert not (folder / "argo/cron.yaml").exists()
    assert cli(folder, "export", "argo", "--check").returncode == ExitCode.OK


def test_the_projects_own_schedule_is_used(folder: Path) -> None:
    settings = folder / "pyproject.toml"
    before = settings.read_text()
    when = '[tool.mlops-nb.schedules.nightly]\nwhen = "every weekday at 6"\ntimezone = "Europe/Berlin"\n'
    part = '[tool.mlops-nb.schedules.part]\nwhen = "every hour"\ntasks = ["a"]\n'
    settings.write_text(before + when + part)
    cli(folder, "export", "argo")
    spec = yaml.safe_load((folder / "argo/cron.yaml").read_text())["spec"]
    assert (spec["schedules"], spec["timezone"]) == (["0 6 * * 1-5"], "Europe/Berlin")
    settings.write_text(before + when + '[tool.mlops-nb.export]\nschedule = ""\n')
    assert cli_json(folder, "export", "argo")["removed"] == ["argo/cron.yaml"]
    settings.write_text(before)


def test_unknown_target_names_the_nearest(folder: Path) -> None:
    done = cli(folder, "export", "gitlub")
    assert done.returncode == ExitCode.PLUGIN
    assert "did you mean" in done.stderr


def test_several_targets_at_once(folder: Path) -> None:
    found = cli_json(folder, "export", "docker", "conda")
    assert [one["target"] for one in found] == ["docker", "conda"]
    assert cli(folder, "export", "docker", "conda", "--check").returncode == ExitCode.OK
    (folder / "environment.yml").unlink()
    assert cli(folder, "export", "docker", "conda", "--check").returncode == ExitCode.ERROR


def test_what_the_project_lacks_is_told(folder: Path) -> None:
    done = cli(folder, "export", "github", "--group", "auto")
    assert done.returncode == ExitCode.OK
    assert "pip freeze --exclude-editable > requirements.txt" in done.stderr
    assert "no run here has measured the tasks yet" in done.stderr


def test_the_hook_checks_the_targets_it_is_given(folder: Path) -> None:
    (hook,) = yaml.safe_load((REPOSITORY / ".pre-commit-hooks.yaml").read_text())
    words = hook["entry"].split()
    assert words[0] == "mlops-nb"
    cli(folder, "export", "dask")
    assert cli(folder, *words[1:], "dask").returncode == ExitCode.OK
    (folder / "dask/run.py").write_text("")
    stale = cli(folder, *words[1:], "dask")
    assert stale.returncode == ExitCode.ERROR
    assert "+++ b/dask/run.py" in stale.stdout
