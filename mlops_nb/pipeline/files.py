"""Small file helpers of the pipeline stage."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

__all__ = ["resolve", "write_atomically", "write_if_possible"]


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that readers see the old content or the new, never a part.

    Raises
    ------
    OSError
        The folder cannot be written to.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def write_if_possible(path: Path, data: bytes) -> bool:
    """Write a cache file; a folder that cannot be written to only costs the cache."""
    try:
        write_atomically(path, data)
    except OSError:
        return False
    return True


def resolve(root: Path | str, path: str) -> Path:
    """Return the place of a path that is relative to the project, or absolute."""
    return Path(os.path.normpath(Path(root) / path))
