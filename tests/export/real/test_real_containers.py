"""Checks the container targets with the tools of their systems, and runs what they declare."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from export_samples import hostile, small, wide
from small_project import change_notebook, data, environment, expected, make_project
from test_export_containers import SETTINGS, kubernetes_value

from mlops_nb import export

PIPELINES = [small, hostile, lambda: wide(40)]


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_kubernetes_validate_is_content(pipeline, tmp_path: Path, find_tool) -> None:
    files = export.render("kubernetes", pipeline(), SETTINGS)
    export.write("kubernetes", files, tmp_path)
    # What Argo's executor may do is plain Kubernetes, too.
    account = export.render("argo", pipeline(), SETTINGS)["argo/executor.yaml"]
    files["kubernetes/executor.yaml"] = account
    export.write("kubernetes", {"kubernetes/executor.yaml": account}, tmp_path)
    paths = [str(tmp_path / path) for path in files if "kustomization" not in path]
    done = subprocess.run(
        [find_tool("kubernetes-validate", "py/bin/kubernetes-validate"), "--strict", *paths],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_hadolint_finds_nothing(pipeline, tmp_path: Path, find_tool) -> None:
    package = {"package": True, "lock": "constraints.txt", "extras": ["demo"]}
    settings = package if pipeline is small else {"hashes": True}
    export.write("docker", export.render("docker", pipeline(), settings), tmp_path)
    done = subprocess.run(
        [find_tool("hadolint", "py/bin/hadolint"), "--no-color", str(tmp_path / "Dockerfile")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == ""


def run_container(
    container: dict, project: Path, work: Path, env: dict[str, str], values: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a container's command on this machine: ``/app`` and ``/work`` are folders."""
    work.mkdir(parents=True, exist_ok=True)
    variables = {}
    for one in container["env"]:
        if "value" in one and one["name"] not in ("HOME", "TMPDIR", "PYTHONDONTWRITEBYTECODE"):
            value = one["value"]
            for name, given in values.items():
                value = value.replace(f"{{{{workflow.parameters.{name}}}}}", given)
            variables[one["name"]] = kubernetes_value(value, variables)
    (script,) = container["args"]
    script = kubernetes_value(script, variables)
    script = script.replace("cp -R /app/. /work/", f"cp -R '{project}/.' '{work}/'")
    script = script.replace("cd /work", f"cd '{work}'").replace("cd /app", f"cd '{project}'")
    return subprocess.run(
        [*container["command"], script],
        env=env | variables,
        capture_output=True,
        text=True,
        timeout=1500,
    )


def run_argo(
    root: Path, folder: Path, env: dict[str, str], values: dict[str, str]
) -> dict[str, subprocess.CompletedProcess[str]]:
    """Run a Workflow's DAG: each container in a folder of its own, artifacts as declared."""
    spec = yaml.safe_load((root / "argo/workflow.yaml").read_text())["spec"]
    templates = {one["name"]: one for one in spec["templates"]}
    done: dict[str, subprocess.CompletedProcess[str]] = {}
    store: dict[str, Path] = {}
    waiting = {one["name"]: one for one in templates[spec["entrypoint"]]["dag"]["tasks"]}
    while ready := [
        one
        for one in waiting.values()
        if all(up in done and done[up].returncode == 0 for up in one.get("dependencies", []))
    ]:
        task = ready[0]
        del waiting[task["name"]]
        template = templates[task["template"]]
        work = folder / task["name"]
        given = {one["name"]: one["from"] for one in task.get("arguments", {}).get("artifacts", [])}
        for artifact in template.get("inputs", {}).get("artifacts", []):
            place = folder / task["name"] / Path(artifact["path"]).relative_to("/work")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(store[given[artifact["name"]]], place)
        done[task["name"]] = run_container(template["container"], root, work, env, values)
        for artifact in template["outputs"]["artifacts"]:
            place = work / Path(artifact["path"]).relative_to("/work")
            if place.exists():
                store[f"{{{{tasks.{task['name']}.outputs.artifacts.{artifact['name']}}}}}"] = place
            else:
                assert artifact.get("optional"), artifact
    return done


def test_argo_runs_the_dag_with_its_artifacts(tmp_path: Path) -> None:
    root = tmp_path / "project"
    make_project(root, "argo")
    env = environment(tmp_path)
    done = run_argo(root, tmp_path / "first", env, {"max_depth": "2", "month": ""})
    assert [one.returncode for one in done.values()] == [0] * 5, done
    assert data(tmp_path / "first/evaluate/products") == expected(max_depth=2)
    assert "4 skipped, 1 succeeded" in done["evaluate"].stdout
    change_notebook(root, "train_b", "raise RuntimeError('broken on purpose')")
    done = run_argo(root, tmp_path / "second", env, {"max_depth": "", "month": ""})
    assert {name: one.returncode for name, one in done.items()} == {
        **{"ingest": 0, "clean": 0, "train-a": 0, "train-b": 4},
    }
    reports = tmp_path / "second/train-b/.mlops/runs"
    assert any("broken on purpose" in path.read_text() for path in reports.rglob("*.ipynb"))


def test_argo_runs_again_only_what_changed_where_runs_share_a_cache(
    tmp_path: Path, pass_on_soon
) -> None:
    root = tmp_path / "project"
    make_project(root, "argo")
    spec = yaml.safe_load((root / "argo/workflow.yaml").read_text())["spec"]
    last = spec["templates"][0]["dag"]["tasks"][-1]["arguments"]["artifacts"]
    assert [one["name"] for one in last] == ["train-a", "train-b", "above_train-b"]
    env = environment(tmp_path)
    values = {"max_depth": "", "month": "", "cache": (tmp_path / "cache").as_uri()}
    done = run_argo(root, tmp_path / "first", env, values)
    assert [one.returncode for one in done.values()] == [0] * 5, done
    assert data(tmp_path / "first/evaluate/products") == expected()

    change_notebook(root, "train_b", "1 + 1")
    done = run_argo(root, tmp_path / "second", env, values)
    assert [one.returncode for one in done.values()] == [0] * 5, done
    assert data(tmp_path / "second/evaluate/products") == expected()
    ran = [name for name, one in done.items() if "succeeded  " in one.stdout]
    # What it makes came out the same, so the task below it is the same as well.
    assert ran == ["train-b"]


def test_the_kubernetes_job_runs_and_runs_again_only_what_changed(tmp_path: Path) -> None:
    root = tmp_path / "project"
    make_project(root, "kubernetes")
    job = yaml.safe_load((root / "kubernetes/job.yaml").read_text())
    (container,) = job["spec"]["template"]["spec"]["containers"]
    config = yaml.safe_load((root / "kubernetes/parameters.yaml").read_text())["data"]
    env = environment(tmp_path) | config
    work = tmp_path / "volume"
    done = run_container(container, root, work, env, {})
    assert done.returncode == 0, done.stdout + done.stderr
    assert data(work / "products") == expected()
    change_notebook(root, "train_b", "1 + 1")
    done = run_container(container, root, work, env, {})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "succeeded  train b" in done.stdout
    assert "succeeded  clean" not in done.stdout
