"""Words what people are told of schedules as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nb.model import Notice, NoticeKind
from mlops_nb.scheduling.zones import iso

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops_nb.model import Schedule

__all__ = ["broken", "missed"]


def missed(schedule: Schedule, times: Sequence[float], *, now: float) -> Notice:
    """Tell of occurrences that nothing could start in time."""
    first = iso(times[0], schedule.timezone)
    it = "it" if len(times) == 1 else "them"
    what = (
        f"the occurrence of {first} was"
        if len(times) == 1
        else f"{len(times)} occurrences, {first} to {iso(times[-1], schedule.timezone)}, were"
    )
    return Notice(
        # At most one an hour: a store that was away may have missed thousands.
        key=f"{schedule.name}:missed:{int(now // 3600)}",
        kind=NoticeKind.MISSED,
        schedule=schedule.name,
        at=times[-1],
        text=f"{what} missed: nothing could start {it} within {schedule.grace:g} s",
        time=now,
    )


def broken(name: str, error: str, *, now: float) -> Notice:
    """Tell of a schedule that was paused because it cannot be read."""
    return Notice(
        key=f"{name}:broken:{int(now // 86_400)}",
        kind=NoticeKind.FAILURE,
        schedule=name,
        at=now,
        text=f"the schedule is paused, since it cannot be read: {error}",
        time=now,
    )
