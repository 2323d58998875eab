"""Edits a pipeline for people: makes a notebook a task, and leaves every comment in place."""

from __future__ import annotations

import io
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

from mlops_nb.config import find_project
from mlops_nb.errors import MlopsNbError, NotebookError, PipelineError, nearest
from mlops_nb.files import write_whole
from mlops_nb.model.boards import AddedTask, Membership, ProjectView
from mlops_nb.notebooks.cells import find_tagged
from mlops_nb.notebooks.read import read_cells
from mlops_nb.pipeline.load import load_pipeline

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlops_nb.config import Project

__all__ = ["NewTask", "add_task", "membership", "name_of", "new_task", "project_of", "take_up"]

_FORMATS = (".ipynb", ".py", ".md", ".Rmd", ".R", ".r")


def add_task(
    project: str | None,
    source: str,
    *,
    name: str = "",
    products: Mapping[str, str] | None = None,
    notebook_product: str = "",
    upstream: Sequence[str] = (),
) -> AddedTask:
    """Make a notebook a task of the pipeline, by an entry at the end of ``tasks:``.

    The specification keeps its comments, its order and its quotes. It is loaded with the new entry
    before it replaces the old one: what would not load is refused, and nothing changes.

    Parameters
    ----------
    project
        A folder or a specification; by default the project that the current folder lies in.
    source
        The notebook, relative to the project.
    name
        The task's name; made from the file's by default.
    products
        Further products by key, relative to the project.
    notebook_product
        Where the executed notebook goes; ``products/<name>.ipynb`` by default.
    upstream
        Tasks that it needs.

    Raises
    ------
    NotebookError
        There is no such notebook, or it cannot be read.
    PipelineError
        The name is taken, the notebook is a task already, an upstream task is unknown, or the
        specification cannot be edited.
    """
    found = find_project(project)
    new = new_task(
        found,
        source,
        name=name,
        products=products,
        notebook_product=notebook_product,
        upstream=upstream,
    )
    made = take_up(found, new)
    path = found.root / new.source
    return AddedTask(
        task=new.name,
        spec=found.spec.relative_to(found.root).as_posix(),
        source=new.source,
        products=made,
        notes=_notes(path, new.source),
    )


class NewTask(NamedTuple):
    """A task that the specification does not hold yet."""

    name: str
    source: str
    """The notebook, relative to the project."""
    spec: bytes
    """The specification with the task."""


def new_task(
    found: Project,
    source: str,
    *,
    name: str = "",
    products: Mapping[str, str] | None = None,
    notebook_product: str = "",
    upstream: Sequence[str] = (),
    local_execution: bool = False,
) -> NewTask:
    """Return what `add_task` writes, and write nothing; it has the parameters and the errors.

    With `local_execution` the notebook runs in its own folder, where its relative paths lead.
    """
    path = _inside(found, source)
    if path.suffix not in _FORMATS or not path.is_file():
        raise NotebookError(
            "there is no such notebook",
            where=source,
            fix=f"give a file that ends in {', '.join(_FORMATS[:3])} ...",
        )
    relative = path.relative_to(found.root.resolve()).as_posix()
    pipeline = load_pipeline(found)
    name = name or name_of(path)
    names = pipeline.names()
    for task in pipeline.tasks:
        if task.source == relative:
            raise PipelineError(
                f'is task "{task.name}" already', where=relative, fix=f"mlops-nb run {task.name}"
            )
    if name in names:
        raise PipelineError(
            f'task "{name}" exists already', where=pipeline.spec, fix="name another"
        )
    for up in upstream:
        if up not in names:
            raise PipelineError(f'no task is called "{up}"', where=source, fix=nearest(up, names))
    executed = notebook_product or f"products/{name}.ipynb"
    product: Any = {"nb": executed, **products} if products else executed
    for place in (executed, *(products or {}).values()):
        _inside(found, place)
    entry: dict[str, Any] = {"source": relative, "name": name, "product": product}
    if upstream:
        entry["upstream"] = list(upstream)
    if local_execution:
        entry["local_execution"] = True
    return NewTask(name, relative, _with_entry(found.spec.read_bytes(), entry, pipeline.spec))


