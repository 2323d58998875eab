"""One digest for what several tasks together will make: the key of a cache elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nb.errors import PipelineError
from mlops_nb.pipeline.digests import digest_of
from mlops_nb.pipeline.fingerprint import (
    Fingerprinter,
    complete_fingerprint,
    output_digest,
    product_digests,
)
from mlops_nb.pipeline.state import StateStore

if TYPE_CHECKING:
    from collections.abc import Collection

    from mlops_nb.config import Project
    from mlops_nb.model import Pipeline

__all__ = ["joint_key"]


def joint_key(project: Project, pipeline: Pipeline, tasks: Collection[str]) -> str:
    """Return a digest that changes with everything that the results of tasks depend on.

    It is known before they run: what one of them takes from another follows from the parts of
    that one, which are in the digest themselves. For a single task it is its fingerprint's.

    Parameters
    ----------
    project
        The project.
    pipeline
        Its pipeline, parameters of the run set.
    tasks
        Names of the tasks.

    Raises
    ------
    PipelineError
        A task that one of them comes after is not among them, and has not run.
    NotebookError
        A notebook is missing or cannot be read.
    """
    look = Fingerprinter(project)
    store = StateStore(project)
    digests: dict[str, str] = {}
    for task in pipeline.tasks:
        if task.name not in tasks:
            continue
        upstream: dict[str, str] = {}
        for name in task.upstream:
            if name in digests:
                upstream[name] = digests[name]
                continue
            state = store.get(name)
            above = pipeline[name]
            if state is None:
                raise PipelineError(
                    f'its upstream task "{name}" has not run',
                    where=f'task "{task.name}"',
                    fix=f'run it first, or ask for both: mlops-nb plan --key "{name}" "{task.name}"',
                )
            products = product_digests(project, above, digests=look.digests)
            upstream[name] = output_digest(above, state.fingerprint.digest, products)
        digests[task.name] = complete_fingerprint(look.own_parts(task), upstream).digest
    if len(digests) == 1:
        return next(iter(digests.values()))
    return digest_of(*(text for pair in sorted(digests.items()) for text in pair))
