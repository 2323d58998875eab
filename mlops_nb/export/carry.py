"""Carries what tasks have made from one job to the next, as one archive a job.

``python -m mlops_nb.export.carry pack --to FILE TASK...`` packs the products of tasks, Ploomber's
hidden sidecars and the state that the plan reads, with ``--above`` those of all tasks above them;
``unpack FILE...`` puts them back. An archive
holds nothing that changes without its content changing (no clocks, no owners), so equal results
give equal archives, and a digest of one is a cache key.
"""

from __future__ import annotations

import argparse
import gzip
import io
import os
import secrets
import shutil
import sys
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

import msgspec

from mlops_nb.config import find_project
from mlops_nb.errors import MlopsNbError, ProjectError
from mlops_nb.model import decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mlops_nb.model import Pipeline

__all__ = ["carried_files", "main", "pack", "unpack"]

_STATE = ".mlops-nb-state.json"
"""The first entry of an archive; it never becomes a file."""


def carried_files(root: Path, pipeline: Pipeline, tasks: Iterable[str]) -> list[str]:
    """Return the files that tasks have left, as sorted POSIX paths relative to the root.

    Parameters
    ----------
    root
        The project's folder.
    pipeline
        Says which products a task has.
    tasks
        Their names; one that has not run leaves nothing.
    """
    found: set[str] = set()
    for name in tasks:
        for product in pipeline[name].products:
            if product.is_file:
                path = PurePosixPath(product.path)
                found.update(_below(root, str(path)))
                found.update(_below(root, str(path.with_name(f".{path.name}.metadata"))))
    return sorted(found)


def _below(root: Path, path: str) -> Iterator[str]:
    start = root / path
    if start.is_file():
        yield path
    elif start.is_dir():
        for folder, _, files in os.walk(start, followlinks=False):
            for file in files:
                whole = Path(folder, file)
                if whole.is_file():
                    yield whole.relative_to(root).as_posix()


