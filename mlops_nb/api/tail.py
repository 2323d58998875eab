"""Reads the events of a run while it writes them; cheap enough to ask many times a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from mlops_nb.execution.lock import holder_in
from mlops_nb.model import EventKind, Record, RunFacts, decode
from mlops_nb.processes import Owner, is_alive, owner_of
from mlops_nb.runs.log import EventReader

if TYPE_CHECKING:
    from pathlib import Path

    from mlops_nb.model import Event

__all__ = ["RunTail", "Starter", "run_ids"]

_SAID = 2_000
"""Characters of a launched process's last words."""


class Starter(Record, frozen=True, kw_only=True):
    """The process of a run that was launched, from before its first event."""

    run: str
    owner: Owner


class RunTail:
    """The events of one run as they come, and whether there will be more.

    Parameters
    ----------
    state
        The project's state folder.
    run
        The run's id; its folder may still be missing.
    latest
        Begin with the latest event, not with the first: who listens sees by its ``seq`` whether
        something was missed.
    """

    def __init__(self, state: Path, run: str, *, latest: bool = False) -> None:
        self.run = run
        self.started = False
        """Whether the run has begun."""
        self.finished = False
        """Whether its last event was read."""
        self._state = state
        self._folder = state / "runs" / run
        self._reader = EventReader(self._folder / "events.jsonl")
        self._latest = latest
        self._owner: Owner | None = None

    def read(self) -> list[Event]:
        """Return the new events; none where the run has not begun.

        Raises
        ------
        RunError
            The log is damaged.
        """
        if not self.started:
            self.started = self._reader.path.is_file()
            if not self.started:
                return []
        events = self._reader.read()
        self.finished = any(event.kind is EventKind.RUN_FINISHED for event in events)
        if self._latest and events:
            self._latest = False
            return events[-1:]
        return events

    def is_gone(self) -> bool:
        """Whether the run's process has ended; read once more after that."""
        if self._owner is None or not self.started:
            self._owner = self._find_owner()
        return self._owner is None or is_alive(self._owner) is False

    def is_settled(self) -> bool:
        """Whether a run that has finished has let go of the project: its pages are written."""
        holder = holder_in(self._state)
        return holder is None or holder.run != self.run

    def last_words(self) -> str:
        """Return the end of what the process printed, where it was launched."""
        path = self._state / "launch" / f"{self.run}.log"
        try:
            return path.read_text(encoding="utf-8", errors="replace").strip()[-_SAID:]
        except OSError:
            return ""

    def _find_owner(self) -> Owner | None:
        try:
            facts = decode((self._folder / "run.json").read_bytes(), RunFacts)
        except (OSError, msgspec.MsgspecError):
            pass
        else:
            return owner_of(facts)
        path = self._state / "launch" / f"{self.run}.owner.json"
        try:
            return decode(path.read_bytes(), Starter).owner
        except (OSError, msgspec.MsgspecError):
            return None


def run_ids(state: Path) -> list[str]:
    """Return the ids of a project's runs, the newest first."""
    try:
        names = [path.name for path in (state / "runs").iterdir()]
    except OSError:
        return []
    return sorted((name for name in names if not name.startswith(".")), reverse=True)
