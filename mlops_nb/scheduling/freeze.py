"""Freezes what an occurrence runs: a Git commit, or a snapshot of the sources.

The frozen sources lie in ``.mlops/frozen/<digest>``, one folder for all occurrences that run the same.
Everything else of the project (data, products, ``.mlops`` itself) is linked into that folder, so a
run in it works on the project's own state and leaves its products where they belong.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_nb.errors import ScheduleError
from mlops_nb.model import Source

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

__all__ = ["FOLDER", "bring_home", "freeze", "frozen_folder", "link_rest", "remove_unused"]

FOLDER = "frozen"
_SOURCES = (".py", ".ipynb", ".r", ".rmd", ".sql", ".sh", ".yaml", ".yml", ".toml", ".md", ".jl")
_NEVER = (".git", ".venv", "venv", "node_modules", "__pycache__", ".ipynb_checkpoints", ".mlops")
_BIG = 20 * 1024 * 1024
"""Bytes above which a file is data: a snapshot links it."""
_GIT_SECONDS = 120.0
_DRAFT = ".new-"
"""Begins the name of a folder that is being made, or removed."""


def frozen_folder(state: Path, frozen: str) -> Path:
    """Return the folder of what was frozen."""
    return state / FOLDER / frozen.partition(":")[2][:24]


def freeze(
    root: Path,
    state: Path,
    source: Source,
    *,
    ref: str = "HEAD",
    known: str = "",
    products: Sequence[str] = (),
) -> str:
    """Put sources into a folder of their own, unless they are there already.

    Parameters
    ----------
    root
        The project's folder.
    state
        Its state folder.
    source
        ``commit`` or ``snapshot``.
    ref
        The branch, tag or commit.
    known
        What an earlier attempt has frozen; the same is given again.
    products
        The pipeline's product files, relative to the project: no sources, whatever they hold.

    Returns
    -------
    str
        ``commit:<sha>`` or ``snapshot:<sha256>``.

    Raises
    ------
    ScheduleError
        There is no such commit, an earlier snapshot is gone, or the disk refuses.
    """
    if known and frozen_folder(state, known).is_dir():
        return known
    try:
        (state / FOLDER).mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=_DRAFT, dir=state / FOLDER))
        try:
            if source is Source.COMMIT:
                frozen = _commit(root, known.partition(":")[2] or ref, draft)
            elif known:
                raise ScheduleError(
                    "the snapshot of the first attempt is gone",
                    where=str(frozen_folder(state, known)),
                )
            else:
                frozen = _snapshot(root, draft, products)
            final = frozen_folder(state, frozen)
            if not final.is_dir():
                draft.rename(final)
            os.utime(final)
            return frozen
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise ScheduleError(
            f"the sources cannot be frozen: {error}",
            where=str(state / FOLDER),
            fix="check that the disk has room",
        ) from error


def remove_unused(state: Path, needed: Collection[str], *, days: float) -> int:
    """Remove what was frozen and not used for some days; return how many folders there were.

    Parameters
    ----------
    state
        The project's state folder.
    needed
        What occurrences that are not over have frozen: it stays, however old.
    days
        Days since an occurrence froze the same.
    """
    stay = {frozen_folder(state, one).name for one in needed}
    now, count = time.time(), 0
    for folder in (state / FOLDER).glob("*"):
        is_draft = folder.name.startswith(_DRAFT)
        try:
            age = now - folder.stat().st_mtime
            if folder.name in stay or age < (1.0 if is_draft else days) * 86_400:
                continue
            # Renamed first: what a later occurrence finds here is always whole.
            grave = folder if is_draft else folder.rename(folder.with_name(_DRAFT + folder.name))
            shutil.rmtree(grave)
        except OSError:
            continue  # Looked at again the next time.
        count += not is_draft
    return count


def _commit(root: Path, ref: str, draft: Path) -> str:
    sha = _git(root, "rev-parse", "--verify", "--end-of-options", f"{ref}^{{commit}}")
    if sha is None:
        raise ScheduleError(
            f'there is no commit "{ref}"',
            where=str(root),
            fix="commit the project, or mend the ref",
        )
    commit = sha.decode().strip()
    # Asked for in the project's folder, an archive holds that folder alone.
    packed = _git(root, "archive", "--format=tar", commit)
    if packed is None:
        raise ScheduleError(f"git cannot pack commit {commit[:12]}", where=str(root))
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(draft, filter="data")
    return f"commit:{commit}"


def _snapshot(root: Path, draft: Path, products: Sequence[str]) -> str:
    digest = hashlib.sha256()
    made = {os.path.normpath(product) for product in products}
    for path in sorted(_source_files(root)):
        if os.path.normpath(path) in made:
            continue
        data = (root / path).read_bytes()
        digest.update(f"{path}\0{len(data)}\0".encode() + data)
        target = draft / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        shutil.copymode(root / path, target)
    return f"snapshot:{digest.hexdigest()}"


def _source_files(root: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in _NEVER]
        for name in files:
            path = Path(folder, name)
            if path.suffix.lower() not in _SOURCES or name.startswith(".") or path.is_symlink():
                continue
            if path.stat().st_size <= _BIG:
                yield path.relative_to(root).as_posix()


def link_rest(root: Path, state: Path, frozen: Path, products: Sequence[str]) -> None:
    """Link what is not frozen into a frozen folder; links that are there stay.

    Without products only what lies beside the specification is linked: enough to read it.

    Parameters
    ----------
    root, state
        The project's folder and its state folder.
    frozen
        The frozen folder.
    products
        The pipeline's product files, relative to the project: never the frozen ones.

    Raises
    ------
    ScheduleError
        The disk refuses.
    """
    untracked = _untracked(root)
    try:
        _link(frozen / ".mlops", state)
        for product in products:
            _give_way(root, frozen, product)
        _merge(root, frozen, untracked, root, deep=bool(products))
    except OSError as error:
        raise ScheduleError(f"cannot be made ready: {error}", where=str(frozen)) from error


def _give_way(root: Path, frozen: Path, product: str) -> None:
    """Let a product's place in the frozen folder be the project's own."""
    parts = Path(product).parts
    if Path(product).is_absolute() or ".." in parts:
        return
    for depth in range(1, len(parts)):
        inside = frozen.joinpath(*parts[:depth])
        if inside.is_symlink():
            return
        if not inside.exists():
            outside = root.joinpath(*parts[:depth])
            outside.mkdir(parents=True, exist_ok=True)
            _link(inside, outside)
            return
    for name in (parts[-1], f".{parts[-1]}.metadata"):
        inside, outside = frozen.joinpath(*parts).with_name(name), (root / product).with_name(name)
        if inside.is_file() and not inside.is_symlink():
            inside.unlink()
        if outside.exists():
            _link(inside, outside)


def bring_home(root: Path, frozen: Path, products: Iterable[str]) -> None:
    """Move products that were made beside frozen sources to the project."""
    for product in products:
        for name in (Path(product).name, f".{Path(product).name}.metadata"):
            inside = (frozen / product).with_name(name)
            outside = (root / product).with_name(name)
            if inside.parent.resolve() == outside.parent.resolve() or inside.is_symlink():
                continue
            if inside.exists():
                outside.parent.mkdir(parents=True, exist_ok=True)
                if inside.is_dir() and outside.is_dir():
                    shutil.rmtree(outside)
                os.replace(inside, outside)  # noqa: PTH105 - says what it does
                _link(inside, outside)


def _merge(
    real: Path, frozen: Path, untracked: frozenset[str], root: Path, *, deep: bool = True
) -> None:
    for path in real.iterdir():
        if path.name in _NEVER or (path.is_dir() and not deep):
            continue
        inside = frozen / path.name
        if inside.is_symlink():
            continue
        if inside.is_dir() and path.is_dir():
            _merge(path, inside, untracked, root)
        elif not inside.exists():
            if path.is_dir() and _holds_sources(path):
                # Its sources were not there when it was frozen; its data may be asked for.
                inside.mkdir()
                _merge(path, inside, untracked, root)
            elif not _is_new_source(path, untracked, root):
                _link(inside, path)


def _holds_sources(folder: Path) -> bool:
    return next(_source_files(folder), None) is not None


def _is_new_source(path: Path, untracked: frozenset[str], root: Path) -> bool:
    """Whether a file is a source that was not frozen: added since, or never committed."""
    if path.suffix.lower() not in _SOURCES or not path.is_file():
        return False
    ignored = untracked and path.relative_to(root).as_posix() not in untracked
    return not ignored and path.stat().st_size <= _BIG


def _untracked(root: Path) -> frozenset[str]:
    """Return what lies in the project and git does not ignore."""
    listed = _git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    return frozenset() if listed is None else frozenset(os.fsdecode(listed).split("\0")) - {""}


def _link(place: Path, target: Path) -> None:
    if place.is_symlink():
        if os.readlink(place) == str(target):  # noqa: PTH115 - as text
            return
        place.unlink()
    place.symlink_to(target)


def _git(root: Path, *arguments: str) -> bytes | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
