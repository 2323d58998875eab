"""What a notebook's ``parameters`` cell declares, and values for it.

The cell is read with `ast` and `tokenize`, never by regular expressions: a default may hold
``=`` and ``#``, span lines, and carry any annotation.
"""

from __future__ import annotations

import ast
import io
import json
import re
import tokenize
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_nb.errors import NotebookError, ParameterError
from mlops_nb.model import Json, Parameter
from mlops_nb.notebooks.cells import Cells, find_tagged, from_node
from mlops_nb.notebooks.inject import inject
from mlops_nb.notebooks.read import read_cells
from mlops_nb.notebooks.syntax import parse_cell
from mlops_nb.notebooks.types import coerce, from_value, json_of, parse_type

if TYPE_CHECKING:
    from mlops_nb.notebooks.types import Type

__all__ = [
    "RESERVED",
    "check_value",
    "infer_parameters",
    "inject",
    "parameter_of",
    "parse_value",
    "read_literal",
]

RESERVED = ("upstream", "product")
"""Names that the pipeline fills in; nobody's parameters."""


def infer_parameters(
    source: Path | str | Cells | Any, *, required: bool = False, where: str = ""
) -> tuple[Parameter, ...]:
    """Return the parameters that a notebook declares, in order.

    Parameters
    ----------
    source
        A notebook's path, its cells, or an nbformat node.
    required
        Whether a notebook without a ``parameters`` cell is an error; it has none otherwise.
    where
        What to call the notebook in an error; its path where `source` is one.

    Raises
    ------
    NotebookError
        The notebook cannot be read, its ``parameters`` cell is not valid Python, or is missing
        though `required`.
    """
    where = where or (str(source) if isinstance(source, Path | str) else "notebook")
    if isinstance(source, Path | str):
        cells = read_cells(source)
    else:
        cells = source if isinstance(source, Cells) else from_node(source)
    cell = find_tagged(cells)
    if cell is None:
        if required:
            raise missing_cell(where)
        return ()
    if cells.language != "python":
        return _infer_other(cell.source)
    tree = parse_cell(cell.source)
    if tree is None:
        reason = "it uses a cell magic"
        if not cell.source.lstrip().startswith("%%"):
            try:
                ast.parse(cell.source)
            except (SyntaxError, ValueError) as error:
                line = getattr(error, "lineno", None)
                reason = f"line {line}: {getattr(error, 'msg', error)}"
        raise NotebookError(
            f"the parameters cell is not plain Python ({reason})",
            where=f"{where}, cell {cell.index}",
            fix="correct it: it is to hold assignments with the defaults",
        )
    return _infer_python(tree, cell.source)


def missing_cell(where: str, why: str = "parameters are to be set") -> NotebookError:
    """Return the error for a notebook that lacks its ``parameters`` cell."""
    return NotebookError(
        f'no cell is tagged "parameters", but {why}',
        where=where,
        fix='add a code cell on top with the defaults (at least "upstream = None" and '
        '"product = None") and give it the tag "parameters"',
    )


def _infer_python(tree: ast.Module, source: str) -> tuple[Parameter, ...]:
    comments = _comments(source)
    found: dict[str, Parameter] = {}
    for node in tree.body:
        annotation: ast.expr | None = None
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                pass
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=value):
                pass
            case _:
                continue
        if name in RESERVED:
            continue
        found.pop(name, None)  # the last assignment decides, as it does when the cell runs
        comment = comments.get(node.end_lineno or 0) or comments.get(node.lineno, "")
        found[name] = parameter_of(name, annotation, value, comment)
    return tuple(found.values())


def parameter_of(
    name: str, annotation: ast.expr | None, value: ast.expr | None, comment: str = ""
) -> Parameter:
    """Return a parameter from its name, annotation and default as they stand in the code."""
    literal, default = read_literal(value) if value is not None else (False, None)
    stated = "" if annotation is None else _annotation(annotation)
    return Parameter(
        name=name,
        type=stated or (from_value(default) if literal else _type_of_call(value)),
        default=json_of(default) if literal else None,
        literal=literal,
        help=comment,
    )


