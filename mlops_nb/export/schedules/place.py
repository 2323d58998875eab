"""Where an exported entry finds Python and the project, and what it calls there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nb.model import Record

if TYPE_CHECKING:
    from mlops_nb.model import ScheduleEntry

__all__ = ["Place", "words"]

WITHIN = 3000
"""Seconds: fires that only a change of clocks explains come an hour after their time."""


class Place(Record, frozen=True, kw_only=True):
    """This machine's paths."""

    python: str
    root: str
    spec: str


def words(entry: ScheduleEntry, *, shared: bool, exact: bool = True) -> list[str]:
    """Return the arguments of ``mlops-nb`` that run what is due of a schedule.

    Parameters
    ----------
    entry
        The schedule.
    shared
        Whether the store outlives the job. If so the store knows what is due; if not, the newest
        time up to now is run.
    exact
        Whether the scheduler fires at the schedule's times alone.
    """
    found = ["run", "--schedule", entry.name]
    if shared:
        return [*found, "--occurrence", "due"]
    return [*found, "--occurrence", "latest", *([] if exact else ["--within", str(WITHIN)])]
