"""Which modules a piece of Python imports, found without running it."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from mlops_nb.model import Record
from mlops_nb.notebooks.read import read_cells
from mlops_nb.notebooks.syntax import parse_cell

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from mlops_nb.notebooks.cells import Cells

__all__ = ["Import", "imports_at_top", "imports_in", "imports_of_cells", "top_imports"]


class Import(Record, frozen=True, kw_only=True):
    """One imported name."""

    module: str
    """Dotted; empty for ``from . import x``."""
    names: tuple[str, ...] = ()
    """What ``from module import`` names; they may be modules themselves."""
    level: int = 0
    """Leading dots."""
    path: str = ""
    """For ``%run path``: the file; everything else is empty then."""


def top_imports(path: Path | str) -> tuple[str, ...]:
    """Return the packages that a notebook imports whenever it runs.

    Parameters
    ----------
    path
        The notebook.

    Returns
    -------
    tuple of str
        Top-level package names in alphabetical order, of imports at the top level of cells (also
        below ``if``, ``try`` and ``with``), not of those inside functions.

    Raises
    ------
    NotebookError
        The notebook cannot be read.
    """
    items = imports_at_top(read_cells(path))
    return tuple(sorted({item.module.partition(".")[0] for item in items}))


def imports_at_top(cells: Cells) -> tuple[Import, ...]:
    """Return what a notebook imports whenever it runs, without relative imports.

    That is at the top level of cells, also below ``if``, ``try`` and ``with``, not inside functions.
    """
    if cells.language != "python":
        return ()
    trees = [parse_cell(cell.source) for cell in cells.code]
    return _unique(
        item
        for tree in trees
        if tree is not None
        for item in _walk(tree.body, into_functions=False)
        if item.module and not item.level
    )


def imports_of_cells(cells: Cells) -> tuple[Import, ...]:
    """Return everything that a notebook imports, also inside functions."""
    if cells.language != "python":
        return ()
    trees = [parse_cell(cell.source) for cell in cells.code]
    return _unique(
        item for tree in trees if tree is not None for item in _walk(tree.body, into_functions=True)
    )


def imports_in(source: str) -> tuple[Import, ...]:
    """Return everything that a module's source imports; nothing where it is not valid Python."""
    tree = parse_cell(source)
    return () if tree is None else _unique(_walk(tree.body, into_functions=True))


def _walk(body: list[ast.stmt], *, into_functions: bool) -> Iterable[Import]:
    stack: list[ast.AST] = list(reversed(body))
    while stack:
        node = stack.pop()
        match node:
            case ast.Import(names=aliases):
                yield from (Import(module=alias.name) for alias in aliases)
                continue
            case ast.ImportFrom(module=module, names=aliases, level=level):
                names = tuple(alias.name for alias in aliases)
                yield Import(module=module or "", names=names, level=level)
                continue
            case ast.Call(func=func, args=[ast.Constant(value=str() as name), *_]):
                if _is_import_call(func):
                    yield Import(module=name)
                elif isinstance(func, ast.Attribute) and func.attr == "run_line_magic":
                    yield from _run_magic(name, node.args)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda() if not into_functions:
                continue
        stack.extend(reversed(list(ast.iter_child_nodes(node))))


def _run_magic(magic: str, arguments: list[ast.expr]) -> Iterable[Import]:
    """Return the file that ``%run`` names; options come before it, its own arguments after it."""
    match arguments:
        case [_, ast.Constant(value=str() as line)] if magic == "run":
            for word in line.split():
                if not word.startswith("-"):
                    yield Import(module="", path=word.strip("'\""))
                    return


def _is_import_call(func: ast.expr) -> bool:
    match func:
        case ast.Name(id="import_module" | "__import__"):
            return True
        case ast.Attribute(attr="import_module"):
            return True
    return False


def _unique(items: Iterable[Import]) -> tuple[Import, ...]:
    return tuple(dict.fromkeys(items))
