"""Pinned requirements of a model, read from its file: no import and no trial load is needed."""

from __future__ import annotations

import json
import pickletools
import zipfile
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from io import BytesIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["pickle_modules", "pinned", "skops_modules"]

_ALWAYS = {"numpy", "skops", "pandas"}
_KNOWN = {"sklearn": "scikit-learn"}


def skops_modules(data: bytes) -> set[str]:
    """Return the top-level modules that a skops file names."""
    with zipfile.ZipFile(BytesIO(data)) as archive:
        schema = json.loads(archive.read("schema.json"))
    found: set[str] = set()
    stack: list[Any] = [schema]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            module = node.get("__module__")
            if isinstance(module, str):
                found.add(module.partition(".")[0])
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)
    return found


def pickle_modules(data: bytes) -> set[str]:
    """Return the top-level modules that a pickle names, without loading it."""
    found: set[str] = set()
    texts: list[str] = []
    memo: list[str] = []
    latest = ""
    for opcode, argument, _ in pickletools.genops(data):
        name = opcode.name
        if name == "GLOBAL" and isinstance(argument, str):
            found.add(argument.partition(" ")[0].partition(".")[0])
        elif name == "STACK_GLOBAL" and len(texts) >= 2:
            found.add(texts[-2].partition(".")[0])
        elif name == "MEMOIZE":
            memo.append(latest)
        # A text that occurred before is fetched from the memo.
        elif isinstance(argument, int) and name.endswith("BINGET") and argument < len(memo):
            texts.append(memo[argument])
        latest = argument if isinstance(argument, str) and "UNICODE" in name else ""
        if latest:
            texts.append(latest)
    return found


def pinned(modules: Iterable[str]) -> tuple[str, ...]:
    """Return ``distribution==version`` for top-level modules, sorted; others are left out."""
    lines = set()
    for module in set(modules) | _ALWAYS:
        for name in _distributions(module):
            lines.add(f"{name}=={version(name)}")
    return tuple(sorted(lines))


def _distributions(module: str) -> tuple[str, ...]:
    import sys

    if module in sys.stdlib_module_names or module == "__main__":
        return ()
    name = _KNOWN.get(module, module)
    try:
        version(name)
    except PackageNotFoundError:
        return tuple(sorted(set(packages_distributions().get(module, ()))))
    return (name,)
