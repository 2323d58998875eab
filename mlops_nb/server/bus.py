"""Tells on Jupyter's event bus what happens, with one schema for all of it."""

from __future__ import annotations

import time
from itertools import count
from typing import TYPE_CHECKING, Any

from mlops_nb.model.base import to_builtins
from mlops_nb.server.records import PanelEvent, PanelEventKind
from mlops_nb.server.schema import SCHEMA, register

if TYPE_CHECKING:
    from mlops_nb.model.base import Json
    from mlops_nb.model.runs import Event

__all__ = ["SCHEMA", "Bus"]


class Bus:
    """What speaks; only to be used in the server's own thread.

    Parameters
    ----------
    logger
        The server's ``EventLogger``.
    """

    def __init__(self, logger: Any) -> None:
        self._logger = logger
        self._seq = count(1)
        register(logger)

    def run_event(self, project: str, event: Event) -> None:
        """Pass an event of a run on."""
        self._emit(
            PanelEvent(
                project=project,
                run=event.run,
                seq=event.seq,
                time=event.time,
                kind=PanelEventKind(event.kind.value),
                task=event.task,
                data=event.data,
            )
        )

    def tell(self, project: str, kind: PanelEventKind, *, run: str = "", **data: Json) -> None:
        """Say that something else has happened."""
        self._emit(
            PanelEvent(
                project=project,
                run=run,
                seq=0 if run else next(self._seq),
                time=time.time(),
                kind=kind,
                data=data,
            )
        )

    def _emit(self, event: PanelEvent) -> None:
        self._logger.emit(schema_id=SCHEMA, data=to_builtins(event))
