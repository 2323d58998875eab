"""Runs the exported workflow with act, GitHub's workflow engine without GitHub.

act runs the jobs, steps, conditions and expressions unchanged on this machine. The six actions that
the workflow uses would come from the network; folders in ``actions/`` stand in for them, with the
artifact and cache services as folders (see ``actions/store.py``).
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from small_project import change_notebook, data, environment, expected, make_project

from mlops_nb.export.github_steps import ACTIONS

STAND_INS = Path(__file__).parent / "actions"


def act(root: Path, folder: Path, find_tool, workflow: str, **inputs: str) -> tuple[int, str]:
    env = environment(folder)
    # act gives inputs to workflow_dispatch only, from an event file.
    event = folder / "event.json"
    event.write_text(json.dumps({"inputs": inputs}))
    command = [find_tool("act", "py/bin/act"), "workflow_dispatch" if inputs else "push"]
    command += ["--eventpath", str(event), "-W", f".github/workflows/{workflow}"]
    command += ["-P", "ubuntu-24.04=-self-hosted", "--action-offline-mode", "--no-cache-server"]
    command += ["--action-cache-path", str(folder / "act")]
    for action, (commit, _) in ACTIONS.items():
        command += ["--local-repository", f"{action}@{commit}={STAND_INS / action.split('/')[1]}"]
    store = folder / "store"
    for name in ("artifacts", "cache"):
        (store / name).mkdir(parents=True, exist_ok=True)
    for name, value in (
        ("SHIM_STORE", str(store)),
        ("SHIM_ACTIONS", str(STAND_INS)),
        ("PYTHONPATH", env["PYTHONPATH"]),
        ("TTY_COMPATIBLE", "0"),  # act runs steps on a terminal, GitHub does not
    ):
        command += ["--env", f"{name}={value}"]
    done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, timeout=1500)
    return done.returncode, done.stdout + done.stderr


def unpacked(store: Path, to: Path) -> dict[str, str]:
    from mlops_nb.export.carry import unpack

    for archive in store.glob("artifacts/carry-*/*.tar.gz"):
        unpack(to, archive)
    return data(to / "products")


def clear_artifacts(store: Path) -> None:
    import shutil

    shutil.rmtree(store / "artifacts")


def test_act_runs_the_dag_and_a_second_run_only_what_changed(tmp_path: Path, find_tool) -> None:
    root, store = tmp_path / "project", tmp_path / "store"
    make_project(root, "github")

    def run() -> tuple[int, str]:
        return act(root, tmp_path, find_tool, "flights-demo.yml", month="5", max_depth="2")

    code, text = run()
    assert code == 0, text
    first = tmp_path / "first"
    first.mkdir()
    assert unpacked(store, first) == expected(month=5, max_depth=2)
    assert (first / "products/.metrics.json.metadata").is_file()
    summary = (store / "artifacts/summary-evaluate/evaluate.md").read_text()
    assert "| evaluate | ✅ succeeded" in summary
    assert "| evaluate.a | 42 |" in summary

    before = kept(store)
    assert {job: len(keys) for job, keys in before.items()} == {
        **{"ingest": 1, "clean": 1, "train-a": 1, "train-b": 1, "evaluate": 1}
    }

    clear_artifacts(store)
    change_notebook(root, "train_b", "1 + 1")
    change_notebook(root, "evaluate", "raise RuntimeError('broken on purpose')")
    code, text = run()
    assert code != 0
    assert re.findall(r"succeeded  ([\w ]+?)  ", text) == ["train b"], "the rest was in the cache"
    artifacts = {path.name for path in (store / "artifacts").iterdir()}
    assert {"carry-ingest", "carry-clean", "carry-train-a", "report-evaluate"} <= artifacts
    assert "carry-evaluate" not in artifacts
    report = store / "artifacts/report-evaluate"
    executed = [path for path in report.rglob("*.ipynb") if "broken on purpose" in path.read_text()]
    assert executed, sorted(report.rglob("*"))
    failing = (store / "artifacts/summary-evaluate/evaluate.md").read_text()
    assert "| evaluate | ❌ failed" in failing
    assert "    raise RuntimeError('broken on purpose')" in failing
    changed = kept(store)
    assert changed["train-b"] > before["train-b"], "kept though a later job has failed"
    assert changed | {"train-b": set()} == before | {"train-b": set()}

    clear_artifacts(store)
    change_notebook(root, "train_b")
    change_notebook(root, "evaluate")
    code, text = run()
    assert code == 0, text
    assert "succeeded  " not in text, "what was made before the change is there as well"
    last = tmp_path / "last"
    last.mkdir()
    assert unpacked(store, last) == expected(month=5, max_depth=2)
    assert kept(store) == changed


def test_a_group_keeps_what_succeeded_and_takes_what_is_unchanged(
    tmp_path: Path, find_tool
) -> None:
    root, store = tmp_path / "project", tmp_path / "store"
    make_project(root, "github", group="by-level")
    change_notebook(root, "train_b", "raise RuntimeError('broken on purpose')")
    code, text = act(root, tmp_path, find_tool, "flights-demo.yml")
    assert code != 0
    assert "succeeded  train_a" in text
    (partial,) = kept(store)["level-3"]
    assert re.fullmatch(r"[0-9a-f]{64}-[0-9a-f]{64}", partial)

    clear_artifacts(store)
    change_notebook(root, "train_b")
    code, text = act(root, tmp_path, find_tool, "flights-demo.yml")
    assert code == 0, text
    assert re.findall(r"succeeded  ([\w ]+?)  ", text) == ["train b", "evaluate"]
    assert len(kept(store)["level-3"]) == 2


def kept(store: Path) -> dict[str, set[str]]:
    """Return the fingerprints that the cache holds for each job."""
    found: dict[str, set[str]] = {}
    for path in (store / "cache").iterdir():
        project, job, key = path.name.partition("@")[0].removeprefix("mlops-nb.").split(".")
        assert project == "flights-demo"
        found.setdefault(job, set()).add(key)
    return found
