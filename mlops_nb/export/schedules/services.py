"""Schedules for CI services: GitHub Actions and GitLab CI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_nb.export.github_steps import checkout_steps, uses, with_versions
from mlops_nb.export.jobs import plan_work
from mlops_nb.export.naming import title
from mlops_nb.export.quoting import comment, dump_yaml, github_text, shell_words
from mlops_nb.export.schedules.head import head
from mlops_nb.export.schedules.place import STORE, latest_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlops_nb.export.jobs import Work
    from mlops_nb.export.schedules.place import Place
    from mlops_nb.model import CronFields, Json, Pipeline, ScheduleEntry

__all__ = ["github", "gitlab"]

_LATE = "A checkout is fresh each time: set the secret MLOPS_NB_SCHEDULE_STORE to a PostgreSQL URL, and "
_LATE += "occurrences are claimed there: once, whoever else runs them."


def github(
    entries: Sequence[ScheduleEntry], place: Place, pipeline: Pipeline, settings: Mapping[str, Json]
) -> dict[str, str]:
    """Return a workflow for each schedule."""
    work = plan_work(pipeline, settings)
    env = {key: github_text(value) for key, value in work.settings.env.items()}
    files = {}
    for entry in entries:
        name = entry.id
        secrets = dict.fromkeys((*work.settings.secrets, STORE))
        body: dict[str, Any] = {
            "name": title(f"{pipeline.name}: schedule {entry.name}"),
            "on": {"schedule": [{"cron": entry.utc.text}], "workflow_dispatch": {}},
            "permissions": {"contents": "read"},
            "concurrency": {"group": f"mlops-nb-schedule-{name}", "cancel-in-progress": False},
            "defaults": {"run": {"shell": "bash"}},
            **({"env": env} if env else {}),
            "jobs": {
                "run": {
                    "runs-on": work.settings.runner,
                    "timeout-minutes": _minutes(entry, work),
                    "steps": [
                        *checkout_steps(work),
                        {
                            "name": "Run what is due",
                            "env": {one: f"${{{{ secrets.{one} }}}}" for one in secrets},
                            "run": github_text(_line(entry, entry.utc, place)),
                        },
                        {
                            "name": "Keep executed notebooks and reports",
                            "if": "always()",
                            "uses": uses("actions/upload-artifact"),
                            "with": {
                                "name": "reports",
                                "path": ".mlops/runs",
                                "include-hidden-files": True,
                                "if-no-files-found": "ignore",
                                "overwrite": True,
                                "retention-days": work.settings.keep_days,
                            },
                        },
                    ],
                }
            },
        }
        text = (
            head("github", pipeline.name)
            + _note(entry, entry.utc)
            + comment("GitHub may start it late, or leave it out when it is busy.")
        )
        files[f".github/workflows/{work.slug}-schedule-{name}.yml"] = text + with_versions(
            dump_yaml(body)
        )
    return files


def gitlab(
    entries: Sequence[ScheduleEntry], place: Place, pipeline: Pipeline, settings: Mapping[str, Json]
) -> dict[str, str]:
    """Return jobs to include in ``.gitlab-ci.yml``; the times are set in GitLab itself."""
    work = plan_work(pipeline, settings)
    # GitLab expands variables within variables; a doubled sign is a sign.
    variables = {key: value.replace("$", "$$") for key, value in work.settings.env.items()}
    body: dict[str, Any] = {}
    text = head("gitlab", pipeline.name) + comment(
        "Include these jobs in .gitlab-ci.yml:\n"
        "  include: [{local: .gitlab/mlops-nb-schedules.yml}]\n"
        "GitLab keeps times outside of files: make a pipeline schedule for each (Build, Pipeline\n"
        "schedules) with this cron, this zone and this variable."
    )
    text += comment(_LATE)
    for entry in entries:
        name = entry.id
        text += comment(
            f"  {entry.fields.text}   {entry.fields.timezone}   MLOPS_NB_SCHEDULE={name}   ({entry.words})"
        )
        body[f"mlops-nb-schedule-{name}"] = {
            "image": work.settings.python_image,
            **({"variables": variables} if variables else {}),
            "rules": [
                {"if": f'$CI_PIPELINE_SOURCE == "schedule" && $MLOPS_NB_SCHEDULE == "{name}"'}
            ],
            "resource_group": f"mlops-nb-schedule-{name}",
            "interruptible": False,
            "timeout": f"{_minutes(entry, work)} minutes",
            "script": [*work.settings.install_commands, _line(entry, entry.fields, place)],
            "artifacts": {
                "when": "always",
                "paths": [".mlops/runs/"],
                "expire_in": f"{work.settings.keep_days} days",
            },
        }
    return {".gitlab/mlops-nb-schedules.yml": text + dump_yaml(body)}


def _line(entry: ScheduleEntry, fields: CronFields, place: Place) -> str:
    return shell_words(["python", "-P", "-m", "mlops_nb", *latest_words(entry, fields, place)])


def _minutes(entry: ScheduleEntry, work: Work) -> int:
    if entry.timeout is not None:
        return int(entry.timeout // 60) + 15
    return sum(job.minutes for job in work.jobs)


def _note(entry: ScheduleEntry, fields: CronFields) -> str:
    text = f"{title(entry.name)}: {entry.words}"
    if fields.within is not None:
        text += "\nFires more often than that; there is nothing to do then."
    if not entry.in_project:
        text += "\nThe schedule is in no file: put it into [tool.mlops-nb.schedules], or share the store."
    return comment(f"{text}\n{_LATE}")
