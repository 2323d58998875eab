"""The values that a task is run with, in the shape that Ploomber injects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nb.errors import PipelineError, nearest
from mlops_nb.model import Json
from mlops_nb.pipeline.files import resolve

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_nb.config import Project
    from mlops_nb.model import Pipeline, Product, Task

__all__ = ["find_task", "product_value", "task_parameters"]


def task_parameters(
    project: Project,
    pipeline: Pipeline,
    task: Task | str,
    *,
    products: Mapping[str, str] | None = None,
) -> dict[str, Json]:
    """Return a task's parameters with ``upstream`` and ``product`` as Ploomber injects them.

    Parameters
    ----------
    project
        Where relative paths start.
    pipeline
        The task's pipeline.
    task
        The task or its name.
    products
        Paths to use instead, by the final path as `Product.path` has it (an absolute final path
        is taken too); for the task's own products, so that they can be made elsewhere and moved.

    Returns
    -------
    dict
        ``params``, then ``upstream`` (only where there is one): a path for a task with one
        product, paths by key for one with several, one level deeper below a pattern such as
        ``fit-*``; then ``product``. Paths are absolute.

    Raises
    ------
    PipelineError
        There is no task of that name.
    """
    task = find_task(pipeline, task)
    values: dict[str, Json] = dict(task.params)
    if task.upstream:
        upstream: dict[str, Json] = {}
        for name in task.upstream:
            value = product_value(project, find_task(pipeline, name).products)
            if name in task.groups:
                upstream.setdefault(task.groups[name], {})[name] = value
            else:
                upstream[name] = value
        values["upstream"] = upstream
    values["product"] = product_value(project, task.products, products or {})
    return values


def product_value(
    project: Project, products: tuple[Product, ...], instead: Mapping[str, str] | None = None
) -> Json:
    """Return products as one path, or as paths by key."""
    moved = {str(resolve(project.root, final)): path for final, path in (instead or {}).items()}

    def place(product: Product) -> str:
        if not product.is_file:
            return product.path
        final = str(resolve(project.root, product.path))
        return str(resolve(project.root, moved[final])) if final in moved else final

    if len(products) == 1 and not products[0].key:
        return place(products[0])
    return {product.key: place(product) for product in products}


def find_task(pipeline: Pipeline, task: Task | str) -> Task:
    """Return a task of the pipeline.

    Raises
    ------
    PipelineError
        There is none of that name.
    """
    if not isinstance(task, str):
        return task
    for candidate in pipeline.tasks:
        if candidate.name == task:
            return candidate
    raise PipelineError(
        f'no task is called "{task}"', where=pipeline.spec, fix=nearest(task, pipeline.names())
    )
