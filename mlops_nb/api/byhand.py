"""Lets a task's notebook run when it is opened by hand, without touching it or the real products.

The pipeline injects ``upstream`` and ``product`` below the ``parameters`` cell. By hand nothing is
injected: `resolve` then reads them from ``pipeline.yaml``. What the notebook makes goes to
``.mlops/scratch/``, so exploring never changes a product that a run has made; what it needs is
taken from scratch first, then from the products of the last run. Nothing is written into the
notebook, so Git stays clean.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_nb.config import Project, find_project
from mlops_nb.errors import ParameterError, PipelineError, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops_nb.model import Json, Pipeline, Task

__all__ = ["SAMPLE_VARIABLE", "resolve", "sample"]

SAMPLE_VARIABLE = "MLOPS_NB_SAMPLE"


def sample(default: float = 1.0) -> float:
    """Return the share of the data to work on: ``MLOPS_NB_SAMPLE`` by hand, else the default.

    Parameters
    ----------
    default
        The notebook's own parameter, between 0 and 1; what a pipeline's run uses.

    Raises
    ------
    ParameterError
        The variable does not hold a number above 0 and up to 1.
    """
    if os.environ.get("MLOPS_NB_RUN_ID"):
        return default
    text = os.environ.get(SAMPLE_VARIABLE, "")
    if not text:
        return default
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 < share <= 1:
        raise ParameterError(
            f'"{text}" is not a share', where=SAMPLE_VARIABLE, fix="give a number such as 0.05"
        )
    return share


def resolve(
    task: str,
    upstream: Sequence[str] | dict[str, Json] | None = None,
    product: Json = None,
    *,
    start: Path | str | None = None,
) -> tuple[dict[str, Json] | None, Json]:
    """Return ``upstream`` and ``product`` as the pipeline would inject them.

    Parameters
    ----------
    task
        The task's name in ``pipeline.yaml``, or its grid's (then the grid's first task is taken).
    upstream, product
        What the notebook holds at that point. Where the pipeline has injected them they are
        returned as they are.
    start
        Where to look for the project; the current folder by default.

    Returns
    -------
    tuple
        ``upstream`` (paths by task, or by task and key; ``None`` for a task without any) and
        ``product`` (a path, or paths by key). The product's folders exist.

    Raises
    ------
    ProjectError
        There is no project here.
    PipelineError
        The task is unknown, or an upstream product has not been made yet.
    """
    if product is not None:
        return (upstream if isinstance(upstream, dict) else None), product

    from mlops_nb.pipeline.load import load_pipeline
    from mlops_nb.pipeline.params import product_value, task_parameters

    project = find_project(start)
    pipeline = load_pipeline(project)
    found = _find(pipeline, task)
    scratch = _scratch_folder(project)
    own = {item.path: str(scratch / _inside(item.path)) for item in found.products if item.is_file}
    for path in own.values():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    values = task_parameters(project, pipeline, found, products=own)
    given: dict[str, Any] = values.get("upstream") or {}
    absent = _absent(project, pipeline, found, scratch)
    for name in found.upstream:
        place = given[found.groups[name]] if name in found.groups else given
        if name in absent:
            del place[name]
        else:
            products = pipeline[name].products
            made = {
                item.path: str(_made(project, scratch, item.path, name))
                for item in products
                if item.is_file and not item.is_notebook
            }
            place[name] = product_value(project, products, made)
    return given or None, values["product"]


def _absent(project: Project, pipeline: Pipeline, task: Task, scratch: Path) -> set[str]:
    """Return the grid's tasks to do without: not made yet, while another of the grid has been.

    By hand one candidate of a grid is enough to try what comes after it.
    """
    made: dict[str, list[str]] = {}
    missing: dict[str, list[str]] = {}
    for name in task.upstream:
        if group := pipeline[name].group:
            files = [p.path for p in pipeline[name].products if p.is_file and not p.is_notebook]
            try:
                for path in files:
                    _made(project, scratch, path, name)
            except PipelineError:
                missing.setdefault(group, []).append(name)
            else:
                made.setdefault(group, []).append(name)
    return {name for group in made for name in missing.get(group, ())}


def _find(pipeline: Pipeline, name: str) -> Task:
    for task in pipeline.tasks:
        if name in (task.name, task.group):
            return task
    known = {task.name for task in pipeline.tasks} | {task.group for task in pipeline.tasks} - {""}
    raise PipelineError(
        f'no task is called "{name}"', where=pipeline.spec, fix=nearest(name, known)
    )


def _scratch_folder(project: Project) -> Path:
    share = os.environ.get(SAMPLE_VARIABLE, "")
    # Full and sampled data must never meet: each share has a folder of its own.
    return project.state / "scratch" / (f"sample-{sample():g}" if share else "full")


def _inside(path: str) -> Path:
    """A product's place below scratch, also where the product lies outside the project."""
    parts = [part for part in Path(path).parts if part not in ("..", "/", Path(path).anchor)]
    return Path(*parts)


def _made(project: Project, scratch: Path, path: str, task: str) -> Path:
    by_hand = scratch / _inside(path)
    if by_hand.exists():
        return by_hand
    product = project.root / path
    if product.exists() and scratch.name == "full":
        return product
    raise PipelineError(
        f"{path} has not been made yet",
        where=f'upstream task "{task}"',
        fix=f'run its notebook by hand first, or "mlops-nb run {task}"',
    )
