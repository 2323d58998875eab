"""What a daemon does beside its rounds, in a thread: it tells people, and removes what is old."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from mlops_nb.model import Notice, NoticeKind
from mlops_nb.scheduling.chores import clean_up, tell_people
from mlops_nb.scheduling.zones import iso

if TYPE_CHECKING:
    from mlops_nb.scheduling.chores import Hooks
    from mlops_nb.scheduling.log import Log
    from mlops_nb.scheduling.settings import SchedulerSettings
    from mlops_nb.scheduling.store import ScheduleStore

__all__ = ["Aside"]

_CLEAN = 3600.0
_AGAIN = 30.0
"""Seconds until a message that could not be handed over is tried again."""


class Aside:
    """The thread."""

    def __init__(
        self, store: ScheduleStore, hooks: Hooks, settings: SchedulerSettings, log: Log
    ) -> None:
        self._store, self._hooks, self._settings, self._log = store, hooks, settings, log
        self._wake = threading.Event()
        self._stop = False
        self._urgent: list[Notice] = []
        self._cleaned = -_CLEAN
        self._thread = threading.Thread(target=self._run, name="aside", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Tell what is still to be told, and end."""
        self._stop = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=_AGAIN)

    @property
    def died(self) -> bool:
        """Whether the thread has ended before it was told to."""
        return self._thread.ident is not None and not self._stop and not self._thread.is_alive()

    def wake(self) -> None:
        """Have the store looked through for something to tell."""
        self._wake.set()

    def tell_now(self, since: float, error: str) -> None:
        """Tell of a store that fails, without the store."""
        text = f"the store of schedules fails since {iso(since)}: {error}"
        self._urgent.append(_outage(since, text))
        self._wake.set()

    def note_outage(self, since: float, until: float, error: str) -> None:
        """Record in the store that it failed."""
        text = f"the store of schedules failed from {iso(since)} to {iso(until)}: {error}"
        self._urgent.append(_outage(since, text, over=True))
        self._wake.set()

    def _run(self) -> None:
        while not self._stop:
            left = self._once()
            self._wake.wait(left)
            self._wake.clear()
        self._once()

    def _once(self) -> float:
        """Do what there is to do; return the seconds until the next look."""
        # The border of this thread, the project's notifiers among what it calls: whoever cannot be
        # told, and whatever cannot be removed, is tried again and never ends the thread.
        try:
            while self._urgent:
                self._hooks.tell(self._urgent[0])
                self._urgent.pop(0)
            tell_people(self._store, self._hooks, self._log)
            pause = _AGAIN if self._hooks.again() else _CLEAN
            if time.monotonic() - self._cleaned >= _CLEAN and not self._stop:
                self._cleaned = time.monotonic()
                clean_up(self._store, self._hooks, self._settings, self._log)
        except Exception as error:  # noqa: BLE001 - one border, see above
            said = f"{type(error).__name__}: {error}"
            self._log("not told or not cleaned", level="warning", error=said)
            return _AGAIN
        return pause


def _outage(since: float, text: str, *, over: bool = False) -> Notice:
    return Notice(
        key=f"store:{since:.0f}{':over' if over else ''}",
        kind=NoticeKind.STORE,
        schedule="",
        at=since,
        text=text,
        time=time.time(),
    )
