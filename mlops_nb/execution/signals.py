"""Turns Ctrl-C and termination signals into what the code that runs can answer."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Held", "held", "on_signal", "terminable"]


class Held:
    """Ctrl-C and termination signals that wait; see `held`."""

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}
        self._came: list[int] = []

    def _hold(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            before = signal.getsignal(number)
            # Else it is ignored, ends the process at once, or is held still.
            if callable(before) and number not in self._before:
                self._before[number] = before
                signal.signal(number, lambda came, _: self._came.append(came))

    def _restore(self) -> None:
        for number, handler in tuple(self._before.items()):
            signal.signal(number, handler)
            del self._before[number]

    def _let_go(self) -> None:
        self._restore()
        came, self._came = self._came, []
        if came:  # pressed twice, it still asks for one thing
            signal.raise_signal(came[-1])

    @contextmanager
    def answered(self) -> Iterator[None]:
        """Let signals be answered for a while; first of all one that has come before."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        try:
            self._let_go()
            yield
        finally:
            self._hold()


@contextmanager
def held() -> Iterator[Held]:
    """Have Ctrl-C and termination signals wait until the end, but for `Held.answered`.

    For what must not be left half-way: that a run has begun, and how it ended. Only in the main
    thread, which is the one that is interrupted.
    """
    signals = Held()
    if threading.current_thread() is not threading.main_thread():
        yield signals
        return
    signals._hold()
    try:
        yield signals
    finally:
        try:
            signals._let_go()
        finally:  # another one may have come meanwhile
            signals._restore()


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
