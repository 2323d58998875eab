"""Runs one occurrence of a schedule, in the process that was started for it or by any trigger."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING

import msgspec

from mlops_nb.api.execute import Outcome
from mlops_nb.api.occurrences import moment_of
from mlops_nb.api.schedule_hooks import ProjectHooks
from mlops_nb.api.schedule_store import Where, opened
from mlops_nb.config import find_project
from mlops_nb.errors import MlopsNbError, RunError, ScheduleError
from mlops_nb.model import Occurrence, OccurrenceState, Source
from mlops_nb.processes import me
from mlops_nb.scheduling.chores import clean_up, tell_people
from mlops_nb.scheduling.claims import Claim, claim, held_claim
from mlops_nb.scheduling.course import begin, finish, note_frozen, tell_late
from mlops_nb.scheduling.freeze import bring_home, freeze, frozen_folder, link_rest
from mlops_nb.scheduling.log import Log
from mlops_nb.scheduling.pulse import Pulse
from mlops_nb.scheduling.reconcile import look_after
from mlops_nb.scheduling.settings import SchedulerSettings, read_schedules
from mlops_nb.scheduling.verdict import verdict
from mlops_nb.scheduling.wanted import require
from mlops_nb.scheduling.when import read_trigger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from mlops_nb.config import Project
    from mlops_nb.execution.jobs import Cancellation
    from mlops_nb.model import Event, Pipeline
    from mlops_nb.scheduling.store import ScheduleStore

    View = Callable[[Pipeline], AbstractContextManager[Callable[[Event], None]]]

__all__ = ["Turn", "run_claimed", "run_due"]

_LOCK_LOOK = 1.0
"""Seconds between two looks at whether a run that waits for another was cancelled."""
_RECORD_TRIES = 6


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """What a trigger brought about: a run, or the reason why there was nothing to do."""

    occurrence: Occurrence | None = None
    outcome: Outcome | None = None
    nothing: str = ""


def run_claimed(
    project: Where, occurrence: int, run: str, fence: int, *, view: View | None = None
) -> Turn:
    """Run an occurrence that a daemon has claimed for this process.

    Parameters
    ----------
    project
        A project, its folder or its specification.
    occurrence, run, fence
        The claim.
    view
        Shows the events.

    Raises
    ------
    ScheduleError
        The claim does not hold, or not any more: nothing was run.
    MlopsNbError
        What kept the run from starting; it is recorded.
    """
    with opened(project) as (found, store):
        with store.read() as reader:
            held = held_claim(reader, occurrence, run, fence)
        settings = found.section("scheduler", SchedulerSettings)
        with store.write() as writer:
            begun = held is not None and begin(
                writer, occurrence, run, fence, me(), now=store.clock(), lease=settings.lease
            )
        if held is None or not begun:
            raise ScheduleError(
                "this claim holds no longer: another process runs the occurrence, or will",
                where=f"occurrence {occurrence}, run {run}",
            )
        return _run(found, store, held, settings, view)


def run_due(
    project: Where,
    name: str,
    *,
    occurrence: str = "due",
    within: float | None = None,
    view: View | None = None,
) -> tuple[Turn, ...]:
    """Run what is due of a schedule, once, whoever else tries: for cron, CI and orchestrators.

    The schedule's policies hold as they do for the daemon. Further attempts are made here, after
    their delays, unless a daemon makes them first. What a daemon does beside is done here too: runs
    that were killed are recorded as lost, people are told, what is old is removed.

    Parameters
    ----------
    project
        A project, its folder or its specification.
    name
        The schedule; taken from ``pyproject.toml`` where the store does not know it.
    occurrence
        ``due`` for what waits, ``latest`` for the newest time up to now, or an ISO time, which is
        run however late it is.
    within
        With ``latest``: seconds after its time in which it is run at all.
    view
        Shows the events.

    Raises
    ------
    ScheduleError
        There is no such schedule, or it is never due at that time.
    MlopsNbError
        What kept the run from starting; it is recorded.
    """
    with opened(project) as (found, store):
        _know(found, store, name)
        settings = found.section("scheduler", SchedulerSettings)
        hooks = ProjectHooks(found)
        try:
            look_after(store, hooks.outcome)
            times = _pick(store, settings, name, occurrence, within)
            if isinstance(times, str):
                return (Turn(nothing=times),)
            return tuple(_take_turn(found, store, settings, name, at, view) for at in times)
        finally:
            _chores(store, hooks, settings)


def _chores(store: ScheduleStore, hooks: ProjectHooks, settings: SchedulerSettings) -> None:
    """Do what a daemon does beside its rounds; whatever goes wrong hides no run's own end."""
    log = Log("text", level="warning")
    try:
        with store.write(durable=False) as writer:
            tell_late(writer, now=store.clock())
        tell_people(store, hooks, log)
        hooks.again()
        clean_up(store, hooks, settings, log)
    except Exception as error:  # noqa: BLE001 - the border to the project's notifiers
        said = f"{type(error).__name__}: {error}"
        log("not told or not cleaned", level="warning", error=said)


