"""The types that parameters declare: read from annotations, checked, and written as Python.

Parameters travel as JSON. Tuples, sets, dictionaries with keys other than text, dates and paths
have no JSON of their own; the declared type says how to give them back to the notebook.
"""

from __future__ import annotations

import ast
import datetime
import math
from typing import Any

from mlops_nb.model import Json, Record

__all__ = ["ANY", "Type", "coerce", "from_value", "json_of", "parse_type", "source_of"]


class Type(Record, frozen=True, kw_only=True):
    """A declared type."""

    name: str
    """``any``, ``none``, ``bool``, ``int``, ``float``, ``str``, ``list``, ``tuple``, ``set``,
    ``frozenset``, ``dict``, ``date``, ``datetime``, ``time``, ``path``, ``literal``, ``union``."""
    args: tuple[Type, ...] = ()
    values: tuple[Json, ...] = ()
    """The values of a ``literal``."""
    variadic: bool = False
    """``tuple[int, ...]``."""

    def accepts_none(self) -> bool:
        """Whether ``None`` is one of its values."""
        if self.name == "literal":
            return None in self.values
        return self.name in ("any", "none") or any(arg.accepts_none() for arg in self.args_of_union)

    @property
    def args_of_union(self) -> tuple[Type, ...]:
        """The members of a union; nothing for other types."""
        return self.args if self.name == "union" else ()


ANY = Type(name="any")

_NAMES = {
    "Any": "any",
    "object": "any",
    "None": "none",
    "NoneType": "none",
    "bool": "bool",
    "int": "int",
    "float": "float",
    "str": "str",
    "list": "list",
    "List": "list",
    "Sequence": "list",
    "Iterable": "list",
    "Collection": "list",
    "tuple": "tuple",
    "Tuple": "tuple",
    "set": "set",
    "Set": "set",
    "frozenset": "frozenset",
    "FrozenSet": "frozenset",
    "dict": "dict",
    "Dict": "dict",
    "Mapping": "dict",
    "MutableMapping": "dict",
    "date": "date",
    "datetime": "datetime",
    "time": "time",
    "Path": "path",
    "PurePath": "path",
    "PosixPath": "path",
}


def parse_type(text: str) -> Type:
    """Read an annotation; what is not known accepts anything."""
    try:
        return _parse(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, RecursionError):
        return ANY


def _parse(node: ast.expr) -> Type:
    match node:
        case ast.Constant(value=None):
            return Type(name="none")
        case ast.Constant(value=str() as quoted):
            return parse_type(quoted)
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return Type(name=_NAMES.get(name, "any"))
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _union((_parse(left), _parse(right)))
        case ast.Subscript(value=ast.Name(id=name) | ast.Attribute(attr=name), slice=inner):
            return _generic(name, inner.elts if isinstance(inner, ast.Tuple) else [inner])
    return ANY


def _generic(name: str, inner: list[ast.expr]) -> Type:
    if name == "Optional":
        return _union((*(_parse(item) for item in inner), Type(name="none")))
    if name == "Union":
        return _union(tuple(_parse(item) for item in inner))
    if name in ("Final", "Annotated", "ClassVar"):
        return _parse(inner[0])
    if name == "Literal":
        return Type(name="literal", values=tuple(ast.literal_eval(item) for item in inner))
    kind = _NAMES.get(name, "any")
    variadic = any(isinstance(item, ast.Constant) and item.value is ... for item in inner)
    args = tuple(
        _parse(item) for item in inner if not (isinstance(item, ast.Constant) and item.value is ...)
    )
    return Type(name=kind, args=args, variadic=variadic)


def _union(members: tuple[Type, ...]) -> Type:
    flat = tuple(inner for member in members for inner in (member.args_of_union or (member,)))
    if any(member.name == "any" for member in flat):
        return ANY
    return Type(name="union", args=flat)


def from_value(value: object) -> str:
    """Return the annotation that a default's value stands for.

    ``None`` says nothing about what else is allowed: ``Any``. Items of mixed types give the bare
    container.
    """
    match value:
        case None:
            return "Any"
        case bool() | int() | float() | str() | bytes() | complex():
            return type(value).__name__
        case list() | set() | frozenset():
            inner = {from_value(item) for item in value}
            only = inner.pop() if len(inner) == 1 else ""
            return f"{type(value).__name__}[{only}]" if only else type(value).__name__
        case tuple():
            parts = [from_value(item) for item in value]
            return f"tuple[{', '.join(parts)}]" if parts else "tuple"
        case dict():
            keys = {from_value(key) for key in value}
            values = {from_value(item) for item in value.values()}
            if len(keys) != 1:
                return "dict"
            return f"dict[{keys.pop()}, {values.pop() if len(values) == 1 else 'Any'}]"
        case datetime.datetime() | datetime.date() | datetime.time():
            return f"datetime.{type(value).__name__}"
    return "Any"


