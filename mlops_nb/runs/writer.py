"""Writes one run while it goes on: its events, its facts, and what they add up to at its end."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import msgspec

from mlops_nb.errors import RunError
from mlops_nb.files import write_whole
from mlops_nb.model import EventKind, Record, Run, encode

if TYPE_CHECKING:
    from pathlib import Path

    from mlops_nb.model import Event, Json, RunFacts, RunStatus
    from mlops_nb.runs.fold import Folding
    from mlops_nb.runs.log import EventLog

__all__ = ["RunWriter", "Summary"]


class Summary(Record, frozen=True, kw_only=True):
    """What ``summary.json`` holds."""

    log_size: int
    """Bytes of the log it was made from; a log of another size makes it void."""
    run: Run


class RunWriter:
    """Writes one run; an `EventSink`. Made by `mlops_nb.runs.store.RunStore.create`."""

    def __init__(self, folder: Path, facts: RunFacts, log: EventLog, folding: Folding) -> None:
        self.folder = folder
        self._facts = facts
        self._log = log
        self._folding = folding
        self._lock = threading.RLock()
        self._ended = False

    @property
    def id(self) -> str:
        """The run's id."""
        return self._facts.id

    @property
    def facts(self) -> RunFacts:
        """The run's facts."""
        return self._facts

    def emit(self, kind: EventKind, task: str = "", **data: Json) -> Event:
        """Append one event and return it.

        Raises
        ------
        RunError
            The run has ended, or the disk refuses the event.
        """
        with self._lock:
            event = self._log.emit(kind, task, **data)
            self._folding.add(event)
        return event

    def run(self) -> Run:
        """Return the run as it stands."""
        with self._lock:
            return self._folding.run()

    def amend(self, **changes: Json) -> RunFacts:
        """Add facts that became known after the start, such as ``mlflow_run_id``.

        Raises
        ------
        RunError
            ``run.json`` cannot be written.
        """
        with self._lock:
            self._facts = msgspec.structs.replace(self._facts, **changes)
            self._folding.facts = self._facts
            _write(self.folder / "run.json", encode(self._facts, indent=2))
            if self._ended:
                self._sum_up()
        return self._facts

    def finish(self, status: RunStatus) -> Run:
        """Say how the run ended, and close it.

        Raises
        ------
        RunError
            The run has ended before, or the disk refuses the event.
        """
        with self._lock:
            self.emit(
                EventKind.RUN_FINISHED,
                status=status.value,
                seconds=round(time.time() - self._facts.started, 3),
            )
            self.close()
            self._ended = True
            return self._sum_up()

    def _sum_up(self) -> Run:
        run = self._folding.run()
        _write(self.folder / "summary.json", encode(Summary(log_size=self._log.size, run=run)))
        return run

    def close(self) -> None:
        """Close the log without saying how the run ended; a second call does nothing."""
        self._log.close()


def _write(path: Path, data: bytes) -> None:
    try:
        write_whole(path, data)
    except OSError as error:
        raise RunError(f"cannot be written: {error}", where=str(path)) from error
