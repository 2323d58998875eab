"""Moves a task's staged products into place, all of them or none, through a redo log.

1. ``PREPARE`` lists the moves. What must cross file systems is copied beside its target first, so
   that a full disk is noticed while nothing has changed yet.
2. ``PREPARE`` becomes ``COMMIT``, durably: from here on the products count as made.
3. Renames put each product in its place, the state record is written, and the log is removed.

A process that dies before step 2 leaves what was there; one that dies after it is finished by
`recover`, which the next command calls. Each step of a replay may be repeated. The content of
products is not flushed to the disk: after a loss of power a product may be short, which its
recorded digest shows, and the task runs again.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mlops_nb.errors import ExecutionError
from mlops_nb.execution.staging import STAGING
from mlops_nb.files import write_whole
from mlops_nb.model import Fingerprint, Record, decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from mlops_nb.execution.staging import Stage

__all__ = [
    "COMMIT",
    "Commit",
    "Move",
    "clear",
    "commit",
    "copy_far",
    "drop_far",
    "land",
    "plan_moves",
    "prepare",
    "recover_run",
    "tidy",
    "undo",
    "unfinished",
]

PREPARE, COMMIT = "PREPARE", "COMMIT"


class Move(Record, frozen=True, kw_only=True):
    """One staged file or folder and where it belongs; absolute paths."""

    staged: str
    target: str
    draft: str = ""
    """A copy beside the target, where the staging folder is on another file system."""
    trash: str
    """Where a folder that stands in the target's place goes first."""


class Commit(Record, frozen=True, kw_only=True):
    """All that changes when a task succeeds."""

    task: str
    run: str
    moves: tuple[Move, ...]
    fingerprint: Fingerprint | None = None
    products: tuple[str, ...]
    """The paths of the products that are files, as the specification has them."""


def prepare(stage: Stage, *, run: str, fingerprint: Fingerprint | None) -> Commit:
    """Return what a stage's products amount to, after checking that they can land.

    Raises
    ------
    ExecutionError
        A product's folder cannot be made or written, or its disk is full.
    """
    try:
        record = Commit(
            task=stage.task.name,
            run=run,
            moves=plan_moves(stage.landings(), stage.folder, run),
            fingerprint=fingerprint,
            products=tuple(stage.products),
        )
        if any(move.draft for move in record.moves):
            write_whole(stage.folder / PREPARE, encode(record))
        copy_far(record.moves)
    except OSError as error:
        undo(stage.folder)
        raise ExecutionError(
            f"the products cannot be put into place: {error}",
            where=f'task "{stage.task.name}"',
            fix="the earlier products are untouched; free the disk or the folder and run again",
        ) from error
    return record


def plan_moves(pairs: Iterable[tuple[Path, Path]], folder: Path, run: str) -> tuple[Move, ...]:
    """Return how files come to their places, after making the folders there.

    Parameters
    ----------
    pairs
        Where each stands, and where it belongs.
    folder
        Takes what has to go aside.
    run
        Names copies.

    Raises
    ------
    OSError
        A folder cannot be made or written.
    """
    moves = []
    for number, (staged, final) in enumerate(pairs):
        # Through a link, as a task that writes in place would.
        target = Path(os.path.realpath(final))
        target.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(target.parent, os.W_OK | os.X_OK):
            raise PermissionError(13, "the folder cannot be written to", str(target.parent))
        near = staged.stat().st_dev == target.parent.stat().st_dev
        beside = f".{target.name[:80]}.mlops-{run}-{number}"
        moves.append(
            Move(
                staged=str(staged),
                target=str(target),
                draft="" if near else str(target.with_name(beside)),
                trash=str(
                    folder / f"trash-{number}" if near else target.with_name(beside + "-old")
                ),
            )
        )
    return tuple(moves)


def copy_far(moves: Iterable[Move]) -> None:
    """Copy what must cross file systems beside its target.

    Raises
    ------
    OSError
        The disk refuses.
    """
    for move in moves:
        if move.draft:
            _copy(Path(move.staged), Path(move.draft))


def drop_far(moves: Iterable[Move]) -> None:
    """Remove such copies where they will not be used."""
    for move in moves:
        if move.draft:
            _delete(Path(move.draft))


