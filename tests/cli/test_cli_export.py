from __future__ import annotations

from pathlib import Path

import pytest

from mlops_nb.errors import ExitCode
from tests.e2e.helpers import chain, cli, cli_json


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chain(tmp_path_factory.mktemp("export"))


def test_targets_are_listed(folder: Path) -> None:
    assert {"github", "gitlab", "jenkins", "argo", "kubeflow"} <= set(cli_json(folder, "export"))


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


def test_unknown_target_names_the_nearest(folder: Path) -> None:
    done = cli(folder, "export", "gitlub")
    assert done.returncode == ExitCode.PLUGIN
    assert "did you mean" in done.stderr
