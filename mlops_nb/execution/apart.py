"""Lets a run work in a root of its own, and brings its products home, all of them or none.

Such a run holds the project only while it takes the products as they are (`Apart.take_base`) and
while it brings its own home (`Apart.land`), so that others run meanwhile. It lies in
``.mlops/apart/<run>/``: the root in a folder of the project's name, and beside it the lock, the
states and the digests of its products. The run's record, cache and everything else are the project's.

Coming home is one redo log: ``LANDING`` lists every move and every state. A process that dies before
it is written leaves the project as it was; one that dies after it is finished by `finish_dead`, which
the next command calls.
"""

from __future__ import annotations

import os
import shutil
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mlops_nb.errors import ExecutionError, RunError
from mlops_nb.execution import commit
from mlops_nb.execution.commit import Move
from mlops_nb.execution.lock import project_lock
from mlops_nb.execution.staging import STAGING
from mlops_nb.files import write_whole
from mlops_nb.model import Record, decode, encode
from mlops_nb.pipeline.digests import carry_digests
from mlops_nb.pipeline.sidecar import sidecar_path
from mlops_nb.pipeline.state import StateStore, TaskState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from mlops_nb.config import Project
    from mlops_nb.model import Task

__all__ = ["Apart", "dead", "finish_dead", "is_apart"]

FOLDER, LANDING = "apart", "LANDING"
_YOUNG = 60.0
"""Seconds in which the process that has made a folder takes its lock."""
_NO_PRODUCTS = ("__pycache__", ".ipynb_checkpoints")

Stamp = tuple[int, ...]


class _Landing(Record, frozen=True, kw_only=True):
    """All that changes when the products come home."""

    run: str
    moves: tuple[Move, ...]
    states: dict[str, TaskState]


class Apart:
    """A run's own root; use it in a ``with`` block, at whose end the folder is removed.

    Parameters
    ----------
    project
        The project.
    run
        The run's id.
    """

    def __init__(self, project: Project, run: str) -> None:
        self._project = project
        self._run = run
        self.folder = project.state / FOLDER / run
        # Notebooks that look for the project find one of the same name.
        self.root = self.folder / project.root.name
        self._states: dict[str, TaskState] = {}
        self._stamps: dict[str, Stamp] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Apart:
        try:
            self.root.mkdir(parents=True)
        except OSError as error:
            raise ExecutionError(f"cannot be made: {error}", where=str(self.root)) from error
        place = msgspec.structs.replace(self._project, root=self.root, shares=self._project.state)
        self._stack.enter_context(project_lock(place, self._run))
        return self

    def __exit__(self, *_: object) -> None:
        # What has to be finished stays for the next command.
        if not (self.folder / LANDING).exists():
            _remove(self._project.state, self._run)
        self._stack.close()

    def place(self, found: Project) -> Project:
        """Return the root as a project: its own settings, the project's name, state and stores."""
        found = found.with_stores_of(self._project)
        return msgspec.structs.replace(found, shares=self._project.state)

    def take_base(self, place: Project, tasks: Iterable[Task]) -> None:
        """Note what the products are made from and how they stand, once they are in the root.

        The caller holds the project.

        Raises
        ------
        ExecutionError
            The disk refuses.
        """
        try:
            known = self._project.products_state / "state.db"
            if known.is_file():
                shutil.copyfile(known, self.folder / known.name)
        except OSError as error:
            raise ExecutionError(f"cannot be made ready: {error}", where=str(self.root)) from error
        self._states = StateStore(self._project).all()
        self._stamps = dict(_stamps(self.root, tasks))
        carry_digests(self._project, place)

    def land(self, place: Project, tasks: Sequence[Task], is_later: Callable[[str], bool]) -> str:
        """Bring the products of these tasks home, unless a later run's are there already.

        The caller holds the project.

        Parameters
        ----------
        place
            The root as a project.
        tasks
            What the run was to bring up to date: their products belong together.
        is_later
            Whether a run that has changed one of them meanwhile counts as later than this one.

        Returns
        -------
        str
            Why nothing was brought home; empty where it was.

        Raises
        ------
        ExecutionError
            The disk refuses: nothing has changed, or the next command goes on.
        """
        there, mine = StateStore(self._project).all(), StateStore(place).all()
        for task in tasks:
            now = there.get(task.name)
            changed = now is not None and not _same(now, self._states.get(task.name))
            if now is not None and changed and is_later(now.run_id):
                return f"its products were not taken over: those of run {now.run_id} are later"
        new = {
            task.name: mine[task.name]
            for task in tasks
            if task.name in mine and not _same(mine[task.name], there.get(task.name))
        }
        pairs = dict(self._made(tasks))
        for task in tasks:
            if task.name in new:
                pairs |= self._products(task)
        if new or pairs:
            self._commit(pairs, new)
        return ""

    def _commit(self, pairs: dict[Path, Path], states: dict[str, TaskState]) -> None:
        moves: tuple[Move, ...] = ()
        try:
            moves = commit.plan_moves(sorted(pairs.items()), self.folder, self._run)
            commit.copy_far(moves)
            landing = _Landing(run=self._run, moves=moves, states=states)
            write_whole(self.folder / LANDING, encode(landing), durable=True)
        except OSError as error:
            commit.drop_far(moves)
            raise ExecutionError(
                f"the products cannot be brought home: {error}",
                where=f"run {self._run}",
                fix="the project's products are untouched; free the disk or the folder",
            ) from error
        _redo(self._project, self.folder)

    def _products(self, task: Task) -> dict[Path, Path]:
        pairs = zip(_places(self.root, task), _places(self._project.root, task), strict=True)
        return {inside: home for inside, home in pairs if os.path.lexists(inside)}

    def _made(self, tasks: Sequence[Task]) -> Iterator[tuple[Path, Path]]:
        """Yield what was written beside declared products."""
        declared = {path for task in tasks for path in _places(self.root, task)}
        for name, stamp in _stamps(self.root, tasks):
            path = self.root / name
            inside = path in declared or declared.intersection(path.parents)
            if self._stamps.get(name) != stamp and not inside:
                yield path, self._project.root / name