def take_up(found: Project, new: NewTask) -> tuple[str, ...]:
    """Write the specification with a new task, and return the task's products.

    Raises
    ------
    PipelineError
        The specification would not load; it stays as it was.
    """
    before = found.spec.read_bytes()
    write_whole(found.spec, new.spec)
    try:
        task = load_pipeline(found)[new.name]
    except (MlopsNbError, KeyError) as error:
        write_whole(found.spec, before)
        if isinstance(error, MlopsNbError):
            raise
        raise PipelineError(
            "the new task was not taken up", where=found.spec.name, fix="add it by hand"
        ) from error
    return tuple(made.path for made in task.products)


def membership(root: Path, path: str) -> Membership:
    """Return what a file is to the project that it lies in.

    Parameters
    ----------
    root
        The folder that paths are relative to; nothing above it is looked at.
    path
        The file.
    """
    root = root.resolve()
    place = (root / path).resolve()
    if not place.is_relative_to(root):
        return Membership(path=path)
    found = project_of(root, place)
    if found is None:
        return Membership(path=path)
    folder = found.root
    label = "" if folder == root else folder.relative_to(root).as_posix()
    view = ProjectView(
        path=label, name=found.name, spec=found.spec.relative_to(found.root).as_posix()
    )
    if place == found.spec:
        return Membership(path=path, project=view, role="spec")
    relative = place.relative_to(folder).as_posix()
    pipeline = load_pipeline(found)
    sources = tuple(task.name for task in pipeline.tasks if task.source == relative)
    makers = tuple(
        task.name
        for task in pipeline.tasks
        if any(product.path == relative for product in task.products)
    )
    role = "source" if sources else "product" if makers else "none"
    return Membership(path=path, project=view, role=role, tasks=sources or makers)


def project_of(root: Path, place: Path) -> Project | None:
    """Return the project that a file lies in; nothing above `root` is looked at."""
    for one in place.parents:
        if one.is_relative_to(root) and (one / "pipeline.yaml").is_file():
            return find_project(one)
    return None


def _with_entry(before: bytes, entry: dict[str, Any], where: str) -> bytes:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    text = before.decode("utf-8")
    # As it is indented already; two before the dash is what Ploomber's examples have.
    dash = re.search(r"^tasks:[^\n]*\n(?:\s*(?:#[^\n]*)?\n)*(?P<indent> *)- ", text, re.MULTILINE)
    indent = len(dash["indent"]) if dash else 2
    yaml.indent(mapping=2, sequence=indent + 2, offset=indent)
    try:
        document = yaml.load(text)
    except YAMLError as error:
        raise PipelineError(f"is not valid YAML: {error}", where=where) from error
    if not isinstance(document, dict):
        raise PipelineError("holds no mapping", where=where, fix="write tasks: below it by hand")
    meta = document.get("meta")
    if entry.get("upstream") and isinstance(meta, dict) and meta.get("extract_upstream"):
        named = ", ".join(f'"{name}"' for name in entry["upstream"])
        raise PipelineError(
            "a notebook names its upstream tasks itself here",
            where=f"{where}, meta.extract_upstream",
            fix=f"write upstream = [{named}] into its parameters cell, and leave upstream out here",
        )
    tasks = document.get("tasks")
    if not tasks:
        document["tasks"] = [entry]
    elif isinstance(tasks, list):
        tasks.append(entry)
    else:
        raise PipelineError("tasks is no list", where=where, fix="add the task by hand")
    out = io.StringIO()
    yaml.dump(document, out)
    return out.getvalue().encode()


def _inside(project: Project, path: str) -> Path:
    root = project.root.resolve()
    place = (root / PurePosixPath(path)).resolve()
    if not place.is_relative_to(root):
        raise PipelineError("lies outside the project", where=path)
    return place


def name_of(path: Path) -> str:
    """Return a task's name made from a file's."""
    stem = re.sub(r"^\d+[_\-. ]+", "", path.stem)
    return re.sub(r"[^A-Za-z0-9_\-]+", "-", stem).strip("-") or "task"


def _notes(path: Path, relative: str) -> tuple[str, ...]:
    cells = read_cells(path)
    if cells.language == "python" and find_tagged(cells) is None:
        return (
            f'{relative} has no cell tagged "parameters": tag the one with its settings, '
            "so that runs can set them",
        )
    return ()
