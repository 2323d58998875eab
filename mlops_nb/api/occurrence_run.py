"""Runs one occurrence of a schedule that this process has claimed, and records how it ended."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import PurePath
from typing import TYPE_CHECKING

import msgspec

from mlops_nb.api.execute import Outcome
from mlops_nb.config import find_project
from mlops_nb.errors import MlopsNbError, RunError, ScheduleError
from mlops_nb.model import Occurrence, OccurrenceState, Overlap, RunStatus, Source
from mlops_nb.scheduling.course import finish, note_frozen
from mlops_nb.scheduling.freeze import freeze, frozen_folder
from mlops_nb.scheduling.linking import bring_home, copy_sources, link_apart, link_rest
from mlops_nb.scheduling.pulse import Pulse
from mlops_nb.scheduling.verdict import verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from mlops_nb.config import Project
    from mlops_nb.execution.jobs import Cancellation
    from mlops_nb.model import Event, Pipeline
    from mlops_nb.scheduling.claims import Claim
    from mlops_nb.scheduling.settings import SchedulerSettings
    from mlops_nb.scheduling.store import ScheduleStore

    View = Callable[[Pipeline], AbstractContextManager[Callable[[Event], None]]]

__all__ = ["Turn", "check_apart", "run_held"]

_LOCK_LOOK = 1.0
"""Seconds between two looks at whether a run that waits for another was cancelled."""
_RECORD_TRIES = 6


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """What a trigger brought about: a run, or the reason why there was nothing to do."""

    occurrence: Occurrence | None = None
    outcome: Outcome | None = None
    nothing: str = ""


def run_held(
    project: Project,
    store: ScheduleStore,
    held: Claim,
    settings: SchedulerSettings,
    view: View | None,
) -> Turn:
    """Do the work of a claim that has begun, and record how it ended.

    Parameters
    ----------
    project, store
        The project and its schedules.
    held
        The claim.
    settings
        What holds for all schedules.
    view
        Shows the events.

    Raises
    ------
    MlopsNbError
        What kept the run from starting, or its products from coming home; it is recorded.
    """
    from mlops_nb.execution.jobs import Cancellation

    stop = Cancellation()
    pulse = Pulse(
        store,
        held.id,
        held.run,
        lease=settings.lease,
        stop=stop.set,
        kill_after=settings.kill_after,
    )
    with pulse:
        try:
            outcome, said = _work(project, store, held, pulse, stop, view)
        except MlopsNbError as error:
            state = OccurrenceState.CANCELLED if pulse.cancelled else OccurrenceState.FAILED
            why = pulse.cancelled or str(error)
            _record(store, held, pulse, state, why, exit_code=int(error.exit_code))
            raise
        except BaseException as error:
            # Ctrl-C, the user's code in a hook, or a fault of ours: the occurrence must not look as if
            # it still ran. Whatever it is goes on.
            _record(store, held, pulse, OccurrenceState.FAILED, f"{type(error).__name__}: {error}")
            raise
        state, why = verdict(outcome.run)
        why = why or said
        if pulse.timed_out and state is not OccurrenceState.SUCCEEDED:
            state, why = OccurrenceState.TIMED_OUT, pulse.timed_out
        elif pulse.cancelled and state is not OccurrenceState.SUCCEEDED:
            state, why = OccurrenceState.CANCELLED, pulse.cancelled
        _record(store, held, pulse, state, why)
    with store.read() as reader:
        return Turn(occurrence=reader.occurrence(held.schedule, held.at), outcome=outcome)


def _work(
    project: Project,
    store: ScheduleStore,
    held: Claim,
    pulse: Pulse,
    stop: Cancellation,
    view: View | None,
) -> tuple[Outcome, str]:
    """Run the occurrence; return also what there is to say of its products."""
    from mlops_nb.execution.recovery import recover

    order = held.order
    recover(project)
    if order.overlap is Overlap.ALLOW and order.source is not Source.LATEST:
        return _run_apart(project, store, held, pulse, stop, view)
    with _alone(project, held.run, stop):
        if order.timeout is not None:
            pulse.limit(order.timeout)
        place, frozen = _frozen(project, store, held)
        outcome, pipeline = _execute(place, held, frozen, stop, view)
        if frozen:
            bring_home(project.root, place.root, _products(pipeline))
        return outcome, ""


def _run_apart(
    project: Project,
    store: ScheduleStore,
    held: Claim,
    pulse: Pulse,
    stop: Cancellation,
    view: View | None,
) -> tuple[Outcome, str]:
    """Run in a root of the run's own, beside other runs, and bring its products home at the end."""
    from mlops_nb.execution.apart import Apart
    from mlops_nb.pipeline.load import load_pipeline

    frozen = _freeze(project, store, held)
    with Apart(project, held.run) as apart:
        copy_sources(frozen_folder(project.state, frozen), apart.root)
        link_rest(project.root, project.state, apart.root, ())
        place = apart.place(find_project(apart.root / project.spec.relative_to(project.root)))
        pipeline = load_pipeline(place)
        check_apart(pipeline)
        with _alone(project, held.run, stop):
            link_apart(project.root, apart.root, _products(pipeline))
            apart.take_base(place, pipeline.tasks)
        if held.order.timeout is not None:
            pulse.limit(held.order.timeout)
        outcome, _ = _execute(place, held, frozen, stop, view)
        pulse.unlimit()
        if outcome.run.status is not RunStatus.SUCCEEDED:
            return outcome, ""
        done = {task.task for task in outcome.run.tasks}
        together = [task for task in pipeline.tasks if task.name in done]

        def is_later(run: str) -> bool:
            return _counts_from(project, store, run) > held.at

        with _alone(project, held.run, stop):
            return outcome, apart.land(place, together, is_later)


