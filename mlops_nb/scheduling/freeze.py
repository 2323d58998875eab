"""Freezes what an occurrence runs: a Git commit, or a snapshot of the sources.

The frozen sources lie in ``.mlops/frozen/<digest>``, one folder for all occurrences that run the same;
`mlops_nb.scheduling.linking` brings the rest of the project beside them.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_nb.errors import ScheduleError
from mlops_nb.git import git
from mlops_nb.model import Source
from mlops_nb.scheduling.sources import source_files

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

__all__ = ["FOLDER", "freeze", "frozen_folder", "remove_unused"]

FOLDER = "frozen"
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
                try:
                    draft.rename(final)
                except OSError:
                    # Another occurrence may have frozen the same in this moment.
                    if not final.is_dir():
                        raise
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
    sha = git(root, "rev-parse", "--verify", "--end-of-options", f"{ref}^{{commit}}")
    if sha is None:
        raise ScheduleError(
            f'there is no commit "{ref}"',
            where=str(root),
            fix="commit the project, or mend the ref",
        )
    commit = sha.decode().strip()
    # Asked for in the project's folder, an archive holds that folder alone.
    packed = git(root, "archive", "--format=tar", commit, seconds=120.0)
    if packed is None:
        raise ScheduleError(f"git cannot pack commit {commit[:12]}", where=str(root))
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(draft, filter="data")
    return f"commit:{commit}"


def _snapshot(root: Path, draft: Path, products: Sequence[str]) -> str:
    digest = hashlib.sha256()
    made = {os.path.normpath(product) for product in products}
    for path in sorted(source_files(root)):
        if os.path.normpath(path) in made:
            continue
        data = (root / path).read_bytes()
        digest.update(f"{path}\0{len(data)}\0".encode() + data)
        target = draft / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        shutil.copymode(root / path, target)
    return f"snapshot:{digest.hexdigest()}"
