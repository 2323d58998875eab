from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path

import msgspec
import pytest
from export_samples import HOSTILE, hostile, load_yaml, record_commands, small, task, tasks_run

from mlops_nb import export
from mlops_nb.errors import ConfigError
from mlops_nb.model import Pipeline, Product
from mlops_nb.scheduling.fields import utc_by_offset

FLOW = ".github/workflows/flights-demo.yml"


def workflow(**settings: object) -> dict:
    return load_yaml(export.render("github", small(), settings)[FLOW])


def steps(job: dict) -> dict[str, dict]:
    return {step.get("name", step.get("uses", "").split("@")[0]): step for step in job["steps"]}


def test_jobs_wait_as_the_tasks_do() -> None:
    jobs = workflow()["jobs"]
    assert {name: job.get("needs", []) for name, job in jobs.items()} == {
        "ingest": [],
        "clean": ["ingest"],
        "train-a": ["clean"],
        "train-b": ["clean"],
        "evaluate": ["train-a", "train-b"],
        "mlops-nb-comment": ["ingest", "clean", "train-a", "train-b", "evaluate"],
    }


def test_products_of_all_jobs_above_arrive() -> None:
    jobs = workflow()["jobs"]
    fetch = steps(jobs["evaluate"])["Fetch what the jobs above have made"]["with"]
    assert fetch["pattern"] == "{carry-ingest,carry-clean,carry-train-a,carry-train-b}"
    assert fetch["merge-multiple"] is True
    assert (
        steps(jobs["clean"])["Fetch what the jobs above have made"]["with"]["name"]
        == "carry-ingest"
    )
    assert "Fetch what the jobs above have made" not in steps(jobs["ingest"])
    names = [
        step["with"]["name"]
        for job in jobs.values()
        for step in job["steps"]
        if "upload-artifact" in step.get("uses", "")
    ]
    assert len(set(names)) == len(names) == 15
    for job in jobs.values():
        for step in job["steps"]:
            if "upload-artifact" in step.get("uses", ""):
                assert step["with"]["include-hidden-files"] is True


def test_a_failure_still_leaves_its_report_and_its_cache() -> None:
    for name, job in workflow()["jobs"].items():
        if name == "mlops-nb-comment":
            continue
        found = steps(job)
        for step in ("Keep executed notebooks and reports", "Summarise", "Pack what is done"):
            assert found[step]["if"] == "always()"
        order = list(found)
        assert order.index("Run") < order.index("Keep it for runs to come")
        assert order.index("Keep it for runs to come") < order.index("Hand it to the jobs below")


def test_the_cache_is_keyed_by_the_fingerprint() -> None:
    found = steps(workflow()["jobs"]["train-b"])
    assert found["Work out the fingerprint"]["run"] == (
        "key=$(mlops-nb plan --key --params-from-env 'train b')\n"
        'echo "key=mlops-nb.flights-demo.train-b.$key" >> "$GITHUB_OUTPUT"'
    )
    order = list(found)
    assert order.index("Unpack what they have made") < order.index("Work out the fingerprint")
    bundle = {"path": ".mlops/carry/train-b.tar.gz", "key": "${{ steps.key.outputs.key }}"}
    # Nothing but the very same is of use, and a key is written once: only with a good result.
    assert found["Restore what was made from the same"]["with"] == bundle
    assert found["Keep it for runs to come"]["with"] == bundle
    assert found["Keep it for runs to come"]["if"] == "steps.kept.outputs.cache-hit != 'true'"


def test_a_group_takes_what_is_unchanged_and_keeps_what_succeeded() -> None:
    found = steps(workflow(group="by-level")["jobs"]["level-3"])
    assert "--key --params-from-env train_a 'train b'" in found["Work out the fingerprint"]["run"]
    restore = found["Restore what was made from the same"]["with"]
    assert restore["restore-keys"].splitlines() == [
        *("${{ steps.key.outputs.key }}", "mlops-nb.flights-demo.level-3.")
    ]
    keep = found["Keep it for runs to come"]
    assert keep["if"].startswith("always() && steps.key.outcome == 'success' && ")
    assert keep["with"]["key"] == (
        "${{ steps.key.outputs.key }}${{ steps.run.outcome != 'success' && "
        "format('-{0}', hashFiles('.mlops/carry/level-3.tar.gz')) || '' }}"
    )


