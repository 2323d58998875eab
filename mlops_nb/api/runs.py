"""Goes on with a run, watches one, says where its time went, and keeps the server of kernels."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from mlops_nb.api.execute import Prepared, with_cache
from mlops_nb.config import find_project, telemetry_off
from mlops_nb.errors import RunError
from mlops_nb.model import RunStatus, TaskKind

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator
    from pathlib import Path

    from mlops_nb.execution.cache import CacheEntry, Collected
    from mlops_nb.execution.servers import ServerStatus
    from mlops_nb.model import Event, Pipeline, Run, RunProfile

__all__ = [
    "cache_entries",
    "collect_cache",
    "current_pipeline",
    "prepare_resume",
    "profile_run",
    "server_status",
    "start_server",
    "stop_server",
    "task_graph",
    "watch",
    "watch_run",
    "write_report",
]


def prepare_resume(
    project: str | None, run_id: str, *, whole: bool = False, cache: str | None = None
) -> Prepared:
    """Plan what a run still lacks, with its targets and parameters; give it to `execute.run`.

    Parameters
    ----------
    whole
        Run failed notebooks from their first cell also where their state was kept.
    cache
        Folder or fsspec URL of the product cache; the project's by default.

    Raises
    ------
    RunError
        There is no such run, it goes on still, or it has succeeded.
    """
    from mlops_nb.execution.cache import ProductCache
    from mlops_nb.execution.lock import project_lock
    from mlops_nb.execution.recovery import recover
    from mlops_nb.execution.resume import earlier_states, resume_plan, with_plan
    from mlops_nb.pipeline.load import load_pipeline
    from mlops_nb.runs.store import RunStore

    telemetry_off()
    found = with_cache(find_project(project), cache)
    recover(found)
    store = RunStore(found.state)
    run = store.get(run_id)
    if run.status is RunStatus.RUNNING:
        # Its process may be out of sight, in a container that is gone: then nobody holds the project.
        with suppress(RunError), project_lock(found, "look"):
            pass
        run = store.get(run.id)
    pipeline, plan = resume_plan(
        found,
        load_pipeline(found),
        *with_plan(run, store.events, store.get),
        cached=ProductCache.of(found).has,
    )
    return Prepared(
        project=found,
        pipeline=pipeline,
        plan=plan,
        parameters=run.facts.parameters,
        targets=run.facts.targets,
        start_from=run.facts.start_from,
        force=run.facts.force,
        resumed_from=run.id,
        earlier={} if whole else earlier_states(run, store.get, store.path(run.id).parent),
    )


def watch(project: str | None, run_id: str) -> Iterator[Event]:
    """Yield a run's events from its first to its last, waiting for those to come.

    Raises
    ------
    RunError
        There is no such run.
    """
    from mlops_nb.runs.store import RunStore

    store = RunStore(find_project(project).state)
    return store.follow(store.find(run_id))


def watch_run(
    project: str | None, run_id: str, *, stop: threading.Event | None = None
) -> Iterator[Run]:
    """Yield a run as it stands after each news, and about once a second while it goes on.

    Parameters
    ----------
    project, run_id
        Which run, of this process or of another.
    stop
        Ends it before the run's end when it is set.

    Raises
    ------
    RunError
        There is no such run.
    """
    from mlops_nb.runs.fold import Folding
    from mlops_nb.runs.store import RunStore

    store = RunStore(find_project(project).state)
    found = store.find(run_id)
    folding = Folding(store.facts(found))
    for events in store.batches(found, stop=stop):
        for event in events:
            folding.add(event)
        yield folding.run()
    yield store.get(found)  # a run that was lost is known by its process, not by an event


def current_pipeline(project: str | None) -> Pipeline:
    """Return the pipeline as its specification is now; nothing is planned or put right.

    Raises
    ------
    ProjectError
        The project, its pipeline or a notebook is wrong.
    """
    from mlops_nb.pipeline.load import load_pipeline

    return load_pipeline(find_project(project))


def task_graph(project: str | None) -> dict[str, tuple[str, ...]]:
    """Return the pipeline's tasks in an order in which they can run, each with what it needs.

    Raises
    ------
    ProjectError
        The project, its pipeline or a notebook is wrong.
    """
    return {task.name: task.upstream for task in current_pipeline(project).tasks}


def profile_run(project: str | None, run_id: str) -> RunProfile:
    """Return where a run's time and memory went, with its critical path.

    Raises
    ------
    RunError
        There is no such run.
    """
    from mlops_nb.pipeline.load import load_pipeline
    from mlops_nb.runs.profile import first_starts
    from mlops_nb.runs.profile import profile_run as measure
    from mlops_nb.runs.store import RunStore

    found = find_project(project)
    store = RunStore(found.state)
    run = store.get(run_id)
    upstream = {task.name: task.upstream for task in load_pipeline(found).tasks}
    return measure(run, upstream, first_starts(store.events(run.id)))


def write_report(project: str | None, run_id: str) -> Path:
    """Write the HTML pages of a run, of its good tasks too, and return the summary's path.

    Raises
    ------
    RunError
        There is no such run, or a page cannot be written.
    """
    from mlops_nb.runs.report import write_reports
    from mlops_nb.runs.store import RunStore

    store = RunStore(find_project(project).state)
    run = store.get(run_id)
    return write_reports(run, store.path(run.id))[""]


def cache_entries(project: str | None, url: str = "") -> tuple[CacheEntry, ...]:
    """Return what the product cache holds, the last used first."""
    from mlops_nb.execution.cache import ProductCache

    return ProductCache.of(find_project(project), url).ls()


def collect_cache(
    project: str | None, url: str = "", *, limit_mb: float | None = None
) -> Collected:
    """Drop what was not used for longest until the cache fits its limit."""
    from mlops_nb.execution.cache import ProductCache

    return ProductCache.of(find_project(project), url).gc(limit_mb=limit_mb)


def start_server(
    project: str | None, *, idle: float | None = None, commands: str = ""
) -> ServerStatus:
    """Start the project's resident server of warm kernels, or return the one that runs.

    Parameters
    ----------
    idle
        Seconds without a run after which it ends itself; fifteen minutes by default.
    commands
        The command line's module, where the server shall run its commands too.

    Raises
    ------
    KernelError
        The machine cannot fork kernels, or the server did not start.
    """
    from mlops_nb.execution import servers
    from mlops_nb.execution.preload import preload_for
    from mlops_nb.execution.threads import Threads
    from mlops_nb.pipeline.load import load_pipeline

    telemetry_off()
    found = find_project(project)
    pipeline = load_pipeline(found)
    notebooks = [
        found.root / task.source for task in pipeline.tasks if task.kind is TaskKind.NOTEBOOK
    ]
    limit = servers.IDLE if idle is None else idle
    return servers.start_server(
        found.state,
        preload_for(notebooks),
        idle=limit,
        environment=Threads(pipeline, found.settings.jobs).environment(),
        services=["mlops_nb.api.services"],
        commands=commands,
    )


def server_status(project: str | None) -> ServerStatus | None:
    """Return what the project's server says of itself; ``None`` where none runs."""
    from mlops_nb.execution import servers

    return servers.server_status(find_project(project).state)


def stop_server(project: str | None) -> bool:
    """Stop the project's server; return whether one ran."""
    from mlops_nb.execution import servers

    return servers.stop_server(find_project(project).state)