def pack(root: Path, files: Sequence[str], to: Path, *, state: bytes = b"{}") -> None:
    """Write files into an archive, whole or not at all.

    Parameters
    ----------
    root
        What the files are relative to.
    files
        POSIX paths.
    to
        The archive to write.
    state
        What the plan has to know of them, as JSON.

    Raises
    ------
    ProjectError
        A file cannot be read or the archive cannot be written.
    """
    draft = to.with_name(f".{to.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        with (
            draft.open("xb") as raw,
            gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=raw, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            entry = tarfile.TarInfo(_STATE)
            entry.size = len(state)
            archive.addfile(entry, io.BytesIO(state))
            for path in files:
                source = root / path
                entry = tarfile.TarInfo(path)
                status = source.stat()
                entry.size, entry.mode = status.st_size, 0o755 if status.st_mode & 0o100 else 0o644
                with source.open("rb") as content:
                    archive.addfile(entry, content)
        os.replace(draft, to)  # noqa: PTH105 - says what it does
    except OSError as error:
        raise ProjectError(f"cannot be packed: {error}", where=str(to)) from error
    finally:
        draft.unlink(missing_ok=True)


def unpack(root: Path, archive: Path) -> tuple[list[str], bytes]:
    """Put an archive's files back; return their paths, and the state that came with them.

    Parameters
    ----------
    root
        The project's folder; nothing outside it is ever written.
    archive
        One that `pack` has made.

    Raises
    ------
    ProjectError
        The archive cannot be read, or an entry would leave the project or is not a plain file.
    """
    base = root.resolve()
    written: list[str] = []
    state = b"{}"
    try:
        with tarfile.open(archive, "r:gz") as opened:
            for entry in opened:
                content = opened.extractfile(entry) if entry.isreg() else None
                if content is None:
                    raise ProjectError(f"{entry.name!r} is not a plain file", where=str(archive))
                if entry.name == _STATE:
                    state = content.read()
                else:
                    _put(base, entry, content, archive)
                    written.append(entry.name)
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise ProjectError(
            f"cannot be unpacked: {error}",
            where=str(archive),
            fix="run the job that makes it again",
        ) from error
    return written, state


def _put(base: Path, entry: tarfile.TarInfo, content: IO[bytes], archive: Path) -> None:
    path = PurePosixPath(entry.name)
    target = base / path
    inside = not path.is_absolute() and ".." not in path.parts
    if not inside or not target.parent.resolve().is_relative_to(base):
        raise ProjectError(f"{entry.name!r} leads out of the project", where=str(archive))
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{secrets.token_hex(8)}.unpacking")
    try:
        with draft.open("xb") as file:
            shutil.copyfileobj(content, file, 1 << 20)
        draft.chmod(0o755 if entry.mode & 0o100 else 0o644)
        os.replace(draft, target)  # noqa: PTH105
    finally:
        draft.unlink(missing_ok=True)


def _pack_tasks(tasks: Sequence[str], to: Path, *, above: bool) -> None:
    from mlops_nb.pipeline.load import load_pipeline
    from mlops_nb.pipeline.state import StateStore

    project = find_project()
    pipeline = load_pipeline(project)
    for name in tasks:
        if name not in pipeline.names():
            raise ProjectError(
                f'no task is called "{name}"',
                where=pipeline.spec,
                fix="export the pipeline again: it has changed",
            )
    if above:
        higher = pipeline.ancestors(set(tasks))
        tasks = [name for name in pipeline.names() if name in higher]
    store = StateStore(project)
    # Without a state a task's products are leftovers of a failure, or were never made.
    states = {name: state for name in tasks if (state := store.get(name)) is not None}
    files = carried_files(project.root, pipeline, states)
    pack(project.root, files, to, state=encode(states))
    print(f"{to}: {len(files)} files of {len(states)} tasks packed")  # noqa: T201


def _unpack_files(archives: Iterable[Path], *, optional: bool) -> None:
    from mlops_nb.pipeline.state import StateStore, TaskState

    project = find_project()
    store = StateStore(project)
    for archive in archives:
        try:
            files, state = unpack(project.root, archive)
            states = decode(state, dict[str, TaskState])
        except (ProjectError, msgspec.MsgspecError) as error:
            # What an earlier run left only saves time: without its state its files count for nothing.
            if optional:
                print(f"warning: left out: {error}", file=sys.stderr)  # noqa: T201
                continue
            if isinstance(error, ProjectError):
                raise
            raise ProjectError(f"holds no readable state: {error}", where=str(archive)) from error
        for task, one in states.items():
            store.put(task, one.fingerprint, one.products, one.run_id)
        print(f"{archive}: {len(files)} files of {len(states)} tasks unpacked")  # noqa: T201


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m mlops_nb.export.carry")
    commands = parser.add_subparsers(dest="command", required=True)
    packing = commands.add_parser("pack", help="pack what tasks have made")
    packing.add_argument("--to", required=True, type=Path, metavar="FILE")
    packing.add_argument("--above", action="store_true", help="what stands above them instead")
    packing.add_argument("tasks", nargs="+", metavar="TASK")
    unpacking = commands.add_parser("unpack", help="put it back")
    unpacking.add_argument(
        "--if-there",
        action="store_true",
        help="a missing file is no error, and one that cannot be read only a warning",
    )
    unpacking.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="an archive, or a folder of them"
    )
    given = parser.parse_args(argv)
    try:
        if given.command == "pack":
            _pack_tasks(given.tasks, given.to, above=given.above)
        else:
            there = [file for file in given.files if file.exists() or not given.if_there]
            archives = (
                archive
                for file in there
                for archive in (sorted(file.glob("*.tar.gz")) if file.is_dir() else [file])
            )
            _unpack_files(archives, optional=given.if_there)
    except MlopsNbError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return int(error.exit_code)
    return 0


if __name__ == "__main__":
    sys.exit(main())
