"""Finds the part of a module that one function depends on."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlops_nb.model import Parameter

__all__ = ["reachable_source", "signature"]

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def reachable_source(source: str, name: str) -> str:
    """Return the parts of a module that a function can reach.

    These are all statements at the module's top level except for functions and classes that
    neither the function nor any of those statements mentions, directly or through others.
    Mentions are found by name, so that too much is kept rather than too little.

    Parameters
    ----------
    source
        The module's source.
    name
        The function's name; for ``Class.method`` the class counts.

    Returns
    -------
    str
        The whole source where it is not valid Python, or defines no such function.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return source
    wanted = name.partition(".")[0]
    definitions: dict[str, list[_Definition]] = {}
    for node in tree.body:
        if isinstance(node, _Definition):
            definitions.setdefault(node.name, []).append(node)
    if wanted not in definitions:
        return source
    kept: set[str] = set()
    pending = {wanted}
    for node in tree.body:
        if not isinstance(node, _Definition):
            pending |= _mentioned(node)
    while pending:
        current = pending.pop()
        if current in kept or current not in definitions:
            continue
        kept.add(current)
        for definition in definitions[current]:
            pending |= _mentioned(definition)
    lines = source.splitlines()
    parts = [
        "\n".join(lines[_first_line(node) - 1 : node.end_lineno])
        for node in tree.body
        if not isinstance(node, _Definition) or node.name in kept
    ]
    return "\n".join(parts)


def _first_line(node: ast.stmt) -> int:
    decorators = node.decorator_list if isinstance(node, _Definition) else []
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _mentioned(node: ast.AST) -> set[str]:
    """Return every name, attribute and text in a tree; texts serve ``globals()["name"]``."""
    found: set[str] = set()
    for inner in ast.walk(node):
        match inner:
            case ast.Name(id=name):
                found.add(name)
            case ast.Attribute(attr=name):
                found.add(name)
            case ast.Constant(value=str() as text) if text.isidentifier():
                found.add(text)
    return found


def signature(source: str, name: str) -> tuple[Parameter, ...]:
    """Return the parameters that a function takes beside ``product`` and ``upstream``."""
    from mlops_nb.notebooks.parameters import RESERVED, parameter_of

    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return ()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            positional = [*node.args.posonlyargs, *node.args.args]
            unset = [None] * (len(positional) - len(node.args.defaults))
            defaults = [*unset, *node.args.defaults, *node.args.kw_defaults]
            pairs = zip([*positional, *node.args.kwonlyargs], defaults, strict=True)
            return tuple(
                parameter_of(arg.arg, arg.annotation, default)
                for arg, default in pairs
                if arg.arg not in RESERVED
            )
    return ()
