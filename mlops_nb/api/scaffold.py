"""Starts a project: a small pipeline of three notebooks that passes its own tests."""

from __future__ import annotations

import re
import shutil
import tempfile
from importlib.resources import as_file, files
from pathlib import Path

from mlops_nb.errors import ProjectError

__all__ = ["init_project"]


def init_project(folder: Path | str, *, name: str = "") -> tuple[str, ...]:
    """Write a new project into a folder that does not exist yet or is empty.

    Parameters
    ----------
    folder
        Where to; made when missing.
    name
        The project's name; the folder's by default.

    Returns
    -------
    tuple of str
        The files written, relative to the folder, sorted.

    Raises
    ------
    ProjectError
        The folder holds something already, cannot be written, or the name is no package name.
    """
    from jinja2 import Environment, StrictUndefined

    target = Path(folder).resolve()
    name = name or target.name
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", name):
        raise ProjectError(
            f'"{name}" cannot be a project\'s name',
            fix="use letters, digits, - and _ (or choose one with --name)",
        )
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ProjectError("is not empty", where=str(target), fix="choose a new folder")
    # The template holds placeholders for names in TOML and Markdown only; nothing is HTML.
    jinja = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)  # noqa: S701
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        staged = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=target.parent))
    except OSError as error:
        raise ProjectError(
            f"cannot be written: {error.strerror}", where=str(target.parent)
        ) from error
    try:
        with as_file(files("mlops_nb.api") / "templates" / "init") as template:
            shutil.copytree(
                template, staged, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
            )
        for path in staged.rglob("*.j2"):
            path.with_suffix("").write_text(
                jinja.from_string(path.read_text("utf-8")).render(name=name), "utf-8"
            )
            path.unlink()
        (staged / "gitignore").rename(staged / ".gitignore")
        staged.chmod(0o755)
        if target.exists():
            target.rmdir()
        staged.rename(target)
    except OSError as error:
        raise ProjectError(f"cannot be written: {error.strerror}", where=str(target)) from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return tuple(
        sorted(path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file())
    )
