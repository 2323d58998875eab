"""Starts projects, and says which one a file belongs to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mlops_nb.api import authoring
from mlops_nb.api.scaffold import init_project
from mlops_nb.config import find_project
from mlops_nb.model.boards import ProjectCreated, ProjectView
from mlops_nb.server.places import inside

if TYPE_CHECKING:
    from mlops_nb.model.boards import Membership
    from mlops_nb.server.worker import Asked

__all__ = ["init", "membership"]


def init(asked: Asked) -> ProjectCreated:
    """Start a project."""
    root = Path(asked.root)
    folder = inside(root, asked.body.path)
    files = init_project(folder, name=asked.body.name)
    label = "" if folder == root else folder.relative_to(root).as_posix()
    view = ProjectView(path=label, name=find_project(folder).name)
    return ProjectCreated(project=view, files=files)


def membership(asked: Asked) -> Membership:
    """Say what a file is to its project."""
    root = Path(asked.root)
    inside(root, asked.query.path)
    return authoring.membership(root, asked.query.path)
