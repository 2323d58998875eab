"""Tells whether the process that wrote a record is still the one that carries its number."""

from __future__ import annotations

import os
import socket
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_nb.model import Record

if TYPE_CHECKING:
    from mlops_nb.model import RunFacts

__all__ = ["Owner", "boot_id", "is_alive", "me", "owner_of", "pid_space", "process_started"]


class Owner(Record, frozen=True, kw_only=True):
    """One process of one machine since one boot."""

    host: str
    boot_id: str
    pid: int
    started: float
    """See `process_started`."""
    pids: str = ""
    """Names where the number counts, as containers of one machine have numbers of their own."""


@cache
def boot_id() -> str:
    """Return what names this boot of the machine; empty where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


@cache
def pid_space() -> str:
    """Return what names this process's space of process ids; empty where the system has just one."""
    try:
        return os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - a name, no path
    except OSError:
        return ""


def process_started(pid: int) -> float | None:
    """Return when a process started; ``None`` where there is none, or only its zombie.

    Returns
    -------
    float or None
        Seconds since the boot on Linux (a clock that nobody sets), since the epoch elsewhere.
    """
    if Path("/proc/self/stat").exists():
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        # The command's name stands in parentheses and may hold anything, so count from its end.
        fields = stat.rpartition(")")[2].split()
        if fields[0] in "ZX":
            return None
        return int(fields[19]) / os.sysconf("SC_CLK_TCK")
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return float(process.create_time())
    except psutil.Error:
        return None


def me() -> Owner:
    """Return this process."""
    pid = os.getpid()
    return Owner(
        host=socket.gethostname(),
        boot_id=boot_id(),
        pid=pid,
        started=process_started(pid) or 0.0,
        pids=pid_space(),
    )


def owner_of(facts: RunFacts) -> Owner:
    """Return the process that a run's facts name."""
    return Owner(
        host=facts.host,
        boot_id=facts.boot_id,
        pid=facts.pid,
        started=facts.pid_started,
        pids=facts.pids,
    )


def is_alive(owner: Owner) -> bool | None:
    """Return whether a process still lives; ``None`` where another machine, or container, has to say."""
    if owner.host != socket.gethostname():
        return None
    if owner.boot_id != boot_id():
        return False
    if owner.pids and owner.pids != pid_space():
        return None
    started = process_started(owner.pid)
    return started is not None and abs(started - owner.started) < 0.05
