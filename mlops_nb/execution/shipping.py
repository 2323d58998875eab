"""Sends files to a machine that does not see the project's folder, by way of a blob store."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from mlops_nb.errors import ExecutionError
from mlops_nb.execution.blobs import file_digest, open_blobs
from mlops_nb.model import Record

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Shipped", "pack", "project_files", "unpack"]

_LEFT_OUT = frozenset((".git", ".mlops", "__pycache__", ".venv", "venv", "node_modules", ".tox"))


class Shipped(Record, frozen=True, kw_only=True):
    """One file on its way."""

    path: str
    """Relative to the folder it is packed from and unpacked into."""
    digest: str
    mode: int = 0o644


def project_files(root: Path, without: Iterable[Path]) -> list[Path]:
    """Return a project's files but for state, version control, environments and products.

    Parameters
    ----------
    without
        Files and folders to leave out, absolute.
    """
    left_out = set(without)
    found: list[Path] = []
    for folder, folders, names in os.walk(root):
        here = Path(folder)
        folders[:] = sorted(
            name for name in folders if name not in _LEFT_OUT and here / name not in left_out
        )
        found += [here / name for name in sorted(names) if here / name not in left_out]
    return found


def pack(url: str, base: Path, paths: Iterable[Path]) -> tuple[Shipped, ...]:
    """Put files, and all that is in folders, into a store; content that it has is not sent again.

    Raises
    ------
    ExecutionError
        The store cannot be written, or a file cannot be read.
    """
    blobs = open_blobs(url)
    shipped: list[Shipped] = []
    try:
        for path in _files(paths):
            digest = file_digest(path)
            name = _name(digest)
            if blobs.has(name):
                blobs.touch(name)
            elif blobs.put(name, path) != digest:
                blobs.drop(name)
                raise OSError(f"{path} changed while it was read")
            shipped.append(
                Shipped(
                    path=path.relative_to(base).as_posix(),
                    digest=digest,
                    mode=path.stat().st_mode & 0o777,
                )
            )
    except OSError as error:
        raise ExecutionError(f"files cannot be sent: {error}", where=f"store {url}") from error
    return tuple(shipped)


def unpack(url: str, shipped: Iterable[Shipped], base: Path) -> None:
    """Write files that were packed, replacing those that are there.

    Raises
    ------
    ExecutionError
        A file is not in the store, is not what was packed, or would lie outside of the folder.
    """
    blobs = open_blobs(url)
    for file in shipped:
        where = f"{file.path}, store {url}"
        if PurePosixPath(file.path).is_absolute() or ".." in PurePosixPath(file.path).parts:
            raise ExecutionError("does not stay within the folder", where=where)
        target = base / file.path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            if blobs.get(_name(file.digest), target) != file.digest:
                target.unlink()
                blobs.drop(_name(file.digest))
                raise ExecutionError("is damaged in the store", where=where, fix="run again")
            target.chmod(file.mode)
        except OSError as error:
            raise ExecutionError(f"cannot be fetched: {error}", where=where) from error


def _files(paths: Iterable[Path]) -> Iterable[Path]:
    for path in paths:
        if path.is_dir():
            for folder, _, names in os.walk(path):
                yield from (Path(folder, name) for name in sorted(names))
        elif path.exists():
            yield path


def _name(digest: str) -> str:
    return f"blobs/{digest[:2]}/{digest}"
