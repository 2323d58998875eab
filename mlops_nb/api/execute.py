"""Plans and runs a pipeline."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mlops_nb.api.facts import (
    input_digests,
    product_metrics,
    resolved_parameters,
)
from mlops_nb.api.kernels import warm_kernels
from mlops_nb.config import Project, find_project, telemetry_off
from mlops_nb.errors import PipelineError
from mlops_nb.model import (
    Action,
    EventKind,
    Json,
    Pipeline,
    Plan,
    Run,
    RunStatus,
    TaskKind,
)
from mlops_nb.pipeline.load import load_pipeline
from mlops_nb.pipeline.overrides import with_parameters
from mlops_nb.pipeline.plan import make_plan

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping, Sequence

    from mlops_nb.api.kernels import Kernels
    from mlops_nb.execution.states import EarlierState
    from mlops_nb.model import Event, TaskRun
    from mlops_nb.protocols import Executor
    from mlops_nb.runs.writer import RunWriter

__all__ = ["Outcome", "Prepared", "prepare", "require_tasks", "run"]


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A run that is planned and not started."""

    project: Project
    pipeline: Pipeline
    plan: Plan
    parameters: dict[str, Json] = {}
    targets: tuple[str, ...] = ()
    start_from: tuple[str, ...] = ()
    force: bool = False
    resumed_from: str = ""
    earlier: dict[str, EarlierState] = {}
    """States of notebooks that failed in that run, by task."""

    @property
    def is_noop(self) -> bool:
        """Whether every task is up to date."""
        return all(item.action is Action.SKIP for item in self.plan.items)


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """A run that has ended, and the folder that holds its records."""

    run: Run
    folder: Path


def prepare(
    project: Project | Path | str | None = None,
    *,
    targets: Sequence[str] = (),
    start_from: Sequence[str] = (),
    parameters: Mapping[str, Json] | None = None,
    force: bool = False,
    cache: str | None = None,
) -> Prepared:
    """Load a project's pipeline and plan a run; nothing is run.

    What an earlier run was about to put into place when it was killed is put there first.

    Parameters
    ----------
    project
        A project, its folder or its specification; by default the current folder's.
    targets
        Tasks to bring up to date with what they need; all by default.
    start_from
        Tasks to run anew together with everything below them.
    parameters
        Values for this run, checked against what the notebooks declare; text is converted.
    force
        Run also what is up to date.
    cache
        Folder or fsspec URL of the product cache; the project's by default.

    Raises
    ------
    ProjectError
        The project, its pipeline, a notebook or a parameter is wrong.
    """
    from mlops_nb.execution.cache import ProductCache
    from mlops_nb.execution.recovery import recover

    telemetry_off()
    found = project if isinstance(project, Project) else find_project(project)
    found = with_cache(found, cache)
    recover(found)
    pipeline = load_pipeline(found)
    given = dict(parameters or {})
    if given:
        pipeline = with_parameters(pipeline, given)
    kept = ProductCache.of(found)
    plan = make_plan(
        found,
        pipeline,
        targets=targets,
        start_from=start_from,
        force=force,
        cached=kept.has,
        products_of=kept.products_of,
    )
    return Prepared(
        project=found,
        pipeline=pipeline,
        plan=plan,
        parameters=given,
        targets=tuple(targets),
        start_from=tuple(start_from),
        force=force,
    )


def require_tasks(prepared: Prepared) -> None:
    """Refuse to run a pipeline that is only begun.

    Raises
    ------
    PipelineError
        It has no tasks.
    """
    if not prepared.pipeline.tasks:
        raise PipelineError(
            "has no tasks yet",
            where=prepared.pipeline.spec,
            fix='list a notebook below the key "tasks"',
        )


def with_cache(project: Project, url: str | None) -> Project:
    """Return a project with its product cache at another folder or URL; ``None`` changes nothing."""
    if url is None:
        return project
    settings = msgspec.structs.replace(project.settings, cache=url)
    return msgspec.structs.replace(project, settings=settings)


