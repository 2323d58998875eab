"""A kernel's standard streams and its session, over one socket instead of ZeroMQ's five."""

from __future__ import annotations

import os
import select
import threading
from codecs import getincrementaldecoder
from contextvars import ContextVar
from time import monotonic
from typing import TYPE_CHECKING, Any

from ipykernel.iostream import OutStream
from jupyter_client.session import Session

from mlops_nb.execution.warm.wire import MESSAGE, STDERR, STDOUT, Packets, pack

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Channel", "DirectSession", "DirectStream", "Pump"]

_FLUSH_AT = 64 * 1024  # characters waiting
_FLUSH_AFTER = 0.1  # seconds
_MOST = 1 << 20  # characters of a message, which both sides hold in memory
_PIECE = 64 * 1024  # bytes read at a time
_READS = 64  # at a time from one descriptor, for a writer that never stops
_ID = 255  # bytes of a request's id at most


class Channel:
    """Stands for one of the kernel's sockets; messages only need to know which one it is."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.closed = False


class DirectSession(Session):
    """A session whose messages go out as packets, unsigned: the socket has one reader."""

    packets: Packets | None = None

    def send(  # type: ignore[no-untyped-def]
        self,
        stream,
        msg_or_type,
        content=None,
        parent=None,
        ident=None,
        buffers=None,
        track=False,
        header=None,
        metadata=None,
    ):
        """Build a message and send it; see `jupyter_client.session.Session.send`."""
        if isinstance(msg_or_type, dict):
            msg = msg_or_type
            buffers = buffers or msg.get("buffers", ())
        else:
            msg = self.msg(
                msg_or_type, content=content, parent=parent, header=header, metadata=metadata
            )
        if self.packets is not None:
            shown = {
                "channel": getattr(stream, "name", "iopub"),
                "header": msg["header"],
                "parent_header": {"msg_id": msg["parent_header"].get("msg_id")},
                "metadata": msg["metadata"],
                "content": msg["content"],
            }
            for buffer in buffers or ():
                if not memoryview(buffer).contiguous:
                    raise ValueError(f"Buffer {buffer!r} is not contiguous")
            self.packets.send(MESSAGE, pack(self.pack(shown), buffers or ()))
        return msg


class DirectStream(OutStream):
    """``sys.stdout`` or ``sys.stderr`` of a kernel; text goes out in large pieces or when flushed.

    Parameters
    ----------
    session
        For the hooks, which want whole messages.
    name
        ``stdout`` or ``stderr``.
    """

    pump: Pump | None = None

    def __init__(self, session: DirectSession, name: str) -> None:
        # OutStream's own constructor starts threads and takes file descriptors.
        self.session = session
        self.name = name
        self.topic = b"stream." + name.encode()
        self.pub_thread = Channel("iopub")
        self.echo = None
        self._parent_header: ContextVar[dict[str, Any]] = ContextVar("parent_header")
        self._parent_header.set({})
        self._parent_header_global: dict[str, Any] = {}
        self._isatty = False
        self._should_watch = False
        self._local = threading.local()
        self._kind = STDOUT if name == "stdout" else STDERR
        self._fd = 1 if name == "stdout" else 2
        self._grandchild = False
        self._held = ""
        self._segments: list[tuple[dict[str, Any], list[str]]] = []
        self._size = 0
        self._buffer_lock = threading.RLock()

    def connect(self, pump: Pump, original: int) -> None:
        """Begin to send; ``original`` is what ``fileno`` gives, as for a kernel's real stream."""
        self.pump = pump
        self._original_stdstream_copy = original
        self.discard()

    def discard(self) -> None:
        """Forget what waits to be sent."""
        self._segments, self._size = [], 0

    def after_fork(self) -> None:
        """Turn, in a process that the notebook forked, into a plain writer to the descriptor."""
        self._grandchild = True
        self.discard()
        self._buffer_lock = threading.RLock()

    def write(self, string: str) -> int:
        """Write text; it is sent soon."""
        if not isinstance(string, str):
            raise TypeError(f"write() argument must be str, not {type(string)}")
        if self.pub_thread is None:
            raise ValueError("I/O operation on closed file")
        if self._grandchild:
            self._write_lines(string)
            return len(string)
        try:
            parent = self._parent_header.get()
        except LookupError:
            parent = self._parent_header_global
        with self._buffer_lock:
            segments = self._segments
            if segments and segments[-1][0] is parent:
                segments[-1][1].append(string)
            else:
                segments.append((parent, [string]))
            waiting = self._size
            self._size = waiting + len(string)
        if self._size >= _FLUSH_AT:
            self._flush()
        elif not waiting:
            self._schedule_flush()
        return len(string)

    def _write_lines(self, string: str) -> None:
        """Write whole lines only: several processes share the descriptor."""
        self._held += string
        whole, newline, self._held = self._held.rpartition("\n")
        _write_all(self._fd, whole + newline)

    def flush(self) -> None:
        """Send what waits; returns when the socket has it."""
        if self._grandchild:
            held, self._held = self._held, ""
            _write_all(self._fd, held)
        elif self._size:
            self._flush()

    def _schedule_flush(self) -> None:
        if self.pump is not None:
            self.pump.wake()

    def _flush(self) -> None:
        with self._buffer_lock:
            packets = self.session.packets
            if packets is None:
                return
            segments, self._segments, self._size = self._segments, [], 0
            for parent, parts in segments:
                text = "".join(parts)
                for at in range(0, len(text), _MOST):
                    self._publish(packets, parent, text[at : at + _MOST])

    def _publish(self, packets: Packets, parent: dict[str, Any], text: str) -> None:
        if not self._hooks:
            name = (parent.get("msg_id") or "").encode()[:_ID]
            body = bytes([len(name)]) + name + text.encode("utf-8", "surrogatepass")
            packets.send(self._kind, body)
            return
        msg = self.session.msg("stream", {"name": self.name, "text": text}, parent=parent)
        for hook in self._hooks:
            msg = hook(msg)
            if msg is None:
                return
        self.session.send(self.pub_thread, msg, ident=self.topic)

    def close(self) -> None:
        """Close the stream for the notebook; nothing of the process is touched."""
        self.pub_thread = None

    def waiting(self) -> str:
        """Return the text that was written before there was anyone to send it to."""
        return "".join("".join(parts) for _, parts in self._segments)


def _write_all(fd: int, text: str) -> None:
    data = text.encode("utf-8", "replace")
    while data:
        data = data[os.write(fd, data) :]


# A notebook that prints its stream, or a library that asks for its class, shall see no other.
for _name in ("__name__", "__qualname__", "__module__"):
    setattr(DirectStream, _name, getattr(OutStream, _name))


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
        self._woken = False
        self._lock = threading.Lock()

    def wake(self) -> None:
        """Have the streams flushed in a moment."""
        if not self._woken:
            self._woken = True
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
                self._woken, due = False, None
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
