"""Gathers what is frozen when a run starts: who, where, from which code, with which packages."""

from __future__ import annotations

import getpass
import hashlib
import os
import platform
import re
import sys
import time
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_nb.git import git
from mlops_nb.model import Json, Record, RunFacts
from mlops_nb.processes import me
from mlops_nb.runs.store import new_run_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["GitState", "environment_versions", "gather_facts", "git_state"]

_BIG = 64 * 1024 * 1024
"""Bytes above which an untracked file counts by its size and both its ends, not all its content."""


class GitState(Record, frozen=True, kw_only=True):
    """What git says of a working tree; empty where there is none."""

    commit: str = ""
    branch: str = ""
    diff: str = ""
    """SHA-256 over the changes against the commit and over the untracked files; empty for a clean tree."""
    changed: tuple[str, ...] = ()
    """The changed and untracked paths, relative to the repository."""


def git_state(root: Path) -> GitState:
    """Return the commit, branch and uncommitted changes that a folder stands at.

    What ``.gitignore`` names does not count, nor does ``.mlops``. One call of git for a clean
    tree, two for one with changes.
    """
    top = next((one for one in (root, *root.parents) if (one / ".git").exists()), None)
    if top is None:
        return GitState()
    status = git(
        top,
        "status",
        "--porcelain=v2",
        "--branch",
        "--untracked-files=all",
        "-z",
        "--",
        ":/",
        ":(exclude,top,glob)**/.mlops/**",
    )
    if status is None:
        return GitState()
    commit = branch = ""
    changed: list[str] = []
    untracked: list[str] = []
    fields = iter(status.split(b"\0"))
    for field in fields:
        text = os.fsdecode(field)
        if text.startswith("# branch.oid "):
            commit = text[13:].replace("(initial)", "")
        elif text.startswith("# branch.head "):
            branch = text[14:].replace("(detached)", "")
        elif text.startswith("? "):
            untracked.append(text[2:])
        elif text[:2] in ("1 ", "u "):
            changed.append(text.split(" ", 8 if text[0] == "1" else 10)[-1])
        elif text[:2] == "2 ":
            changed.append(text.split(" ", 9)[-1])
            next(fields, b"")  # where it was renamed from
    if not changed and not untracked:
        return GitState(commit=commit, branch=branch)
    digest = hashlib.sha256()
    if changed:
        digest.update(git(top, "diff", "HEAD", "--binary", "--no-ext-diff", "--no-color") or status)
    for name in sorted(untracked):
        digest.update(b"\0" + os.fsencode(name) + b"\0" + _file_digest(top / name))
    return GitState(
        commit=commit,
        branch=branch,
        diff=digest.hexdigest(),
        changed=tuple(sorted([*changed, *untracked])),
    )


def environment_versions() -> dict[str, str]:
    """Return the installed distributions and their versions, by normalised name, sorted.

    Read from the names of the ``.dist-info`` folders, which takes a few milliseconds where reading
    every package's metadata takes hundreds.
    """
    found: dict[str, str] = {}
    for entry in reversed(sys.path):  # the first one on the path is the one that is imported
        folder = Path(entry or ".").absolute()
        try:
            found |= _distributions(folder, folder.stat().st_mtime_ns)
        except OSError:
            continue
    return dict(sorted(found.items()))


@lru_cache(maxsize=64)
def _distributions(folder: Path, changed: int) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in folder.iterdir():
        name = path.name
        if name.endswith((".dist-info", ".egg-info")) and "-" in name[:-10]:
            project, _, version = name.rpartition(".")[0].partition("-")
            found.setdefault(re.sub(r"[-_.]+", "-", project).lower(), version)
    return found


def gather_facts(
    *,
    root: Path,
    pipeline: str,
    parameters: Mapping[str, Json] | None = None,
    targets: Sequence[str] = (),
    start_from: Sequence[str] = (),
    force: bool = False,
    trigger: str = "manual",
    command: Sequence[str] | None = None,
    resumed_from: str = "",
    mlflow_run_id: str = "",
    input_digests: Mapping[str, str] | None = None,
) -> RunFacts:
    """Return the facts of a run that starts now, with an id of its own.

    Parameters
    ----------
    root
        The project's folder.
    pipeline
        The pipeline's name.
    parameters
        Those given for this run, over those of the specification.
    targets
        The tasks asked for; empty for all.
    start_from, force
        What was to run though it is up to date.
    trigger
        ``manual``, ``schedule``, ``drift`` ...
    command
        The command line; this process's by default.
    resumed_from
        The id of the run that this one goes on with.
    mlflow_run_id, input_digests
        Where they are known already; see `RunWriter.amend` for later.
    """
    owner = me()
    git = git_state(root)
    return RunFacts(
        id=new_run_id(),
        pipeline=pipeline,
        started=time.time(),
        trigger=trigger,
        parameters=dict(parameters or {}),
        targets=tuple(targets),
        start_from=tuple(start_from),
        force=force,
        command=tuple(sys.argv if command is None else command),
        user=_user(),
        host=owner.host,
        boot_id=owner.boot_id,
        pid=owner.pid,
        pid_started=owner.started,
        pids=owner.pids,
        git_commit=git.commit,
        git_branch=git.branch,
        git_diff=git.diff,
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.release()} {platform.machine()}",
        environment=environment_versions(),
        input_digests=dict(input_digests or {}),
        mlflow_run_id=mlflow_run_id,
        resumed_from=resumed_from,
    )


def _file_digest(path: Path) -> bytes:
    try:
        size = path.lstat().st_size
        if path.is_symlink():
            return hashlib.sha256(os.fsencode(path.readlink())).digest()
        with path.open("rb") as file:
            if size <= _BIG:
                return hashlib.file_digest(file, "sha256").digest()
            digest = hashlib.sha256(str(size).encode() + file.read(1 << 20))
            file.seek(-(1 << 20), os.SEEK_END)
            digest.update(file.read())
            return digest.digest()
    except OSError:
        return b"unreadable"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return ""
