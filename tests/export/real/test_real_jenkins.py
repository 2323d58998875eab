"""Runs the exported Jenkinsfile by Groovy, with a stand-in for Jenkins' own words and real ``sh``."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

from export_samples import HOSTILE, hostile, small
from small_project import change_notebook, commit, data, environment, expected, make_project

from mlops_nb import export

JENKINS = Path(__file__).parent / "declarative.groovy"


def groovy(root: Path, folder: Path, find_tool, **extra: str) -> tuple[int, str]:
    folder.mkdir(exist_ok=True)
    java = Path(find_tool("java")).resolve().parents[1]
    done = subprocess.run(
        [find_tool("groovy"), "-Dfile.encoding=UTF-8", str(JENKINS), str(root), str(folder)],
        env=environment(root.parent) | {"JAVA_HOME": str(java)} | extra,
        capture_output=True,
        text=True,
        timeout=1500,
    )
    return done.returncode, done.stdout + done.stderr


def test_groovy_runs_the_stages_and_again_only_what_changed(tmp_path: Path, find_tool) -> None:
    root, folder = tmp_path / "project", tmp_path / "jenkins"
    make_project(root, "jenkins", secrets=["DB_PASSWORD"], schedule="30 4 * * *")
    given = {
        "GIVEN_PARAM_MAX_DEPTH": "2",
        "GIVEN_MLOPS_NB_CACHE": (tmp_path / "cache").as_uri(),
    }
    code, text = groovy(root, folder, find_tool, **given)
    assert code == 0, text
    assert json.loads((folder / "stages.json").read_text()) == [
        *("ingest", "clean", "train_a", "train b", "evaluate")
    ]
    last = folder / "workspace-5"
    assert data(last / "products") == expected(max_depth=2)
    assert (last / "products/.raw.json.metadata").is_file()
    assert "| evaluate | ✅" in (folder / "archive/.mlops/reports/evaluate/summary.md").read_text()

    # The agents are fresh ones, and builds share a cache.
    change_notebook(root, "train_b", "1 + 1")
    code, text = groovy(root, tmp_path / "again", find_tool, **given)
    assert code == 0, text
    assert re.findall(r"succeeded  ([\w ]+?)  ", text) == ["train b"]


def test_a_failure_keeps_its_reports(tmp_path: Path, find_tool) -> None:
    root, folder = tmp_path / "project", tmp_path / "jenkins"
    make_project(root, "jenkins")
    change_notebook(root, "ingest", "raise RuntimeError('broken on purpose')")
    code, _ = groovy(root, folder, find_tool)
    assert code != 0
    assert json.loads((folder / "stages.json").read_text()) == ["ingest"]
    kept = folder / "archive/.mlops"
    assert "broken on purpose" in (kept / "reports/ingest/junit.xml").read_text()
    assert any("broken on purpose" in path.read_text() for path in (kept / "runs").rglob("*.ipynb"))


def test_hostile_names_arrive_unharmed(tmp_path: Path, find_tool) -> None:
    from export_samples import read_record, record_commands, tasks_run

    root, folder = tmp_path / "project", tmp_path / "jenkins"
    root.mkdir()
    export.write("jenkins", export.render("jenkins", hostile(), {"install": ["true"]}), root)
    commit(root)
    record_commands([], tmp_path / "recorder")
    # The recorders stand in for python and mlops-nb; a bundle is an empty file.
    programs = tmp_path / "recorder/bin"
    python = programs / "python"
    python.write_text(
        python.read_text()
        + 'for word; do case $word in *.tar.gz) mkdir -p "${word%/*}"; : > "$word";; esac; done\n'
    )
    record = tmp_path / "record"
    record.touch()
    path = f"{programs}:{os.environ['PATH']}"
    code, text = groovy(root, folder, find_tool, PATH=path, RECORD=str(record))
    assert code == 0, text[-2000:]
    commands = read_record(record)
    assert sorted(tasks_run(commands)) == sorted(HOSTILE)
    assert not list(tmp_path.rglob("PWNED*"))


def test_npm_groovy_lint_parses_it(tmp_path: Path, find_tool) -> None:
    pipelines = {"small": small(), "hostile": hostile()}
    for name, pipeline in pipelines.items():
        # By level: the linter takes a second for each stage, and all names are in a few.
        settings = {"secrets": ["A"], "group": "by-level"}
        export.write("jenkins", export.render("jenkins", pipeline, settings), tmp_path / name)
    script = find_tool("npm-groovy-lint", "npm/node_modules/npm-groovy-lint/lib/index.js")
    words = ["--parse", "--noserver", "--failon", "error", "--output", "json"]
    words += ["--path", str(tmp_path), "--files", "**/Jenkinsfile"]
    done = subprocess.run(
        [find_tool("node"), script, *words], capture_output=True, text=True, timeout=1500
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout[done.stdout.index("{") :])
    assert len(result["files"]) == len(pipelines)
    errors = [
        one
        for report in result["files"].values()
        for one in report["errors"]
        if one["severity"] == "error" or "Parse" in one["rule"]
    ]
    assert errors == []
