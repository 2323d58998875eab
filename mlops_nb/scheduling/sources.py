"""Tells a project's sources from its data, and asks Git."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_nb.git import git

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["NEVER", "is_new_source", "source_files", "untracked_files"]

NEVER = (".git", ".venv", "venv", "node_modules", "__pycache__", ".ipynb_checkpoints", ".mlops")
"""Names of folders that are neither."""
_SOURCES = (".py", ".ipynb", ".r", ".rmd", ".sql", ".sh", ".yaml", ".yml", ".toml", ".md", ".jl")
_BIG = 20 * 1024 * 1024
"""Bytes above which a file is data."""


def source_files(root: Path) -> Iterator[str]:
    """Yield the paths of a folder's sources, relative to it."""
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in NEVER]
        for name in files:
            path = Path(folder, name)
            if path.suffix.lower() not in _SOURCES or name.startswith(".") or path.is_symlink():
                continue
            if path.stat().st_size <= _BIG:
                yield path.relative_to(root).as_posix()


def is_new_source(path: Path, untracked: frozenset[str], root: Path) -> bool:
    """Whether a file is a source that was not frozen: added since, or never committed."""
    if path.suffix.lower() not in _SOURCES or not path.is_file():
        return False
    ignored = untracked and path.relative_to(root).as_posix() not in untracked
    return not ignored and path.stat().st_size <= _BIG


def untracked_files(root: Path) -> frozenset[str]:
    """Return what lies in the project and Git does not ignore."""
    listed = git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    return frozenset() if listed is None else frozenset(os.fsdecode(listed).split("\0")) - {""}
