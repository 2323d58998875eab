"""Finds out what became of runs whose end nobody recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nb.model import OccurrenceState, Record
from mlops_nb.processes import is_alive
from mlops_nb.scheduling.course import finish, open_ones, take_back
from mlops_nb.scheduling.launcher import kill_session

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mlops_nb.processes import Owner
    from mlops_nb.scheduling.course import Open
    from mlops_nb.scheduling.store import ScheduleStore

    Outcome = Callable[[str], tuple[OccurrenceState, str] | None]

__all__ = ["Exit", "Finding", "judge", "look_after"]


class Exit(Record, frozen=True, kw_only=True):
    """How a process that this daemon started has ended."""

    code: int
    tail: str = ""


class Finding(Record, frozen=True, kw_only=True):
    """What has to be recorded of an open occurrence."""

    state: OccurrenceState | None
    """``None`` where its claim is taken back, since its process never began."""
    why: str = ""
    exit_code: int | None = None
    kill: int = 0
    """A process that has to be killed first."""


def judge(
    one: Open,
    *,
    me: Owner | None,
    exits: Mapping[str, Exit],
    mine: Mapping[str, object],
    outcome: Outcome,
    now: float,
) -> Finding | None:
    """Return what to record of an open occurrence; ``None`` where it goes on.

    Parameters
    ----------
    one
        The occurrence.
    me
        This daemon; ``None`` for who claims nothing ahead, and so leaves a claim to its lease.
    exits
        Processes started here that have ended, by run.
    mine
        Processes started here that go on, by run.
    outcome
        Reads how a run ended from its own record; ``None`` where it has none.
    now
        Seconds since the epoch.
    """
    left = exits.get(one.run)
    if one.runner is None:
        if left is not None:
            said = f": {left.tail.splitlines()[-1][:500]}" if left.tail else ""
            return Finding(
                state=OccurrenceState.FAILED,
                why=f"its process ended with {left.code} before the run began{said}",
                exit_code=left.code,
            )
        if one.run in mine:
            return None
        gone = one.owner is None or is_alive(one.owner) is False
        lost = gone or one.lease < now or (me is not None and one.owner == me)
        return Finding(state=None) if lost else None
    alive = is_alive(one.runner)
    if alive is None:
        # On another machine nothing but signs of life can tell.
        alive = one.lease >= now
    if alive:
        hung = one.order.timeout is not None and now > one.lease + one.order.timeout
        if hung and is_alive(one.runner):
            return Finding(
                state=OccurrenceState.TIMED_OUT,
                why="its process gave no sign of life for longer than its timeout, and was killed",
                kill=one.runner.pid,
            )
        return None
    code = left.code if left else None
    found = outcome(one.run)
    if found is not None:
        return Finding(state=found[0], why=found[1], exit_code=code)
    how = f" (exit code {code})" if code is not None else ""
    return Finding(state=OccurrenceState.LOST, why=f"its process vanished{how}", exit_code=code)


def look_after(store: ScheduleStore, outcome: Outcome) -> int:
    """Record how runs ended that did not record it themselves; return how many there were.

    For triggers where no daemon works: without it, one killed run would stop its schedule for good.

    Parameters
    ----------
    store
        The schedules.
    outcome
        Reads how a run ended from its own record; ``None`` where it has none.

    Raises
    ------
    ScheduleError
        The store fails.
    """
    with store.read() as reader:
        opened = open_ones(reader)
    count = 0
    for one in opened:
        found = judge(one, me=None, exits={}, mine={}, outcome=outcome, now=store.clock())
        if found is None:
            continue
        if found.kill:
            kill_session(found.kill)
        now = store.clock()
        with store.write(durable=False) as writer:
            count += (
                take_back(writer, one, now=now)
                if found.state is None
                else finish(writer, one.id, one.run, found.state, now=now, why=found.why)
            )
    return count