def _counts_from(project: Project, store: ScheduleStore, run: str) -> float:
    """Return an occurrence's time, and of another run when it began."""
    from mlops_nb.runs.store import RunStore

    with store.read() as reader:
        at = reader.time_of(run)
    if at is not None:
        return at
    try:
        return RunStore(project.state).get(run).facts.started
    except RunError:
        return 0.0  # Its record was removed: it is no run of just now.


def _execute(
    place: Project, held: Claim, frozen: str, stop: Cancellation, view: View | None
) -> tuple[Outcome, Pipeline]:
    from mlops_nb.api import execute

    order = held.order
    prepared = execute.prepare(
        place, targets=order.tasks, parameters=order.parameters, force=order.force
    )
    with nullcontext() if view is None else view(prepared.pipeline) as listener:
        outcome = execute.run(
            prepared,
            listener=listener,
            trigger=f"schedule {order.name}",
            cancel=stop,
            run_id=held.run,
            commit=frozen.removeprefix("commit:") if frozen.startswith("commit:") else "",
        )
    return outcome, prepared.pipeline


@contextmanager
def _alone(project: Project, run: str, stop: Cancellation) -> Iterator[None]:
    """Hold the project, waiting for other runs of it until the occurrence is cancelled."""
    from filelock import Timeout

    from mlops_nb.execution.lock import project_lock

    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(project_lock(project, run, wait=_LOCK_LOOK))
                break
            except RunError as error:
                if stop.is_set() or not isinstance(error.__cause__, Timeout):
                    raise
        yield


def _frozen(project: Project, store: ScheduleStore, held: Claim) -> tuple[Project, str]:
    """Return the project to run, and what it was frozen as; the project itself for ``latest``."""
    from mlops_nb.pipeline.load import load_pipeline

    if held.order.source is Source.LATEST:
        return project, ""
    frozen = _freeze(project, store, held)
    folder = frozen_folder(project.state, frozen)
    link_rest(project.root, project.state, folder, ())
    place = find_project(folder / project.spec.relative_to(project.root))
    place = place.with_stores_of(project)
    products = _products(load_pipeline(place))
    link_rest(project.root, project.state, folder, products)
    return place, frozen


def _freeze(project: Project, store: ScheduleStore, held: Claim) -> str:
    from mlops_nb.pipeline.load import load_pipeline

    order = held.order
    made = _products(load_pipeline(project)) if order.source is Source.SNAPSHOT else ()
    frozen = freeze(
        project.root,
        project.state,
        order.source,
        ref=order.ref,
        known=held.frozen,
        products=made,
    )
    with store.write() as writer:
        note_frozen(writer, held.id, held.run, frozen)
    return frozen


def _products(pipeline: Pipeline) -> tuple[str, ...]:
    return tuple(
        product.path for task in pipeline.tasks for product in task.products if product.is_file
    )


def _record(
    store: ScheduleStore,
    held: Claim,
    pulse: Pulse,
    state: OccurrenceState,
    why: str,
    exit_code: int | None = None,
) -> None:
    """Record the end; a store that cannot be written for a while is waited for."""
    if pulse.lost:
        return
    for tries in range(_RECORD_TRIES):
        try:
            with store.write(durable=False) as writer:
                finish(
                    writer,
                    held.id,
                    held.run,
                    state,
                    now=store.clock(),
                    why=why,
                    exit_code=exit_code,
                )
            return
        except ScheduleError:
            # A daemon that finds this process gone reads the end from the run's own record.
            if tries == _RECORD_TRIES - 1:
                raise
            time.sleep(2.0**tries / 4)


def check_apart(pipeline: Pipeline) -> None:
    """Make sure that two runs of a pipeline at once would not write the same things.

    Raises
    ------
    ScheduleError
        A product is no file, or lies outside of the project.
    """
    for task in pipeline.tasks:
        for product in task.products:
            place = PurePath(os.path.normpath(product.path))
            if not product.is_file or place.is_absolute() or place.parts[:1] == ("..",):
                what = "lies outside of the project" if product.is_file else "is no file"
                raise ScheduleError(
                    f'its product "{product.path}" {what}, so two runs at once would write the same',
                    where=f'task "{task.name}"',
                    fix="use --overlap queue, or keep the product in a file of the project",
                )
