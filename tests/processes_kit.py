"""Looks at processes that may end while they are looked at, and waits for what they do."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

__all__ = ["has_ended", "living_children", "until"]


def until(found: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Ask again and again; return the first answer that is true, and fail where none comes in time."""
    end = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)
    return value


def has_ended(process: psutil.Process) -> bool:
    """Whether a process is over, be it that nobody has asked yet how it ended."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def living_children(
    parent: psutil.Process | int, *, running: str = "", where: Path | None = None
) -> list[psutil.Process]:
    """A process's children that have not ended.

    Parameters
    ----------
    parent
        The process, or its id; one that has ended has no children.
    running
        Only those with this text in their command line.
    where
        Only those that work in this folder.
    """
    found = []
    with suppress(psutil.NoSuchProcess):
        above = parent if isinstance(parent, psutil.Process) else psutil.Process(parent)
        for child in above.children():
            with suppress(psutil.NoSuchProcess):
                if (
                    not has_ended(child)
                    and running in " ".join(child.cmdline())
                    and (where is None or child.cwd() == str(where))
                ):
                    found.append(child)
    return found