def run(
    prepared: Prepared,
    *,
    listener: Callable[[Event], None] | None = None,
    jobs: int | None = None,
    keep_going: bool = False,
    timeout: float | None = None,
    cold: bool = False,
    executor: str | None = None,
    address: str = "",
    trigger: str = "manual",
    run_id: str = "",
    cancel: threading.Event | None = None,
    kernels: Kernels = None,
    wait: float | None = 0.0,
    commit: str = "",
) -> Outcome:
    """Run what was prepared, and keep its record.

    Parameters
    ----------
    prepared
        What `prepare` returned.
    listener
        Called with each event, from the thread that emits it.
    jobs
        Tasks at a time; the project's setting, else the number of cores, by default.
    keep_going
        Go on with what does not need a failed task.
    timeout
        Seconds the whole run may take.
    cold
        Start every kernel afresh.
    executor, address
        Where tasks run (``local``, ``dask``), and the cluster's address.
    trigger
        What started the run: ``manual``, ``schedule``, ``drift`` ...
    run_id
        The run's id, where whoever starts it has to know it before; a new one by default.
    cancel
        Ends the run when it is set; Ctrl-C does the same in the main thread.
    kernels
        Where warm kernels come from, for who has several runs; the run's own by default.
    wait
        Seconds to wait for another run of this project to end; ``None`` for as long as it takes.
    commit
        The Git commit that is run, where it is not the one that the folder stands at.

    Returns
    -------
    Outcome
        The run as it ended. A failed task is no exception: the run's status tells.

    Raises
    ------
    RunError
        Another run is going on in this project, or the run's folder cannot be written.
    TrackingError
        The tracking store cannot be reached, and a notebook of this run needs it.
    """
    from mlops_nb.api.reports import Reports
    from mlops_nb.api.track import Tracking
    from mlops_nb.execution.cache import ProductCache
    from mlops_nb.execution.lock import project_lock
    from mlops_nb.execution.runner import run_plan, status_of
    from mlops_nb.execution.signals import held, terminable
    from mlops_nb.execution.threads import Threads
    from mlops_nb.runs.facts import gather_facts
    from mlops_nb.runs.profile import expected_seconds
    from mlops_nb.runs.store import RunStore

    project, settings = prepared.project, prepared.project.settings
    facts = gather_facts(
        root=project.root,
        pipeline=project.name,
        parameters=prepared.parameters,
        targets=prepared.targets,
        start_from=prepared.start_from,
        force=prepared.force,
        trigger=trigger,
        resumed_from=prepared.resumed_from,
        input_digests=input_digests(prepared.plan),
    )
    facts = msgspec.structs.replace(
        facts, id=run_id or facts.id, resolved=resolved_parameters(prepared.pipeline)
    )
    if commit:
        facts = msgspec.structs.replace(facts, git_commit=commit, git_branch="", git_diff="")
    with project_lock(project, facts.id, wait=wait), ExitStack() as stack:
        store = RunStore(project.state)
        # Before the run exists: what it was expected to take comes from the ones before.
        expected = expected_seconds(store)
        # Until the tasks run and after they have: while they do, they are asked to end.
        stack.enter_context(terminable())
        workers = settings.jobs if jobs is None else jobs
        place, warm = executor or settings.executor, not (cold or settings.cold)
        here = place == "local"
        status = RunStatus.FAILED
        tasks: tuple[TaskRun, ...] = ()
        with held() as signals:
            writer = store.create(facts)
            try:
                with signals.answered():
                    tracking = stack.enter_context(Tracking(facts, prepared, writer.folder))
                    notebooks = _notebooks(prepared)
                    if kernels is None:
                        kernels = stack.enter_context(
                            warm_kernels(
                                project,
                                notebooks,
                                cold=not (here and warm),
                                environment=Threads(prepared.pipeline, workers).environment(),
                            )
                        )
                    early = bool(notebooks) and settings.reports == "all"
                    reports = stack.enter_context(
                        Reports(writer.folder, kernels, early=early, state=project.state)
                    )
                    tasks = run_plan(
                        project,
                        prepared.pipeline,
                        prepared.plan,
                        sink=_Tee(writer, reports.listen, listener),
                        run_dir=writer.folder,
                        run_id=facts.id,
                        jobs=workers,
                        keep_going=keep_going,
                        timeout=timeout,
                        cancel=cancel,
                        env={**tracking.environment(), "MLOPS_NB_RUN_ID": facts.id},
                        cold=cold,
                        zygote=kernels,
                        executor=None
                        if here
                        else _executor(place, address, workers, prepared, stack, warm=warm),
                        cache=ProductCache.of(project),
                        expected=expected,
                        earlier=prepared.earlier,
                    )
                    status = status_of(tasks)
                    for name, value in product_metrics(prepared.pipeline, project.root).items():
                        writer.emit(EventKind.METRIC, name=name, value=value)
            except KeyboardInterrupt:
                status = status if tasks else RunStatus.CANCELLED
                raise
            finally:
                done = writer.finish(status)
        reports.write(done, _reported(done, settings.reports))
        tracked = tracking.finish(done)
        if tracked:
            done = msgspec.structs.replace(done, facts=writer.amend(mlflow_run_id=tracked))
    return Outcome(run=done, folder=writer.folder)


class _Tee:
    """An event sink that also tells listeners."""

    def __init__(self, writer: RunWriter, *listeners: Callable[[Event], None] | None) -> None:
        self._writer = writer
        self._listeners = [listener for listener in listeners if listener is not None]

    def emit(self, kind: EventKind, task: str = "", **data: Json) -> Event:
        """Append an event and pass it on."""
        event = self._writer.emit(kind, task, **data)
        for listener in self._listeners:
            listener(event)
        return event


def _reported(run: Run, wanted: str) -> tuple[str, ...]:
    """Return the tasks to write reports of."""
    started = [task for task in run.tasks if task.attempt]
    return tuple(task.task for task in started if wanted == "all" or not task.status.is_good)


def _notebooks(prepared: Prepared) -> list[Path]:
    """Return the notebooks that are going to run."""
    return [
        prepared.project.root / task.source
        for task in prepared.pipeline.tasks
        if task.kind is TaskKind.NOTEBOOK and prepared.plan[task.name].action is Action.RUN
    ]


def _executor(
    name: str, address: str, jobs: int, prepared: Prepared, stack: ExitStack, *, warm: bool
) -> Executor:
    """Return a cluster's executor, closed with the run."""
    from mlops_nb.execution.executors import make_executor
    from mlops_nb.execution.preload import preload_for

    made = make_executor(
        name,
        jobs=jobs,
        address=address,
        store=prepared.project.settings.cache,
        project=prepared.project,
        pipeline=prepared.pipeline,
        preload=preload_for(_notebooks(prepared)) if warm else (),
    )
    stack.callback(made.close)
    return made
