"""Frames on the sockets between an owner, its zygote and the kernels.

A message travels as packets over ``SOCK_SEQPACKET``, each with a head (process id, place in the
message), so that forked grandchildren can share a kernel's socket: packets are never torn apart,
and a message that was interrupted half-way is dropped, not mixed into the next.
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import socket
import struct
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = [
    "FAREWELL",
    "LEFT",
    "MESSAGE",
    "STDERR",
    "STDOUT",
    "Assembler",
    "Packets",
    "pack",
    "receive_fds",
    "send_fds",
    "unpack",
]

_HEAD = struct.Struct("<IBB")
_FIRST, _LAST = 1, 2
_ROOM = 64 * 1024  # bytes of a message per packet; the kernel's default socket buffer holds three
_COUNT = struct.Struct("<I")

MESSAGE, STDOUT, STDERR, FAREWELL = 0, 1, 2, 3
"""What a message is: a Jupyter message, text of one of the streams, or a kernel's last word."""

LEFT = b"left"
"""What an owner tells the zygote before it lets go of a kernel that has said its last word."""


def pack(value: Any, buffers: Sequence[Any] = ()) -> bytes:
    """Return a JSON value and binary buffers as one byte string."""
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    parts: list[bytes | memoryview] = [_COUNT.pack(len(text)), text]
    for buffer in buffers:
        view = memoryview(buffer).cast("B")
        parts += (_COUNT.pack(len(view)), view)
    return b"".join(parts)


def unpack(data: bytes) -> tuple[Any, list[bytes]]:
    """Return what `pack` was given."""
    (size,) = _COUNT.unpack_from(data)
    at = _COUNT.size + size
    value = json.loads(data[_COUNT.size : at])
    buffers = []
    while at < len(data):
        (size,) = _COUNT.unpack_from(data, at)
        at += _COUNT.size
        buffers.append(data[at : at + size])
        at += size
    return value, buffers


class Packets:
    """Cuts messages into packets for one socket; safe for threads and forked processes."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self._lock = threading.Lock()

    def reset(self) -> None:
        """Take a new lock: the old one may have been held when this process was forked."""
        self._lock = threading.Lock()

    def send(self, kind: int, data: bytes) -> None:
        """Send a message and return when the socket has taken it."""
        with self._lock:
            for packet in self.cut(kind, data):
                self.socket.send(packet)

    @staticmethod
    def cut(kind: int, data: bytes) -> Iterator[bytes]:
        """Return a message's packets."""
        pid = os.getpid()
        if len(data) <= _ROOM:
            yield _HEAD.pack(pid, kind, _FIRST | _LAST) + data
            return
        last = (len(data) - 1) // _ROOM
        for number in range(last + 1):
            place = (_FIRST if number == 0 else 0) | (_LAST if number == last else 0)
            yield _HEAD.pack(pid, kind, place) + data[number * _ROOM : (number + 1) * _ROOM]


class Assembler:
    """Puts messages together again from packets."""

    size = _ROOM + _HEAD.size

    def __init__(self) -> None:
        self._parts: dict[int, list[bytes]] = {}

    def feed(self, packet: bytes) -> tuple[int, bytes] | None:
        """Take one packet; return a message's kind and bytes once it is whole."""
        pid, kind, place = _HEAD.unpack_from(packet)
        body = packet[_HEAD.size :]
        if place == _FIRST | _LAST:
            self._parts.pop(pid, None)
            return kind, body
        if place & _FIRST:
            self._parts[pid] = [body]
        elif pid in self._parts:
            self._parts[pid].append(body)
        if place & _LAST and pid in self._parts:
            return kind, b"".join(self._parts.pop(pid))
        return None


def send_fds(sock: socket.socket, data: bytes, fds: Sequence[int]) -> None:
    """Send bytes and open files over a Unix socket."""
    socket.send_fds(sock, [data], list(fds))


def receive_fds(sock: socket.socket, size: int, count: int) -> tuple[bytes, list[int]]:
    """Receive bytes and open files; the files are not inherited by programs that are started."""
    fds = array.array("i")
    data, ancillary, _, _ = sock.recvmsg(size, socket.CMSG_SPACE(count * fds.itemsize))
    for level, kind, block in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(block[: len(block) - len(block) % fds.itemsize])
    for fd in fds:
        with contextlib.suppress(OSError):
            os.set_inheritable(fd, False)
    return data, list(fds)
