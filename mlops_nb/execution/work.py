"""What is done for one task of a run: prepare, run, commit. Runs in the task's own thread."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from mlops_nb.errors import ExecutionError, MlopsNbError
from mlops_nb.execution import commit
from mlops_nb.execution.aside import set_aside
from mlops_nb.execution.attempt import failure
from mlops_nb.execution.caching import Caching
from mlops_nb.execution.convert import notebook_product
from mlops_nb.execution.process import HookCancelledError, run_hook, run_pipeline_hook
from mlops_nb.execution.recovery import Finisher
from mlops_nb.execution.staging import Stage
from mlops_nb.execution.states import EarlierState, States
from mlops_nb.files import file_name
from mlops_nb.model import Action, Attempt, ErrorInfo, EventKind, TaskKind, TaskRun, TaskStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_nb.config import Project
    from mlops_nb.execution.cache import ProductCache
    from mlops_nb.execution.forge import Forge
    from mlops_nb.execution.jobs import Cancellation
    from mlops_nb.execution.threads import Threads
    from mlops_nb.model import Fingerprint, Json, Pipeline, Plan, PlanItem, Task
    from mlops_nb.protocols import EventSink, Executor

__all__ = ["Work"]

Stamp = tuple[object, ...]

_NO_PRODUCT = "MissingProduct"
"""What the worker calls a task that ended well without its product."""


class Work:
    """The tasks of one run, and what working on them takes."""

    def __init__(
        self,
        *,
        project: Project,
        pipeline: Pipeline,
        plan: Plan,
        sink: EventSink,
        run_dir: Path,
        run_id: str,
        executor: Executor,
        env: Mapping[str, str],
        cold: bool,
        cache: ProductCache | None,
        forge: Forge | None = None,
        threads: Threads | None = None,
        earlier: Mapping[str, EarlierState] | None = None,
    ) -> None:
        self.project = project
        self.pipeline = pipeline
        self.plan = plan
        self.tasks: dict[str, Task] = {task.name: task for task in pipeline.tasks}
        self.items: dict[str, PlanItem] = {item.task: item for item in plan.items}
        self.sink = sink
        self.run_dir = run_dir
        self.run_id = run_id
        self.executor = executor
        self.env = dict(env)
        self.cold = cold
        self.forge = forge
        self._threads = threads
        self.finisher = Finisher(project, pipeline)
        self._abandoned = threading.Event()
        self.states = States(
            project,
            run_dir,
            run_id,
            earlier=earlier or {},
            shared=bool(getattr(executor, "shares_files", True)),
        )
        self._ran: set[str] = set()
        """Tasks that this run has executed, not skipped or restored."""
        self._caching = Caching(cache, sink, run_id)

    def attempt(self, name: str, number: int, stop: Cancellation) -> TaskRun:
        """Try one task once; its products are in place when the status is good.

        Raises
        ------
        MlopsNbError, OSError
            The task could not be prepared, or its products not be put into place.
        """
        task, item = self.tasks[name], self.items[name]
        kinds = {reason.kind for reason in item.reasons}
        # Looked at now: what the plan saw may have been edited, or made by another run, since.
        fingerprint = self.finisher.fingerprint(name)
        # What lies below a task that ran runs too, as the plan said, unless the project wants
        # early cut-off; above may also be restored, and then this task may be as well.
        promised = self._ran.intersection(task.upstream) and not self.project.settings.early_cutoff
        if number == 1 and not kinds & {"forced", "edited"} and not promised:
            if self.finisher.is_current(task, fingerprint):
                why = (
                    "what it depends on came out the same"
                    if item.fingerprint is None
                    else "made by another run since it was planned"
                )
                return _good(name, TaskStatus.SKIPPED, fingerprint, why)
            restored = self._restore(task, fingerprint)
            if restored is not None:
                return restored

        def tell(kind: EventKind, **data: Json) -> object:
            return self.sink.emit(kind, name, **data)

        found, why = self.states.find(task, fingerprint)
        stage = Stage(self.project.root, found.stage_dir if found else self.run_dir, task)
        stage.make()
        before = {path: _stamp(stage.final(path)) for path in stage.products}
        if number > 1:
            set_aside(self.run_dir, name, number - 1)
        attempt = self._make_attempt(task, number, stage)
        attempt = self.states.order(attempt, stage, found, fingerprint)
        self.sink.emit(EventKind.TASK_STARTED, name, attempt=number)
        if why:
            tell(EventKind.NOTE, level="warning", text=why)
        run = self.executor.run(attempt, tell=tell, cancel=stop)
        if attempt.notebook and self._path(attempt.notebook).exists():
            stage.mend(self._path(attempt.notebook))
        try:
            if run.error is not None and run.error.name == _NO_PRODUCT:
                # Ploomber looks only where the product was redirected to.
                self._check_products(task, stage, before)
                run = replace(run, status=TaskStatus.SUCCEEDED, error=None)
            if run.status is TaskStatus.SUCCEEDED:
                made_from = self._land(task, attempt, stage, before, fingerprint, stop)
                run = replace(run, fingerprint=made_from.digest)
            else:
                self._hook_after_failure(attempt, stop)
        except HookCancelledError as error:
            info = ErrorInfo(name="Cancelled", message=str(error))
            run = replace(run, status=TaskStatus.CANCELLED, error=info)
        except (MlopsNbError, OSError) as error:
            run = replace(run, status=TaskStatus.FAILED, error=failure(name, error).error)
        if not (stage.folder / commit.COMMIT).exists():
            commit.undo(stage.folder)
        if run.status is TaskStatus.SUCCEEDED:
            self._ran.add(name)
        story = "; ".join(text for text in (item.why, why or run.why) if text)
        return _mended(self.states.note(attempt, replace(run, why=story)), stage)

    def abandon(self) -> None:
        """Commit nothing more: the run goes on without the tasks that are still running."""
        self._abandoned.set()

    def after(self, tasks: tuple[TaskRun, ...], cancel: threading.Event | None = None) -> None:
        """Call the pipeline's own hook once its tasks are done; how they ended stays so."""
        bad = [task for task in tasks if not task.status.is_good]
        when = "on_failure" if bad else "on_finish"
        known = any(hook.startswith(f"{when}:") for hook in self.pipeline.hooks)
        if not known or not any(task.attempt for task in tasks):
            return
        errors = [f"{task.task}: {task.error.message}" for task in bad if task.error]
        try:
            run_pipeline_hook(
                self.project,
                self.run_dir,
                when,
                env=self._environment(),
                traceback="\n".join(errors),
                cancel=cancel,
                forge=self.forge,
            )
        except MlopsNbError as error:
            self.sink.emit(EventKind.NOTE, level="error", text=str(error))
        except KeyboardInterrupt:
            text = f"the pipeline's {when} hook was interrupted"
            self.sink.emit(EventKind.NOTE, level="error", text=text)

    def close(self) -> None:
        """Wait for products on their way into the cache, and tidy up."""
        self._caching.close()
        self.finisher.close()
        for run_dir in (self.run_dir, *self.states.borrowed):
            commit.tidy(run_dir)

    def _environment(self, task: Task | None = None) -> dict[str, str]:
        """Return what a task's process, or a hook's, has beside this process's environment."""
        shared = self._threads.environment(task) if self._threads else {}
        return {**shared, **self.env}

    def _path(self, relative: str) -> Path:
        return self.run_dir / relative

    def _make_attempt(self, task: Task, number: int, stage: Stage) -> Attempt:
        notebook = task.kind is TaskKind.NOTEBOOK
        parameters: dict[str, Json] = {}
        if notebook:
            from mlops_nb.pipeline.params import task_parameters

            parameters = task_parameters(
                self.project, self.pipeline, task.name, products=stage.products
            )
        name = file_name(task.name)
        return Attempt(
            run=self.run_id,
            task=task,
            number=number,
            root=str(self.project.root),
            spec=str(self.project.spec),
            run_dir=str(self.run_dir),
            notebook=f"notebooks/{name}.ipynb" if notebook else "",
            log=f"logs/{name}.log",
            parameters=parameters,
            products=stage.products,
            env=self._environment(task),
            cold=self.cold,
            max_output_mb=self.project.settings.max_output_mb,
        )

    def _land(
        self,
        task: Task,
        attempt: Attempt,
        stage: Stage,
        before: Mapping[str, Stamp],
        fingerprint: Fingerprint,
        stop: Cancellation,
    ) -> Fingerprint:
        """Put an attempt's products in place; return what they count as made from."""
        if attempt.notebook:
            for product in task.products:
                if product.is_notebook:
                    target = Path(stage.products[product.path])
                    notebook_product(
                        self._path(attempt.notebook), target, product.exporter, task.export
                    )
            run_hook(attempt, "on_finish", stop, self.forge)
        self._check_products(task, stage, before)
        if self._abandoned.is_set():
            raise ExecutionError("the run was abandoned", where=f'task "{task.name}"')
        made_from, changed = self.finisher.settle(task, fingerprint, self.run_id)
        landed = stage.named()
        record = commit.prepare(stage, run=self.run_id, fingerprint=made_from)
        commit.commit(stage, record, self.finisher.finish)
        if changed:
            text = f"what it depends on changed while it ran, so it will run again: {changed}"
            self.sink.emit(EventKind.NOTE, task.name, level="warning", text=text)
        elif self._caching.keeps(task):
            digests = self.finisher.digests(task, landed)
            self._caching.keep(task, made_from.digest, landed, digests)
        return made_from

    def _check_products(self, task: Task, stage: Stage, before: Mapping[str, Stamp]) -> None:
        for path in stage.missing():
            stamp = _stamp(stage.final(path))
            if not stamp or stamp == before[path]:
                raise ExecutionError(
                    f'ended without writing its product "{path}"',
                    where=f'task "{task.name}"',
                    fix='write to the path that "product" holds',
                )
            self.sink.emit(
                EventKind.NOTE,
                task.name,
                level="warning",
                text=f'"{path}" was written in place, where a failure can damage it; '
                'write to the path that "product" holds',
            )

    def _hook_after_failure(self, attempt: Attempt, stop: Cancellation) -> None:
        # A process runs its own; a cancelled run calls nothing more.
        if attempt.notebook and not stop.is_set():
            try:
                run_hook(attempt, "on_failure", stop, self.forge)
            except MlopsNbError as error:
                self.sink.emit(EventKind.NOTE, attempt.task.name, level="warning", text=str(error))

    def _restore(self, task: Task, fingerprint: Fingerprint) -> TaskRun | None:
        """Put a task's products in place from the cache; ``None`` where it has none of them."""
        if not self._caching.keeps(task):
            return None
        started = time.time()
        stage = Stage(self.project.root, self.run_dir, task)
        try:
            if not self._caching.fetch(task, fingerprint.digest, stage):
                return None
            record = commit.prepare(stage, run=self.run_id, fingerprint=fingerprint)
            commit.commit(stage, record, self.finisher.finish)
        finally:
            if not (stage.folder / commit.COMMIT).exists():
                commit.undo(stage.folder)
        planned = self.items[task.name].action is Action.RESTORE
        why = "" if planned else "its products were in the cache"
        run = _good(task.name, TaskStatus.RESTORED, fingerprint, why)
        return replace(run, started=started, ended=time.time())


def _good(task: str, status: TaskStatus, fingerprint: Fingerprint, why: str) -> TaskRun:
    return TaskRun(task=task, status=status, why=why, fingerprint=fingerprint.digest)


def _stamp(path: Path) -> Stamp:
    """Return what changes when a file or folder is written; empty where there is none."""
    try:
        stat = path.stat()
    except OSError:
        return ()
    own: Stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
    if not path.is_dir():
        return own
    inside = sorted((entry.name, entry.stat().st_mtime_ns) for entry in os.scandir(path))
    return (*own, *inside)


def _mended(run: TaskRun, stage: Stage) -> TaskRun:
    """Show final paths in an error's texts."""
    if run.error is None:
        return run
    error = replace(
        run.error,
        message=stage.mend_text(run.error.message),
        traceback=stage.mend_text(run.error.traceback),
    )
    return replace(run, error=error)
