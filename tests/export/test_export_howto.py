from __future__ import annotations

import re
import tomllib
from pathlib import Path

from export_samples import load_yaml, record_commands, small, tasks_run

from mlops_nb import export
from mlops_nb.export.settings import read_settings

HOW_TO = (Path(__file__).parents[2] / "docs/how-to/export.md").read_text(encoding="utf-8")


def block(language: str, number: int = 0) -> str:
    return re.findall(rf"```{language}\n(.*?)```", HOW_TO, re.DOTALL)[number]


def test_the_settings_shown_are_settings() -> None:
    read_settings(tomllib.loads(block("toml"))["tool"]["mlops-nb"]["export"])


def test_every_target_is_in_the_table() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", HOW_TO, re.MULTILINE)
    assert sorted(rows) == sorted(export.targets())


def test_the_target_of_ones_own_works(tmp_path: Path) -> None:
    space: dict = {}
    exec(block("python"), space)
    text = space["BuildkiteExporter"]().render(small(), {})[".buildkite/pipeline.yml"]
    commands = record_commands([step["command"] for step in load_yaml(text)["steps"]], tmp_path)
    assert tasks_run(commands) == list(small().names())