def json_of(value: object) -> Json:
    """Return a Python value as JSON: tuples and sets as lists, keys and dates as text."""
    match value:
        case tuple() | list():
            return [json_of(item) for item in value]
        case set() | frozenset():
            return sorted((json_of(item) for item in value), key=repr)
        case dict():
            return {
                key if isinstance(key, str) else repr(key): json_of(item)
                for key, item in value.items()
            }
        case datetime.datetime() | datetime.date() | datetime.time():
            return value.isoformat()
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else repr(value)
    return str(value)


def coerce(value: object, type_: Type) -> Any:
    """Return the Python value that a JSON value stands for in a type.

    Raises
    ------
    ValueError
        It is not a value of the type.
    """
    match type_.name:
        case "any":
            return value
        case "union":
            return _coerce_union(value, type_)
        case "literal":
            if any(value == known and type(value) is type(known) for known in type_.values):
                return value
            raise ValueError(f"known: {', '.join(map(repr, type_.values))}")
        case "none":
            if value is None:
                return None
        case "bool":
            if isinstance(value, bool):
                return value
        case "int":
            if isinstance(value, int) and not isinstance(value, bool):
                return value
        case "float":
            return _coerce_float(value)
        case "str":
            if isinstance(value, str):
                return value
        case "path":
            return _coerce_path(value)
        case "date" | "datetime" | "time":
            return _coerce_moment(value, type_.name)
        case _:
            return _coerce_container(value, type_)
    raise ValueError(f"{value!r} is not of type {type_.name}")


def _coerce_union(value: object, type_: Type) -> Any:
    # An exact member first: 3 in "int | float" stays 3, "3" in "int | str" stays text.
    for strict in (True, False):
        for member in type_.args:
            try:
                result = coerce(value, member)
            except ValueError:
                continue
            if not strict or type(result) is type(value):
                return result
    raise ValueError(f"{value!r} is none of {', '.join(arg.name for arg in type_.args)}")


def _coerce_float(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str) and value.lower().lstrip("+-") in ("nan", "inf", "infinity"):
        return float(value)
    raise ValueError(f"{value!r} is not of type float")


def _coerce_path(value: object) -> Any:
    from pathlib import PurePath, PurePosixPath

    if isinstance(value, PurePath):
        return value
    if isinstance(value, str):
        return PurePosixPath(value)
    raise ValueError(f"{value!r} is not a path")


def _coerce_moment(value: object, name: str) -> Any:
    kind: Any = getattr(datetime, name)
    if type(value) is kind:
        return value
    if isinstance(value, str):
        try:
            return kind.fromisoformat(value)
        except ValueError as error:
            raise ValueError(f"{value!r} is not a {name} such as 2013-01-31") from error
    raise ValueError(f"{value!r} is not a {name}")


def _coerce_container(value: object, type_: Type) -> Any:
    if type_.name == "dict":
        if not isinstance(value, dict):
            raise ValueError(f"{value!r} is not a dict")
        key, item = (*type_.args, ANY, ANY)[:2]
        return {_coerce_key(name, key): coerce(inner, item) for name, inner in value.items()}
    if not isinstance(value, list | tuple | set | frozenset):
        raise ValueError(f"{value!r} is not a {type_.name}")
    items: list[Any] = list(value)
    if type_.name == "tuple" and type_.args and not type_.variadic:
        # A default's own length is no promise: (1, 2) may be overridden by (1, 2, 3).
        kinds = [*type_.args, *[type_.args[-1]] * len(items)][: len(items)]
    else:
        kinds = [type_.args[0] if type_.args else ANY] * len(items)
    made = [coerce(inner, kind) for inner, kind in zip(items, kinds, strict=True)]
    build = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}[type_.name]
    return build(made)


def _coerce_key(key: object, type_: Type) -> Any:
    """JSON knows only text as keys; a declared key type gives them their own back."""
    if isinstance(key, str) and type_.name in ("int", "float", "bool", "none", "tuple"):
        try:
            key = ast.literal_eval(key)
        except (ValueError, SyntaxError) as error:
            raise ValueError(f"the key {key!r} is not of type {type_.name}") from error
    return coerce(key, type_)


def source_of(value: object) -> str:
    """Return Python source that makes a value, without needing any import of the notebook's."""
    match value:
        case float() if not math.isfinite(value):
            return f'float("{value!r}")'
        case list():
            return f"[{', '.join(source_of(item) for item in value)}]"
        case tuple():
            inner = ", ".join(source_of(item) for item in value)
            return f"({inner},)" if len(value) == 1 else f"({inner})"
        case set() if value:
            return f"{{{', '.join(sorted(source_of(item) for item in value))}}}"
        case frozenset():
            inner = ", ".join(sorted(source_of(item) for item in value))
            return f"frozenset([{inner}])"
        case dict():
            pairs = (f"{source_of(key)}: {source_of(item)}" for key, item in value.items())
            return f"{{{', '.join(pairs)}}}"
        case datetime.datetime() | datetime.date() | datetime.time():
            kind = type(value).__name__
            return f'__import__("datetime").{kind}.fromisoformat("{value.isoformat()}")'
        case None | bool() | int() | float() | str() | bytes() | complex() | set():
            return repr(value)
    from pathlib import PurePath

    if isinstance(value, PurePath):
        return f'__import__("pathlib").Path({value.as_posix()!r})'
    return repr(value)
