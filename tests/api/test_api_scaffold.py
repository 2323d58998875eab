from __future__ import annotations

from pathlib import Path

import pytest

from mlops_nb.api.scaffold import init_project
from mlops_nb.errors import ProjectError


def test_writes_a_whole_project(tmp_path: Path) -> None:
    written = init_project(tmp_path / "churn")
    assert {"pipeline.yaml", "pyproject.toml", ".gitignore", "tests/test_pipeline.py"} <= set(
        written
    )
    assert 'name = "churn"' in (tmp_path / "churn" / "pyproject.toml").read_text()
    assert not list(tmp_path.rglob("*.j2"))


def test_empty_folder_is_welcome_and_a_full_one_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert init_project(tmp_path / "empty")
    full = tmp_path / "full"
    full.mkdir()
    (full / "thesis.txt").write_text("mine")
    with pytest.raises(ProjectError, match="is not empty"):
        init_project(full)
    assert [path.name for path in full.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("name", ["bad name", 'x"\nevil = 1', "-x", "../up"])
def test_hostile_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ProjectError, match="cannot be a project's name"):
        init_project(tmp_path / "ok", name=name)
    assert not list(tmp_path.iterdir())


def test_unwritable_place_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ProjectError, match="cannot be written"):
        init_project(tmp_path / "file" / "project")
