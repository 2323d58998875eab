"""Adds to Ploomber's tasks what the project and the notebooks say of them."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import msgspec

from mlops_nb.config import TaskSettings
from mlops_nb.errors import ConfigError, ParameterError, nearest
from mlops_nb.model import Parameter, Pipeline, Task, TaskKind
from mlops_nb.notebooks.cells import Cells, find_tagged
from mlops_nb.notebooks.parameters import RESERVED, infer_parameters, missing_cell
from mlops_nb.notebooks.read import read_cells
from mlops_nb.notebooks.syntax import parse_cell
from mlops_nb.pipeline.digests import Digests
from mlops_nb.pipeline.files import resolve
from mlops_nb.pipeline.functions import signature
from mlops_nb.pipeline.modules import Modules

if TYPE_CHECKING:
    from mlops_nb.config import Project

__all__ = ["complete"]


def complete(project: Project, pipeline: Pipeline) -> Pipeline:
    """Return the pipeline with policies, inputs, declared parameters and kernels.

    Raises
    ------
    NotebookError
        A notebook cannot be read, or lacks the ``parameters`` cell that its task needs.
    ParameterError
        The specification sets a parameter that looks like a misspelt one of the notebook.
    ConfigError
        The notebook metadata ``mlops-nb`` holds an unknown key or an ill-typed value.
    """
    read: dict[str, Cells] = {}
    modules = Modules(project.root, Digests(project))
    tasks = tuple(_complete_task(project, task, read, modules) for task in pipeline.tasks)
    return msgspec.structs.replace(pipeline, tasks=tasks)


def _complete_task(project: Project, task: Task, read: dict[str, Cells], modules: Modules) -> Task:
    settings = project.task_settings(task.name)
    if task.kind is TaskKind.FUNCTION:
        return msgspec.structs.replace(
            task,
            declared=_function_parameters(modules, task),
            policy=settings.policy(),
            inputs=_inputs(task, settings),
        )
    if task.kind not in (TaskKind.NOTEBOOK, TaskKind.SCRIPT) or not task.source:
        return msgspec.structs.replace(
            task, policy=settings.policy(), inputs=_inputs(task, settings)
        )
    if task.source not in read:
        read[task.source] = read_cells(resolve(project.root, task.source))
    cells = read[task.source]
    settings = _overlay(settings, cells, task.source)
    declared: tuple[Parameter, ...] = ()
    tagged = find_tagged(cells)
    if tagged is None:
        _check_needs_no_cell(task, cells)
    else:
        declared = infer_parameters(cells, where=task.source)
        _check_spelling(task, cells, declared)
    policy = settings.policy()
    if settings.checkpoint is None:
        policy = msgspec.structs.replace(policy, checkpoint=project.settings.checkpoint)
    return msgspec.structs.replace(
        task,
        declared=declared,
        has_parameters=tagged is not None,
        kernel=task.kernel or cells.kernel,
        policy=policy,
        inputs=_inputs(task, settings),
    )


def _function_parameters(modules: Modules, task: Task) -> tuple[Parameter, ...]:
    """Return the parameters of a function of the project; nothing for an installed one."""
    module, _, name = task.source.rpartition(".")
    file = modules.locate(module)
    if file is None:
        return ()
    try:
        return signature(file.read_text(encoding="utf-8"), name)
    except (OSError, UnicodeDecodeError):
        return ()


def _inputs(task: Task, settings: TaskSettings) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*task.inputs, *settings.inputs)))


def _overlay(settings: TaskSettings, cells: Cells, source: str) -> TaskSettings:
    """Take what the notebook says of itself where the project's settings say nothing."""
    if not cells.settings:
        return settings
    where = f"{source}, notebook metadata mlops-nb"
    try:
        own = msgspec.convert(cells.settings, TaskSettings)
    except msgspec.ValidationError as error:
        known = [field.encode_name for field in msgspec.structs.fields(TaskSettings)]
        unknown = next((key for key in cells.settings if key not in known), "")
        raise ConfigError(
            str(error), where=where, fix=nearest(unknown, known) if unknown else ""
        ) from error
    default = TaskSettings()
    return TaskSettings(
        **{
            field.name: getattr(
                settings if getattr(settings, field.name) != getattr(default, field.name) else own,
                field.name,
            )
            for field in msgspec.structs.fields(TaskSettings)
        }
    )


def _check_needs_no_cell(task: Task, cells: Cells) -> None:
    if task.params:
        names = ", ".join(task.params)
        raise missing_cell(task.source, f"the specification sets {names}")
    if task.upstream:
        raise missing_cell(task.source, f"it has the upstream tasks {', '.join(task.upstream)}")
    used = [name for name in RESERVED if name in _names_used(cells)]
    if used:
        raise missing_cell(task.source, f'its code uses "{used[0]}"')


def _check_spelling(task: Task, cells: Cells, declared: tuple[Parameter, ...]) -> None:
    """Refuse a parameter that nothing uses and that is nearly one that is declared.

    Ploomber lets a notebook use parameters that its cell does not declare; those stay as they are.
    """
    known = {parameter.name for parameter in declared}
    odd = [name for name in task.params if name not in known and name != "resources_"]
    if not odd:
        return
    used = _names_used(cells)
    for name in odd:
        fix = nearest(name, known - task.params.keys())
        if name not in used and fix.startswith("did you mean"):
            raise ParameterError(
                f'the specification sets "{name}", which the notebook neither declares nor uses',
                where=f'task "{task.name}", {task.source}',
                fix=fix,
            )


def _names_used(cells: Cells) -> set[str]:
    found: set[str] = set()
    for cell in cells.code:
        tree = parse_cell(cell.source) if cells.language == "python" else None
        if tree is None:
            found.update(re.findall(r"[A-Za-z_.][\w.]*", cell.source))
            continue
        found.update(
            node.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
        )
    return found
