"""What the how-to pages say is so: their commands exist, their settings are read."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import click
import pytest

from mlops_nb.cli.main import cli
from mlops_nb.config import Project
from mlops_nb.monitoring.notify import make_notifiers
from mlops_nb.monitoring.settings import AlertSettings, MonitoringSettings
from mlops_nb.registry.settings import GateSettings, RegistrySettings
from mlops_nb.scheduling.settings import SchedulerSettings, read_schedules

PAGES = [
    Path(__file__).parents[2] / "docs" / "how-to" / name
    for name in ("registry-commands.md", "monitoring.md", "schedules.md")
]


def blocks(page: Path, kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", page.read_text(), re.S)


def commands() -> list[str]:
    text = "".join(block for page in PAGES for block in blocks(page, "console"))
    lines = text.replace("\\\n", "").splitlines()
    return [line[2:] for line in lines if line.startswith("$ mlops-nb ")]


@pytest.mark.parametrize("line", commands())
def test_commands_take_these_arguments(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    command: click.Command = cli
    context = click.Context(cli, info_name="mlops-nb")
    while isinstance(command, click.Group):
        name, found, words = command.resolve_command(context, words)
        assert found is not None, name
        command, context = found, click.Context(found, info_name=name, parent=context)
    options, rest, _ = command.make_parser(context).parse_args(list(words))
    assert rest == []
    given = {name for name, value in options.items() if value not in (None, (), "")}
    for parameter in command.params:
        if parameter.required:
            assert parameter.name in given


def test_there_are_commands_to_test() -> None:
    assert len(commands()) > 25


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_settings_are_read(page: Path, tmp_path: Path) -> None:
    for block in blocks(page, "toml"):
        tables = tomllib.loads(block)["tool"]["mlops-nb"]
        project = Project(root=tmp_path, spec=tmp_path / "pipeline.yaml", tables=tables)
        assert tables.keys() <= {
            "gates",
            "registry",
            "monitoring",
            "alerts",
            "schedules",
            "scheduler",
        }
        project.section("registry", RegistrySettings)
        project.section("monitoring", MonitoringSettings)
        assert project.section("gates", GateSettings).checks.keys() == (
            tables.get("gates", {}).get("checks", {}).keys()
        )
        read_schedules(tables.get("schedules", {}))
        project.section("scheduler", SchedulerSettings)
        alerts = project.section("alerts", AlertSettings)
        assert len(make_notifiers(alerts, {"SLACK_URL": "https://example.org"})) == len(
            alerts.notify
        )
