"""GitHub's workflow that checks for drift."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from mlops_nb.export.drift import PAGE
from mlops_nb.export.github_steps import (
    Step,
    checkout_steps,
    restore_latest,
    uses,
    with_versions,
)
from mlops_nb.export.quoting import comment, dump_yaml, github_text

if TYPE_CHECKING:
    from mlops_nb.export.drift import Drift
    from mlops_nb.export.jobs import Work

__all__ = ["drift_workflow"]


def drift_workflow(work: Work, drift: Drift) -> str:
    """Return the workflow of its own."""
    settings = work.settings
    check: Step = {"name": "Check for drift", "run": github_text(drift.command)}
    if settings.secrets:
        check["env"] = {name: f"${{{{ secrets.{name} }}}}" for name in settings.secrets}
    body: dict[str, Any] = {
        "name": f"{work.title}: drift",
        "on": {"schedule": [{"cron": settings.drift_schedule}], "workflow_dispatch": {}},
        "permissions": {"contents": "read"},
        "concurrency": {"group": "${{ github.workflow }}", "cancel-in-progress": False},
        "defaults": {"run": {"shell": "bash"}},
    }
    if settings.env:
        body["env"] = {key: github_text(value) for key, value in settings.env.items()}
    body["jobs"] = {
        "drift": {
            "name": "Drift",
            "runs-on": settings.runner,
            "timeout-minutes": settings.timeout_minutes,
            "steps": [
                *checkout_steps(work),
                *(restore_latest(work, drift.job) if drift.job else []),
                check,
                {
                    "name": "Keep the reports",
                    "if": "always()",
                    "uses": uses("actions/upload-artifact"),
                    "with": {
                        "name": "drift-reports",
                        "path": f"{PurePosixPath(PAGE).parent}\n.mlops/profiles\n.mlops/runs",
                        "include-hidden-files": True,
                        "if-no-files-found": "ignore",
                        "overwrite": True,
                        "retention-days": settings.keep_days,
                    },
                },
            ],
        }
    }
    note = comment("The job fails where drift is found: exit code 10.")
    return work.header("github") + note + with_versions(dump_yaml(body))
