"""Tells people what the store has to tell, and removes what is old: a daemon's chores, and a trigger's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from mlops_nb.errors import MlopsNbError
from mlops_nb.scheduling.retention import expired, forget

if TYPE_CHECKING:
    from collections.abc import Collection

    from mlops_nb.model import Notice, OccurrenceState
    from mlops_nb.scheduling.log import Log
    from mlops_nb.scheduling.settings import SchedulerSettings
    from mlops_nb.scheduling.store import ScheduleStore

__all__ = ["Hooks", "clean_up", "tell_people"]


class Hooks(Protocol):
    """What schedules need of the rest of the project."""

    def outcome(self, run: str) -> tuple[OccurrenceState, str] | None:
        """Return how a run ended by its own record; ``None`` where there is none, or it goes on."""
        ...

    def tell(self, notice: Notice) -> None:
        """Hand a message over to the project's notifiers; the same key is told once."""
        ...

    def again(self) -> bool:
        """Send what could not be sent before; return whether something still waits."""
        ...

    def forget(self, run: str) -> None:
        """Remove a run's record; nothing happens where there is none."""
        ...

    def forget_frozen(self, needed: Collection[str], days: float) -> int:
        """Remove frozen sources that nobody used for some days; return how many there were."""
        ...


def tell_people(store: ScheduleStore, hooks: Hooks, log: Log) -> None:
    """Hand over every message that nobody was told yet.

    Raises
    ------
    ScheduleError
        The store fails.
    MlopsNbError
        The notifiers' settings are wrong; what was told before is noted as told.
    """
    with store.read() as reader:
        notices = reader.untold()
    done = []
    try:
        for notice in notices:
            hooks.tell(notice)
            done.append(notice.key)
            log("told", kind=notice.kind.value, schedule=notice.schedule, text=notice.text)
    finally:
        if done:
            with store.write(durable=False) as writer:
                writer.told(done, now=store.clock())


def clean_up(store: ScheduleStore, hooks: Hooks, settings: SchedulerSettings, log: Log) -> None:
    """Remove runs, occurrences and frozen sources that are kept no longer.

    Raises
    ------
    ScheduleError
        The store fails.
    """
    now = store.clock()
    with store.read() as reader:
        old = expired(reader, now=now, history_days=settings.history_days)
        needed = reader.frozen()
    gone = []
    for run in old.runs:
        try:
            hooks.forget(run)
            gone.append(run)
        except MlopsNbError as error:
            # It keeps its row, and is tried again.
            log("run not removed", level="warning", run=run, error=str(error))
    old = msgspec.structs.replace(old, runs=tuple(gone))
    if old.occurrences or old.runs:
        with store.write(durable=False) as writer:
            forget(writer, old)
        log("cleaned", runs=len(old.runs), occurrences=len(old.occurrences))
    thawed = hooks.forget_frozen(needed, settings.history_days) if settings.history_days else 0
    if thawed:
        log("frozen sources removed", count=thawed)
