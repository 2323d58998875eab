"""The cores there are, and how many threads each task's libraries may start on them.

OpenBLAS, OpenMP, MKL, NumExpr, PyTorch and Arrow start a thread for each core. Two tasks that do so
on two cores have four threads, half of which spin while they wait for the others: that takes longer
than one thread for each. Dask sets the first of these variables to 1 in its workers, joblib to the cores' share in its own.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_nb.model import Pipeline, Task

__all__ = ["VARIABLES", "Threads", "cores"]

VARIABLES = ("OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "LOKY_MAX_CPU_COUNT")
"""What the libraries read: most of them the first, Apple's the second, joblib the third."""


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


class Threads:
    """The share of the cores that each task of a pipeline gets.

    The cores are divided by the tasks that can run at once: never more than `jobs`, nor than there
    are on the widest level of the graph. A task with a greater weight ``cpu`` gets as many as that.
    The share depends on the pipeline and not on what a run has left to do, so that a task that is run
    again on the same machine computes with as many threads as before.

    Parameters
    ----------
    pipeline
        All tasks.
    jobs
        Tasks of one core each at a time; 0 for the number of cores.
    environ
        What the tasks inherit; this process's environment by default. A number that it names holds.
    """

    def __init__(
        self, pipeline: Pipeline, jobs: int = 0, environ: Mapping[str, str] | None = None
    ) -> None:
        environ = os.environ if environ is None else environ
        self._names = [name for name in VARIABLES if name not in environ]
        self._cores = cores()
        at_once = max(1, min(jobs if jobs > 0 else self._cores, _width(pipeline)))
        self._share = max(1, self._cores // at_once)
        if self._share == self._cores:
            # Nothing is divided, and joblib tells its workers less than what stands here.
            self._names = []

    def environment(self, task: Task | None = None) -> dict[str, str]:
        """Return the variables for a task, or for one without a weight of its own."""
        wanted = 0 if task is None else math.ceil(task.policy.cpu)
        count = self._share if wanted <= 1 else min(max(wanted, self._share), self._cores)
        return dict.fromkeys(self._names, str(count))


def _width(pipeline: Pipeline) -> int:
    """Return how many tasks stand on the level of the graph that has most."""
    levels: dict[str, int] = {}
    for task in pipeline.tasks:  # each stands behind what it needs
        levels[task.name] = 1 + max((levels[up] for up in task.upstream if up in levels), default=0)
    return max(Counter(levels.values()).values(), default=1)