def _annotation(node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return ast.unparse(node)


def _type_of_call(node: ast.expr | None) -> str:
    """Return the type that ``Path("x")`` or ``datetime.date(2013, 1, 1)`` makes."""
    if isinstance(node, ast.Call):
        name = ast.unparse(node.func)
        if parse_type(name).name in ("path", "date", "datetime", "time"):
            return name
    return "Any"


def read_literal(node: ast.expr) -> tuple[bool, Any]:
    """Return whether an expression is a literal, and its value."""
    match node:
        case ast.Call(func=ast.Name(id="float"), args=[ast.Constant(value=str() as text)]):
            try:
                return True, float(text)
            except ValueError:
                return False, None
        case ast.Call(func=ast.Name(id="set" | "frozenset"), args=[]):
            return True, set()
    try:
        return True, ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False, None


def _comments(source: str) -> dict[int, str]:
    """Return the comments that stand behind code, by line."""
    found: dict[int, str] = {}
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (tokenize.TokenError, SyntaxError, IndentationError):
        return found
    for token in tokens:
        if token.type == tokenize.COMMENT and token.line[: token.start[1]].strip():
            found[token.start[0]] = token.string.lstrip("#").strip()
    return found


_ASSIGNMENT = re.compile(r"^([A-Za-z.][\w.]*)[ \t]*(?:<-|=(?!=))[ \t]*(.+?)[ \t]*(?:#[ \t]*(.*))?$")


def _infer_other(source: str) -> tuple[Parameter, ...]:
    """Infer by line for R, Julia and others: names, and defaults that read as JSON."""
    found: dict[str, Parameter] = {}
    for line in source.splitlines():
        match = _ASSIGNMENT.match(line)
        if match is None or match[1] in RESERVED:
            continue
        text = {"TRUE": "true", "FALSE": "false", "NULL": "null"}.get(match[2], match[2])
        try:
            default, literal = json.loads(text), True
        except ValueError:
            default, literal = None, False
        found[match[1]] = Parameter(
            name=match[1], default=default, literal=literal, help=match[3] or ""
        )
    return tuple(found.values())


_CONSTANTS = {"true": True, "false": False, "none": None, "null": None}


def parse_value(parameter: Parameter, text: str) -> Json:
    """Read a value from text, as ``-p name=value`` gives it.

    Parameters
    ----------
    parameter
        What it is for; its type decides how the text is read: for ``str`` the text is the value,
        for anything else ``3``, ``0.5``, ``true``, ``none``, JSON or Python literals.
    text
        The text.

    Returns
    -------
    Json
        The checked value; tuples and sets as lists, dates as ISO 8601 text.

    Raises
    ------
    ParameterError
        The text is not a value of the type.
    """
    type_ = parse_type(parameter.type)
    tried: ParameterError | None = None
    for value in _readings(text, type_):
        try:
            return check_value(parameter, value)
        except ParameterError as error:
            tried = tried or error
    raise tried or ParameterError(f"{text!r} cannot be read", where=f"parameter {parameter.name}")


def _readings(text: str, type_: Type) -> list[Any]:
    """Return the ways a text may be meant, the likeliest first."""
    members = type_.args_of_union or (type_,)
    names = {member.name for member in members}
    if names == {"str"} or names == {"path"}:
        return [text]
    stripped = text.strip()
    read: list[Any] = []
    if stripped.lower() in _CONSTANTS:
        read.append(_CONSTANTS[stripped.lower()])
    else:
        for reader in (json.loads, ast.literal_eval):
            try:
                read.append(reader(stripped))
                break
            except (ValueError, SyntaxError, TypeError, RecursionError):
                continue
    if names <= {"str", "none", "path"}:
        # "str | None": only none itself and quoted text are anything but the text as it stands.
        read = [value for value in read if value is None or isinstance(value, str)]
    return [*read, text]


def check_value(parameter: Parameter, value: Json) -> Json:
    """Check a value against a parameter's type and return it as JSON.

    An ``int`` is taken for a ``float``; nothing else is converted.

    Raises
    ------
    ParameterError
        It is not a value of the type.
    """
    try:
        return json_of(coerce(value, parse_type(parameter.type)))
    except ValueError as error:
        fix = "give a value of that type"
        if value is None:
            fix = f'annotate it as "{parameter.type} | None" in the notebook to allow none'
        elif isinstance(value, float) and parameter.type == "int":
            fix = 'annotate it as "float" in the notebook to allow fractions'
        raise ParameterError(
            f"{value!r} is not of type {parameter.type} ({error})"
            if str(error).startswith("known")
            else f"{value!r} is not of type {parameter.type}",
            where=f'parameter "{parameter.name}"',
            fix=fix,
        ) from error
