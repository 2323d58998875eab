"""Runs a plan: the tasks in the order that `Schedule` gives, each in a thread while it runs.

The calling thread sleeps until a task ends, a retry is due, the run's time is over or somebody
cancels. Each task's thread prepares, runs and commits it (`mlops_nb.execution.work`).
"""

from __future__ import annotations

import heapq
import threading
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, Any

import msgspec

from mlops_nb.errors import MlopsNbError
from mlops_nb.execution.attempt import failure
from mlops_nb.execution.executors.local import LocalExecutor
from mlops_nb.execution.forge import Forge
from mlops_nb.execution.jobs import Cancellation
from mlops_nb.execution.lock import project_lock
from mlops_nb.execution.schedule import Schedule
from mlops_nb.execution.signals import on_signal
from mlops_nb.execution.threads import Threads
from mlops_nb.execution.verdicts import (
    brief,
    not_started,
    not_tried_again,
    status_of,
    timed_out,
)
from mlops_nb.execution.work import Work
from mlops_nb.model import (
    Action,
    ErrorInfo,
    EventKind,
    TaskKind,
    TaskRun,
    TaskStatus,
    to_builtins,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from mlops_nb.config import Project
    from mlops_nb.execution.cache import ProductCache
    from mlops_nb.execution.states import EarlierState
    from mlops_nb.model import Pipeline, Plan
    from mlops_nb.protocols import EventSink, Executor

__all__ = ["run_plan", "status_of"]

_POLL = 0.25
"""Seconds between two looks at a plain `threading.Event`; a `Cancellation` tells by itself."""
_FORCE_GRACE = 0.5
"""Seconds that tasks get to end after a second interrupt."""
_TRY_AGAIN = (TaskStatus.FAILED, TaskStatus.TIMED_OUT, TaskStatus.DIED, TaskStatus.EXITED)


def run_plan(
    project: Project,
    pipeline: Pipeline,
    plan: Plan,
    *,
    sink: EventSink,
    run_dir: Path,
    run_id: str,
    jobs: int = 0,
    keep_going: bool = False,
    timeout: float | None = None,
    cancel: threading.Event | None = None,
    env: Mapping[str, str] | None = None,
    zygote: Any = None,
    cold: bool = False,
    executor: Executor | None = None,
    cache: ProductCache | None = None,
    expected: Mapping[str, float] | None = None,
    earlier: Mapping[str, EarlierState] | None = None,
    wait: float | None = 0.0,
) -> tuple[TaskRun, ...]:
    """Run what a plan asks for, and say of every task how it ended.

    Parameters
    ----------
    project, pipeline, plan
        What to run, as `make_plan` returned it for this pipeline.
    sink
        Takes the events ``plan``, ``task.*`` and ``note``; how the run ended is the caller's to say.
    run_dir
        The run's folder; takes staged products, executed notebooks and logs.
    run_id
        The run's id.
    jobs
        Tasks of one core each at a time; the number of cores by default.
    keep_going
        Run all that does not depend on a failed task. By default nothing more is started after a
        failure, and what runs already may end.
    timeout
        Seconds for all of it; what still runs then is ended as timed out.
    cancel
        Ends the run when it is set. In the main thread an interrupt (Ctrl-C) or a termination
        signal does the same, and a second one does not wait for the tasks.
    env
        Environment variables for the tasks, over those of this process.
    zygote
        Where warm kernels come from.
    cold
        Start every kernel afresh.
    executor
        Where the tasks run; this machine by default. The caller closes one that it hands over.
    cache
        Products of earlier runs, to restore and to add to.
    expected
        Seconds that tasks took before, by name: long roads start first.
    earlier
        States of notebooks that failed in the run that is gone on with, by task.
    wait
        Seconds to wait for another run of this project to end; ``None`` for as long as it takes.

    Returns
    -------
    tuple of TaskRun
        One for each task of the plan, in its order.

    Raises
    ------
    RunError
        Another run is going on in this project, or the run's folder cannot be written.
    """
    # A cluster's workers divide their own cores.
    threads = Threads(pipeline, jobs) if executor is None else None
    shared = threads.environment() if threads is not None else {}
    with project_lock(project, run_id, wait=wait), Forge(shared) as forge:
        if _needs_processes(pipeline, plan, here=executor is None):
            forge.start()
        work = Work(
            project=project,
            pipeline=pipeline,
            plan=plan,
            sink=sink,
            run_dir=run_dir,
            run_id=run_id,
            executor=executor or LocalExecutor(jobs=jobs, zygote=zygote, forge=forge),
            env=dict(env or {}),
            cold=cold or project.settings.cold,
            cache=cache,
            forge=forge,
            threads=threads,
            earlier=earlier,
        )
        limit = timeout if timeout is not None else project.settings.timeout
        run = _Run(work, expected or {}, keep_going=keep_going, timeout=limit)
        try:
            tasks = run.go(cancel)
            if not run.cancels:
                work.after(tasks, cancel)
            return tasks
        finally:
            work.close()


def _needs_processes(pipeline: Pipeline, plan: Plan, *, here: bool) -> bool:
    """Return whether Ploomber is to run anything here: a task that is no notebook, or a hook."""
    runs = set(plan.of(Action.RUN))
    return any(
        (here and task.kind is not TaskKind.NOTEBOOK) or task.hooks or pipeline.hooks
        for task in pipeline.tasks
        if task.name in runs
    )


class _Run:
    """One run while it goes on; lives in the thread that called `run_plan`."""

    def __init__(
        self, work: Work, expected: Mapping[str, float], *, keep_going: bool, timeout: float | None
    ) -> None:
        self.work = work
        todo = {item.task for item in work.plan.items if item.action is not Action.SKIP}
        self.schedule = Schedule(
            (task for task in work.pipeline.tasks if task.name in todo),
            slots=work.executor.slots,
            memory_mb=work.executor.memory_mb,
            expected=expected,
        )
        self.expected = expected
        self.keep_going = keep_going
        self.deadline = None if timeout is None else monotonic() + timeout
        self.timeout = timeout
        self.stop = Cancellation()
        """Ends every running attempt."""
        self.messages: SimpleQueue[TaskRun | str] = SimpleQueue()
        """Ended attempts, and ``cancel`` where somebody asks for it."""
        self.done: dict[str, TaskRun] = {}
        self.tries: dict[str, int] = {}
        self.retries: list[tuple[float, str]] = []
        """When a task is to be tried again, the soonest first."""
        self.last: dict[str, TaskRun] = {}
        """How the last attempt ended of a task that is to be tried again."""
        self.given_up = False
        """Whether nothing more is started."""
        self.cancels = 0
        self.out_of_time = False

    def go(self, cancel: threading.Event | None) -> tuple[TaskRun, ...]:
        """Run to the end."""
        self._tell_plan()
        with self._listen(cancel):
            while self.schedule.running or self.retries or self._may_start():
                self._start()
                message = self._next(cancel)
                if message == "cancel":
                    self._cancel()
                    if self.cancels > 1 and self._abandon():
                        break
                elif isinstance(message, TaskRun):
                    self._ended(message)
                self._look_at_clock()
        for name in self.schedule.give_up():
            self._finish(TaskRun(task=name, status=TaskStatus.CANCELLED))
        return tuple(
            self.done.get(item.task)
            or TaskRun(task=item.task, status=TaskStatus.SKIPPED, why=item.why)
            for item in self.work.plan.items
        )

    def _tell_plan(self) -> None:
        self.work.sink.emit(
            EventKind.PLAN,
            items=[
                {
                    "task": item.task,
                    "action": item.action.value,
                    "why": item.why,
                    "kinds": [reason.kind for reason in item.reasons],
                    "expected": self.expected.get(item.task),
                }
                for item in self.work.plan.items
            ],
        )

    def _may_start(self) -> bool:
        return not self.stop.is_set() and len(self.schedule) > 0

    def _start(self) -> None:
        if self.stop.is_set():
            return
        self.schedule.resize(self.work.executor.slots, self.work.executor.memory_mb)
        for name in self.schedule.start():
            number = self.tries[name] = self.tries.get(name, 0) + 1
            self.last.pop(name, None)
            threading.Thread(
                target=self._attempt, args=(name, number), name=f"mlops-nb {name}", daemon=True
            ).start()

    def _attempt(self, name: str, number: int) -> None:
        """Run one attempt; the body of its thread."""
        try:
            run = self.work.attempt(name, number, self.stop)
        except (MlopsNbError, OSError) as error:
            run = failure(name, error)
        except BaseException as error:
            self.messages.put(failure(name, RuntimeError(f"{type(error).__name__}: {error}")))
            raise
        self.messages.put(run)

    def _next(self, cancel: threading.Event | None) -> TaskRun | str | None:
        """Wait for what happens next; ``None`` where the clock has to be looked at."""
        dues = []
        if self.deadline is not None and not self.out_of_time and not self.cancels:
            dues.append(self.deadline)
        if self.retries:
            dues.append(self.retries[0][0])
        if self.cancels > 1:
            dues.append(self._force_until)
        left = max(0.0, min(dues) - monotonic()) if dues else None
        if cancel is not None and not isinstance(cancel, Cancellation) and not self.cancels:
            if cancel.is_set():
                return "cancel"
            left = _POLL if left is None else min(left, _POLL)
        try:
            return self.messages.get(timeout=left)
        except Empty:
            return "cancel" if self.cancels > 1 else None

    def _look_at_clock(self) -> None:
        now = monotonic()
        while self.retries and self.retries[0][0] <= now:
            self.schedule.ready_again(heapq.heappop(self.retries)[1])
        # A run that is cancelled is that, however long its tasks take to end.
        if self.deadline is None or self.out_of_time or self.cancels:
            return
        if now >= self.deadline:
            self.out_of_time = True
            self._stop_all()

    def _ended(self, run: TaskRun) -> None:
        if self.out_of_time and run.status is TaskStatus.CANCELLED:
            run = timed_out(run, self._over)
        policy = self.work.tasks[run.task].policy
        if (
            run.status in _TRY_AGAIN
            and self.tries[run.task] <= policy.retries
            and not self.given_up
        ):
            self._retry(run, policy.backoff * 2 ** (self.tries[run.task] - 1))
            return
        self._finish(run)
        if run.status.is_good:
            self.schedule.finish(run.task)
            return
        for name in self.schedule.fail(run.task):
            self._finish(
                TaskRun(
                    task=name,
                    status=TaskStatus.BLOCKED,
                    error=ErrorInfo(name="Blocked", message=f'"{run.task}" did not succeed'),
                )
            )
        if not self.keep_going:
            after = f'after "{run.task}" had failed'
            self._give_up(f"not started {after}", f"not tried again {after}")

    def _retry(self, run: TaskRun, delay: float) -> None:
        self.work.sink.emit(
            EventKind.TASK_RETRY,
            run.task,
            attempt=self.tries[run.task],
            delay=delay,
            status=run.status.value,
            error=None if run.error is None else to_builtins(run.error),
        )
        self.last[run.task] = run
        self.schedule.pause(run.task)
        heapq.heappush(self.retries, (monotonic() + delay, run.task))

    def _give_up(self, text: str, again: str) -> None:
        """Start nothing more; what runs goes on, and what waits for another try has failed."""
        self.given_up = True
        for _, name in self.retries:
            self.schedule.ready_again(name)
        self.retries.clear()
        for name in self.schedule.give_up():
            failed = self.last.pop(name, None)
            if failed is None:
                self._finish(not_started(name, text, too_late=self.out_of_time))
            else:
                self._finish(not_tried_again(failed, again))

    def _cancel(self) -> None:
        self.cancels += 1
        self._stop_all()
        if self.cancels == 2:
            self._force_until = monotonic() + _FORCE_GRACE

    def _stop_all(self) -> None:
        self.stop.set(self._over)
        text = self._over or "cancelled"
        self._give_up(text, f"not tried again: {text}")

    @property
    def _over(self) -> str:
        return f"the run's {self.timeout:g} s were over" if self.out_of_time else ""

    def _abandon(self) -> bool:
        """Leave what does not end; return whether the run is over."""
        if monotonic() < self._force_until:
            return False
        self.work.abandon()
        for name in self.schedule.running:
            error = ErrorInfo(name="Cancelled", message="did not end after the second interrupt")
            self._finish(TaskRun(task=name, status=TaskStatus.CANCELLED, error=error))
        return True

    def _finish(self, run: TaskRun) -> None:
        run = msgspec.structs.replace(run, why=run.why or self.work.items[run.task].why)
        self.done[run.task] = run
        self.work.sink.emit(EventKind.TASK_FINISHED, run.task, **brief(run))

    @contextmanager
    def _listen(self, cancel: threading.Event | None) -> Iterator[None]:
        """Have cancellations and signals put into the queue."""
        ask = lambda *_: self.messages.put("cancel")  # noqa: E731 - put may interrupt itself
        unwatch = cancel.watch(ask) if isinstance(cancel, Cancellation) else lambda: None
        try:
            with on_signal(ask):
                yield
        finally:
            unwatch()
