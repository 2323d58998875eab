"""What a project's folder says that an export needs, so that the settings may stay empty."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mlops_nb.model import Json

__all__ = ["missing_facts", "project_facts"]

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
        ``python`` (from ``.python-version``, else one that ``requires-python`` allows), ``package``
        (a build system is declared), and ``lock`` with ``hashes`` where a lock file is found; nothing
        of the machine, so that the same files give the same export everywhere. What the project's
        own settings say goes over these.
    """
    try:
        declared = tomllib.loads(_read(root / "pyproject.toml"))
    except tomllib.TOMLDecodeError:
        declared = {}
    facts: dict[str, Json] = {"python": _allowed(declared), "package": "build-system" in declared}
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


def missing_facts(root: Path, settings: Mapping[str, Json]) -> tuple[str, ...]:
    """Return what a project lacks for its jobs to be installed, each with the way to mend it.

    Parameters
    ----------
    root
        The project's folder.
    settings
        Its own settings over `project_facts`.
    """
    if settings.get("install"):
        return ()
    lock = str(settings.get("lock", LOCKS[-1]))
    text = _read(root / lock)
    if not text:
        return (
            f"{lock} is not there, and jobs install from it; in an environment where the pipeline "
            f"runs, write it with: python -m pip freeze --exclude-editable > {lock}",
        )
    if not settings.get("package") and not re.search(r"(?mi)^mlops[-_.]nb(?![\w.-])", text):
        return (f"{lock} does not hold mlops-nb, which every job calls: add it",)
    return ()


def _allowed(declared: Mapping[str, Json]) -> str:
    """Return the version of Python to use where a ``pyproject.toml`` says which ones are allowed."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        asked = SpecifierSet(str(declared.get("project", {}).get("requires-python", "")))
    except (InvalidSpecifier, AttributeError):
        return VERSIONS[0]
    return next((one for one in VERSIONS if asked.contains(f"{one}.99")), VERSIONS[0])


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
