"""Where an exported entry finds Python and the project, and what it calls there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nb.errors import ScheduleError
from mlops_nb.model import Record

if TYPE_CHECKING:
    from mlops_nb.model import CronFields, ScheduleEntry

__all__ = ["STORE", "Place", "due_words", "latest_words"]

STORE = "MLOPS_NB_SCHEDULE_STORE"
"""Environment variable with the address of the store."""
_LEAST = 600.0
"""Seconds that a scheduler may be late at least."""


class Place(Record, frozen=True, kw_only=True):
    """This machine's paths, and the store that it works with."""

    python: str
    root: str
    spec: str
    user: str = ""
    store: str = ""
    """What the environment says of the store; empty where it says nothing."""
    shared: bool = False
    """Whether the store is a database that other machines reach as well."""


def due_words(entry: ScheduleEntry) -> list[str]:
    """Return the arguments of ``mlops-nb`` that run what is due, where the store outlives the job."""
    return ["run", "--schedule", entry.name, "--occurrence", "due"]


def latest_words(entry: ScheduleEntry, fields: CronFields, place: Place) -> list[str]:
    """Return the arguments that run the newest time up to now, where a store may be fresh.

    Parameters
    ----------
    entry
        The schedule.
    fields
        When it is fired.
    place
        Says whether a shared store knows what has run already.

    Raises
    ------
    ScheduleError
        A fire that is too many could not be told from one that is late.
    """
    found = ["run", "--schedule", entry.name, "--occurrence", "latest"]
    if fields.within is None or place.shared:
        return found
    if fields.within < _LEAST:
        raise ScheduleError(
            f'"{entry.words}" cannot be said in cron\'s fields of {fields.timezone}: they name other '
            "times a few minutes later, and a fresh checkout could run the same occurrence twice",
            where=f'schedule "{entry.name}"',
            fix=f"give the project a shared store, a PostgreSQL address in {STORE} or schedule-store, "
            "or take times that the fields can name",
        )
    return [*found, "--within", f"{fields.within:.0f}"]
