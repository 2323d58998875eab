"""Length-prefixed JSON over a stream socket: what a resident server and its clients speak."""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
import threading
from contextlib import contextmanager

# Whoever hands a command over has to be quick, and imports little else.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

__all__ = ["SOCKET", "Frames", "at", "dial", "server_key"]

SOCKET = "server.sock"
"""The socket's name in the project's state folder."""

_SIZE = struct.Struct("<I")
_CREDENTIALS = struct.Struct("3i")  # process, user and group
_MOST = 256 * 2**20  # bytes; more than any environment or outcome


class Frames:
    """Sends and receives JSON values; sending is safe from several threads."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self._lock = threading.Lock()

    def send(self, value: Any) -> None:
        """Send one value."""
        data = json.dumps(value).encode()
        with self._lock:
            self.socket.sendall(_SIZE.pack(len(data)) + data)

    def receive(self) -> Any:
        """Wait for one value.

        Raises
        ------
        EOFError
            The other side is gone.
        """
        (size,) = _SIZE.unpack(self._exactly(_SIZE.size))
        if size > _MOST:
            raise EOFError(f"a frame of {size} bytes")
        return json.loads(self._exactly(size))

    def _exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            piece = self.socket.recv(min(size - len(data), 1 << 20))
            if not piece:
                raise EOFError("the connection was closed")
            data += piece
        return bytes(data)


def dial(folder: Path | str, timeout: float) -> Frames | None:
    """Return a connection to the server whose socket is in a folder.

    Parameters
    ----------
    folder
        A project's state folder.
    timeout
        Seconds that the server may take for each answer.

    Returns
    -------
    Frames or None
        ``None`` where no server runs, or one of another user: it would be told the environment.
    """
    try:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    except (OSError, AttributeError):  # no Unix sockets on Windows
        return None
    sock.settimeout(timeout)
    try:
        with at(folder) as address:
            sock.connect(address)
        peer = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        is_ours = _CREDENTIALS.unpack(peer)[1] == os.geteuid()
    except (OSError, AttributeError):
        is_ours = False
    if not is_ours:
        sock.close()
        return None
    return Frames(sock)


@contextmanager
def at(folder: Path | str) -> Iterator[str]:
    """Give an address for the socket in a folder, however long the folder's path is.

    The address of a Unix socket holds some hundred bytes; a descriptor of the folder is short.
    """
    handle = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        yield f"/proc/self/fd/{handle}/{SOCKET}"
    finally:
        os.close(handle)


def server_key() -> str:
    """Return what a server was started with: the interpreter, its packages, and this one.

    A package that is installed, removed or upgraded changes its folder's time.
    """
    import hashlib
    import site
    import sysconfig
    from pathlib import Path

    parts = [sys.executable, sys.version]
    folders = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    if site.ENABLE_USER_SITE:
        folders.add(site.getusersitepackages())
    for folder in sorted(folders):
        try:
            parts.append(f"{folder} {Path(folder).stat().st_mtime_ns}")
        except OSError:
            parts.append(f"{folder} missing")
    # Where this package is one that is being edited, its folder there does not tell.
    waiting = [str(Path(__file__).resolve().parents[1])]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.name.endswith(".py"):
                    parts.append(f"{entry.path} {entry.stat().st_mtime_ns}")
                elif "." not in entry.name and entry.name != "__pycache__" and entry.is_dir():
                    waiting.append(entry.path)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
