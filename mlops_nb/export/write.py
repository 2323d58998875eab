"""Compares rendered files with those on disk, and writes them whole or not at all."""

from __future__ import annotations

import difflib
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from mlops_nb.errors import ProjectError
from mlops_nb.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["check", "diff", "write"]


def _places(files: Mapping[str, str], root: Path) -> dict[str, Path]:
    base = root.resolve()
    places = {}
    for name in sorted(files):
        path = PurePosixPath(name)
        place = base / path
        if (
            path.is_absolute()
            or ".." in path.parts
            or not place.parent.resolve().is_relative_to(base)
        ):
            raise ProjectError(f"{name!r} lies outside the folder to write to", where=str(base))
        places[name] = place
    return places


def diff(files: Mapping[str, str], root: Path) -> str:
    """Return what writing the files would change, as a unified diff; empty where nothing.

    Parameters
    ----------
    files
        Texts by POSIX path relative to `root`.
    root
        The folder they are for.

    Raises
    ------
    ProjectError
        A path leads out of the folder, or an existing file cannot be read.
    """
    parts: list[str] = []
    for name, place in _places(files, root).items():
        try:
            old: str | None = place.read_bytes().decode("utf-8", "replace")
        except FileNotFoundError:
            old = None
        except OSError as error:
            raise ProjectError(f"cannot be read: {error}", where=str(place)) from error
        if old == files[name]:
            continue
        before = "/dev/null" if old is None else f"a/{name}"
        lines = difflib.unified_diff(
            (old or "").splitlines(), files[name].splitlines(), before, f"b/{name}", lineterm=""
        )
        parts.extend(line + "\n" for line in lines)
        if old is not None and old.splitlines() == files[name].splitlines():
            parts.append(f"--- a/{name}\n+++ b/{name}\n(only line endings differ)\n")
    return "".join(parts)


def check(files: Mapping[str, str], root: Path) -> bool:
    """Whether every file on disk is as rendered."""
    return diff(files, root) == ""


def write(files: Mapping[str, str], root: Path) -> tuple[str, ...]:
    """Write the files that differ, each in one step; return their paths.

    Raises
    ------
    ProjectError
        A path leads out of the folder, or a file cannot be written.
    """
    changed = []
    for name, place in _places(files, root).items():
        data = files[name].encode()
        try:
            if place.is_file() and place.read_bytes() == data:
                continue
            write_whole(place, data)
        except OSError as error:
            raise ProjectError(
                f"cannot be written: {error}",
                where=str(place),
                fix="check that the folder can be written to",
            ) from error
        changed.append(name)
    return tuple(changed)
