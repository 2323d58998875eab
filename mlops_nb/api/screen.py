"""The pipeline as a screen shows it: the graph, what would run, how it went, the parameter form."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import msgspec

from mlops_nb.api.execute import Prepared, prepare
from mlops_nb.api.past import last_runs, summarize
from mlops_nb.model import Action, Pipeline, RunStatus, TaskKind
from mlops_nb.model.views import (
    GroupView,
    ParameterView,
    PipelineView,
    PlanItemView,
    PlanView,
    ProductView,
    TaskView,
)
from mlops_nb.notebooks.types import Type, parse_type
from mlops_nb.runs.profile import expected_seconds, longest_path
from mlops_nb.runs.store import RunStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from mlops_nb.config import Project
    from mlops_nb.model import Json, Parameter, Product

__all__ = ["parameter_form", "plan_view", "view_pipeline", "view_plan"]

_RUNS = 50
"""Earlier runs that are searched for a task's last one."""
_CONTROLS = {
    "bool": "boolean",
    "int": "integer",
    "float": "number",
    "str": "text",
    "path": "text",
    "date": "text",
    "datetime": "text",
    "time": "text",
    "literal": "choice",
    "list": "list",
    "tuple": "list",
    "set": "list",
    "frozenset": "list",
    "dict": "mapping",
}


def view_pipeline(project: Project | Path | str | None = None, *, label: str = "") -> PipelineView:
    """Return everything that the picture of a pipeline shows.

    Parameters
    ----------
    project
        A project, its folder or its specification; by default the current folder's.
    label
        What `PipelineView.project` is to say.

    Raises
    ------
    ProjectError
        The project, its pipeline or a notebook is wrong.
    """
    prepared = prepare(project)
    found, pipeline = prepared.project, prepared.pipeline
    store = RunStore(found.state)
    runs = store.list(_RUNS)
    expected = expected_seconds(store)
    last = last_runs(found, runs)
    path, seconds = longest_path(
        {task.name: expected.get(task.name, 0.0) for task in pipeline.tasks},
        {task.name: task.upstream for task in pipeline.tasks},
    )
    planned = {item.task: item for item in prepared.plan.items}
    critical = tuple(name for name in path if expected.get(name))
    tasks = tuple(
        TaskView(
            name=task.name,
            kind=task.kind,
            source=task.source,
            source_is_file=task.kind is not TaskKind.FUNCTION and (found.root / task.source).is_file(),
            upstream=task.upstream,
            products=tuple(_product(found, product) for product in task.products),
            parameters=tuple(_known(task.params, task.declared)),
            group=task.group,
            kernel=task.kernel,
            language=task.language,
            tags=task.policy.tags,
            inputs=task.inputs,
            action=planned[task.name].action,
            why=planned[task.name].why,
            reasons=planned[task.name].reasons,
            last=last.get(task.name),
            expected_seconds=expected.get(task.name),
            critical=task.name in critical,
        )
        for task in pipeline.tasks
    )  # fmt: skip
    plan = plan_view(prepared, expected)
    groups: dict[str, list[str]] = defaultdict(list)
    for task in pipeline.tasks:
        if task.group:
            groups[task.group].append(task.name)
    return PipelineView(
        project=label,
        name=found.name,
        spec=pipeline.spec,
        tasks=tasks,
        groups=tuple(GroupView(name=name, tasks=tuple(names)) for name, names in groups.items()),
        parameters=parameter_form(pipeline),
        plan=plan.counts,
        critical_path=critical,
        critical_seconds=seconds if critical else None,
        expected_seconds=plan.expected_seconds,
        active=tuple(run.id for run in runs if run.status is RunStatus.RUNNING),
        last=summarize(runs[0]) if runs else None,
    )