def is_apart(state: Path, run: str) -> bool:
    """Whether a run works, or worked until it died, in a root of its own."""
    return (state / FOLDER / run).is_dir()


def dead(project: Project) -> Iterator[Path]:
    """Yield the folders whose process has died."""
    from filelock import FileLock, Timeout

    try:
        folders = sorted((project.state / FOLDER).iterdir())
    except OSError:
        return
    for folder in folders:
        try:
            young = time.time() - folder.stat().st_mtime < _YOUNG
            if young and not (folder / LANDING).exists() and not (folder / "lock").exists():
                continue
            with FileLock(folder / "lock", timeout=0):
                pass
        except (Timeout, OSError):
            continue  # It lives, or was removed just now.
        yield folder


def finish_dead(project: Project) -> list[str]:
    """Bring home what a run was about to bring home when it died, and forget all others' products.

    The caller holds the project.

    Returns
    -------
    list of str
        The tasks whose products were put into place.

    Raises
    ------
    ExecutionError
        A product could not be moved.
    """
    done: list[str] = []
    for folder in dead(project):
        if (folder / LANDING).exists():
            done += _redo(project, folder)
        _remove(project.state, folder.name)
    return done


def _redo(project: Project, folder: Path) -> list[str]:
    try:
        landing = decode((folder / LANDING).read_bytes(), _Landing)
        commit.land(landing.moves)
        states = StateStore(project)
        for task, state in landing.states.items():
            states.put(task, state.fingerprint, state.products, state.run_id)
        commit.clear(landing.moves)
        (folder / LANDING).unlink()
    except (OSError, RunError, msgspec.MsgspecError) as error:
        raise ExecutionError(
            f"the products could not be brought home: {error}",
            where=f"run {folder.name}",
            fix="mend that and run any command again: it goes on where this one stopped",
        ) from error
    return list(landing.states)


def _remove(state: Path, run: str) -> None:
    # A file that cannot be removed now is looked at again by the next command.
    with suppress(OSError):
        staging = state / "runs" / run / STAGING
        if staging.is_dir():
            shutil.rmtree(staging)
        shutil.rmtree(state / FOLDER / run)


def _places(root: Path, task: Task) -> list[Path]:
    """Return where a task's products stand, each with Ploomber's note beside it."""
    products = [Path(os.path.normpath(root / product.path)) for product in task.products]
    return [path for product in products for path in (product, sidecar_path(product))]


def _same(one: TaskState, other: TaskState | None) -> bool:
    return (
        other is not None
        and one.fingerprint.digest == other.fingerprint.digest
        and one.products == other.products
    )


def _stamps(root: Path, tasks: Iterable[Task]) -> Iterator[tuple[str, Stamp]]:
    """Yield the files in the folders of the products, each with what changes when it is written."""
    folders = {path.parent for task in tasks for path in _places(root, task)}
    seen: set[str] = set()
    for top in sorted(folders):
        for folder, inner, files in os.walk(top):
            inner[:] = [name for name in inner if top != root and name not in _NO_PRODUCTS]
            for name in files:
                path = Path(folder, name)
                shown = str(path.relative_to(root))
                if shown not in seen and not path.is_symlink():
                    seen.add(shown)
                    stat = path.stat()
                    yield shown, (stat.st_ino, stat.st_mtime_ns, stat.st_size)