def land(moves: Iterable[Move]) -> None:
    """Put everything in its place; may be repeated until it has succeeded.

    Raises
    ------
    OSError
        One of them could not be moved.
    """
    for move in moves:
        _land(move)


def clear(moves: Iterable[Move]) -> None:
    """Remove what had to go aside."""
    for move in moves:
        _delete(Path(move.trash))


def commit(stage: Stage, record: Commit, finish: Callable[[Commit], None]) -> None:
    """Make a prepared task's products count, and put them into place.

    Parameters
    ----------
    finish
        Writes the state record and the like; may be called again after a crash.

    Raises
    ------
    ExecutionError
        The log cannot be written (nothing has changed), or a product could not be moved: the next
        command tries that again.
    """
    try:
        write_whole(stage.folder / COMMIT, encode(record), durable=True)
        (stage.folder / PREPARE).unlink(missing_ok=True)
    except OSError as error:
        (stage.folder / COMMIT).unlink(missing_ok=True)
        undo(stage.folder)
        raise ExecutionError(
            f"the products cannot be committed: {error}",
            where=f'task "{record.task}"',
            fix="the earlier products are untouched; free the disk and run again",
        ) from error
    _redo(stage.folder, record, finish)


def undo(folder: Path) -> None:
    """Forget a stage that was not committed, with its copies beside the targets."""
    try:
        record = decode((folder / PREPARE).read_bytes(), Commit)
    except (OSError, msgspec.MsgspecError):
        record = None
    if record is not None:
        drop_far(record.moves)
    _delete(folder)


def tidy(run_dir: Path) -> None:
    """Remove the working folders of a run that has left nothing in them."""
    for name in (STAGING, "jobs"):
        with suppress(OSError):
            (run_dir / name).rmdir()


def unfinished(runs: Path) -> Iterator[Path]:
    """Yield the folders of runs that ended without clearing their staging folder."""
    # Every command looks at every run there ever was: not by `Path`, which takes five times as long.
    try:
        names = sorted(os.listdir(runs))  # noqa: PTH208
    except OSError:
        return
    base = os.path.join(runs, "")  # noqa: PTH118
    for name in names:
        if os.path.isdir(f"{base}{name}/{STAGING}"):  # noqa: PTH112
            yield runs / name


def recover_run(run_dir: Path, finish: Callable[[Commit], None]) -> list[str]:
    """Finish or forget what a run that died left in its staging folder.

    Parameters
    ----------
    run_dir
        The run's folder; nobody else may be working in it.
    finish
        As for `commit`.

    Returns
    -------
    list of str
        The tasks whose products were put into place.

    Raises
    ------
    ExecutionError
        A product could not be moved.
    """
    staging = run_dir / STAGING
    done = []
    for folder in sorted(staging.iterdir()):
        try:
            record = decode((folder / COMMIT).read_bytes(), Commit)
        except (OSError, msgspec.MsgspecError):
            undo(folder)
            continue
        _redo(folder, record, finish)
        done.append(record.task)
    _delete(staging)
    return done


def _redo(folder: Path, record: Commit, finish: Callable[[Commit], None]) -> None:
    try:
        land(record.moves)
        finish(record)
        clear(record.moves)
        # Nothing outside the folder is left to do: now the log may go, before what it speaks of.
        (folder / COMMIT).unlink()
        _delete(folder)
    except OSError as error:
        raise ExecutionError(
            f"a product could not be put into place: {error}",
            where=f'task "{record.task}", run {record.run}',
            fix="mend that and run any command again: it goes on where this one stopped",
        ) from error


def _land(move: Move) -> None:
    source, target = Path(move.draft or move.staged), Path(move.target)
    if not os.path.lexists(source):
        return  # it landed before the crash
    target.parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(target) and (_is_folder(source) or _is_folder(target)):
        # A folder cannot be replaced in one step; the log makes the two steps one.
        _delete(Path(move.trash))
        os.rename(target, move.trash)  # noqa: PTH104
    os.replace(source, target)  # noqa: PTH105


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _copy(source: Path, target: Path) -> None:
    _delete(target)
    if _is_folder(source):
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy2(source, target, follow_symlinks=False)


def _delete(path: Path) -> None:
    if _is_folder(path):
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
