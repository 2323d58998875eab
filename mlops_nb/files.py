"""Writes files whole or not at all."""

from __future__ import annotations

import hashlib
import os
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from io import FileIO
    from pathlib import Path

__all__ = ["file_name", "sync_folder", "write_whole"]

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


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
    # Text and system calls: this runs several times for each task.
    folder, name = os.path.split(path)
    draft = os.path.join(folder, f".{name}.{os.getpid()}-{secrets.token_hex(4)}")  # noqa: PTH118
    try:
        try:
            handle = os.open(draft, _NEW, 0o666)
        except FileNotFoundError:
            os.makedirs(folder, exist_ok=True)  # noqa: PTH103
            handle = os.open(draft, _NEW, 0o666)
        with open(handle, "wb", buffering=0) as file:  # noqa: PTH123
            _write(file, data)
            if durable:
                os.fsync(handle)
        os.replace(draft, path)  # noqa: PTH105 - says what it does
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(draft)  # noqa: PTH108
        raise
    if durable:
        sync_folder(path.parent)


def _write(file: FileIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def sync_folder(folder: Path) -> None:
    """Make a folder's entries durable, where the system knows how."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
