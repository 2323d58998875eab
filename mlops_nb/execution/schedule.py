"""Decides what starts next: the DAG in time, without threads, clocks or files.

Of the tasks that are ready and fit into the free cores and memory, the one with the longest
expected road to the end starts first (Graham's list scheduling by critical path: R. L. Graham,
"Bounds on multiprocessing timing anomalies", SIAM J. Appl. Math. 17, 1969).
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mlops_nb.model import Task

__all__ = ["Schedule"]

_EPSILON = 1e-9
_DEFAULT_SECONDS = 1.0


class Schedule:
    """The order in which the tasks of one run start.

    Parameters
    ----------
    tasks
        The tasks that are to be worked on.
    slots
        Cores to fill.
    memory_mb
        MiB to fill.
    expected
        Seconds that tasks are expected to take; the mean of the known ones for the others.
    """

    def __init__(
        self,
        tasks: Iterable[Task],
        *,
        slots: float,
        memory_mb: float,
        expected: Mapping[str, float] | None = None,
    ) -> None:
        self._tasks = {task.name: task for task in tasks}
        self._slots = self._free_slots = max(slots, 1.0)
        self._memory = self._free_memory = memory_mb
        self._waits = {
            name: {up for up in task.upstream if up in self._tasks}
            for name, task in self._tasks.items()
        }
        self._below: dict[str, list[str]] = {name: [] for name in self._tasks}
        for name, ups in self._waits.items():
            for up in ups:
                self._below[up].append(name)
        self._road = self._roads(expected or {})
        self._ready: list[tuple[float, str]] = []
        self._running: dict[str, tuple[float, float]] = {}
        """What each task that runs holds: cores, and MiB."""
        self._left = set(self._tasks)
        for name, ups in self._waits.items():
            if not ups:
                self.ready_again(name)

    def __len__(self) -> int:
        return len(self._left)

    @property
    def running(self) -> frozenset[str]:
        """The tasks that were started and have not ended."""
        return frozenset(self._running)

    @property
    def waiting(self) -> tuple[str, ...]:
        """The tasks that were neither started nor given up, in the pipeline's order."""
        return tuple(name for name in self._tasks if name in self._left - self._running.keys())

    def ready_again(self, name: str) -> None:
        """Put a task into the queue, also one that is to be tried again."""
        heapq.heappush(self._ready, (-self._road[name], name))

    def resize(self, slots: float, memory_mb: float) -> None:
        """Go on with other cores and MiB in all, such as those of a cluster that has grown."""
        self._slots, self._memory = max(slots, 1.0), memory_mb
        # Counted anew: there may be no bound of memory, and what is added to that is lost.
        held = self._running.values()
        self._free_slots = self._slots - sum(cpu for cpu, _ in held)
        self._free_memory = self._memory - sum(memory for _, memory in held)

    def start(self) -> list[str]:
        """Return the tasks that start now, and count their cores and memory as taken."""
        started: list[str] = []
        passed_over: list[tuple[float, str]] = []
        while self._ready and self._free_slots > _EPSILON:
            entry = heapq.heappop(self._ready)
            cpu, memory = self._weight(entry[1])
            if cpu <= self._free_slots + _EPSILON and memory <= self._free_memory + _EPSILON:
                self._free_slots -= cpu
                self._free_memory -= memory
                self._running[entry[1]] = cpu, memory
                started.append(entry[1])
            else:
                passed_over.append(entry)
        for entry in passed_over:
            heapq.heappush(self._ready, entry)
        return started

    def pause(self, name: str) -> None:
        """Give back what a running task holds, which `ready_again` will queue later."""
        cpu, memory = self._running.pop(name)
        self._free_slots += cpu
        self._free_memory += memory

    def finish(self, name: str) -> None:
        """Take a running task as done and good: what waits for it alone becomes ready."""
        self.pause(name)
        self._left.discard(name)
        for below in self._below[name]:
            waits = self._waits[below]
            waits.discard(name)
            if not waits and below in self._left:
                self.ready_again(below)

    def fail(self, name: str) -> list[str]:
        """Take a running task as done and bad; return the tasks that can no longer run."""
        self.pause(name)
        self._left.discard(name)
        blocked: list[str] = []
        stack = list(self._below[name])
        while stack:
            below = stack.pop()
            if below in self._left:
                self._left.discard(below)
                blocked.append(below)
                stack.extend(self._below[below])
        order = {task: number for number, task in enumerate(self._tasks)}
        return sorted(blocked, key=order.__getitem__)

    def give_up(self) -> tuple[str, ...]:
        """Drop every task that has not been started, and return them."""
        dropped = self.waiting
        self._left -= set(dropped)
        self._ready.clear()
        return dropped

    def _weight(self, name: str) -> tuple[float, float]:
        # One that wants more than there is runs alone rather than never.
        policy = self._tasks[name].policy
        return min(max(policy.cpu, 0.0), self._slots), min(policy.memory_mb, self._memory)

    def _roads(self, expected: Mapping[str, float]) -> dict[str, float]:
        known = [seconds for name, seconds in expected.items() if name in self._tasks]
        usual = sum(known) / len(known) if known else _DEFAULT_SECONDS
        roads: dict[str, float] = {}
        # The tasks stand in an order in which they can run, so from behind every road is known.
        for name in reversed(self._tasks):
            below = max((roads[one] for one in self._below[name]), default=0.0)
            roads[name] = expected.get(name, usual) + below
        return roads
