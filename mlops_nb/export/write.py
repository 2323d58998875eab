"""Compares rendered files with those on disk, and writes them whole or not at all."""

from __future__ import annotations

import difflib
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from mlops_nb.errors import ProjectError
from mlops_nb.export.quoting import command
from mlops_nb.files import write_whole
from mlops_nb.model import ExportFile, ExportPreview, FileState

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["compare", "write"]

_HEAD = 2
"""Lines that every file of a target begins with: what it was made from, and how."""
_LONGEST_HEAD = 2048
_COMMENT = re.compile(r"^(<!--|[#/])*\s*|\s*-->$")


def compare(
    target: str, files: Mapping[str, str], root: Path, *, made_by: str = ""
) -> ExportPreview:
    """Return a target's files beside those on the disk.

    Parameters
    ----------
    target
        The target that they are for.
    files
        Texts by POSIX path relative to `root`.
    root
        The folder they are for.
    made_by
        The command that the heads of such files end with; ``mlops-nb export TARGET`` by default.

    Raises
    ------
    ProjectError
        A path leads out of the folder, or an existing file cannot be read.
    """
    found = []
    for name, place in _places(files, root).items():
        old = _read(place)
        if old is None:
            state = FileState.MISSING
        else:
            state = FileState.SAME if old == files[name] else FileState.STALE
        diff = _diff(name, old, files[name]) if state is not FileState.SAME else ""
        found.append(ExportFile(path=name, text=files[name], state=state, diff=diff))
    for name, place in _left_over(made_by or command(target), files, root):
        diff = _diff(name, _read(place), None)
        found.append(ExportFile(path=name, text="", state=FileState.LEFT_OVER, diff=diff))
    return ExportPreview(target=target, files=tuple(sorted(found, key=lambda file: file.path)))


def write(
    target: str, files: Mapping[str, str], root: Path, *, made_by: str = ""
) -> tuple[ExportFile, ...]:
    """Write the files that differ, each in one step, and remove those left over.

    Parameters
    ----------
    target, files, root, made_by
        As `compare` takes them.

    Returns
    -------
    tuple of ExportFile
        What was written or removed, as it stood before.

    Raises
    ------
    ProjectError
        A path leads out of the folder, or a file cannot be written.
    """
    preview = compare(target, files, root, made_by=made_by)
    changed = tuple(file for file in preview.files if file.state is not FileState.SAME)
    for file in changed:
        place = root.resolve() / file.path
        try:
            if file.state is FileState.LEFT_OVER:
                place.unlink()
            else:
                write_whole(place, file.text.encode())
        except OSError as error:
            raise ProjectError(
                f"cannot be written: {error}",
                where=str(place),
                fix="check that the folder can be written to",
            ) from error
    return changed


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


def _left_over(made_by: str, files: Mapping[str, str], root: Path) -> Iterator[tuple[str, Path]]:
    """Yield the files that an earlier export of this pipeline to this target has left.

    They stand beside those of this one and begin with the same words, as only this target's do.
    """
    heads = {_head(text) for text in files.values()}
    heads = {head for head in heads if head[-1].endswith(made_by)}
    base = root.resolve()
    folders = {place.parent for place in _places(files, root).values()} if heads else set()
    for folder in sorted(folders):
        for place in sorted(folder.iterdir()) if folder.is_dir() else []:
            name = place.relative_to(base).as_posix()
            ours = name not in files and place.is_file() and not place.is_symlink()
            if ours and _head(_read(place, _LONGEST_HEAD) or "") in heads:
                yield name, place


def _head(text: str) -> tuple[str, ...]:
    """Return the lines that say how a file was made, without the marks of a comment."""
    if text.startswith("<?xml"):
        text = text.partition("\n")[2]
    lines = text.split("\n", _HEAD)[:_HEAD]
    return tuple(_COMMENT.sub("", line).rstrip() for line in lines)


def _read(place: Path, size: int = -1) -> str | None:
    try:
        with place.open("rb") as opened:
            return opened.read(size).decode("utf-8", "replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ProjectError(f"cannot be read: {error}", where=str(place)) from error


def _diff(name: str, old: str | None, new: str | None) -> str:
    before = "/dev/null" if old is None else f"a/{name}"
    after = "/dev/null" if new is None else f"b/{name}"
    was, will = (old or "").splitlines(), (new or "").splitlines()
    if old is not None and new is not None and was == will:
        return f"--- {before}\n+++ {after}\n(only line endings differ)\n"
    lines = difflib.unified_diff(was, will, before, after, lineterm="")
    return "".join(f"{line}\n" for line in lines)
