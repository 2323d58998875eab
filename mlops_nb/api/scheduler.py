"""Runs the daemon of a project's schedules, and gives it the rest of the project."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from mlops_nb.api.schedule_hooks import ProjectHooks, logs_folder
from mlops_nb.api.schedule_store import Where, opened
from mlops_nb.scheduling.daemon import Daemon
from mlops_nb.scheduling.health import HealthServer
from mlops_nb.scheduling.launcher import ProcessLauncher
from mlops_nb.scheduling.log import Log
from mlops_nb.scheduling.settings import SchedulerSettings

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ProjectHooks", "logs_folder", "run_daemon"]


def run_daemon(
    project: Where = None,
    *,
    host: str | None = None,
    port: int | None = None,
    embedded: bool = False,
    wait: bool = False,
    max_running: int | None = None,
    log_form: Literal["json", "text"] = "json",
    ready: Callable[[Daemon], None] | None = None,
) -> None:
    """Run the daemon until it is told to stop.

    Parameters
    ----------
    project
        A project, its folder or its specification.
    host, port
        Where it answers ``/healthz`` and ``/metrics``; the project's settings by default, port 0
        for nowhere.
    embedded
        Stand by while a stand-alone daemon works on the store.
    wait
        When stopped, wait for the runs that were started; by default they go on without it.
    max_running
        Occurrences at a time over all schedules; the project's setting by default.
    log_form
        ``json`` or ``text``.
    ready
        Called with the daemon before it starts; its ``stop`` ends it, from any thread.

    Raises
    ------
    ScheduleError
        The store cannot be opened, or the port is taken.
    """
    from mlops_nb.runs.store import new_run_id

    with opened(project) as (found, store):
        settings = found.section("scheduler", SchedulerSettings)
        if max_running is not None:
            settings = msgspec.structs.replace(settings, max_running=max_running)
        from pathlib import Path

        daemon = Daemon(
            store,
            ProcessLauncher(found.spec, Path(logs_folder(found))),
            settings,
            new_run=new_run_id,
            hooks=ProjectHooks(found),
            log=Log(log_form),
            embedded=embedded,
        )
        where = settings.port if port is None else port
        server = None
        if where:
            server = HealthServer(
                host or settings.host, where, daemon.health, lambda: daemon.metrics.text()
            )
            daemon.address = server.address
        try:
            if ready is not None:
                ready(daemon)
            daemon.run(wait=wait)
        finally:
            if server is not None:
                server.close()
