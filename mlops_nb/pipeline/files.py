"""Small file helpers of the pipeline stage."""

from __future__ import annotations

import os
from pathlib import Path

from mlops_nb.files import write_whole

__all__ = ["resolve", "write_if_possible"]


def write_if_possible(path: Path, data: bytes) -> bool:
    """Write a cache file; a folder that cannot be written to only costs the cache."""
    try:
        write_whole(path, data)
    except OSError:
        return False
    return True


def resolve(root: Path | str, path: str) -> Path:
    """Return the place of a path that is relative to the project, or absolute."""
    return Path(os.path.normpath(os.path.join(root, path)))  # noqa: PTH118 - in hot loops