def test_least_permissions_and_pinned_actions() -> None:
    for text in export.render("github", small(), {}).values():
        body = load_yaml(text)
        assert body["permissions"] == {"contents": "read"}
        assert "concurrency" in body
        for name, job in body["jobs"].items():
            assert job["timeout-minutes"] > 0
            assert ("permissions" in job) == (name == "mlops-nb-comment")
        uses = re.findall(r"uses: (.*)", text)
        assert uses and all(
            re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", use) for use in uses
        )


def test_the_comment_is_never_written_for_a_fork() -> None:
    job = workflow()["jobs"]["mlops-nb-comment"]
    assert "head.repo.full_name == github.repository" in job["if"]
    assert job["permissions"] == {"pull-requests": "write"}
    assert not any("checkout" in step.get("uses", "") for step in job["steps"])
    assert "pull_request_target" not in workflow()["on"]


def test_parameters_schedule_and_secrets() -> None:
    body = workflow(schedule="30 4 * * *", secrets=["DB_PASSWORD"], env={"REGION": "eu"})
    assert body["on"]["schedule"] == [{"cron": "30 4 * * *"}]
    inputs = body["on"]["workflow_dispatch"]["inputs"]
    assert set(inputs) == {"max_depth", "month", "source"}
    assert inputs["max_depth"]["description"] == "max_depth (int): of each tree; empty keeps 6"
    assert body["env"]["PARAM_MONTH"] == "${{ inputs.month }}"
    assert body["env"]["REGION"] == "eu"
    run = steps(body["jobs"]["ingest"])["Run"]
    assert run["env"] == {"DB_PASSWORD": "${{ secrets.DB_PASSWORD }}"}
    assert "DB_PASSWORD" not in body["env"]


REFERENCE = Product(path="products/reference", key="reference")


def test_the_drift_check_is_a_workflow_of_its_own() -> None:
    pipeline = msgspec.structs.replace(
        small(), tasks=(*small().tasks, task("register", "evaluate", products=(REFERENCE,)))
    )
    files = export.render("github", pipeline, {"drift-data": "new's.csv"})
    drift = load_yaml(files[".github/workflows/flights-demo-drift.yml"])
    assert drift["on"]["schedule"] == [{"cron": "41 5 * * *"}]
    found = steps(drift["jobs"]["drift"])
    # What was made last, and not what was made first from some fingerprint.
    restore = found["Restore what register made last"]["with"]
    jobs = load_yaml(files[FLOW])["jobs"]
    saved = steps(jobs["register"])["Keep it for the check for drift"]["with"]
    assert saved["key"] == restore["key"] + "${{ github.run_id }}-${{ github.run_attempt }}"
    assert restore["key"] == restore["restore-keys"] == "mlops-nb.flights-demo.register.latest."
    assert "Keep it for the check for drift" not in steps(jobs["evaluate"])
    assert restore["path"] == saved["path"] == ".mlops/carry/register.tar.gz"
    assert found["Unpack it"]["run"].endswith("carry unpack .mlops/carry/register.tar.gz")
    assert found["Check for drift"]["run"] == (
        "mlops-nb drift check --page .mlops/drift/report.html -- "
        "products/reference 'new'\"'\"'s.csv'"
    )
    assert ".mlops/drift" in found["Keep the reports"]["with"]["path"].splitlines()
    assert found["Keep the reports"]["if"] == "always()"


def test_without_data_to_compare_there_is_no_drift_check() -> None:
    assert list(export.render("github", small(), {})) == [FLOW]
    both = {"drift-data": "new.csv", "drift-reference": "old.csv"}
    assert list(export.render("github", small(), both | {"drift-schedule": ""})) == [FLOW]
    drift = load_yaml(
        export.render("github", small(), both)[".github/workflows/flights-demo-drift.yml"]
    )
    assert not any(
        "cache/restore" in step.get("uses", "") for step in drift["jobs"]["drift"]["steps"]
    )
    with pytest.raises(ConfigError, match='no product is called "reference"'):
        export.render("github", small(), {"drift-data": "new.csv"})


