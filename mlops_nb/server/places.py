"""Keeps paths where they belong: projects below the server's root, files inside their project."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from mlops_nb.errors import nearest
from mlops_nb.model.boards import ProjectList, ProjectView
from mlops_nb.server.answers import bad_request, forbidden, not_found

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["find_projects", "inside", "project_folder", "servable"]

SPEC = "pipeline.yaml"
_SKIPPED = frozenset(("node_modules", "__pycache__", "site-packages", "products", "lost+found"))
_MOST_FOLDERS = 5_000
_LONGEST_PATH, _LONGEST_NAME = 3_000, 255
_OPEN_STATE = ("runs", "reports", "gates", "launch")
"""What may be read of ``.mlops``: pages, notebooks and logs, no databases."""


def inside(root: Path, path: str) -> Path:
    """Return a path below a root, with every link followed.

    Raises
    ------
    Refusal
        It leads outside, also by a link, or is no path.
    """
    if "\0" in path or "\\" in path or _is_too_long(path):
        raise bad_request("is no path", where=path[:200])
    root = root.resolve()
    try:
        place = (root / PurePosixPath(path)).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise bad_request(f"is no path: {error}", where=path) from error
    if not place.is_relative_to(root):
        raise forbidden("leads outside", where=path)
    return place


def _is_too_long(path: str) -> bool:
    """Whether no file system would take it."""
    return len(path) > _LONGEST_PATH or any(
        len(part.encode("utf-8", "replace")) > _LONGEST_NAME for part in path.split("/")
    )


def project_folder(root: Path, path: str) -> Path:
    """Return a project's folder.

    Raises
    ------
    Refusal
        It lies outside the root, or there is no project.
    """
    folder = inside(root, path)
    try:
        is_project = (folder / SPEC).is_file()
    except OSError as error:
        raise bad_request(f"is no path: {error.strerror}", where=path) from error
    if not is_project:
        fix = nearest(path, [one.path for one in find_projects(root).projects if one.path])
        shown = f'"{path}"' if path else "the server's root"
        raise not_found(f"{shown} is no project", fix=fix or "start one there")
    return folder


def servable(project: Path, path: str) -> Path:
    """Return a file of a project that may be read as it is.

    Raises
    ------
    Refusal
        There is no such file, it lies outside, or it is hidden.
    """
    place = inside(project, path)
    parts = place.relative_to(project.resolve()).parts
    if len(parts) > 2 and parts[0] == ".mlops" and parts[1] in _OPEN_STATE:
        parts = parts[2:]
    if any(part.startswith(".") for part in parts):
        raise forbidden("is hidden", where=path)
    try:
        if place.is_file():
            return place
    except OSError as error:
        raise bad_request(f"is no path: {error.strerror}", where=path) from error
    raise not_found("is not there", where=path)


def find_projects(root: Path, *, depth: int = 4) -> ProjectList:
    """Return the projects below a folder, each folder's own before those in it.

    Hidden folders, environments and links are passed over; so is what lies deeper than `depth`.
    """
    found = []
    truncated = False
    for number, folder in enumerate(_folders(root, depth)):
        if number >= _MOST_FOLDERS:
            truncated = True
            break
        if (folder / SPEC).is_file():
            label = "" if folder == root else folder.relative_to(root).as_posix()
            found.append(ProjectView(path=label, name=_name(folder)))
    return ProjectList(projects=tuple(found), truncated=truncated)


def _folders(folder: Path, depth: int) -> Iterator[Path]:
    yield folder
    if not depth:
        return
    try:
        with os.scandir(folder) as entries:
            names = sorted(
                entry.name
                for entry in entries
                if not entry.name.startswith(".")
                and entry.name not in _SKIPPED
                and entry.is_dir(follow_symlinks=False)
            )
    except OSError:
        return
    for name in names:
        if not (folder / name / "pyvenv.cfg").exists():
            yield from _folders(folder / name, depth - 1)


def _name(folder: Path) -> str:
    from mlops_nb.config import find_project
    from mlops_nb.errors import MlopsNbError

    try:
        return find_project(folder / SPEC).name
    except MlopsNbError:
        # Its settings are broken; opening it says how.
        return folder.name
