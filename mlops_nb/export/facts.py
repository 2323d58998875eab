"""What a project's folder says that an export needs, so that the settings may stay empty."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import distributions
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from mlops_nb.model import Json

__all__ = ["installed_packages", "project_facts"]

LOCKS = (
    "requirements.lock",
    "requirements.lock.txt",
    "constraints.txt",
    "requirements.txt",
)
"""Files with exact versions, the most exact first."""


VERSIONS = ("3.12", "3.13", "3.11")
"""Versions of Python that the project runs on, the first choice first."""


def project_facts(root: Path) -> dict[str, Json]:
    """Return settings of ``[tool.mlops-nb.export]`` as the project's files suggest them.

    Parameters
    ----------
    root
        The project's folder.

    Returns
    -------
    dict
        ``python`` (from ``.python-version``, else one that ``requires-python`` allows), and ``lock``
        with ``hashes`` where a lock file is found; nothing of the machine, so that the same files
        give the same export everywhere. What the project's own settings say goes over these.
    """
    facts: dict[str, Json] = {"python": _allowed(_read(root / "pyproject.toml"))}
    pinned = _read(root / ".python-version").strip()
    if re.fullmatch(r"3\.\d+(\.\d+)?", pinned):
        facts["python"] = pinned
    for name in LOCKS:
        text = _read(root / name)
        if text:
            facts["lock"] = name
            facts["hashes"] = "--hash=sha256:" in text
            break
    return facts


def _allowed(text: str) -> str:
    """Return the version of Python to use where a ``pyproject.toml`` says which ones are allowed."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        asked = SpecifierSet(str(tomllib.loads(text).get("project", {}).get("requires-python", "")))
    except (tomllib.TOMLDecodeError, InvalidSpecifier, AttributeError):
        return VERSIONS[0]
    return next((one for one in VERSIONS if asked.contains(f"{one}.99")), VERSIONS[0])


def installed_packages() -> tuple[str, ...]:
    """Return the running environment as exact requirements, sorted; editable installs left out."""
    found = {}
    for one in distributions():
        name = one.metadata["Name"]
        if name and '"editable": true' not in (one.read_text("direct_url.json") or ""):
            found[re.sub(r"[-_.]+", "-", name).lower()] = one.version
    return tuple(f"{name}=={version}" for name, version in sorted(found.items()))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
