"""Keeps worker processes: one for each project and need, warm for a while, renewed when it dies."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from mlops_nb.server.answers import unavailable
from mlops_nb.server.wire import Answer, Call, read_frame, worker_environment, write_frame

__all__ = ["Lane", "Pool", "Worker"]

_MOST_THREADS = 16
_MOST_JOBS = 2
"""Long calls at a time; each has a process of its own, and further ones wait."""


class Lane(NamedTuple):
    """What workers are kept apart by: a slow need of one project never delays another."""

    project: str
    need: str


class Worker:
    """One worker process; its calls come one after another."""

    def __init__(self, folder: str) -> None:
        self.used = time.monotonic()
        # In a session of its own: Ctrl-C in the server's terminal is not for it, and a run that it
        # starts must not inherit that interrupts are ignored.
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "mlops_nb.server.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=folder,
            env=dict(worker_environment()),
            start_new_session=True,
        )
        self._lock = threading.Lock()

    @property
    def alive(self) -> bool:
        """Whether its process is there."""
        return self.process.poll() is None

    def ask(self, call: Call) -> Answer:
        """Send a call and wait for its answer.

        Raises
        ------
        EOFError
            The process died.
        """
        assert self.process.stdin is not None  # noqa: S101
        assert self.process.stdout is not None  # noqa: S101
        with self._lock:
            self.used = time.monotonic()
            try:
                write_frame(self.process.stdin, call)
            except (BrokenPipeError, ValueError) as error:
                raise EOFError from error
            answer = read_frame(self.process.stdout, Answer)
            self.used = time.monotonic()
            return answer

    def close(self) -> None:
        """End the process; a call that waits for it gets `EOFError`."""
        self.process.kill()
        self.process.wait()
        with self._lock:
            for stream in (self.process.stdin, self.process.stdout):
                assert stream is not None  # noqa: S101
                try:
                    stream.close()
                except BrokenPipeError:
                    # What was still to be sent goes nowhere; the process is gone.
                    continue


class Pool:
    """Workers by lane.

    Parameters
    ----------
    idle_seconds
        A worker that was not used for so long is ended.
    """

    def __init__(self, idle_seconds: float = 300.0) -> None:
        self._idle_seconds = idle_seconds
        self._workers: dict[Lane, Worker] = {}
        self._locks: dict[Lane, asyncio.Lock] = {}
        self._jobs = asyncio.Semaphore(_MOST_JOBS)
        self._threads = ThreadPoolExecutor(_MOST_THREADS, thread_name_prefix="mlops-nb-worker")
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False

    async def ask(self, lane: Lane, call: Call, *, again: bool = True) -> Answer:
        """Have a lane's worker answer a call.

        Parameters
        ----------
        lane, call
            Who, and what.
        again
            Ask a fresh worker once more where the first one died: only for what changes nothing.

        Raises
        ------
        Refusal
            The worker died or cannot be started.
        """
        loop = asyncio.get_running_loop()
        async with self._locks.setdefault(lane, asyncio.Lock()):
            for last in (False, True) if again else (True,):
                try:
                    return await loop.run_in_executor(self._threads, self._ask, lane, call)
                except EOFError as error:
                    code = self._drop(lane)
                    if last or self._closed:
                        raise unavailable(
                            f"the worker process ended with {code}",
                            fix="try again; the Jupyter server's log has what it said",
                        ) from error
                except OSError as error:
                    raise unavailable(f"no worker process can be started: {error}") from error
                finally:
                    self._watch_idle()
        raise AssertionError  # the loop has returned or raised

    async def ask_once(self, call: Call) -> Answer:
        """Have a worker of its own answer a call, however long that takes; it ends with it.

        Raises
        ------
        Refusal
            The worker died or cannot be started.
        """
        lane = Lane(call.project, f"job {id(call)}")
        async with self._jobs:
            try:
                return await self.ask(lane, call, again=False)
            finally:
                self._drop(lane)
                self._locks.pop(lane, None)

    def _ask(self, lane: Lane, call: Call) -> Answer:
        worker = self._workers.get(lane)
        if worker is None or not worker.alive:
            if self._closed:
                raise EOFError
            worker = self._workers[lane] = Worker(lane.project or call.root)
        return worker.ask(call)

    def _drop(self, lane: Lane) -> int | None:
        worker = self._workers.pop(lane, None)
        if worker is None:
            return None
        worker.close()
        return worker.process.returncode

    def _watch_idle(self) -> None:
        if self._sweeper is None and self._workers and not self._closed:
            loop = asyncio.get_running_loop()
            self._sweeper = loop.call_later(max(1.0, self._idle_seconds / 4), self._sweep)

    def _sweep(self) -> None:
        self._sweeper = None
        limit = time.monotonic() - self._idle_seconds
        for lane, worker in list(self._workers.items()):
            lock = self._locks.get(lane)
            if worker.used < limit and not (lock is not None and lock.locked()):
                self._drop(lane)
        self._watch_idle()

    @property
    def processes(self) -> dict[Lane, int]:
        """The workers' process ids."""
        return {lane: worker.process.pid for lane, worker in self._workers.items()}

    async def close(self) -> None:
        """End all workers."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for lane in list(self._workers):
            self._drop(lane)
        self._threads.shutdown(wait=True)
