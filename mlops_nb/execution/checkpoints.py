"""The states of failed notebooks on disk: one folder each, an index with the digests of the rest.

::

    .mlops/runs/<run>/checkpoints/<task>/<attempt>/
        index.json       what is in here, and what it was made from
        namespace        the kernel's namespace, pickled by the kernel itself
        notebook.ipynb   as it was executed (and notebook.ipynb.outputs/)
        staged/          what the cells before the failing one had written

A pickle is code. It is only ever loaded from the folder of the run whose record holds the digest of
the index, and only while the index holds the file's own digest.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mlops_nb.execution.blobs import file_digest
from mlops_nb.execution.jobs import Earlier
from mlops_nb.execution.saving import outputs_folder
from mlops_nb.files import file_name, write_whole
from mlops_nb.model import Checkpoint, Record, decode, encode

if TYPE_CHECKING:
    from mlops_nb.execution.jobs import Kept
    from mlops_nb.model import Keep, Resume

__all__ = [
    "Index",
    "checkpoint_folder",
    "forget",
    "keep",
    "not_resumed",
    "read_index",
    "stage_earlier",
]

_INDEX, _NAMESPACE, _NOTEBOOK, _STAGED = "index.json", "namespace", "notebook.ipynb", "staged"


class Index(Record, frozen=True, kw_only=True):
    """What a folder holds."""

    cell: int
    """The failing cell, as the notebook's author sees it, from 0."""
    stage_run: str
    """The run whose staging folder the state speaks of."""
    parts: dict[str, str]
    """The parts of the fingerprint that the task was run with."""
    before: tuple[str, ...]
    """SHA-256 of the source of each cell that had run, injected ones among them."""
    missing: dict[str, str]
    uses: dict[str, str]
    files: dict[str, str]
    """SHA-256 of each file, by its path in the folder."""


def not_resumed(run: str, why: str) -> str:
    """Say for people that a notebook does not go on where a run failed."""
    return f"runs from its first cell, not from where run {run} failed: {why}"


def checkpoint_folder(run_dir: Path, task: str, attempt: int) -> Path:
    """Return where the state of one attempt belongs."""
    return run_dir / "checkpoints" / file_name(task) / str(attempt)


def keep(order: Keep, kept: Kept, executed: Path) -> Checkpoint:
    """Complete the folder that the kernel has begun, and say what is in it.

    Parameters
    ----------
    order
        What was to be kept.
    kept
        What the kernel has kept.
    executed
        The executed notebook.

    Returns
    -------
    Checkpoint
        With the index's digest; its folder's path is the caller's to add.
    """
    folder = Path(order.folder)
    if kept.why or kept.cell is None:
        shutil.rmtree(folder, ignore_errors=True)
        return Checkpoint(cell=kept.cell, why=kept.why)
    try:
        shutil.copyfile(executed, folder / _NOTEBOOK)
        if outputs_folder(executed).is_dir():
            shutil.copytree(outputs_folder(executed), outputs_folder(folder / _NOTEBOOK))
        for name in kept.files:
            target = folder / _STAGED / name
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(Path(order.stage, name), target)  # noqa: PTH105
        (folder / "answer.json").unlink(missing_ok=True)
        digests = {
            path.relative_to(folder).as_posix(): file_digest(path)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        index = Index(
            cell=kept.cell,
            stage_run=order.stage_run,
            parts=order.parts,
            before=kept.before,
            missing=kept.missing,
            uses=kept.uses,
            files=digests,
        )
        write_whole(folder / _INDEX, encode(index))
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        return Checkpoint(
            cell=kept.cell,
            digest=file_digest(folder / _INDEX),
            size_mb=round(size / 2**20, 3),
            missing=tuple(sorted(kept.missing)),
        )
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        return Checkpoint(cell=kept.cell, why=f"it could not be written: {error}")


def read_index(folder: Path, digest: str) -> Index | str:
    """Return a folder's index, or why it may not be used.

    Parameters
    ----------
    digest
        SHA-256 of the index, as the run's record has it.
    """
    path = folder / _INDEX
    try:
        if file_digest(path) != digest:
            return "its index was changed since"
        index = decode(path.read_bytes(), Index)
    except FileNotFoundError:
        return "it was deleted"
    except (OSError, msgspec.MsgspecError) as error:
        return f"it cannot be read: {error}"
    inside = folder.resolve()
    for name, wanted in index.files.items():
        file = folder / name
        if not file.resolve().is_relative_to(inside):
            return f"{name} lies elsewhere"
        try:
            if file_digest(file) != wanted:
                return f"{name} was changed since"
        except OSError:
            return f"{name} is missing"
    return index


def stage_earlier(order: Resume) -> Earlier | str:
    """Check a state, put its files into the staging folder, and return what the engine needs.

    Returns
    -------
    Earlier or str
        A text says why it cannot be used.
    """
    folder = Path(order.folder)
    index = read_index(folder, order.digest)
    if isinstance(index, str):
        return index
    for name in index.files:
        if name.startswith(_STAGED + "/"):
            target = Path(order.stage, name.removeprefix(_STAGED + "/"))
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(folder / name, target, follow_symlinks=False)
    return Earlier(
        run=order.run,
        cell=index.cell,
        namespace=str(folder / _NAMESPACE),
        digest=index.files[_NAMESPACE],
        notebook=str(folder / _NOTEBOOK),
        before=index.before,
        missing=index.missing,
        uses=index.uses,
    )


def forget(runs: Path, task: str, *, but: Path | None = None) -> None:
    """Delete the states of a task in every run: a task keeps its last one at most.

    Parameters
    ----------
    runs
        The folder of all runs.
    but
        A state to leave.
    """
    for found in runs.glob(f"*/checkpoints/{_literal(file_name(task))}/*"):
        if found != but:
            shutil.rmtree(found, ignore_errors=True)
            for parent in (found.parent, found.parent.parent):
                with suppress(OSError):
                    parent.rmdir()


def _literal(name: str) -> str:
    from glob import escape

    return escape(name)
