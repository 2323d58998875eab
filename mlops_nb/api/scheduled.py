"""Claims occurrences for the process that was started for one, or for any trigger, and runs them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mlops_nb.api.occurrence_run import Turn, run_held
from mlops_nb.api.occurrences import moment_of
from mlops_nb.api.schedule_hooks import ProjectHooks
from mlops_nb.api.schedule_store import Where, opened
from mlops_nb.errors import MlopsNbError, ScheduleError
from mlops_nb.model import Occurrence, OccurrenceState
from mlops_nb.processes import me
from mlops_nb.scheduling.chores import clean_up, tell_people
from mlops_nb.scheduling.claims import Claim, claim, held_claim
from mlops_nb.scheduling.course import begin, tell_late
from mlops_nb.scheduling.log import Log
from mlops_nb.scheduling.reconcile import look_after
from mlops_nb.scheduling.settings import SchedulerSettings, read_schedules
from mlops_nb.scheduling.wanted import require
from mlops_nb.scheduling.when import read_trigger

if TYPE_CHECKING:
    from mlops_nb.api.occurrence_run import View
    from mlops_nb.config import Project
    from mlops_nb.scheduling.store import ScheduleStore

__all__ = ["Turn", "run_claimed", "run_due"]


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
        return run_held(found, store, held, settings, view)


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
            times = _pick(found, store, name, occurrence, within)
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
    except Exception as error:  # noqa: BLE001 - the project's notifiers may raise anything
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
                turn = run_held(project, store, held, settings, view)
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
    project: Project,
    store: ScheduleStore,
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
        by_hand = occurrence not in ("due", "latest")
        due: set[float] = set()
        # A store that was set outlives the job: it knows also what a fire that came late went past.
        if occurrence == "due" or (occurrence == "latest" and project.settings.schedule_store):
            writer.catch_up(now, name)
            writer.leave_out(now)
            waiting = writer.history(name, limit=1000, states=[OccurrenceState.WAITING])
            due = {one.at for one in waiting if one.due <= now}
        at = moment_of(occurrence) if by_hand else read_trigger(schedule).latest(now)
        is_wanted = by_hand or (
            occurrence == "latest" and not due and (within is None or now - (at or 0) <= within)
        )
        if at is not None and is_wanted:
            days = project.section("scheduler", SchedulerSettings).history_days
            require(writer, name, at, now=now, history_days=days, by_hand=by_hand)
            due.add(at)
    return sorted(due) or f'nothing of schedule "{name}" is due'


def _why_not(state: Occurrence | None) -> str:
    if state is None:
        return "it was removed"
    how = f"{state.state.value}, run {state.run}" if state.run else state.state.value
    why = f": {state.why}" if state.why else ""
    return f"the occurrence of {state.local} has had its turn ({how}){why}"
