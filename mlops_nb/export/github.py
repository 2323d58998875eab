"""GitHub Actions: a workflow with one job per group of tasks, and one that checks for drift."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_nb.export.drift import plan_drift
from mlops_nb.export.github_comment import comment_job
from mlops_nb.export.github_drift import drift_workflow
from mlops_nb.export.github_steps import (
    SUMMARIES,
    Step,
    checkout_steps,
    keep,
    keep_latest,
    restore,
    uses,
    with_versions,
)
from mlops_nb.export.jobs import ABOVE, plan_work
from mlops_nb.export.naming import title
from mlops_nb.export.quoting import comment, dump_yaml, github_text, shell

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_nb.export.jobs import Job, Work
    from mlops_nb.model import Json, Pipeline

__all__ = ["GithubExporter"]

_MOST_INPUTS = 25
_DUE = "mlops-nb-due"


class GithubExporter:
    """Writes ``.github/workflows/``."""

    title = "GitHub Actions"
    description = "A workflow with a job for each task or group, and one that checks for drift."

    def render(self, pipeline: Pipeline, settings: Mapping[str, Json]) -> Mapping[str, str]:
        """Return the workflow, and the drift check where one is scheduled."""
        work = plan_work(pipeline, settings)
        files = {f".github/workflows/{work.slug}.yml": _workflow(work)}
        if drift := plan_drift(work):
            files[f".github/workflows/{work.slug}-drift.yml"] = drift_workflow(work, drift)
        return files


def _workflow(work: Work) -> str:
    offered = work.inputs[:_MOST_INPUTS]
    events: dict[str, Any] = {
        "push": {"branches": [work.settings.branch]},
        "pull_request": {},
    }
    if work.settings.schedule:
        crons = dict.fromkeys(work.settings.schedule_utc.values()) or [work.settings.schedule]
        events["schedule"] = [{"cron": cron} for cron in crons]
    events["workflow_dispatch"] = {
        "inputs": {
            one.id: {"description": one.description, "type": "string", "required": False}
            for one in offered
        }
    }
    env = {key: github_text(value) for key, value in work.settings.env.items()}
    env |= {one.env: f"${{{{ inputs.{one.id} }}}}" for one in offered}
    body: dict[str, Any] = {
        "name": work.title,
        "on": events,
        "permissions": {"contents": "read"},
        "concurrency": {
            "group": "${{ github.workflow }}-${{ github.ref }}",
            # Half a pull request's run is worth nothing; half a branch's run fills the caches.
            "cancel-in-progress": "${{ github.event_name == 'pull_request' }}",
        },
        "defaults": {"run": {"shell": "bash"}},
    }
    if env:
        body["env"] = env
    drift = plan_drift(work)
    reference = drift.job if drift else None
    jobs = {job.id: _job(work, job, last=job == reference) for job in work.jobs}
    if set(work.settings.schedule_utc.values()) - {work.settings.schedule}:
        # What comes after a job that is left out is left out as well.
        first = {"needs": [_DUE], "if": f"needs.{_DUE}.outputs.due == 'true'"}
        jobs = {name: job if "needs" in job else first | job for name, job in jobs.items()}
        jobs = {_DUE: _due(work), **jobs}
    body["jobs"] = jobs
    body["jobs"]["mlops-nb-comment"] = comment_job(work)
    note = ""
    if len(work.inputs) > _MOST_INPUTS:
        left = ", ".join(title(one.name) for one in work.inputs[_MOST_INPUTS:])
        note = comment(f"GitHub takes {_MOST_INPUTS} inputs; left out: {left}")
    if work.settings.schedule and work.settings.timezone != "UTC":
        zone = title(work.settings.timezone)
        if work.settings.schedule_utc:
            note += comment(f"GitHub fires in UTC; the first job knows what is due in {zone}.")
        else:
            note += comment(f"GitHub reads schedules in UTC, not in {zone}.")
    return work.header("github") + note + with_versions(dump_yaml(body))


def _due(work: Work) -> dict[str, Any]:
    """Return the job that ends a run whose expression is not that of the zone's offset today."""
    right = "|".join(shell(f"{cron} {at}") for at, cron in work.settings.schedule_utc.items())
    script = "\n".join(
        [
            "due=true",
            'if [ "$GITHUB_EVENT_NAME" = schedule ]; then',
            '  case "$FIRED $(date +%z)" in',
            f"    {right}) ;;",
            "    *) due=false ;;",
            "  esac",
            "fi",
            'echo "due=$due" >> "$GITHUB_OUTPUT"',
        ]
    )
    return {
        "name": "Is it due",
        "runs-on": work.settings.runner,
        "timeout-minutes": 5,
        "outputs": {"due": "${{ steps.due.outputs.due }}"},
        "steps": [
            {
                "id": "due",
                "env": {"FIRED": "${{ github.event.schedule }}", "TZ": work.settings.timezone},
                "run": script,
            }
        ],
    }


def _job(work: Work, job: Job, *, last: bool) -> dict[str, Any]:
    settings = work.settings
    names = [f"carry-{name}" for name in job.ancestors]
    run: Step = {"name": "Run", "id": "run", "run": github_text(work.run(job))}
    if settings.secrets:
        run["env"] = {name: f"${{{{ secrets.{name} }}}}" for name in settings.secrets}
    steps: list[Step] = checkout_steps(work)
    if names:
        which = {"name": names[0]} if len(names) == 1 else {"pattern": "{" + ",".join(names) + "}"}
        steps += [
            {
                "name": "Fetch what the jobs above have made",
                "uses": uses("actions/download-artifact"),
                "with": {
                    **which,
                    "path": ABOVE,
                    **({"merge-multiple": True} if len(names) > 1 else {}),
                },
            },
            {"name": "Unpack what they have made", "run": work.unpack(ABOVE)},
        ]
    steps += [
        *restore(work, job),
        run,
        {"name": "Pack what is done", "if": "always()", "run": github_text(work.pack(job))},
        keep(job),
        *([keep_latest(work, job)] if last else []),
        {
            "name": "Hand it to the jobs below",
            "uses": uses("actions/upload-artifact"),
            "with": {
                "name": f"carry-{job.id}",
                "path": job.bundle,
                "include-hidden-files": True,
                "if-no-files-found": "error",
                "compression-level": 0,
                "overwrite": True,
                "retention-days": settings.keep_days,
            },
        },
        {
            "name": "Summarise",
            "if": "always()",
            "run": f"{work.summary(job, f'{SUMMARIES}/{job.id}.md')}\n"
            f'cat {SUMMARIES}/{job.id}.md >> "$GITHUB_STEP_SUMMARY"',
        },
        {
            "name": "Keep executed notebooks and reports",
            "if": "always()",
            "uses": uses("actions/upload-artifact"),
            "with": {
                "name": f"report-{job.id}",
                "path": ".mlops/runs",
                "include-hidden-files": True,
                "if-no-files-found": "ignore",
                "overwrite": True,
                "retention-days": settings.keep_days,
            },
        },
        {
            "name": "Keep the summary",
            "if": "always()",
            "uses": uses("actions/upload-artifact"),
            "with": {
                "name": f"summary-{job.id}",
                "path": f"{SUMMARIES}/{job.id}.md",
                "include-hidden-files": True,
                "if-no-files-found": "ignore",
                "overwrite": True,
                "retention-days": 1,
            },
        },
    ]
    result: dict[str, Any] = {"name": job.title}
    if job.needs:
        result["needs"] = list(job.needs)
    return result | {
        "runs-on": settings.runner,
        "timeout-minutes": job.minutes,
        "steps": steps,
    }
