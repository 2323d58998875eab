"""A run's ``events.jsonl``: one JSON event a line, only ever appended to."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

import msgspec

from mlops_nb.errors import RunError
from mlops_nb.model import Event, EventKind, Json, encode, to_builtins

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["EventLog", "EventReader"]

_decoder = msgspec.json.Decoder(Event)


class EventReader:
    """Reads the events that were appended since it last read.

    A last line without its end of line is still being written, or was torn by a crash: it is left
    alone until it is whole.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = 0
        """Bytes of the file that were read, always at the end of a line."""
        self._line = 0

    def read(self) -> list[Event]:
        """Return the new events.

        Raises
        ------
        RunError
            The file cannot be read, or a line that is not the last is no event.
        """
        try:
            with self.path.open("rb") as file:
                file.seek(self.offset)
                data = file.read()
        except OSError as error:
            raise RunError(f"cannot be read: {error}", where=str(self.path)) from error
        events: list[Event] = []
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            self._line += 1
            try:
                events.append(_decoder.decode(data[start:end]))
            except (msgspec.ValidationError, msgspec.DecodeError) as error:
                raise RunError(
                    f"is not an event: {error}", where=f"{self.path}, line {self._line}"
                ) from error
            start = end + 1
        self.offset += start
        return events


class EventLog:
    """Appends events to a file; safe to call from several threads of one process.

    An event is handed to the system in one write before `emit` returns, so it outlives the death
    of the process; a write that fails half-way (a full disk) is taken back. Opening a file whose
    last line was torn by a crash cuts that line off.

    Parameters
    ----------
    path
        The file; made where it lacks.
    run
        The run's id.
    """

    def __init__(self, path: Path, run: str) -> None:
        self.path = path
        self.run = run
        self._lock = threading.Lock()
        reader = EventReader(path)
        try:
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            events = reader.read()
            self._seq = events[-1].seq if events else 0
            self._size = reader.offset
            os.ftruncate(self._handle, self._size)
        except OSError as error:
            raise RunError(f"cannot be written: {error}", where=str(path)) from error

    @property
    def size(self) -> int:
        """Bytes written."""
        return self._size

    def emit(self, kind: EventKind, task: str = "", **data: Json) -> Event:
        """Append one event.

        Raises
        ------
        RunError
            The log is closed, or the disk refuses it.
        """
        plain = to_builtins(data)
        with self._lock:
            if self._handle < 0:
                raise RunError("the run has ended", where=str(self.path))
            event = Event(
                seq=self._seq + 1,
                time=time.time(),
                kind=kind,
                run=self.run,
                task=task,
                data=plain,
            )
            line = encode(event) + b"\n"
            try:
                written = os.write(self._handle, line)
                if written != len(line):
                    raise OSError(28, os.strerror(28))
            except OSError as error:
                os.ftruncate(self._handle, self._size)
                raise RunError(f"cannot be written: {error}", where=str(self.path)) from error
            self._size += len(line)
            self._seq += 1
        return event

    def close(self) -> None:
        """Make what was written durable and close the file; a second call does nothing."""
        with self._lock:
            if self._handle >= 0:
                try:
                    os.fsync(self._handle)
                finally:
                    os.close(self._handle)
                    self._handle = -1
