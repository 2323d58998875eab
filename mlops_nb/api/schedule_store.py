"""Opens a project's schedules."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_nb.config import Project, find_project
from mlops_nb.scheduling.ownership import belong_to
from mlops_nb.scheduling.store import ScheduleStore

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Where", "opened"]

Where = Project | Path | str | None
"""A project, its folder or its specification; by default the current folder's."""


@contextmanager
def opened(project: Where = None) -> Iterator[tuple[Project, ScheduleStore]]:
    """Open a project's schedules for the length of a ``with`` block.

    Raises
    ------
    ProjectError
        There is no project here, or its settings are wrong.
    ScheduleError
        The store cannot be opened, or is another project's.
    """
    found = project if isinstance(project, Project) else find_project(project)
    store = ScheduleStore(found.schedules_url)
    try:
        if found.settings.schedule_store:
            belong_to(store, found.settings.name, found.root.name)
        yield found, store
    finally:
        store.close()
