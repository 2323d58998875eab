"""A kernel's standard streams and its session, over one socket instead of ZeroMQ's five."""

from __future__ import annotations

import os
import threading
from collections import deque
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeAlias

from ipykernel.iostream import OutStream
from jupyter_client.session import Session

from mlops_nb.execution.warm.wire import MESSAGE, STDERR, STDOUT, Packets, pack

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops_nb.execution.warm.pump import Pump

__all__ = ["Channel", "DirectSession", "DirectStream"]

_FLUSH_AT = 64 * 1024  # characters waiting in longer texts
_SHORT = 256  # characters of a text that are not counted
_MANY = 4096  # texts waiting
_MOST = 1 << 20  # characters of a message, which both sides hold in memory
_ID = 255  # bytes of a request's id at most


_Waiting: TypeAlias = "tuple[dict[str, Any], deque[str]]"


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
        self._plain = False
        self._held = ""
        # By the request that it answers: one for each cell.
        self._waiting: dict[int, _Waiting] = {}
        self._long = 0
        self._sending = threading.RLock()
        self._write = vars(self)["write"] = self._writer()

    def connect(self, pump: Pump, original: int) -> None:
        """Begin to send; ``original`` is what ``fileno`` gives, as for a kernel's real stream."""
        self.pump = pump
        self._original_stdstream_copy = original
        self.discard()

    def discard(self) -> None:
        """Forget what waits to be sent."""
        for _, parts in self._waiting.values():
            parts.clear()

    def after_fork(self) -> None:
        """Turn, in a process that the notebook forked, into a plain writer to the descriptor."""
        self._plain = True
        self.discard()
        self._sending = threading.RLock()

    def write(self, string: str) -> int:
        """Write text, for who asks the class; see `_writer`."""
        return self._write(string)

    def _writer(self) -> Callable[[str], int]:
        """Return `write`: a print is four of them, so this one looks up little and locks nothing."""
        get = self._parent_header.get
        last: _Waiting = ({}, deque())

        def write(string: str) -> int:
            """Write text; it is sent soon."""
            nonlocal last
            if self._plain or type(string) is not str:
                return self._write_otherwise(string)
            try:
                parent = get()
            except LookupError:
                parent = self._parent_header_global
            mine = last  # another thread may answer another request
            if mine[0] is not parent:
                mine = last = self._waiting.setdefault(id(parent), (parent, deque()))
            parts = mine[1]
            parts.append(string)
            size = len(string)
            if size > _SHORT or len(parts) > _MANY:
                self._much(size)
            # Asked once the text is there: the pump says that it sleeps, then sends what it finds.
            elif (pump := self.pump) is not None and not pump.woken:
                pump.wake()
            return size

        return write

    def _much(self, size: int) -> None:
        """Send where much waits; else soon."""
        self._long += size
        if self._long > _FLUSH_AT or size <= _SHORT:
            self._flush()
        elif self.pump is not None:
            self.pump.wake()

    def _write_otherwise(self, string: str) -> int:
        if not isinstance(string, str):
            raise TypeError(f"write() argument must be str, not {type(string)}")
        if self.pub_thread is None:
            raise ValueError("I/O operation on closed file")
        if not self._plain:
            self.write(str.__str__(string))
            return len(string)
        self._write_lines(string)
        return len(string)

    def _write_lines(self, string: str) -> None:
        """Write whole lines only: several processes share the descriptor."""
        self._held += string
        whole, newline, self._held = self._held.rpartition("\n")
        _write_all(self._fd, whole + newline)

    def flush(self) -> None:
        """Send what waits; returns when the socket has it."""
        if self._plain:
            held, self._held = self._held, ""
            _write_all(self._fd, held)
        else:
            self._flush()

    def _flush(self) -> None:
        with self._sending:
            packets = self.session.packets
            if packets is None:
                return
            self._long = 0
            for parent, parts in tuple(self._waiting.values()):
                if not parts:
                    continue
                text = _taken(parts)
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
        self.flush()
        self.pub_thread = None
        self._plain = True

    def waiting(self) -> str:
        """Return the text that was written before there was anyone to send it to."""
        return "".join("".join(parts) for _, parts in self._waiting.values())


def _taken(parts: deque[str]) -> str:
    """Take what waits now; a handler of a signal may print meanwhile, and so take it first."""
    taken: list[str] = []
    with suppress(IndexError):
        for _ in range(len(parts)):
            taken.append(parts.popleft())  # noqa: PERF401 - what was taken has to stay
    return "".join(taken)


def _write_all(fd: int, text: str) -> None:
    data = text.encode("utf-8", "replace")
    while data:
        data = data[os.write(fd, data) :]


# A notebook that prints its stream, or a library that asks for its class, shall see no other.
for _name in ("__name__", "__qualname__", "__module__"):
    setattr(DirectStream, _name, getattr(OutStream, _name))
