"""Reads Ploomber specifications; the only file that imports ploomber.

Ploomber prints, warns, changes the current folder and adds cells to notebooks that lack a
``parameters`` cell. All of that is kept in here: it is silenced, undone or not done at all.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import logging
import os
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_nb.config import telemetry_off
from mlops_nb.errors import PipelineError
from mlops_nb.light import import_papermill, light_ploomber
from mlops_nb.model import Pipeline, TaskKind
from mlops_nb.pipeline import troubles
from mlops_nb.pipeline.describe import describe, executor_of, hooks_of, relative
from mlops_nb.pipeline.records import Loaded, Stored

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["open_dag", "preload", "quiet", "read_specification", "render", "require_task"]


@contextlib.contextmanager
def quiet() -> Iterator[io.StringIO]:
    """Keep what Ploomber prints, warns and logs from the user; give it as text."""
    heard = io.StringIO()
    disabled = logging.root.manager.disable
    hook = sys.excepthook
    logging.disable(logging.CRITICAL)
    try:
        with (
            contextlib.redirect_stdout(heard),
            contextlib.redirect_stderr(heard),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            yield heard
    finally:
        logging.disable(disabled)
        sys.excepthook = hook


def preload() -> None:
    """Import what reading and running a specification takes, and do nothing with it."""
    telemetry_off()
    with quiet():
        # The rest stays whole: functions that are run use pandas sooner or later.
        import_papermill()
        import ploomber.spec.dagspec
        import ploomber.tasks  # noqa: F401


@contextlib.contextmanager
def open_dag(root: Path, spec: Path, *, keep_modules: bool = False) -> Iterator[Any]:
    """Give the specification's DAG, not rendered, with the project as current folder.

    Parameters
    ----------
    root
        The project.
    spec
        The specification, absolute.
    keep_modules
        Whether project modules that loading imports stay imported; a process that goes on to
        run a task keeps them, one that loads several projects must not.

    Yields
    ------
    ploomber.DAG
        With a further attribute ``specs``: the specification's entry by task name.

    Raises
    ------
    ProjectError
        The specification cannot be loaded; nothing was changed.
    """
    telemetry_off()
    before_path, before_folder = list(sys.path), Path.cwd()
    before_bytecode = sys.dont_write_bytecode
    with quiet(), light_ploomber():
        # Ploomber's own modules first: they may be compiled to disk, the project's are not. A
        # .pyc is trusted by whole seconds and size, too coarse for edits between two runs.
        from ploomber.spec.dagspec import DAGSpec

    # Project modules that are imported already may be older than their files.
    stashed = {name: sys.modules.pop(name) for name in _project_modules(root)}
    sys.dont_write_bytecode = True
    try:
        os.chdir(root)
        sys.path.insert(0, str(root))
        importlib.invalidate_caches()
        with quiet(), _notebooks_untouched():
            try:
                document = DAGSpec(str(spec))
                specs = _name_entries(document)
                troubles.check_sources(document.data.get("tasks"), spec)
                dag = document.to_dag()
            except Exception as error:
                raise troubles.translate(error, spec) from error
            dag.specs = specs
            dag.document = document
        yield dag
    finally:
        sys.dont_write_bytecode = before_bytecode
        sys.path[:] = before_path
        os.chdir(before_folder)
        if not keep_modules:
            for name in _project_modules(root):
                del sys.modules[name]
            sys.modules.update(stashed)


@contextlib.contextmanager
def _notebooks_untouched() -> Iterator[None]:
    """Keep Ploomber from writing a ``parameters`` cell into notebooks that have none.

    A notebook without one counts as without upstream tasks, as it does after Ploomber's edit.
    """
    from ploomber.sources.notebooksource import NotebookSource

    validate, get = NotebookSource._validate_parameters_cell, NotebookSource._get_parameters_cell

    def keep(self: Any, *args: object, **kwargs: object) -> None:
        return None

    def get_or_default(self: Any, force: bool = False) -> str:
        empty = "upstream <- NULL" if self.language == "r" else "upstream = None"
        return str(get(self, force=force) or empty)

    NotebookSource._validate_parameters_cell = keep
    NotebookSource._get_parameters_cell = get_or_default
    try:
        yield
    finally:
        NotebookSource._validate_parameters_cell = validate
        NotebookSource._get_parameters_cell = get


def _name_entries(document: Any) -> dict[str, Mapping[str, Any]]:
    """Record which entry of the specification each task comes from, as tasks are made."""
    made: dict[str, Mapping[str, Any]] = {}
    entries = document.data.get("tasks")
    for entry in entries if isinstance(entries, list) else ():

        def to_task(dag: Any, *, entry: Any = entry, original: Any = entry.to_task) -> Any:
            result = original(dag)
            tasks = result[0] if hasattr(result[0], "tasks") else (result[0],)
            made.update({task.name: entry.data for task in tasks})
            return result

        entry.to_task = to_task
    return made


def read_specification(root: Path, spec: Path, name: str) -> Loaded:
    """Load a specification through Ploomber, without running any task.

    Parameters
    ----------
    root
        The project.
    spec
        The specification, absolute.
    name
        The pipeline's name.

    Raises
    ------
    ProjectError
        The specification is wrong: broken YAML, a missing source, a cycle, an unknown upstream
        task, two tasks with one product, an unknown kernel ...
    """
    troubles.check_yaml(spec)
    with open_dag(root, spec) as dag:
        for odd in dag._iter():
            if not isinstance(odd, str):
                raise PipelineError(
                    f"the task name {odd!r} is not text",
                    where=spec.name,
                    fix=f'write it in quotes: name: "{odd}"',
                )
        order = troubles.order_of(
            {task: tuple(dag._get_upstream(task)) for task in dag._iter()}, spec
        )
        with quiet():
            render(dag, spec)
            tasks = tuple(describe(dag, dag[task], order, root) for task in order)
            stored = {task: _stored(dag[task]) for task in order}
            dag.close_clients()
        files = {
            str(Path(str(sys.modules[key].__file__)).resolve()) for key in _project_modules(root)
        }
        files.update(_files_of(dag, root))
        notebooks = {
            str((root / task.source).resolve())
            for task in tasks
            if task.kind in (TaskKind.NOTEBOOK, TaskKind.SCRIPT)
        }
        pipeline = Pipeline(
            name=name,
            root=str(root),
            spec=relative(spec, root),
            tasks=tasks,
            hooks=hooks_of(dag),
            native_executor=executor_of(dag),
        )
    return Loaded(
        pipeline=pipeline,
        stored=stored,
        files=tuple(sorted(files - notebooks)),
        notebooks=tuple(sorted(notebooks)),
    )


def render(dag: Any, spec: Path) -> None:
    """Fill in every task's parameters, products and source, and call the ``on_render`` hooks.

    As ``DAG.render(force=True)`` does, which however gives all errors as one text with frames
    drawn around them. Forced: whether a task is outdated is not Ploomber's question here, and
    asking would read metadata from remote stores.

    Raises
    ------
    ProjectError
        A task cannot be rendered, a hook fails, or two tasks make one product.
    """
    from ploomber.dag.util import check_duplicated_products

    name = ""
    try:
        for name in list(dag):
            dag[name].render(force=True)
        name = ""
        dag._run_on_render()
        check_duplicated_products(dag)
    except Exception as error:
        raise troubles.translate(error, spec, dag, task=name) from error


def _stored(task: Any) -> Stored:
    """Return what Ploomber would store for a task, as `Metadata.update` makes it."""
    from ploomber.products._resources import process_resources
    from ploomber.products.serializeparams import remove_non_serializable_top_keys

    params = task.params.to_json_serializable(params_only=True)
    kept = process_resources(remove_non_serializable_top_keys(params)) or {}
    is_text = type(task).__name__ in ("NotebookRunner", "ScriptRunner")
    return Stored(
        source_code=None if is_text else str(task.source),
        params=json.loads(json.dumps(kept, default=str)),
        dropped=tuple(name for name in params if name not in kept),
    )


def _files_of(dag: Any, root: Path) -> set[str]:
    """Return the files beside modules and notebooks that loading reads."""
    found = {
        str(Path(str(where)).resolve())
        for name in dag._iter()
        if (where := getattr(dag[name].source, "loc", None)) and Path(str(where)).is_file()
    }
    meta = dag.document.data.get("meta") or {}
    if imported := meta.get("import_tasks_from"):
        found.add(str(Path(imported).resolve()))
    if loader := meta.get("source_loader"):
        folders = loader.path_full if isinstance(loader.path_full, list) else [loader.path_full]
        found.update(
            str(path.resolve())
            for folder in folders
            for path in Path(folder).rglob("*")
            if path.is_file() and path.suffix not in (".pyc",)
        )
    return found


def _project_modules(root: Path) -> list[str]:
    return [name for name, module in list(sys.modules.items()) if _is_project_module(module, root)]


def _is_project_module(module: Any, root: Path) -> bool:
    file = getattr(module, "__file__", None)
    if not file:
        return False
    path = Path(file)
    return (
        path.is_relative_to(root)
        and "site-packages" not in path.parts
        and not getattr(module, "__name__", "").startswith("mlops_nb.")
    )


def require_task(dag: Any, name: str, spec: Path) -> Any:
    """Return a task of the DAG.

    Raises
    ------
    PipelineError
        There is none of that name.
    """
    from mlops_nb.errors import nearest

    names = list(dag._iter())
    if name not in names:
        raise PipelineError(
            f'no task is called "{name}"', where=spec.name, fix=nearest(name, names)
        )
    return dag[name]


def build_report(dag: Any) -> Any:
    """Return the report that Ploomber hands to the pipeline's ``on_finish`` hook."""
    from ploomber.table import BuildReport, TaskReport

    return BuildReport([TaskReport.empty_with_name(name) for name in dag._iter()])
