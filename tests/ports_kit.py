"""Ports for servers that tests start."""

from __future__ import annotations

import secrets
import socket

_FIRST, _LAST = 15_000, 30_000


def free_port() -> int:
    """Return a port below those the system gives to whoever asks for any.

    A kernel asks for five of those; one that was free a moment ago may be its, until the server that
    should have it is there.
    """
    while True:
        port = _FIRST + secrets.randbelow(_LAST - _FIRST)
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
