"""Compiles the exported source with kfp, compares, and executes the pipeline by ``kfp.local``."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml
from export_samples import HOSTILE, hostile, small
from small_project import change_notebook, data, environment, expected, make_project

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


SHARED = {"cache-volume": "claim", "secrets": ["DB_PASSWORD"]}
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
    check_compiled(files, tmp_path, find_tool)


def test_kfp_compiles_the_same_where_jobs_pass_on_bundles_and_share_a_cache(
    tmp_path: Path, find_tool, pass_on_soon
) -> None:
    files = export.render("kubeflow", small(), SHARED)
    assert "above_train_b=_tasks['train-b'].outputs['passed']" in files["kubeflow/pipeline.py"]
    export.write("kubeflow", files, tmp_path)
    check_compiled(files, tmp_path, find_tool)


def check_compiled(files: dict[str, str], tmp_path: Path, find_tool) -> None:
    compiled = tmp_path / "compiled.yaml"
    done = kfp(find_tool, tmp_path, "-c", COMPILE, str(tmp_path / "kubeflow"), str(compiled))
    assert done.returncode == 0, done.stderr[-3000:]
    theirs = list(yaml.safe_load_all(compiled.read_text()))
    ours = list(yaml.safe_load_all(files["kubeflow/pipeline.yaml"]))
    assert ours == theirs


def test_kfp_executes_it_and_again_only_what_changed(
    tmp_path: Path, find_tool, pass_on_soon
) -> None:
    root = tmp_path / "project"
    make_project(root, "kubeflow")
    env = environment(tmp_path)

    def run(outputs: Path) -> None:
        # kfp starts the components with its own python3; what they start is the project's. Its
        # local runner sets no variables, so the cache's comes from outside.
        done = kfp(
            find_tool,
            tmp_path,
            *("-c", RUN, str(root / "kubeflow"), str(outputs)),
            PATH=env["PATH"],
            PYTHONPATH=env["PYTHONPATH"],
            MLOPS_NB_APP=str(root),
            MLOPS_NB_CACHE=(tmp_path / "cache").as_uri(),
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

    run(tmp_path / "outputs")
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

    change_notebook(root, "train_b", "1 + 1")
    run(tmp_path / "again")
    summaries = [path.read_text() for path in (tmp_path / "again").rglob("summary")]
    assert [text for text in summaries if "✅ succeeded" in text] == [
        text for text in summaries if text.startswith("### train b")
    ]
