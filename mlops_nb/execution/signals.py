"""Turns Ctrl-C and termination signals into what the code that runs can answer."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["on_signal", "terminable"]


@contextmanager
def on_signal(call: Callable[..., object]) -> Iterator[None]:
    """Have a function called for Ctrl-C and a termination signal; only in the main thread."""
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, lambda *_: call())
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def terminable() -> Iterator[None]:
    """Let a termination signal raise `KeyboardInterrupt`, as Ctrl-C does.

    Only in the main thread, and only where nobody else answers it: by default it ends the process
    at once, before anything could be written down.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