def test_more_parameters_than_github_takes_are_named() -> None:
    many = Pipeline(
        name="x",
        root="/p",
        spec="pipeline.yaml",
        tasks=(task("a", params={f"p{number:02}": number for number in range(30)}),),
    )
    text = export.render("github", many, {})[".github/workflows/x.yml"]
    assert "left out: p25, p26, p27, p28, p29" in text
    assert len(load_yaml(text)["on"]["workflow_dispatch"]["inputs"]) == 25


def unescape(text: str) -> str:
    """Evaluate the one expression that an escaped name holds; any other is a finding."""
    plain = text.replace("${{ '${{' }}", "\0")
    assert "${{" not in plain, text
    return plain.replace("\0", "${{")


def test_hostile_names(tmp_path: Path) -> None:
    files = export.render("github", hostile(), {})
    body = load_yaml(next(iter(files.values())))
    del body["jobs"]["mlops-nb-comment"]
    assert len(body["jobs"]) == len(HOSTILE)
    scripts = []
    for name, job in body["jobs"].items():
        assert re.fullmatch(r"[a-z][a-z0-9-]*", name)
        assert "${{" not in job["name"]
        found = steps(job)
        wanted = ("Work out the fingerprint", "Run", "Pack what is done")
        scripts += [unescape(found[step]["run"]) for step in wanted]
        unescape(found["Summarise"]["run"])
    env = {"GITHUB_OUTPUT": str(tmp_path / "output")}
    commands = record_commands(scripts, tmp_path, shell="bash", env=env)
    keys = [words[4:] for words in commands if words[:3] == ["mlops-nb", "plan", "--key"]]
    assert [words[-1] for words in keys] == list(HOSTILE)
    assert tasks_run(commands) == list(HOSTILE)
    assert [words[-1] for words in commands if "pack" in words] == list(HOSTILE)
    for one in body["on"]["workflow_dispatch"]["inputs"].values():
        assert "${{" not in one["description"]


def test_a_schedule_of_another_zone_runs_at_its_own_hour(tmp_path: Path) -> None:
    crons = utc_by_offset("0 6 * * mon-fri", "Europe/Berlin")
    assert crons == {"+0100": "0 5 * * 1,2,3,4,5", "+0200": "0 4 * * 1,2,3,4,5"}
    assert utc_by_offset("0 6 * * *", "Asia/Kolkata") == {"+0530": "30 0 * * *"}
    assert utc_by_offset("0 0 1 * *", "Europe/Berlin") == {}
    found = workflow(
        schedule="0 6 * * mon-fri", timezone="Europe/Berlin", **{"schedule-utc": crons}
    )
    events = found.get("on") or found[True]
    assert [one["cron"] for one in events["schedule"]] == list(crons.values())
    jobs = found["jobs"]
    assert jobs["ingest"]["needs"] == ["mlops-nb-due"]
    assert jobs["ingest"]["if"] == "needs.mlops-nb-due.outputs.due == 'true'"
    assert "if" not in jobs["clean"]
    (step,) = jobs["mlops-nb-due"]["steps"]
    offset = time.strftime("%z", time.localtime())
    bash = ["bash", "-eo", "pipefail", "-c", step["run"].replace("+0200", offset)]
    for event, fired, due in (
        ("schedule", crons["+0200"], "true"),
        ("schedule", crons["+0100"], "false"),
        ("push", "", "true"),
    ):
        out = tmp_path / "out"
        out.unlink(missing_ok=True)
        told = {"GITHUB_EVENT_NAME": event, "FIRED": fired, "GITHUB_OUTPUT": str(out)}
        subprocess.run(bash, env=os.environ | told, check=True)
        assert out.read_text() == f"due={due}\n"
