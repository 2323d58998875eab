from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from export_samples import hostile, small, wide
from languageserver import diagnostics

from mlops_nb import export

PIPELINES = {"small": small, "hostile": hostile, "wide": lambda: wide(40)}
SETTINGS = {
    "schedule": "30 4 * * *",
    "timezone": "Europe/Berlin",
    "schedule-utc": {"+0100": "30 3 * * *", "+0200": "30 2 * * *"},
    "secrets": ["DB_PASSWORD"],
    "env": {"REGION": "eu"},
    "drift-data": "data/new's ${{ github.token }}.csv",
    "drift-reference": "data/reference",
}


def server(find_tool) -> list[str]:
    script = find_tool(
        "@actions/languageserver", "npm/node_modules/@actions/languageserver/dist/cli.bundle.cjs"
    )
    return [find_tool("node"), script, "--stdio"]


@pytest.mark.parametrize("name", PIPELINES)
def test_githubs_language_server_finds_nothing(name: str, find_tool) -> None:
    files = export.render("github", PIPELINES[name](), SETTINGS)
    assert diagnostics(server(find_tool), files) == {path: [] for path in files}


def test_the_language_server_would_find_something(find_tool) -> None:
    files = export.render("github", small(), {"drift-schedule": ""})
    path, text = files.popitem()
    broken = text.replace("    - train-b\n", "    - train-z\n").replace(
        "timeout-minutes", "timeout"
    )
    messages = json.dumps(diagnostics(server(find_tool), {path: broken}))
    assert "train-z" in messages and "timeout" in messages


@pytest.mark.parametrize("name", PIPELINES)
def test_zizmor_and_the_schema_find_nothing(name: str, tmp_path: Path, find_tool) -> None:
    files = export.render("github", PIPELINES[name](), SETTINGS)
    export.write("github", files, tmp_path)
    paths = [str(tmp_path / path) for path in files]
    zizmor = [
        find_tool("zizmor", "py/bin/zizmor"),
        "--offline",
        "--no-progress",
        "--strict-collection",
    ]
    done = subprocess.run([*zizmor, *paths], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No findings" in done.stdout
    check = [find_tool("check-jsonschema", "py/bin/check-jsonschema")]
    done = subprocess.run(
        [*check, "--builtin-schema", "vendor.github-workflows", *paths],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
