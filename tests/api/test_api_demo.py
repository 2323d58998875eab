from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest

from mlops_nb.api.demo import run_demo, trailing_window
from mlops_nb.config import find_project
from mlops_nb.errors import ConfigError, ProjectError
from mlops_nb.registry.settings import GateSettings

ROOT = Path(__file__).parents[2]


class Nobody:
    """An audience that would notice being shown something."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def step(self, title: str, record: object = None) -> None:
        self.steps.append(title)

    def view(self, pipeline: object) -> nullcontext[object]:
        return nullcontext(lambda event: None)


@pytest.mark.parametrize(
    ("month", "months", "window"),
    [
        ("2013-05", 3, ("2013-03-01", "2013-05-31")),
        ("2013-02", 3, ("2012-12-01", "2013-02-28")),
        ("2016-02", 1, ("2016-02-01", "2016-02-29")),
        ("2013-12", 12, ("2013-01-01", "2013-12-31")),
    ],
)
def test_trailing_window_ends_with_the_month(
    month: str, months: int, window: tuple[str, str]
) -> None:
    assert trailing_window(month, months) == window


def test_project_without_history_says_what_to_declare(bare_project: Path) -> None:
    audience = Nobody()
    with pytest.raises(ProjectError, match=r"\[tool.mlops-nb.demo\]"):
        run_demo(bare_project, audience=audience)
    assert audience.steps == []
    assert not (bare_project / ".mlops").exists()


def test_misspelt_setting_is_named(bare_project: Path) -> None:
    (bare_project / "pyproject.toml").write_text('[tool.mlops-nb.demo]\nmodle = "x"\n')
    with pytest.raises(ConfigError, match="modle"):
        run_demo(bare_project, audience=Nobody())


def test_reference_project_declares_gates_that_can_be_read() -> None:
    gates = find_project(ROOT).section("gates", GateSettings)
    assert {"good-enough", "not-worse", "slices", "calibrated"} <= gates.checks.keys()
