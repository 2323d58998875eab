"""What the handlers share: workers, jobs, and everything that is watched and told."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mlops_nb.server.bus import SCHEMA, Bus
from mlops_nb.server.follow import Followers
from mlops_nb.server.jobs import Jobs
from mlops_nb.server.places import find_projects
from mlops_nb.server.pool import Lane, Pool
from mlops_nb.server.records import About, PanelEventKind

if TYPE_CHECKING:
    import logging

    from mlops_nb.model.base import Record
    from mlops_nb.server.routes import Route
    from mlops_nb.server.saves import Saves
    from mlops_nb.server.wire import Answer, Call

__all__ = ["Panel"]


class _Source(msgspec.Struct, frozen=True):
    source: str
    source_is_file: bool


class _Seen(msgspec.Struct, frozen=True):
    """What the server itself reads of an answer that it passes on."""

    run: str = ""
    active: tuple[str, ...] = ()
    tasks: tuple[_Source, ...] = ()


class Panel:
    """The panel's server part while the server lives.

    Parameters
    ----------
    root
        The server's root folder.
    events
        The server's ``EventLogger``.
    idle_seconds
        See `Pool`.
    search_depth
        How deep projects are looked for.
    log
        The server's log.
    """

    def __init__(
        self,
        root: str,
        events: Any,
        *,
        idle_seconds: float,
        search_depth: int,
        log: logging.Logger,
    ) -> None:
        self.root = Path(root).resolve()
        self.pool = Pool(idle_seconds)
        self.bus = Bus(events)
        self.jobs = Jobs(self.pool, self.bus)
        self.followers = Followers(self.bus)
        self._depth = search_depth
        self._log = log
        self._saves: Saves | None = None
        self._watching: set[asyncio.Task[None]] = set()

    async def ask(self, route: Route, call: Call) -> Answer:
        """Have a worker answer, and listen to what its answer says is going on."""
        answer = await self.pool.ask(Lane(call.project, route.lane), call, again=not route.writes)
        if answer.error is None:
            self._note(route, call, answer)
        return answer

    async def here(self, route: Route, call: Call) -> Record:
        """Answer what needs no worker."""
        if route.name == "about":
            from mlops_nb import __version__

            return About(version=__version__, root=self.root.name, events=SCHEMA)
        if route.name == "projects":
            return await asyncio.to_thread(find_projects, self.root, depth=self._depth)
        if route.name == "jobs":
            return self.jobs.of(call.label)
        return self.jobs.get(call.label, call.path["job"])

    async def close(self) -> None:
        """End everything but the runs."""
        await self.followers.close()
        await self.jobs.close()
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)
        if self._saves is not None:
            await asyncio.to_thread(self._saves.close)
        await self.pool.close()

    def _note(self, route: Route, call: Call, answer: Answer) -> None:
        name = f"{route.area}.{route.name}"
        if name in ("runs.start", "runs.resume", "runs.rerun", "schedules.run_now"):
            run = msgspec.json.decode(answer.body, type=_Seen).run
            if run:
                self.followers.follow(call.label, _state(call), run)
        elif name in ("pipeline.pipeline", "runs.runs"):
            seen = msgspec.json.decode(answer.body, type=_Seen)
            for run in seen.active:
                self.followers.follow(call.label, _state(call), run, latest=True)
            if name == "pipeline.pipeline":
                self._watch(call, [task.source for task in seen.tasks if task.source_is_file])
        elif route.writes and route.area == "models":
            self.bus.tell(call.label, PanelEventKind.MODELS_CHANGED, model=call.path["model"])
        elif route.writes and route.area == "monitoring" and route.name != "pages":
            model = msgspec.json.decode(answer.body, type=dict[str, Any])["model"]
            self.bus.tell(call.label, PanelEventKind.ALERTS_CHANGED, model=model)
        elif route.writes and route.area == "schedules":
            schedule = call.path.get("schedule", "")
            self.bus.tell(call.label, PanelEventKind.SCHEDULES_CHANGED, schedule=schedule)

    def _watch(self, call: Call, sources: list[str]) -> None:
        if self._saves is None:
            from mlops_nb.server.saves import Saves

            self._saves = Saves(self._saved, self._began, self._log)
        watching = self._saves.watch(call.label, Path(call.project), sources)
        task = asyncio.get_running_loop().create_task(watching)
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)

    def _saved(self, project: str, paths: tuple[str, ...]) -> None:
        self.bus.tell(project, PanelEventKind.PIPELINE_CHANGED, paths=list(paths))

    def _began(self, project: str, run: str) -> None:
        self.followers.follow(project, self.root / project / ".mlops", run)


def _state(call: Call) -> Path:
    return Path(call.project) / ".mlops"
