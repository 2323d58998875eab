"""Gives one occurrence its row because somebody asks for just this one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nb.errors import ScheduleError
from mlops_nb.scheduling import schema
from mlops_nb.scheduling.rows import ms
from mlops_nb.scheduling.when import read_trigger
from mlops_nb.scheduling.writer import blank
from mlops_nb.scheduling.zones import iso

if TYPE_CHECKING:
    from mlops_nb.scheduling.writer import Writer

__all__ = ["require"]

_SKEW = 60.0
"""Seconds by which whoever asks may be ahead of the store."""


def require(
    writer: Writer,
    name: str,
    at: float,
    *,
    now: float,
    history_days: float = 0.0,
    by_hand: bool = False,
) -> None:
    """Make sure that an occurrence has its row.

    Parameters
    ----------
    name, at
        The schedule's name and the occurrence's logical time.
    now
        Seconds since the epoch.
    history_days
        Days after which rows are dropped, so that none tells whether it was run; 0 for never.
    by_hand
        Somebody asks for just this one: it may start however late it is, and also where it was
        left out before.

    Raises
    ------
    ScheduleError
        The schedule is never due at that time, or not yet, or was so long ago that its row was
        dropped.
    """
    schedule, past = writer.schedule(name), schema.occurrences
    if writer.occurrence(name, at) is not None:
        if by_hand:
            waits = past.c.state.in_(["waiting", "missed", "skipped"]) & (past.c.attempt == 0)
            writer.connection.execute(
                past.update()
                .where(past.c.schedule == name, past.c.at == ms(at), waits)
                .values(state="waiting", manual=True, why="", ended=None)
            )
        return
    if read_trigger(schedule).latest(at) != at:
        raise ScheduleError(
            f"is not due at {iso(at, schedule.timezone)}",
            where=f'schedule "{name}"',
            fix=f'see "mlops-nb schedule next {name}"',
        )
    too_late = history_days and at < now - history_days * 86_400
    if too_late or at > now + _SKEW:
        raise ScheduleError(
            f"was due at {iso(at, schedule.timezone)}: it is not known any more whether it ran"
            if too_late
            else f"is not due before {iso(at, schedule.timezone)}",
            where=f'schedule "{name}"',
            fix=f"run it beside its times: mlops-nb schedule run-now {name}",
        )
    writer.add([blank(schedule, at, manual=by_hand)])
