"""Compiles the exported source with kfp, compares, and executes the pipeline by ``kfp.local``."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml
from export_samples import HOSTILE, hostile, small
from small_project import data, environment, expected, make_project

from mlops_nb import export
from mlops_nb.export.carry import unpack

COMPILE = "import sys; sys.path.insert(0, sys.argv[1]); import pipeline; pipeline.compiler.Compiler().compile(pipeline.pipeline, sys.argv[2])"
RUN = """
import json, sys
sys.path.insert(0, sys.argv[1])
import pipeline
from kfp import local
local.init(local.SubprocessRunner(use_venv=False), pipeline_root=sys.argv[2])
pipeline.pipeline(max_depth=2)
"""


def kfp(find_tool, folder: Path, *words: str, **extra: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "HOME": str(folder)} | extra
    python = find_tool("kfp", "kfp/bin/python")
    return subprocess.run(
        [python, *words], cwd=folder, env=env, capture_output=True, text=True, timeout=1500
    )


PINNED = {"image": "demo@sha256:" + "0" * 64, "env": {"A": "b"}, "secrets": ["DB_PASSWORD"]}


@pytest.mark.parametrize(
    ("pipeline", "settings"),
    [
        (small, {}),
        (small, PINNED),
        # kfp takes a second for each job of this one; a dozen parameters mean all the harm there is.
        (hostile, PINNED | {"parameters": [*HOSTILE[6:16], "import", "class"]}),
    ],
)
def test_kfp_compiles_the_same(pipeline, settings: dict, tmp_path: Path, find_tool) -> None:
    files = export.render("kubeflow", pipeline(), settings)
    export.write("kubeflow", files, tmp_path)
    compiled = tmp_path / "compiled.yaml"
    done = kfp(find_tool, tmp_path, "-c", COMPILE, str(tmp_path / "kubeflow"), str(compiled))
    assert done.returncode == 0, done.stderr[-3000:]
    theirs = list(yaml.safe_load_all(compiled.read_text()))
    ours = list(yaml.safe_load_all(files["kubeflow/pipeline.yaml"]))
    assert ours == theirs


def test_kfp_executes_it(tmp_path: Path, find_tool) -> None:
    root = tmp_path / "project"
    make_project(root, "kubeflow")
    env = environment(tmp_path)
    # kfp starts the components with its own python3; what they start is the project's.
    done = kfp(
        find_tool,
        tmp_path,
        *("-c", RUN, str(root / "kubeflow"), str(tmp_path / "outputs")),
        PATH=env["PATH"],
        PYTHONPATH=env["PYTHONPATH"],
        MLOPS_NB_APP=str(root),
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    to = tmp_path / "to"
    to.mkdir()
    for archive in sorted((tmp_path / "outputs").rglob("bundle")):
        unpack(to, archive)
    assert data(to / "products") == expected(max_depth=2)
    summaries = [path.read_text() for path in (tmp_path / "outputs").rglob("summary")]
    assert len(summaries) == 5
    assert any("| evaluate | ✅" in text for text in summaries)
    metrics = [path.read_text() for path in (tmp_path / "outputs").rglob("metrics")]
    assert "evaluate_a 42.0" in "".join(metrics)
    assert json.loads((to / "products/metrics.json").read_text())["a"] == 42
