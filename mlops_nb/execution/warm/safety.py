"""Decides whether a package may stay preloaded: what it must not have done when it was imported."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["HARMLESS_THREADS", "Watch", "settle_threads", "threads"]

HARMLESS_THREADS = {"jemalloc_bg_thd"}
"""Threads that hold no lock a forked child could want; jemalloc stops its own around a fork."""


def threads() -> int:
    """Return the number of this process's threads that a fork would lose."""
    count = 0
    for task in Path("/proc/self/task").iterdir():
        try:
            count += (task / "comm").read_text(encoding="ascii").strip() not in HARMLESS_THREADS
        except OSError:
            continue  # it ended
    return count


def settle_threads() -> int:
    """Fork once and return the number of threads then.

    OpenBLAS ends its pool when the process forks and builds it anew at the next use, so a
    throw-away fork takes away the threads that importing NumPy started.
    """
    if threads() > 1:
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
    return threads()


class Watch:
    """Compares a process before and after an import.

    Parameters
    ----------
    never
        Top-level packages that must not be in the process, whoever imports them.
    words
        Descriptor of the file that stands for this process's standard output and error.
    """

    def __init__(self, never: Collection[str], words: int) -> None:
        self._never = never
        self._words = words
        self._written = os.fstat(words).st_size

    def objection(self, printed: str) -> str:
        """Return why the last import was unsafe, or an empty text.

        Parameters
        ----------
        printed
            What went to Python's own streams meanwhile.
        """
        for name in self._never:
            if name in sys.modules:
                return f"imports {name}, which is not safe to fork"
        if settle_threads() > 1:
            return "starts threads when it is imported"
        if printed or os.fstat(self._words).st_size > self._written:
            return "prints when it is imported"
        if _children():
            return "starts processes when it is imported"
        return ""


def _children() -> bool:
    path = Path(f"/proc/self/task/{os.getpid()}/children")
    return bool(path.read_text(encoding="ascii").strip())
