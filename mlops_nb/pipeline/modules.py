"""Follows imports from a task into the project's own modules, without running anything."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_nb.notebooks.imports import Import

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlops_nb.pipeline.digests import Digests

__all__ = ["Modules", "Reached"]


class Reached:
    """What some imports reach."""

    def __init__(self) -> None:
        self.files: set[str] = set()
        """Project modules, absolute paths."""
        self.outside: set[str] = set()
        """Dotted names of modules that are not the project's."""


class Modules:
    """The project's modules.

    Parameters
    ----------
    root
        The project; its folder, ``src`` below it, and where the project itself is a package the
        folder that holds it are searched, as well as the importing file's own folder.
    digests
        For what each module imports.
    """

    def __init__(self, root: Path, digests: Digests) -> None:
        self._digests = digests
        outer = root
        while (outer / "__init__.py").is_file() and outer.parent != outer:
            outer = outer.parent
        self._roots = tuple(dict.fromkeys(str(path) for path in (root, root / "src", outer)))
        self._found: dict[tuple[Import, str], tuple[frozenset[str], bool]] = {}
        self._below: dict[str, tuple[frozenset[str], frozenset[str]]] = {}
        self._is_file: dict[str, bool] = {}

    def reach(self, imports: Iterable[Import], folder: Path, *, without: str = "") -> Reached:
        """Follow imports transitively.

        Parameters
        ----------
        imports
            Where to start.
        folder
            The importing file's.
        without
            A file that counts otherwise and is not followed.
        """
        reached = Reached()
        pending: set[str] = set()
        for item in imports:
            files, is_own = self._resolve(item, str(folder))
            pending |= files
            if not is_own:
                reached.outside.add(item.module)
        while pending:
            file = pending.pop()
            if file in reached.files or file == without:
                continue
            reached.files.add(file)
            files, outside = self._direct(file)
            reached.outside |= outside
            pending |= files - reached.files
        return reached

    def locate(self, module: str) -> Path | None:
        """Return the file of a dotted module name; ``None`` where it is not the project's."""
        for root in self._roots:
            for file in (
                os.path.join(root, *module.split(".")) + ".py",  # noqa: PTH118
                os.path.join(root, *module.split("."), "__init__.py"),  # noqa: PTH118
            ):
                if self._exists(file):
                    return Path(file)
        return None

    def _direct(self, file: str) -> tuple[frozenset[str], frozenset[str]]:
        if file not in self._below:
            files: set[str] = set()
            outside: set[str] = set()
            folder = os.path.dirname(file)  # noqa: PTH120
            for item in self._digests.module(Path(file)).imports:
                found, is_own = self._resolve(item, folder)
                files |= found
                if not is_own:
                    outside.add(item.module)
            self._below[file] = frozenset(files), frozenset(outside)
        return self._below[file]

    def _resolve(self, item: Import, folder: str) -> tuple[frozenset[str], bool]:
        """Return the project files of one import, and whether it is the project's at all."""
        key = (item, folder)
        if key not in self._found:
            self._found[key] = self._search(item, folder)
        return self._found[key]

    def _search(self, item: Import, folder: str) -> tuple[frozenset[str], bool]:
        if item.path:
            places = (os.path.join(base, item.path) for base in (folder, *self._roots))  # noqa: PTH118
            found = next((os.path.normpath(place) for place in places if self._exists(place)), None)
            return frozenset((found,) if found else ()), True
        if item.level:
            base = folder
            for _ in range(item.level - 1):
                base = os.path.dirname(base)  # noqa: PTH120
            return frozenset(self._in_root(base, item, with_package=True)), True
        for root in dict.fromkeys((folder, *self._roots)):
            files = self._in_root(root, item, with_package=False)
            if files:
                return frozenset(files), True
        return frozenset(), False

    def _in_root(self, root: str, item: Import, *, with_package: bool) -> set[str]:
        found: set[str] = set()
        if with_package and self._exists(package := os.path.join(root, "__init__.py")):  # noqa: PTH118
            found.add(package)
        place = root
        parts = item.module.split(".") if item.module else []
        for part in parts:
            place = os.path.join(place, part)  # noqa: PTH118
            if self._exists(file := place + ".py"):
                found.add(file)
                return found
            if self._exists(file := os.path.join(place, "__init__.py")):  # noqa: PTH118
                found.add(file)
        for name in item.names:
            inner = os.path.join(place, name)  # noqa: PTH118
            for file in (inner + ".py", os.path.join(inner, "__init__.py")):  # noqa: PTH118
                if self._exists(file):
                    found.add(file)
        return found

    def _exists(self, file: str) -> bool:
        if file not in self._is_file:
            self._is_file[file] = os.path.isfile(file)  # noqa: PTH113 - a hot loop over strings
        return self._is_file[file]
