"""Sets parameters for one run, checked before anything starts."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import msgspec

from mlops_nb.errors import ParameterError, nearest
from mlops_nb.model import Json, Parameter, TaskKind
from mlops_nb.notebooks.parameters import check_value, missing_cell, parse_value
from mlops_nb.notebooks.types import from_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_nb.model import Pipeline, Task

__all__ = ["with_parameters"]


def with_parameters(pipeline: Pipeline, overrides: Mapping[str, Json | str]) -> Pipeline:
    """Return the pipeline with parameters set over those of the specification.

    Parameters
    ----------
    pipeline
        The pipeline.
    overrides
        Values by name. ``max_depth`` reaches every task that has such a parameter;
        ``train.max_depth``, ``train-*.max_depth`` or a grid's name only those tasks. Text is read
        by the parameter's type, as on the command line; other values are checked against it.

    Raises
    ------
    ParameterError
        A name is unknown (the nearest one is offered), or a value has the wrong type.
    NotebookError
        A task is named whose notebook has no ``parameters`` cell.
    """
    tasks = {task.name: task for task in pipeline.tasks}
    for name, value in overrides.items():
        for task, parameter in _receivers(pipeline, name):
            found = (
                parse_value(parameter, value)
                if isinstance(value, str)
                else check_value(parameter, value)
            )
            current = tasks[task.name]
            tasks[task.name] = msgspec.structs.replace(
                current, params={**current.params, parameter.name: found}
            )
    return msgspec.structs.replace(
        pipeline, tasks=tuple(tasks[task.name] for task in pipeline.tasks)
    )


def _receivers(pipeline: Pipeline, name: str) -> list[tuple[Task, Parameter]]:
    found = [(task, known[name]) for task in pipeline.tasks if name in (known := _known(task))]
    if found:
        return found
    scope, dot, own = name.rpartition(".")
    scoped = [task for task in pipeline.tasks if dot and _is_meant(task, scope)]
    if scoped:
        found = [(task, known[own]) for task in scoped if own in (known := _known(task))]
        if found:
            return found
        if not any(task.has_parameters for task in scoped):
            raise missing_cell(scoped[0].source, f'the parameter "{own}" is to be set')
        declared = {parameter for task in scoped for parameter in _known(task)}
        raise ParameterError(
            f'"{own}" is not a parameter of task "{scope}"',
            where=scoped[0].source,
            fix=nearest(own, declared),
        )
    known_names = {parameter for task in pipeline.tasks for parameter in _known(task)}
    if dot and own in known_names:
        raise ParameterError(
            f'no task is called "{scope}"', where=name, fix=nearest(scope, pipeline.names())
        )
    lacking = [task.source for task in pipeline.tasks if not task.has_parameters]
    hint = nearest(name, known_names)
    if not hint and lacking:
        raise missing_cell(lacking[0], f'the parameter "{name}" is to be set')
    raise ParameterError(
        f'no task has a parameter "{name}"',
        where=pipeline.spec,
        fix=hint or "no task declares any parameter",
    )


def _is_meant(task: Task, scope: str) -> bool:
    return scope in (task.name, task.group) or fnmatchcase(task.name, scope)


def _known(task: Task) -> dict[str, Parameter]:
    """Return a task's parameters: declared by its notebook, or set by the specification."""
    known = {
        name: Parameter(
            name=name,
            # A function's parameter has no declaration to hold values against; its value in the
            # specification only tells how text is meant.
            type=from_value(value) if task.kind is not TaskKind.NOTEBOOK else "Any",
            default=value,
        )
        for name, value in task.params.items()
        if name != "resources_"
    }
    known.update({parameter.name: parameter for parameter in task.declared})
    return known
