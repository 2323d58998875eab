"""Starts projects, makes pipelines of notebooks, and says which one a file belongs to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mlops_nb.api import authoring
from mlops_nb.api.converting import convert as convert_notebook
from mlops_nb.api.scaffold import init_project
from mlops_nb.config import find_project
from mlops_nb.model.boards import ProjectCreated, ProjectView
from mlops_nb.server.places import inside

if TYPE_CHECKING:
    from mlops_nb.model.boards import Conversion, Membership
    from mlops_nb.server.worker import Asked

__all__ = ["conversion", "convert", "init", "membership"]


def init(asked: Asked) -> ProjectCreated:
    """Start a project."""
    root = Path(asked.root)
    folder = inside(root, asked.body.path)
    files = init_project(folder, name=asked.body.name)
    label = "" if folder == root else folder.relative_to(root).as_posix()
    view = ProjectView(path=label, name=find_project(folder).name)
    return ProjectCreated(project=view, files=files)


def conversion(asked: Asked) -> Conversion:
    """Say what would make a pipeline of a notebook."""
    return _convert(asked, asked.query.path, asked.query.name, write=False)


def convert(asked: Asked) -> Conversion:
    """Make a pipeline of a notebook."""
    return _convert(asked, asked.body.path, asked.body.name, write=True)


def _convert(asked: Asked, path: str, name: str, *, write: bool) -> Conversion:
    root = Path(asked.root)
    return convert_notebook(inside(root, path), root=root, name=name, write=write)


def membership(asked: Asked) -> Membership:
    """Say what a file is to its project."""
    root = Path(asked.root)
    inside(root, asked.query.path)
    return authoring.membership(root, asked.query.path)
