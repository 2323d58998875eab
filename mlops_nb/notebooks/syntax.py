"""Parses the Python of notebook cells, magics and top-level ``await`` included."""

from __future__ import annotations

import ast
import warnings
from typing import Any

__all__ = ["parse_cell"]

_PYTHON_MAGICS = ("%%time", "%%timeit", "%%capture", "%%prun", "%%memit", "%%mprun")
"""Cell magics whose body is Python of the notebook itself."""


def parse_cell(source: str) -> ast.Module | None:
    """Return a cell's syntax tree, or ``None`` where it is not Python.

    Lines that only IPython understands (``%matplotlib inline``, ``!ls``, ``df?``) are turned
    into the calls that IPython makes of them; line numbers stay as they are.
    """
    stripped = source.lstrip()
    if stripped.startswith("%%"):
        head, _, body = stripped.partition("\n")
        if not head.startswith(_PYTHON_MAGICS):
            return None
        return parse_cell("\n" * (source.count("\n") - body.count("\n")) + body)
    tree = _parse(source)
    if tree is not None or not any(mark in source for mark in "%!?"):
        return tree
    from IPython.core.inputtransformer2 import TransformerManager

    try:
        manager: Any = TransformerManager
        return _parse(manager().transform_cell(source))
    except SyntaxError:
        return None


def _parse(source: str) -> ast.Module | None:
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in the user's strings
            tree = compile(source, "<cell>", "exec", flags)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return tree if isinstance(tree, ast.Module) else None
