from __future__ import annotations

from pathlib import Path

from export_samples import (
    HOSTILE,
    hostile,
    load_yaml,
    record_commands,
    small,
    task,
    tasks_run,
    wide,
)

from mlops_nb import export
from mlops_nb.model import Pipeline

RESERVED = {"stages", "variables", "default", "workflow", "include", "image", "cache", "pages"}


def body(pipeline: Pipeline, **settings: object) -> dict:
    return load_yaml(export.render("gitlab", pipeline, settings)[".gitlab-ci.yml"])


def jobs(found: dict) -> dict[str, dict]:
    return {name: job for name, job in found.items() if isinstance(job, dict) and "needs" in job}


def test_a_job_needs_everything_above_it() -> None:
    found = jobs(body(small()))
    # A name alone asks for the artifacts, too.
    assert found["evaluate"]["needs"] == ["ingest", "clean", "train-a", "train-b"]
    assert found["ingest"]["needs"] == []


def test_never_more_than_fifty_needs() -> None:
    chain = [task("t0")]
    chain += [task(f"t{number}", f"t{number - 1}") for number in range(1, 180)]
    for pipeline in (wide(200), Pipeline(name="x", root="/p", spec="s", tasks=tuple(chain))):
        found = jobs(body(pipeline))
        assert max(len(job["needs"]) for job in found.values()) <= 50
        scripts = "\n".join("\n".join(job["script"]) for job in found.values())
        for name in pipeline.names():
            assert f"{name}" in scripts


def test_reports_always_and_cache_also_after_a_failure() -> None:
    job = jobs(body(small()))["clean"]
    assert job["artifacts"]["when"] == "always"
    assert job["artifacts"]["expose_as"] == "Reports of clean"
    assert set(job["artifacts"]["reports"]) == {"metrics", "junit"}
    pip, own = job["cache"]
    assert pip["key"]["files"] == ["requirements.txt"]
    assert own["when"] == "always"
    assert own["fallback_keys"] == ["mlops-nb-flights-demo-clean-main"]


def test_parameters_rules_and_secrets() -> None:
    text = export.render("gitlab", small(), {"secrets": ["DB_PASSWORD"], "schedule": "30 4 * * *"})
    found = load_yaml(text[".gitlab-ci.yml"])
    assert found["variables"]["PARAM_MONTH"]["value"] == ""
    assert "masked and protected CI/CD variables called DB_PASSWORD" in text[".gitlab-ci.yml"]
    assert "30 4 * * *" in text[".gitlab-ci.yml"]
    assert "DB_PASSWORD" not in str(found)
    assert len(found["workflow"]["rules"]) == 4
    assert body(small(), env={"A": "$HOME"})["variables"]["A"] == "$$HOME"
    assert "mlops-nb-drift" not in body(small())
    drift = body(small(), **{"drift-command": "make drift"})["mlops-nb-drift"]
    assert drift["script"][-1] == "make drift"
    assert drift["artifacts"]["when"] == "always"


def test_hostile_names(tmp_path: Path) -> None:
    found = body(hostile(), group="none")
    chosen = jobs(found)
    assert not RESERVED & set(chosen)
    scripts = ["\n".join(job["script"]) for job in chosen.values()]
    commands = record_commands(scripts, tmp_path)
    assert sorted(tasks_run(commands)) == sorted(HOSTILE)
