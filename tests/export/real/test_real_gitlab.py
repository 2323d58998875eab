"""Runs the exported ``.gitlab-ci.yml`` with gitlab-ci-local: needs, artifacts, cache, rules."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from export_samples import hostile, small, wide
from small_project import change_notebook, data, environment, expected, make_project

from mlops_nb import export


def gitlab(root: Path, folder: Path, find_tool, *words: str) -> tuple[int, str]:
    find_tool("rsync")
    script = find_tool("gitlab-ci-local", "npm/node_modules/gitlab-ci-local/dist/index.js")
    done = subprocess.run(
        [find_tool("node"), script, "--shell-isolation", "--force-shell-executor", *words],
        cwd=root,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=1500,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("pipeline", [small, hostile, lambda: wide(200)])
def test_the_schema_finds_nothing(pipeline, tmp_path: Path, find_tool) -> None:
    files = export.render("gitlab", pipeline(), {"secrets": ["A"], "env": {"B": "$C"}})
    export.write("gitlab", files, tmp_path)
    done = subprocess.run(
        [
            find_tool("check-jsonschema", "py/bin/check-jsonschema"),
            *("--builtin-schema", "vendor.gitlab-ci", str(tmp_path / ".gitlab-ci.yml")),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_gitlab_reads_hostile_names(tmp_path: Path, find_tool) -> None:
    export.write("gitlab", export.render("gitlab", hostile(), {"drift-schedule": ""}), tmp_path)
    from small_project import commit

    commit(tmp_path)
    code, text = gitlab(tmp_path, tmp_path, find_tool, "--list")
    assert code == 0, text
    assert len([line for line in text.splitlines() if " pipeline " in line]) == len(hostile().tasks)


def test_gitlab_runs_the_dag_and_a_second_run_only_what_changed(tmp_path: Path, find_tool) -> None:
    root = tmp_path / "project"
    make_project(root, "gitlab")
    code, text = gitlab(root, tmp_path, find_tool, "--variable", "PARAM_MAX_DEPTH=2")
    assert code == 0, text
    last = root / ".gitlab-ci-local/builds/evaluate"
    assert data(last / "products") == expected(max_depth=2)
    assert (last / "products/.raw.json.metadata").is_file()
    assert "evaluate_a 42.0" in (last / ".mlops/reports/evaluate/metrics.txt").read_text()

    change_notebook(root, "train_b", "raise RuntimeError('broken on purpose')")
    code, text = gitlab(root, tmp_path, find_tool, "--variable", "PARAM_MAX_DEPTH=2")
    assert code != 0
    for name in ("ingest", "clean", "train_a"):
        assert f"succeeded  {name}" not in text, "it was in the cache"
    artifacts = root / ".mlops/reports/train-b"
    assert "broken on purpose" in (artifacts / "junit.xml").read_text()
    assert "❌ failed" in (artifacts / "summary.md").read_text()
    executed = [
        path
        for path in (artifacts / "runs").rglob("*.ipynb")
        if "broken on purpose" in path.read_text()
    ]
    assert executed