def view_plan(
    project: Project | Path | str | None = None,
    *,
    targets: Sequence[str] = (),
    start_from: Sequence[str] = (),
    parameters: Mapping[str, Json] | None = None,
    force: bool = False,
) -> PlanView:
    """Return what a run would do, and how long that takes by earlier runs; as `prepare` plans it.

    Raises
    ------
    ProjectError
        The project, its pipeline, a notebook or a parameter is wrong.
    """
    prepared = prepare(
        project, targets=targets, start_from=start_from, parameters=parameters, force=force
    )
    return plan_view(prepared)


def plan_view(prepared: Prepared, expected: Mapping[str, float] | None = None) -> PlanView:
    """Return a plan with the durations of earlier runs."""
    if expected is None:
        expected = expected_seconds(RunStore(prepared.project.state))
    items = tuple(
        PlanItemView(
            task=item.task,
            action=item.action,
            why=item.why,
            reasons=item.reasons,
            expected_seconds=expected.get(item.task),
        )
        for item in prepared.plan.items
    )
    to_run = [item.task for item in items if item.action is Action.RUN]
    counts = Counter(item.action.value for item in items)
    return PlanView(
        items=items,
        counts={action.value: counts[action.value] for action in Action},
        is_noop=prepared.is_noop,
        expected_seconds=(
            sum(expected[name] for name in to_run) if all(t in expected for t in to_run) else None
        ),
    )


def parameter_form(pipeline: Pipeline) -> tuple[ParameterView, ...]:
    """Return the fields of a form that sets the pipeline's parameters.

    A parameter that several tasks share is one field, unless they hold different values: then it
    is one field a task, named ``task.name``.
    """
    by_name: dict[str, list[tuple[str, ParameterView]]] = defaultdict(list)
    for task in pipeline.tasks:
        for name, parameter in _known(task.params, task.declared).items():
            by_name[name].append((task.name, _field(name, parameter, task.params)))
    fields: list[ParameterView] = []
    for name, found in by_name.items():
        first = found[0][1]
        if all(view == first for _, view in found):
            tasks = tuple(task for task, _ in found)
            fields.append(msgspec.structs.replace(first, tasks=tasks))
        else:
            fields += [
                msgspec.structs.replace(view, name=f"{task}.{name}", tasks=(task,))
                for task, view in found
            ]
    return tuple(fields)


def _known(
    params: Mapping[str, Json], declared: Iterable[Parameter]
) -> dict[str, Parameter | None]:
    """Return parameters in the notebook's order, then those that only the specification sets."""
    known: dict[str, Parameter | None] = {parameter.name: parameter for parameter in declared}
    for name in params:
        if name != "resources_":
            known.setdefault(name, None)
    return known


def _field(name: str, parameter: Parameter | None, params: Mapping[str, Json]) -> ParameterView:
    is_set = name in params
    text = parameter.type if parameter else "Any"
    declared = parse_type(text)
    control, choices = _control(declared, params.get(name))
    return ParameterView(
        name=name,
        type=text,
        control=control,
        optional=declared.accepts_none(),
        choices=choices,
        value=params[name] if is_set else parameter.default if parameter else None,
        known=is_set or parameter is None or parameter.literal,
        help=parameter.help if parameter else "",
    )


def _control(declared: Type, value: Json) -> tuple[str, tuple[Json, ...]]:
    members = [member for member in declared.args_of_union if member.name != "none"]
    if len(members) == 1:
        declared = members[0]
    if declared.name == "any" and value is not None:
        # Nothing is declared: the value in the specification tells what it is.
        for kind, control in (
            (bool, "boolean"),
            (int, "integer"),
            (float, "number"),
            (str, "text"),
        ):
            if isinstance(value, kind):
                return control, ()
    return _CONTROLS.get(declared.name, "json"), declared.values


def _product(project: Project, product: Product) -> ProductView:
    exists, size = False, 0
    if product.is_file:
        try:
            status = (project.root / product.path).stat()
        except OSError:
            pass
        else:
            exists = True
            size = 0 if (project.root / product.path).is_dir() else status.st_size
    return ProductView(
        path=product.path,
        key=product.key,
        is_file=product.is_file,
        is_notebook=product.is_notebook,
        exists=exists,
        size=size,
    )
