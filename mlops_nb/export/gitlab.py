"""GitLab CI: ``.gitlab-ci.yml`` with one job per group of tasks."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from mlops_nb.export.drift import PAGE, plan_drift
from mlops_nb.export.jobs import plan_work
from mlops_nb.export.naming import label, title
from mlops_nb.export.quoting import comment, dump_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_nb.export.jobs import Job, Work
    from mlops_nb.model import Json, Pipeline

__all__ = ["GitlabExporter"]

MOST_NEEDS = 50
"""Jobs that one job may need on gitlab.com, and by default elsewhere."""
_REPORTS = ".mlops/reports"
_SUMMARY = ("summary.md", "metrics.txt", "junit.xml")


class GitlabExporter:
    """Writes ``.gitlab-ci.yml``."""

    title = "GitLab CI"
    description = (
        "A pipeline whose jobs need one another as the tasks do, with reports and a cache."
    )

    def render(self, pipeline: Pipeline, settings: Mapping[str, Json]) -> Mapping[str, str]:
        """Return the one file."""
        work = plan_work(pipeline, settings, most_ancestors=MOST_NEEDS)
        return {".gitlab-ci.yml": _header(work) + dump_yaml(_body(work))}


def _header(work: Work) -> str:
    settings = work.settings
    lines = []
    if settings.schedule:
        zone = title(settings.timezone)
        lines.append(
            f"Schedule: GitLab keeps schedules outside this file; make one with {settings.schedule} ({zone})."
        )
    if plan_drift(work):
        lines.append(
            f"Drift: a second schedule with {settings.drift_schedule} and the variable MLOPS_NB_DRIFT=1."
        )
    if settings.secrets:
        names = ", ".join(settings.secrets)
        lines.append(f"Secrets: masked and protected CI/CD variables called {names}.")
    return work.header("gitlab") + comment("\n".join(lines))


def _body(work: Work) -> dict[str, Any]:
    settings = work.settings
    drift = plan_drift(work)
    body: dict[str, Any] = {
        "workflow": {
            "name": work.title,
            "rules": [
                {"if": '$CI_PIPELINE_SOURCE == "schedule"'},
                {"if": '$CI_PIPELINE_SOURCE == "merge_request_event"'},
                {"if": "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH"},
                {"if": "$CI_PIPELINE_SOURCE =~ /^(web|api|trigger)$/"},
            ],
        },
        "stages": ["pipeline", "monitoring"] if drift else ["pipeline"],
        "variables": {
            "PIP_CACHE_DIR": "$CI_PROJECT_DIR/.cache/pip",
            # GitLab expands variables within variables; a doubled sign is a sign.
            **{name: value.replace("$", "$$") for name, value in settings.env.items()},
            **{one.env: {"value": "", "description": one.description} for one in work.inputs},
        },
        "default": {
            "image": settings.python_image,
            "interruptible": True,
            "retry": {
                "max": min(settings.infrastructure_retries, 2),
                "when": ["runner_system_failure", "stuck_or_timeout_failure", "scheduler_failure"],
            },
        },
        ".mlops-nb": {
            "stage": "pipeline",
            "before_script": list(settings.install_commands),
            "rules": [{"if": "$MLOPS_NB_DRIFT", "when": "never"}, {"when": "on_success"}],
        },
    }
    for job in work.jobs:
        body[job.id] = _job(work, job)
    if drift:
        bundle = [{**_own_cache(work, drift.job), "policy": "pull"}] if drift.job else []
        body["mlops-nb-drift"] = {
            "stage": "monitoring",
            "needs": [],
            "rules": [{"if": '$CI_PIPELINE_SOURCE == "schedule" && $MLOPS_NB_DRIFT'}],
            "cache": [_pip_cache(work), *bundle],
            "script": [
                *settings.install_commands,
                *([work.unpack(drift.job.bundle)] if drift.job else []),
                drift.command,
            ],
            "artifacts": {
                "when": "always",
                "expose_as": "Drift",
                "paths": [f"{PurePosixPath(PAGE).parent}/", ".mlops/profiles/", ".mlops/runs/"],
                "expire_in": f"{settings.keep_days} days",
            },
        }
    return body


def _pip_cache(work: Work) -> dict[str, Any]:
    # The key is computed from the lock file, so a changed lock starts afresh.
    return {"key": {"files": [work.settings.lock], "prefix": "pip"}, "paths": [".cache/pip/"]}


def _own_cache(work: Work, job: Job) -> dict[str, Any]:
    key = f"mlops-nb-{work.slug}-{job.id}"
    return {
        "key": f"{key}-$CI_COMMIT_REF_SLUG",
        "fallback_keys": [f"{key}-{label(work.settings.branch)}"],
        "paths": [job.bundle],
        # Also after a failure, so that what succeeded is not run again.
        "when": "always",
    }


def _job(work: Work, job: Job) -> dict[str, Any]:
    reports = f"{_REPORTS}/{job.id}"
    result: dict[str, Any] = {
        "extends": ".mlops-nb",
        # Every job above, not only the nearest: their products and sidecars are all needed.
        "needs": list(job.ancestors),
        "timeout": f"{job.minutes} minutes",
        "cache": [_pip_cache(work), _own_cache(work, job)],
        "script": [
            work.unpack(job.bundle, optional=True),
            *([work.unpack(*work.bundles(job.ancestors))] if job.ancestors else []),
            "\n".join(
                [
                    # What succeeded is packed and what failed is reported before the job ends.
                    f"{work.run(job)} || status=$?",
                    work.pack(job),
                    work.summary(job, *(f"{reports}/{name}" for name in _SUMMARY)),
                    f"if [ -d .mlops/runs ]; then mv .mlops/runs {reports}/runs; fi",
                    'exit "${status:-0}"',
                ]
            ),
        ],
        "artifacts": {
            "name": f"{job.id}",
            "when": "always",
            "expose_as": f"Reports of {job.id}",
            "paths": [job.bundle, f"{reports}/"],
            "reports": {"metrics": f"{reports}/metrics.txt", "junit": f"{reports}/junit.xml"},
            "expire_in": f"{work.settings.keep_days} days",
        },
    }
    return result