def _take_turn(
    project: Project,
    store: ScheduleStore,
    settings: SchedulerSettings,
    name: str,
    at: float,
    view: View | None,
) -> Turn:
    outcome = ProjectHooks(project).outcome
    while True:
        look_after(store, outcome)
        held = _claim(store, settings, name, at)
        with store.read() as reader:
            state = reader.occurrence(name, at)
        if held is not None:
            try:
                turn = _run(project, store, held, settings, view)
                state = turn.occurrence
            except MlopsNbError:
                with store.read() as reader:
                    state = reader.occurrence(name, at)
                if state is None or state.state is not OccurrenceState.WAITING:
                    raise
                turn = Turn(occurrence=state)
            if state is None or state.state is not OccurrenceState.WAITING:
                return turn
        elif state is None or state.state is not OccurrenceState.WAITING:
            return Turn(occurrence=state, nothing=_why_not(state))
        # It waits for its next attempt, or for another occurrence to be over.
        time.sleep(min(max(state.due - store.clock(), 1.0), 5.0))


def _claim(store: ScheduleStore, settings: SchedulerSettings, name: str, at: float) -> Claim | None:
    from mlops_nb.runs.store import new_run_id

    now = store.clock()
    with store.write() as writer:
        writer.catch_up(now, name)
        writer.leave_out(now)
        taken = claim(
            writer,
            me(),
            now=now,
            lease=settings.lease,
            new_run=new_run_id,
            limit=settings.max_running,
            only=(name, at),
        )
        for one in taken:
            begin(writer, one.id, one.run, one.fence, me(), now=now, lease=settings.lease)
    return taken[0] if taken else None


def _know(project: Project, store: ScheduleStore, name: str) -> None:
    """Take a schedule from the project's settings where the store is a fresh one, as in CI."""
    with store.read() as reader:
        if name in reader.names():
            return
    wanted = read_schedules(
        project.tables.get("schedules", {}), str(project.root / "pyproject.toml")
    )
    with store.write() as writer:
        if name in wanted and name not in writer.names():
            # Whoever fires is a moment late: what it fired for is not over yet.
            known = wanted[name]
            writer.put(known, now=store.clock() - known.grace, origin="project")
        writer.schedule(name)


def _pick(
    store: ScheduleStore,
    settings: SchedulerSettings,
    name: str,
    occurrence: str,
    within: float | None,
) -> list[float] | str:
    """Return the logical times that are meant, or why there is none."""
    now = store.clock()
    with store.write() as writer:
        schedule = writer.schedule(name)
        if writer.states([name])[0].paused and occurrence in ("due", "latest"):
            return f'schedule "{name}" is paused'
        if occurrence == "due":
            writer.catch_up(now, name)
            writer.leave_out(now)
            waiting = writer.history(name, limit=1000, states=[OccurrenceState.WAITING])
            due = sorted(one.at for one in waiting if one.due <= now)
            return due or f'nothing of schedule "{name}" is due'
        if occurrence == "latest":
            at = read_trigger(schedule).latest(now)
            if at is None or (within is not None and now - at > within):
                return f'nothing of schedule "{name}" is due'
        else:
            at = moment_of(occurrence)
        by_hand = occurrence != "latest"
        days = settings.history_days
        require(writer, name, at, now=now, history_days=days, by_hand=by_hand)
    return [at]


def _why_not(state: Occurrence | None) -> str:
    if state is None:
        return "it was removed"
    how = f"{state.state.value}, run {state.run}" if state.run else state.state.value
    why = f": {state.why}" if state.why else ""
    return f"the occurrence of {state.local} has had its turn ({how}){why}"


def _run(
    project: Project,
    store: ScheduleStore,
    held: Claim,
    settings: SchedulerSettings,
    view: View | None,
) -> Turn:
    """Do the work of a claim that has begun, and record how it ended."""
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
            outcome = _work(project, store, held, pulse, stop, view)
        except MlopsNbError as error:
            state = OccurrenceState.CANCELLED if pulse.cancelled else OccurrenceState.FAILED
            why = pulse.cancelled or str(error)
            _record(store, held, pulse, state, why, exit_code=int(error.exit_code))
            raise
        except BaseException as error:
            # Ctrl-C, or a fault of ours: the occurrence must not look as if it still ran.
            _record(store, held, pulse, OccurrenceState.FAILED, f"{type(error).__name__}: {error}")
            raise
        state, why = verdict(outcome.run)
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
) -> Outcome:
    from mlops_nb.api import execute
    from mlops_nb.execution.recovery import recover

    order = held.order
    recover(project)
    with _alone(project, held.run, stop):
        if order.timeout is not None:
            pulse.limit(order.timeout)
        place, frozen = _frozen(project, store, held)
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
        if frozen:
            bring_home(project.root, place.root, _products(prepared.pipeline))
        return outcome


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

    order = held.order
    if order.source is Source.LATEST:
        return project, ""
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
    folder = frozen_folder(project.state, frozen)
    link_rest(project.root, project.state, folder, ())
    place = find_project(folder / project.spec.relative_to(project.root))
    products = _products(load_pipeline(place))
    link_rest(project.root, project.state, folder, products)
    return place, frozen


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
