"""Loads a project's pipeline: from a checked cache, or through Ploomber.

The cache holds the digest of everything that the result depends on. A notebook's code is not
among it, only its parameters cell, kernel and settings: editing code never costs a reload.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mlops_nb.errors import PipelineError
from mlops_nb.model import Pipeline, Record, decode, encode
from mlops_nb.pipeline.digests import Digests, digest_of
from mlops_nb.pipeline.files import write_if_possible
from mlops_nb.pipeline.records import Loaded, Stored

if TYPE_CHECKING:
    from mlops_nb.config import Project

__all__ = ["load_pipeline", "stored_source"]

FORMAT = "1"
_PLACEHOLDER = re.compile(r"\{\{\s*(now|git|git_hash|user|env)\b")


class _Cached(Record, frozen=True, kw_only=True):
    key: str
    """Digest of versions, settings and environment variables."""
    placeholders: tuple[str, ...] = ()
    """Those that take their value from outside the project."""
    outside: str = ""
    """Digest of their values."""
    watched: dict[str, str] = {}
    """Digests of the files read; empty for files that were looked for and are not there."""
    notebooks: dict[str, str] = {}
    """Digests of the part of each notebook that the pipeline depends on."""
    pipeline: Pipeline


class _StoredFile(Record, frozen=True, kw_only=True):
    stored: dict[str, Stored] = {}


def load_pipeline(project: Project, *, isolated: bool | None = None) -> Pipeline:
    """Load the project's pipeline, without running any task.

    Parameters
    ----------
    project
        Whose specification is read; any that Ploomber accepts.
    isolated
        Whether Ploomber reads it in a process of its own, which keeps its import, the project's
        modules and changes of the current folder out of this one. By default it does, unless
        this process has imported Ploomber already.

    Returns
    -------
    Pipeline
        With its tasks in an order in which they can run.

    Raises
    ------
    PipelineError
        The specification is wrong.
    NotebookError
        A notebook is missing, unreadable, asks for an unknown kernel, or lacks the
        ``parameters`` cell that its task needs.
    ParameterError
        The specification sets a parameter that looks like a misspelt one of the notebook.
    """
    digests = Digests(project)
    path = project.products_state / "cache" / "pipeline.json"
    key = _key(project)
    cached = _read(path, key, digests, project)
    if cached is not None:
        return cached.pipeline
    loaded = _load(project, isolated)
    made = _describe(project, loaded, digests, key)
    digests.save()
    if "now" not in made.placeholders and write_if_possible(path, encode(made)):
        write_if_possible(path.with_name("sources.json"), encode(_StoredFile(stored=loaded.stored)))
    return made.pipeline


def stored_source(project: Project, task: str) -> Stored:
    """Return what Ploomber's metadata is to hold for a task.

    Raises
    ------
    ProjectError
        It is not in the cache, and the specification cannot be loaded any more.
    """
    path = project.products_state / "cache" / "sources.json"
    try:
        status = path.stat()
        found = _read_stored(path, status.st_mtime_ns, status.st_ino)
    except (OSError, msgspec.MsgspecError):
        found = {}
    if task not in found:
        found = _load(project, None).stored
    return found[task]


@lru_cache(maxsize=8)
def _read_stored(path: Path, mtime_ns: int, inode: int) -> dict[str, Stored]:
    """Read the file once for each time it is written; the arguments say when that was."""
    return decode(path.read_bytes(), _StoredFile).stored


def _read(path: Path, key: str, digests: Digests, project: Project) -> _Cached | None:
    try:
        cached = decode(path.read_bytes(), _Cached)
    except (OSError, msgspec.MsgspecError):
        return None
    if cached.key != key or cached.outside != _outside(cached.placeholders, project):
        return None
    if any(digests.of(name) != digest for name, digest in cached.watched.items()):
        return None
    for name, head in cached.notebooks.items():
        if not digests.of(name) or digests.notebook(Path(name)).head != head:
            return None
    digests.save()
    return cached


def _describe(project: Project, loaded: Loaded, digests: Digests, key: str) -> _Cached:
    from mlops_nb.pipeline.complete import complete

    watched = {name: digests.of(name) for name in (*loaded.files, *_looked_for(project))}
    placeholders: set[str] = set()
    for name in watched:
        if name.endswith((".yaml", ".yml")) and watched[name]:
            text = Path(name).read_text(encoding="utf-8", errors="replace")
            placeholders.update(_PLACEHOLDER.findall(text))
    ordered = tuple(sorted(placeholders))
    return _Cached(
        key=key,
        placeholders=ordered,
        outside=_outside(ordered, project),
        watched=watched,
        notebooks={name: digests.notebook(Path(name)).head for name in loaded.notebooks},
        pipeline=complete(project, loaded.pipeline),
    )


def _key(project: Project) -> str:
    from mlops_nb import __version__
    from mlops_nb.pipeline.environment import version_of

    return digest_of(
        FORMAT,
        __version__,
        version_of("ploomber"),
        sys.version,
        str(project.root),
        str(project.spec),
        project.name,
        encode((project.settings.tasks, project.settings.checkpoint)),
        os.environ.get("PLOOMBER_ENV_FILENAME", ""),
    )


def _looked_for(project: Project) -> tuple[str, ...]:
    """Return the files that Ploomber looks for, whether they are there or not."""
    names = ["env.yaml", os.environ.get("PLOOMBER_ENV_FILENAME", ""), "setup.py", "setup.cfg"]
    stem = project.spec.stem
    if "." in stem:
        names.append(f"env.{stem.partition('.')[2]}.yaml")
    folders = dict.fromkeys((project.root, project.spec.parent))
    found = {str(folder / name) for folder in folders for name in names if name}
    found.add(str(project.spec))
    for name in sorted(found):
        if name.endswith(".yaml") and name != str(project.spec):
            found.update(_imported_env(Path(name)))
    return tuple(sorted(found))


def _imported_env(path: Path) -> set[str]:
    """Return the environment files that one builds on (``meta.import_from``)."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return set()
    names = re.findall(r"^\s+import_from:\s*[\"']?([^\"'#\n]+)", text, re.MULTILINE)
    return {str((path.parent / name.strip()).resolve()) for name in names}


