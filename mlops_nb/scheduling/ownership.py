"""Keeps a store that several machines share to one project."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from mlops_nb.errors import ScheduleError
from mlops_nb.scheduling import schema

if TYPE_CHECKING:
    from mlops_nb.scheduling.store import ScheduleStore

__all__ = ["belong_to"]


def belong_to(store: ScheduleStore, project: str) -> None:
    """Make sure that a store is a project's; the first one with a name is the one.

    Schedules bear no project, so two that shared a store would run each other's.

    Parameters
    ----------
    store
        The schedules.
    project
        The project's name; empty where its settings give it none.

    Raises
    ------
    ScheduleError
        The store is another project's.
    """
    name = sa.select(schema.project.c.name)
    with store.read() as reader:
        owner = reader.connection.execute(name).scalar()
    if owner is None and project:
        with store.write() as writer:
            owner = writer.connection.execute(name).scalar()
            if owner is None:
                writer.connection.execute(schema.project.insert().values(id=1, name=project))
                owner = project
    if owner is not None and owner != project:
        who = f'not "{project}"' if project else "and this one has no name"
        raise ScheduleError(
            f'the store of schedules is the project "{owner}"\'s, {who}',
            where=sa.make_url(store.url).render_as_string(hide_password=True),
            fix="give each project a database of its own in schedule-store; "
            f'if it is the same project, set name = "{owner}" in [tool.mlops-nb]',
        )
