"""Which installed distributions a task's imports reach, and their versions.

What is installed is listed once and remembered for as long as the listing of the site-packages
folders stays the same; the listing's names hold the versions.
"""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

import msgspec

from mlops_nb.model import Record, decode, encode
from mlops_nb.pipeline.digests import digest_of
from mlops_nb.pipeline.files import write_if_possible

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from mlops_nb.config import Project

__all__ = ["Environment", "version_of"]

_INFO = re.compile(r"^(?P<name>.+?)-(?P<version>[^-]+?)(?:-py[\d.]+)?\.(?:dist|egg)-info$")


class _Distribution(Record, frozen=True, kw_only=True):
    version: str
    modules: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    """Normalised names of what it requires here, extras aside."""


class _Installed(Record, frozen=True, kw_only=True):
    listing: str
    distributions: dict[str, _Distribution] = {}


def _listing() -> list[str]:
    """Return the names of all metadata folders on ``sys.path``, in its order."""
    found: list[str] = []
    for folder in sys.path:
        try:
            names = os.listdir(folder or ".")  # noqa: PTH208 - hundreds of names, no Path needed
        except OSError:
            continue
        found += sorted(name for name in names if name.endswith((".dist-info", ".egg-info")))
    return found


def version_of(name: str) -> str:
    """Return an installed distribution's version without importing anything; empty for none."""
    wanted = _normal(name)
    for entry in _listing():
        match = _INFO.match(entry)
        if match and _normal(match["name"]) == wanted:
            return match["version"]
    return ""


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


_SURVEYED: dict[str, _Installed] = {}
"""What this process has read already, by listing; reading it takes half a second."""

_Stamp = tuple[tuple[str, int], ...]


class _Reach:
    """What is installed, and what imports have been found to reach in it."""

    def __init__(self, installed: _Installed) -> None:
        self.known = installed.distributions
        self.owners: dict[str, list[str]] = {}
        for name, distribution in self.known.items():
            for module in distribution.modules:
                self.owners.setdefault(module, []).append(name)
        self.closures: dict[frozenset[str], dict[str, str]] = {}

    def close(self, tops: frozenset[str]) -> dict[str, str]:
        """Return the versions of what these modules belong to and of all that it requires."""
        if tops not in self.closures:
            pending = [owner for top in tops for owner in self.owners.get(top, ())]
            found: dict[str, str] = {}
            while pending:
                name = pending.pop()
                if name in found or name not in self.known:
                    continue
                found[name] = self.known[name].version
                pending += self.known[name].requires
            self.closures[tops] = dict(sorted(found.items()))
        return self.closures[tops]


_REACH: dict[tuple[Path, _Stamp], _Reach] = {}
"""The latest, by the file that remembers it and when folders of packages last changed."""


def _stamp() -> _Stamp:
    """Return what changes where a distribution is installed or removed."""
    found = []
    for folder in sys.path:
        try:
            found.append((folder, os.stat(folder or ".").st_mtime_ns))  # noqa: PTH116 - no Path needed
        except OSError:
            continue
    return tuple(found)


class Environment:
    """The distributions of this interpreter.

    Parameters
    ----------
    project
        Whose ``.mlops/cache/environment.json`` remembers the listing.
    """

    def __init__(self, project: Project) -> None:
        self._path = project.state / "cache" / "environment.json"
        self._reach: _Reach | None = None

    def reached(self, modules: Iterable[str]) -> dict[str, str]:
        """Return the versions of everything that some imports reach.

        Parameters
        ----------
        modules
            Dotted names of imported modules; those of the standard library and of the project
            itself are of no account.

        Returns
        -------
        dict of str to str
            Versions by distribution, with all that these require in turn.
        """
        tops = frozenset(
            top
            for name in modules
            if (top := name.partition(".")[0]) not in sys.stdlib_module_names
        )
        if not tops:
            return {}
        if self._reach is None:
            self._reach = self._look()
        return self._reach.close(tops)

    def _look(self) -> _Reach:
        key = (self._path, _stamp())
        reach = _REACH.get(key)
        if reach is None:
            reach = _Reach(self._read())
            _REACH.clear()
            _REACH[key] = reach
        return reach

    def _read(self) -> _Installed:
        listing = digest_of("2", sys.version, *_listing())
        try:
            kept = decode(self._path.read_bytes(), _Installed)
        except (OSError, msgspec.MsgspecError):
            kept = None
        if kept is not None and kept.listing == listing:
            return kept
        if listing not in _SURVEYED:
            _SURVEYED.clear()
            _SURVEYED[listing] = _Installed(listing=listing, distributions=_survey())
        made = _SURVEYED[listing]
        write_if_possible(self._path, encode(made))
        return made


def _survey() -> dict[str, _Distribution]:
    """Read what is installed; the first on ``sys.path`` wins, as it does for imports."""
    from importlib.metadata import distributions

    found: dict[str, _Distribution] = {}
    for distribution in distributions():
        name = distribution.metadata["Name"]
        if not name or _normal(name) in found:
            continue
        found[_normal(name)] = _Distribution(
            version=distribution.version,
            modules=tuple(
                sorted(
                    _modules_of(
                        distribution.read_text("top_level.txt") or "", distribution.files or ()
                    )
                )
            ),
            requires=_requires(distribution.requires or ()),
        )
    return found


def _modules_of(listed: str, files: Iterable[object]) -> set[str]:
    """Return the top-level modules that a distribution installs."""
    found = set(listed.split())
    for file in files:
        parts = str(file).split("/")
        first = parts[0]
        if len(parts) == 1:
            stem, dot, _ = first.partition(".")
            if dot and first.endswith((".py", ".so", ".pyd")):
                found.add(stem)
        elif first.isidentifier():
            found.add(first)
    return found


def _requires(lines: Iterable[str]) -> tuple[str, ...]:
    from packaging.requirements import InvalidRequirement, Requirement

    found: set[str] = set()
    for line in lines:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            found.add(_normal(requirement.name))
    return tuple(sorted(found))
