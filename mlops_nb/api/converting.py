"""Makes a pipeline of a notebook: one task, which can be planned, run and scheduled at once.

The notebook stays whole. To cut it into several tasks by its headings is not done here: what one cell
changes in place and another reads cannot be told from the code with certainty.
"""

from __future__ import annotations

import ast
import json
import re
import secrets
from pathlib import Path
from typing import Any, NamedTuple

from mlops_nb.api import authoring
from mlops_nb.config import find_project
from mlops_nb.errors import MlopsNbError, NotebookError, PipelineError
from mlops_nb.files import write_whole
from mlops_nb.model.boards import Conversion, ParametersCell, ProjectView
from mlops_nb.notebooks.cells import cells_of, find_tagged
from mlops_nb.notebooks.parameters import RESERVED, infer_parameters, read_literal
from mlops_nb.notebooks.syntax import parse_cell
from mlops_nb.pipeline.load import load_pipeline

__all__ = ["convert"]

_SPEC = """\
# A plain Ploomber specification: `mlops-nb run` and `ploomber build` both run it.
meta:
  extract_upstream: true  # a notebook names what it needs in its parameters cell

tasks:
  - source: {source}
    name: {name}
    product: products/{product}.ipynb
"""
_HEAD = {
    "upstream": "upstream = None  # the names of the tasks that this one needs",
    "product": "product = None  # a run fills in where its results go",
}


def convert(
    notebook: Path | str, *, root: Path | str | None = None, name: str = "", write: bool = True
) -> Conversion:
    """Make a notebook a pipeline of one task, or a task of the project that it lies in.

    A project is a ``pipeline.yaml`` beside the notebook where none stands there or above. The
    notebook gets a parameters cell unless it has one: its first cell that does anything, where that
    is all assignments of literals, or a new one. No other cell is touched.

    Parameters
    ----------
    notebook
        An ``.ipynb`` in Python.
    root
        The highest folder in which to look for a project, which paths are shown relative to; the
        file system's root by default.
    name
        The task's name; made from the file's by default.
    write
        Whether to write; what would be written is returned either way.

    Raises
    ------
    NotebookError
        There is no such notebook, or it cannot be read.
    PipelineError
        It is a task already, or the specification would not load with it; nothing is changed.
    """
    path = Path(notebook).resolve()
    top = Path(root).resolve() if root is not None else Path(path.anchor)
    shown = path.relative_to(top).as_posix() if root is not None else str(notebook)
    if not path.is_file():
        raise NotebookError("there is no such file", where=shown, fix="give a notebook's path")
    if path.suffix != ".ipynb":
        raise NotebookError(
            "is no notebook of Jupyter's", where=shown, fix="give a file that ends in .ipynb"
        )
    before = path.read_bytes()
    edit = _edit(before, shown)
    found = authoring.project_of(top, path)
    folder = path.parent if found is None else found.root
    if found is None:
        new = _first_task(path, name)
    else:
        source = path.relative_to(folder).as_posix()
        # Its relative paths lead where they led when it was run by hand.
        new = authoring.new_task(found, source, name=name, local_execution=path.parent != folder)
    if write:
        spec = folder / "pipeline.yaml"
        try:
            if edit.data != before:
                write_whole(path, edit.data)
            if found is not None:
                authoring.take_up(found, new)
            else:
                write_whole(spec, new.spec)
                load_pipeline(find_project(folder))
        except MlopsNbError:
            write_whole(path, before)
            if found is None:
                spec.unlink(missing_ok=True)
            raise
    is_top = folder == top
    return Conversion(
        project=ProjectView(
            path="" if is_top else folder.relative_to(top).as_posix(),
            name=found.name if found is not None else folder.name,
            spec="pipeline.yaml" if found is None else found.spec.relative_to(folder).as_posix(),
        ),
        is_new=found is None,
        task=new.name,
        source=new.source,
        spec_text=new.spec.decode("utf-8"),
        cell=edit.cell,
        position=edit.position,
        cell_text=edit.text,
        parameters=edit.parameters,
        done=write,
    )


class _Edit(NamedTuple):
    data: bytes
    """The whole notebook."""
    cell: ParametersCell
    position: int
    text: str
    parameters: tuple[str, ...]


