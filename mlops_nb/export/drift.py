"""What a scheduled check for drift runs, and which job's results it needs for that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nb.errors import ConfigError
from mlops_nb.export.quoting import shell_words
from mlops_nb.model import Record

if TYPE_CHECKING:
    from mlops_nb.export.jobs import Job, Work

__all__ = ["PAGE", "Drift", "plan_drift"]

PAGE = ".mlops/drift/report.html"
"""Where the check writes its report."""
_KEY = "reference"


class Drift(Record, frozen=True, kw_only=True):
    """A check for drift."""

    command: str
    """Shell."""
    job: Job | None = None
    """The job that makes the reference; none where the reference is a file of the project."""


def plan_drift(work: Work) -> Drift | None:
    """Return the check that the settings ask for.

    Raises
    ------
    ConfigError
        There is data to compare, and nothing to compare it with.
    """
    settings = work.settings
    if not settings.drift_schedule or not (settings.drift_data or settings.drift_command):
        return None
    references = [
        product.path
        for task in work.pipeline.tasks
        for product in task.products
        if product.key == _KEY and product.is_file
    ]
    reference = settings.drift_reference or (references[0] if len(references) == 1 else "")
    if settings.drift_data and not settings.drift_command and not reference:
        found = f"{len(references)} products are" if references else "no product is"
        raise ConfigError(
            f'{found} called "{_KEY}"',
            where="[tool.mlops-nb.export] drift-data",
            fix="say what to compare the data with: drift-reference",
        )
    command = settings.drift_command or shell_words(
        ["mlops-nb", "drift", "check", "--page", PAGE, "--", reference, settings.drift_data]
    )
    return Drift(command=command, job=_maker(work, reference))


def _maker(work: Work, reference: str) -> Job | None:
    for job in work.jobs:
        for name in job.tasks:
            for product in work.pipeline[name].products:
                if product.is_file and f"{reference}/".startswith(f"{product.path}/"):
                    return job
    return None
