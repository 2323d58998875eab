"""Runs tasks on this machine: notebooks in kernels, the rest in processes."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_nb.execution.attempt import run_attempt

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from mlops_nb.execution.forge import Forge
    from mlops_nb.model import Attempt, TaskRun

__all__ = ["LocalExecutor", "cores"]


def cores() -> int:
    """Return how many cores this process may use: the machine's, or fewer where it is bound to some
    or a control group, as a container's, gives it less time.
    """
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    return max(1, math.ceil(min(count, _quota())))


def _quota(groups: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> float:
    """Return the cores' worth of time that this process's control groups leave it."""
    places = [groups]
    with suppress(OSError):
        for line in own.read_text(encoding="utf-8").splitlines():
            group = Path(line.rpartition(":")[2].lstrip("/"))
            places += [groups / above for above in (group, *group.parents)]
            places += [groups / "cpu" / above for above in (group, *group.parents)]
    found = math.inf
    for place in dict.fromkeys(places):
        with suppress(OSError, ValueError):  # version 2
            quota, period = (place / "cpu.max").read_text(encoding="ascii").split()
            found = min(found, float(quota) / float(period))  # "max" is no number
        with suppress(OSError, ValueError):  # version 1: -1 for no limit
            share = float((place / "cpu.cfs_quota_us").read_text(encoding="ascii"))
            period_us = float((place / "cpu.cfs_period_us").read_text(encoding="ascii"))
            found = min(found, share / period_us) if share > 0 else found
    return found


class LocalExecutor:
    """Runs tasks on this machine.

    Parameters
    ----------
    jobs
        Tasks of one core each at a time; the number of cores by default.
    zygote
        Where warm kernels come from; without one every kernel starts cold.
    forge
        Where processes for other tasks are forked from; without one each starts afresh.
    """

    def __init__(self, *, jobs: int = 0, zygote: Any = None, forge: Forge | None = None) -> None:
        self._jobs = jobs if jobs > 0 else cores()
        self._zygote = zygote
        self._forge = forge

    @property
    def slots(self) -> float:
        """Cores there are to fill."""
        return float(self._jobs)

    def run(
        self, attempt: Attempt, *, tell: Callable[..., object], cancel: threading.Event
    ) -> TaskRun:
        """Run one attempt in the calling thread; see `mlops_nb.protocols.Executor`."""
        return run_attempt(
            attempt, tell=tell, cancel=cancel, zygote=self._zygote, forge=self._forge
        )

    def close(self) -> None:
        """Do nothing: zygote and forge belong to whoever made them."""