def _outside(placeholders: tuple[str, ...], project: Project) -> str:
    parts: list[str] = []
    if "git" in placeholders or "git_hash" in placeholders:
        parts.append(_git_state(project.root))
    if "user" in placeholders:
        from getpass import getuser

        parts.append(getuser())
    if "env" in placeholders:
        parts.append(repr(sorted(os.environ.items())))
    return digest_of(*parts) if parts else ""


def _git_state(root: Path) -> str:
    import subprocess

    said: list[str] = []
    for command in (
        ("describe", "--tags", "--always", "--dirty=-dirty"),
        ("symbolic-ref", "--quiet", "--short", "HEAD"),
    ):
        try:
            done = subprocess.run(
                ["git", *command], cwd=root, capture_output=True, text=True, check=False
            )
        except OSError:
            return ""
        said.append(done.stdout)
    return "".join(said)


def _load(project: Project, isolated: bool | None) -> Loaded:
    # A specification that is not even YAML is told without waiting for Ploomber.
    from mlops_nb.pipeline.troubles import check_yaml

    if not check_yaml(project.spec):
        return _without_tasks(project)
    if isolated is None:
        # Only the main thread may change the current folder under everybody's feet.
        is_main = threading.current_thread() is threading.main_thread()
        isolated = "ploomber" not in sys.modules or not is_main
    if not isolated:
        from mlops_nb.pipeline.ploomber import read_specification

        return read_specification(project.root, project.spec, project.name)
    from mlops_nb.pipeline.worker import LoadJob, call

    job = LoadJob(root=str(project.root), spec=str(project.spec), name=project.name)
    answer: Any = call("load", job, project.root)
    if answer.error is not None:
        raise answer.error.rebuild()
    if answer.loaded is None:
        raise PipelineError(
            f"Ploomber ended without an answer: {answer.said or 'it said nothing'}",
            where=str(project.spec),
            fix=f'see what "ploomber status --entry-point {project.spec.name}" says',
        )
    loaded: Loaded = answer.loaded
    return loaded


def _without_tasks(project: Project) -> Loaded:
    """Return a pipeline that is only begun; Ploomber refuses one."""
    spec = project.spec.relative_to(project.root).as_posix()
    return Loaded(
        pipeline=Pipeline(name=project.name, root=str(project.root), spec=spec),
        files=(str(project.spec),),
    )
