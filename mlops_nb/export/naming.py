"""Names that every target takes, made from names that may hold anything; never two alike."""

from __future__ import annotations

import hashlib
import keyword
import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["ENV", "env_names", "identifier", "label", "safe_names", "title"]

_RESERVED = frozenset(
    # Keys that GitLab takes for something else than a job.
    [
        "after-script",
        "artifacts",
        "before-script",
        "cache",
        "default",
        "image",
        "include",
        "pages",
        "services",
        "spec",
        "stages",
        "types",
        "variables",
        "workflow",
        "false",
        "nil",
        "no",
        "null",
        "off",
        "on",
        "true",
        "yes",
        "mlops-nb-comment",
        "mlops-nb-drift",
        "mlops-nb-due",
        "mlops-nb-report",
    ]
)
ENV = "PARAM_"
"""What the environment variable of a parameter begins with."""
_LIMIT = 40
"""Characters: a Kubernetes name has 63, of which a project's name and a pod's suffix take a part."""


def label(text: str, *, limit: int = _LIMIT, fallback: str = "task") -> str:
    """Return a text as lower-case letters, digits and hyphens, beginning with a letter."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    if not words:
        words = fallback
    if not words[0].isalpha():
        words = f"{fallback}-{words}"
    return words[:limit].strip("-")


def safe_names(
    names: Iterable[str], *, limit: int = _LIMIT, fallback: str = "task"
) -> dict[str, str]:
    """Return a safe name for each name; different ones for different names.

    A name that loses something on the way (more than its case and separators), is reserved
    somewhere or meets another one carries a digest of the original, so that the result does not
    depend on the order of the names.

    Parameters
    ----------
    names
        The original names, without repetition.
    limit
        Characters that a safe name may have.
    """
    originals = list(dict.fromkeys(names))
    plain = {name: label(name, limit=limit, fallback=fallback) for name in originals}
    taken: dict[str, int] = {}
    for short in plain.values():
        taken[short] = taken.get(short, 0) + 1
    result: dict[str, str] = {}
    used: set[str] = set()
    for name in originals:
        short = plain[name]
        kept = re.sub(r"[ _./-]+", "-", name.lower()) == short
        if (kept and taken[short] == 1 and short not in _RESERVED) or (
            name == short and short not in _RESERVED
        ):
            result[name] = short
            used.add(short)
    for name in originals:
        if name in result:
            continue
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
        for size in range(6, len(digest)):
            short = f"{plain[name][: limit - size - 1].strip('-')}-{digest[:size]}"
            if short not in used:
                break
        result[name] = short
        used.add(short)
    return result


def identifier(safe: str) -> str:
    """Return a safe name as a Python identifier; different ones for different safe names."""
    name = safe.replace("-", "_")
    return name + "_" if keyword.iskeyword(name) or keyword.issoftkeyword(name) else name


def env_names(names: Iterable[str], prefix: str = ENV) -> Mapping[str, str]:
    """Return the environment variable for each parameter."""
    return {
        name: prefix + safe.replace("-", "_").upper()
        for name, safe in safe_names(names, limit=60, fallback="p").items()
    }


def title(text: str, *, limit: int = 80) -> str:
    """Return a name for people, on one line and without anything that a target would interpret."""
    clean = "".join(
        char if char.isprintable() and char not in '`$\\{}<>"' else " "
        for char in text.replace("'", "’")
    )
    clean = " ".join(clean.split())
    if len(clean) > limit:
        clean = clean[: limit - 1] + "…"
    return clean or "task"
