"""Follows runs that go on, and tells their events; looks at nothing while nothing runs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_nb.errors import RunError
from mlops_nb.server.records import PanelEventKind

if TYPE_CHECKING:
    from mlops_nb.api.tail import RunTail
    from mlops_nb.server.bus import Bus

__all__ = ["Followers"]

_POLL = 0.05
"""Seconds between two looks at the log of a run that goes on."""
_LOOKS = 20
"""Looks between two at the run's process: one a second."""
_LEAVING = 0.25
"""Seconds between two looks at a run that has told its end and writes its pages."""
_BATCH = 100
"""Events told in one go, before other requests get their turn."""


class Followers:
    """One follower for each run that goes on."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}

    def follow(self, project: str, state: Path, run: str, *, latest: bool = False) -> None:
        """Follow a run, unless that is done already.

        Parameters
        ----------
        project
            The project's path relative to the server's root.
        state, run, latest
            As for `mlops_nb.api.tail.RunTail`.
        """
        key = (project, run)
        if key in self._tasks:
            return
        from mlops_nb.api.tail import RunTail

        tail = RunTail(state, run, latest=latest)
        task = asyncio.get_running_loop().create_task(self._follow(project, tail))
        self._tasks[key] = task
        task.add_done_callback(lambda _: self._tasks.pop(key, None))

    @property
    def following(self) -> tuple[tuple[str, str], ...]:
        """The project and id of each run that is followed."""
        return tuple(self._tasks)

    async def close(self) -> None:
        """Follow nothing any more."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, project: str, tail: RunTail) -> None:
        looks = 0
        try:
            while not tail.finished:
                looks += 1
                # Before the log is read: a process that ends in between has written its last event.
                gone = looks % _LOOKS == 0 and tail.is_gone()
                for number, event in enumerate(tail.read(), 1):
                    self._bus.run_event(project, event)
                    if number % _BATCH == 0:
                        await asyncio.sleep(0)
                if gone and not tail.finished:
                    self._tell_end(project, tail)
                    return
                await asyncio.sleep(_POLL)
            while not tail.is_settled():
                await asyncio.sleep(_LEAVING)
            self._bus.tell(project, PanelEventKind.RUN_SETTLED, run=tail.run)
        except RunError as error:
            self._bus.tell(
                project, PanelEventKind.NOTE, run=tail.run, text=str(error), level="error"
            )

    def _tell_end(self, project: str, tail: RunTail) -> None:
        if tail.started:
            self._bus.tell(project, PanelEventKind.RUN_LOST, run=tail.run)
        else:
            said = tail.last_words() or "its process ended without a word"
            self._bus.tell(project, PanelEventKind.RUN_REFUSED, run=tail.run, message=said)
