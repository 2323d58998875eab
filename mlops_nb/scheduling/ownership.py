"""Keeps a store that several machines share to one project."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from mlops_nb.errors import ScheduleError
from mlops_nb.scheduling import schema

if TYPE_CHECKING:
    from mlops_nb.scheduling.store import ScheduleStore

__all__ = ["belong_to"]


def belong_to(store: ScheduleStore, project: str, folder: str = "") -> None:
    """Make sure that a store is a project's; the first one is the one.

    Schedules bear no project, so two that shared a store would run each other's. Only a name tells
    that checkouts on several machines are the same project, and two others in folders of the same
    name are not.

    Parameters
    ----------
    store
        The schedules.
    project
        The project's name; empty where its settings give it none.
    folder
        Its folder's name, which it goes by without one.

    Raises
    ------
    ScheduleError
        The store is another project's, or the project has no name.
    """
    shown = sa.make_url(store.url).render_as_string(hide_password=True)
    if not project:
        raise ScheduleError(
            "a store that is set by schedule-store belongs to one project, and this one has no name",
            where=shown,
            fix=f'set name = "{folder or "flights"}" in [tool.mlops-nb] of pyproject.toml, or '
            "MLOPS_NB_NAME; no other project that uses the store may have it",
        )
    name = sa.select(schema.project.c.name)
    with store.read() as reader:
        owner = reader.connection.execute(name).scalar()
    if owner is None:
        with store.write() as writer:
            owner = writer.connection.execute(name).scalar()
            if owner is None:
                writer.connection.execute(schema.project.insert().values(id=1, name=project))
                owner = project
    if owner != project:
        raise ScheduleError(
            f'the store of schedules is the project "{owner}"\'s, not "{project}"',
            where=shown,
            fix="give each project a database of its own in schedule-store; "
            f'if it is the same project, set name = "{owner}" in [tool.mlops-nb]',
        )
