"""The thread of a kernel that sends its streams in time."""

from __future__ import annotations

import os
import select
import threading
from codecs import getincrementaldecoder
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops_nb.execution.warm.streams import DirectStream

__all__ = ["Pump"]

_FLUSH_AFTER = 0.1  # seconds
_PIECE = 64 * 1024  # bytes read at a time
_READS = 64  # at a time from one descriptor, for a writer that never stops


class Pump(threading.Thread):
    """Flushes the streams from time to time, and feeds them what is written to the descriptors.

    Parameters
    ----------
    streams
        ``sys.stdout`` and ``sys.stderr``.
    readers
        Descriptors of the pipes that stand behind 1 and 2, not blocking.
    """

    def __init__(self, streams: Sequence[DirectStream], readers: Sequence[int]) -> None:
        super().__init__(name="IOPub", daemon=True)
        self._streams = streams
        self._decoders = [getincrementaldecoder("utf-8")("replace") for _ in readers]
        self._readers = readers
        self._wake_reader, self._wake_writer = os.pipe()
        self.woken = False
        self._lock = threading.Lock()

    def wake(self) -> None:
        """Have the streams flushed in a moment."""
        if not self.woken:
            self.woken = True
            os.write(self._wake_writer, b".")

    def run(self) -> None:
        """Wait for text or for the time to flush."""
        poll = select.poll()
        for fd in (*self._readers, self._wake_reader):
            poll.register(fd, select.POLLIN)
        due: float | None = None
        while True:
            wait = None if due is None else max(0.0, due - monotonic()) * 1000
            ready = {fd for fd, _ in poll.poll(wait)}
            if self._wake_reader in ready:
                os.read(self._wake_reader, 64)
                due = monotonic() + _FLUSH_AFTER
            if ready & set(self._readers):
                self.drain()
            if due is not None and monotonic() >= due:
                self.woken, due = False, None
                for stream in self._streams:
                    stream.flush()

    def drain(self) -> None:
        """Take what has been written to the descriptors so far."""
        with self._lock:
            for fd, decoder, stream in zip(
                self._readers, self._decoders, self._streams, strict=True
            ):
                for _ in range(_READS):
                    try:
                        data = os.read(fd, _PIECE)
                    except BlockingIOError:
                        break
                    if stream.pub_thread is not None:
                        stream.write(decoder.decode(data))
                        stream.flush()  # what stays in this process dies with it
                    if len(data) < _PIECE:
                        break
