"""The reference pipeline, exported to GitHub Actions and run by act on a sample of its data."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from small_project import REPOSITORY, commit, environment, run_locally
from test_real_github_act import act, clear_artifacts

from mlops_nb import export
from mlops_nb.config import find_project
from mlops_nb.export.carry import unpack
from mlops_nb.pipeline.load import load_pipeline

SAMPLE = {"MLOPS_NB_SAMPLE": "0.05"}
LESS = {
    "max_iter: [150]": "max_iter: [30]",
    "choose_by: log_loss": "choose_by: log_loss\n      resamples: 40",
}
"""What makes the same pipeline quicker: fewer trees, fewer bootstrap resamples."""


def copy(to: Path) -> Path:
    to.mkdir()
    for name in ("pipeline.yaml", "pyproject.toml", ".gitignore"):
        shutil.copy2(REPOSITORY / name, to / name)
    skip = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
    shutil.copytree(REPOSITORY / "notebooks", to / "notebooks", ignore=skip)
    spec = (to / "pipeline.yaml").read_text()
    for was, less in LESS.items():
        assert was in spec
        spec = spec.replace(was, less)
    (to / "pipeline.yaml").write_text(spec)
    return to


def figures(root: Path) -> dict[str, object]:
    """Return what the tasks report in JSON; a model's file holds clocks, so its digest is left out."""
    found = {}
    for path in sorted((root / "products").glob("*/*.json")):
        if not path.name.startswith("."):
            values = json.loads(path.read_text())
            if isinstance(values, dict):
                values.pop("digest", None)
            found[path.relative_to(root).as_posix()] = values
    return found


def test_act_runs_the_flights(tmp_path: Path, find_tool) -> None:
    local = copy(tmp_path / "local")
    env = environment(tmp_path) | SAMPLE
    pipeline = load_pipeline(find_project(local))
    before_registration = [name for name in pipeline.names() if name != "register"]
    done = run_locally(local, env, *before_registration)
    assert done.returncode == 0, done.stdout + done.stderr

    root = copy(tmp_path / "project")
    settings = {"install": ["python -c pass"], "group": "by-level", "env": SAMPLE}
    files = export.render("github", load_pipeline(find_project(root)), settings)
    export.write("github", files, root)
    commit(root)
    workflow = next(Path(path).name for path in files if "drift" not in path)
    code, text = act(root, tmp_path, find_tool, workflow)
    assert code == 0, text[-5000:]
    to = tmp_path / "to"
    to.mkdir()
    store = tmp_path / "store"
    for archive in store.glob("artifacts/carry-*/*.tar.gz"):
        unpack(to, archive)
    ours, theirs = figures(local), figures(to)
    assert {"products/evaluate/report.json", "products/train/boosting-1.json"} <= set(ours)
    assert {name: theirs.get(name) for name in ours} == ours
    clear_artifacts(store)