def _edit(before: bytes, where: str) -> _Edit:
    """Give a notebook its parameters cell."""
    cells = cells_of(before, where)
    if cells.language != "python":
        raise NotebookError(
            f"is written in {cells.language}",
            where=where,
            fix="only Python is converted: write it into pipeline.yaml by hand",
        )
    document = json.loads(before)
    if not isinstance(document.get("cells"), list):
        raise NotebookError(
            "is of an old format", where=where, fix="open it in JupyterLab and save it"
        )
    tagged = find_tagged(cells)
    if tagged is not None:
        at, how = tagged.index, ParametersCell.KEPT
    else:
        at, how = _place(document["cells"])
    if how is ParametersCell.MADE:
        document["cells"].insert(at, _new_cell(document))
    below = document["cells"][at + 1 :]
    if not any(one.get("cell_type") == "code" and _text(one).strip() for one in below):
        raise NotebookError(
            "does nothing below its parameters",
            where=where,
            fix="write the work into a code cell below them",
        )
    cell = document["cells"][at]
    if how is ParametersCell.TAGGED:
        metadata = cell.setdefault("metadata", {})
        metadata["tags"] = [*metadata.get("tags", ()), "parameters"]
    text = _text(cell)
    declared = _assigned(text)
    missing = [line for name, line in _HEAD.items() if name not in declared]
    if missing:
        text = "\n".join([*missing, text]) if text else "\n".join(missing)
        cell["source"] = text.splitlines(keepends=True)
    # As nbformat writes it, so that saving it in JupyterLab makes no other difference.
    data = before
    if how is not ParametersCell.KEPT or missing:
        data = (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode()
    names = tuple(one.name for one in infer_parameters(cells_of(data, where), where=where))
    return _Edit(data, how, at, text, names)


def _place(cells: list[dict[str, Any]]) -> tuple[int, ParametersCell]:
    """Return where the parameters are, or are to stand."""
    first = None
    for index, cell in enumerate(cells):
        if cell.get("cell_type") != "code" or not _text(cell).strip():
            continue
        first = index if first is None else first
        tree = parse_cell(_text(cell))
        if tree is None:
            break
        if all(_is_preparation(node) for node in tree.body):
            continue
        if all(_is_literal(node) for node in tree.body):
            return index, ParametersCell.TAGGED
        break
    return (len(cells) if first is None else first), ParametersCell.MADE


def _is_preparation(node: ast.stmt) -> bool:
    """Whether it imports, is a magic, or a text that nobody reads."""
    match node:
        case ast.Import() | ast.ImportFrom() | ast.Expr(value=ast.Constant()):
            return True
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Call(func=ast.Name(id=name))))):
            return name == "get_ipython"
    return False


def _is_literal(node: ast.stmt) -> bool:
    match node:
        case ast.Assign(targets=[ast.Name()], value=value):
            return read_literal(value)[0]
        case ast.AnnAssign(target=ast.Name(), value=ast.expr() as value):
            return read_literal(value)[0]
    return False


def _assigned(text: str) -> set[str]:
    tree = parse_cell(text)
    body = tree.body if tree is not None else []
    return {
        target.id
        for node in body
        for target in _targets(node)
        if isinstance(target, ast.Name) and target.id in RESERVED
    }


def _targets(node: ast.stmt) -> list[ast.expr]:
    match node:
        case ast.Assign(targets=targets):
            return targets
        case ast.AnnAssign(target=target):
            return [target]
    return []


def _new_cell(document: dict[str, Any]) -> dict[str, Any]:
    cell: dict[str, Any] = {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {"tags": ["parameters"]},
        "outputs": [],
        "source": [],
    }
    if (document.get("nbformat", 4), document.get("nbformat_minor", 0)) >= (4, 5):
        cell = {"cell_type": "code", "execution_count": None, "id": secrets.token_hex(4), **cell}
    return cell


def _text(cell: dict[str, Any]) -> str:
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(source)


def _first_task(path: Path, name: str) -> authoring.NewTask:
    name = name or authoring.name_of(path)
    if not re.fullmatch(r"\w[\w-]*", name):
        raise PipelineError(
            f'"{name}" cannot be a task\'s name', fix="use letters, digits, - and _"
        )
    text = _SPEC.format(source=_scalar(path.name), name=_scalar(name), product=name)
    return authoring.NewTask(name, path.name, text.encode())


def _scalar(text: str) -> str:
    """Return a text as YAML, quoted only where it has to be."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        is_plain = YAML(typ="safe").load(text) == text
    except YAMLError:
        is_plain = False
    return text if is_plain else json.dumps(text, ensure_ascii=False)
