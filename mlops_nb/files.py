"""Writes files whole or not at all."""

from __future__ import annotations

import hashlib
import os
import secrets
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["file_name", "sync_folder", "write_whole"]


def file_name(name: str) -> str:
    """Return a name that may hold anything as one safe path segment; equal only for equal names."""
    safe = quote(name, safe=" +,=@()")
    if safe in ("", ".", ".."):
        safe = "%" + safe
    if len(safe) > 120:
        safe = safe[:100] + "~" + hashlib.sha256(name.encode()).hexdigest()[:16]
    return safe


def write_whole(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Replace a file's content in one step, making its folder where it lacks.

    Parameters
    ----------
    path
        The file; a reader sees the old content or the new one.
    durable
        Wait until the disk has it, so that it also outlives a loss of power.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        with draft.open("xb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(draft, path)  # noqa: PTH105 - says what it does
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a folder's entries durable, where the system knows how."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
