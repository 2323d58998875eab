"""Runs tasks on a Dask cluster: an existing one, or one of this machine.

The workers need mlops-nb and what the notebooks import, and either the project's folder (shared,
below the same path) or a store that both sides reach. A task whose worker dies is run again on
another one by Dask's scheduler, three times unless the cluster says otherwise.
"""

from __future__ import annotations

import secrets
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from mlops_nb.errors import ExecutionError
from mlops_nb.execution.attempt import failure
from mlops_nb.execution.jobs import Cancellation
from mlops_nb.execution.remote import Order, Result, cancel_order, release, run_order
from mlops_nb.execution.shipping import Shipped, pack, project_files, unpack
from mlops_nb.execution.threads import cores
from mlops_nb.model import ErrorInfo, EventKind, TaskKind, TaskRun, TaskStatus, decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mlops_nb.config import Project
    from mlops_nb.model import Attempt, Pipeline

__all__ = ["DaskExecutor"]

_CONNECT = "15s"
_REVIVE = 5.0
"""Seconds between two looks for workers that a cluster of this machine has lost for good."""
_LATE = 5.0
"""Seconds to wait for events that a finished task has sent."""
_END = 60.0
"""Seconds that a worker has to end a task that is cancelled, and to send what it made."""


class DaskExecutor:
    """Runs tasks on a Dask cluster.

    Parameters
    ----------
    address
        The scheduler's, such as ``tcp://host:8786``; a cluster of this machine's own by default.
    jobs
        Workers of that own cluster; the number of cores by default.
    store
        Folder or fsspec URL through which files travel; empty where the workers see the
        project's folder below the same path.
    project, pipeline
        What to send, where files travel.
    preload
        What the notebooks import at their top: each worker forks warm kernels that have it.

    Raises
    ------
    ExecutionError
        The scheduler cannot be reached.
    PluginError
        Dask is not installed.
    """

    def __init__(
        self,
        address: str = "",
        *,
        jobs: int = 0,
        store: str = "",
        project: Project | None = None,
        pipeline: Pipeline | None = None,
        preload: Sequence[str] = (),
    ) -> None:
        from distributed import Client, LocalCluster

        self._cluster: Any = None
        self._count = jobs or cores()
        self._store = str(Path(store).resolve()) if store and "://" not in store else store
        self._project = project
        self._pipeline = pipeline
        self._preload = tuple(preload)
        self._orders: dict[str, _Order] = {}
        self._lock = threading.Lock()
        self._sources: tuple[Shipped, ...] | None = None
        self._topic = f"mlops-nb-{secrets.token_hex(8)}"
        try:
            if not address:
                self._cluster = LocalCluster(  # type: ignore[no-untyped-call]
                    n_workers=self._count,
                    threads_per_worker=1,
                    processes=True,
                    # Without an address it takes port 8787, which another run may hold.
                    dashboard_address="127.0.0.1:0",
                    scheduler_kwargs={"dashboard": False},
                    silence_logs="ERROR",
                )
            client: Any = Client
            self._client = client(self._cluster or address, timeout=_CONNECT, set_as_default=False)
            self._client.subscribe_topic(self._topic, self._heard)
        except (OSError, ValueError, RuntimeError) as error:
            if self._cluster is not None:
                self._cluster.close()
            raise ExecutionError(
                f"the Dask cluster cannot be reached: {error}",
                where=address or "a cluster of this machine",
                fix="check that its scheduler runs there, and that both sides have one version of Dask",
            ) from error

    @property
    def slots(self) -> float:
        """Threads of the cluster's workers, at least one: workers may come later."""
        return float(max(1, sum(worker["nthreads"] for worker in self._workers())))

    @property
    def memory_mb(self) -> float:
        """MiB of the cluster's workers together; no bound where one of them has none."""
        limits = [worker["memory_limit"] for worker in self._workers()]
        return sum(limits) / 1024**2 if limits and all(limits) else float("inf")

    def _workers(self) -> list[dict[str, Any]]:
        return list(self._client.scheduler_info(n_workers=-1)["workers"].values())

    @property
    def shares_files(self) -> bool:
        """Whether the workers see the project's folder itself."""
        return not self._store

    def run(
        self, attempt: Attempt, *, tell: Callable[..., object], cancel: threading.Event
    ) -> TaskRun:
        """Run one attempt on a worker; see `mlops_nb.protocols.Executor`."""
        name = f"{self._topic}-{secrets.token_hex(8)}"
        watched = _Order(tell)
        with self._lock:
            self._orders[name] = watched
        try:
            order = Order(
                name=name,
                attempt=attempt,
                store=self._store,
                files=self._files(attempt),
                preload=self._preload,
            )
            future = self._client.submit(
                _on_worker, encode(order), self._topic, key=name, pure=False
            )
            unwatch = self._cancel_with(cancel, name, future)
            try:
                answer = _answer(future, attempt, cancel, self._revive)
            finally:
                unwatch()
            if isinstance(answer, TaskRun):
                return answer
            if answer.files:
                unpack(self._store, answer.files, Path(attempt.run_dir))
            watched.wait_for(answer.told)
            return answer.run
        except ExecutionError as error:
            return failure(attempt.task.name, error)
        finally:
            with self._lock:
                del self._orders[name]

    def close(self) -> None:
        """Disconnect; a cluster of this machine's own is shut down."""
        if self._cluster is None:  # else the workers end, and their zygotes with them
            with suppress(OSError, TimeoutError):
                self._client.run(release, on_error="ignore")
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()

    def _revive(self) -> None:
        """Replace workers that died and were given up.

        Dask starts a dead worker anew, and gives it up where that takes longer than 15 s.
        """
        if self._cluster is not None:
            self._cluster.scale(self._count)

    def _cancel_with(self, cancel: threading.Event, name: str, future: Any) -> Callable[[], None]:
        over = threading.Event()

        def forget() -> None:
            if not over.wait(_END):
                future.cancel()  # a worker that does not answer

        def ask() -> None:
            threading.Thread(target=forget, name="mlops-nb cancel", daemon=True).start()
            with suppress(OSError, TimeoutError):  # the scheduler is gone, and its futures with it
                limit = cancel.limit if isinstance(cancel, Cancellation) else ""
                works = self._client.run(cancel_order, name, limit, on_error="ignore")
                if not any(found is True for found in works.values()):
                    future.cancel()  # no worker has it; one that it still comes to ends it at once

        def start() -> None:
            # Called by whoever cancels, who must not wait for the network.
            threading.Thread(target=ask, name="mlops-nb cancel", daemon=True).start()

        unwatch = cancel.watch(start) if isinstance(cancel, Cancellation) else lambda: None

        def end() -> None:
            unwatch()
            over.set()

        return end

    def _heard(self, event: tuple[float, bytes]) -> None:
        """Take an event that a worker has sent; runs in the client's own thread."""
        with suppress(msgspec.MsgspecError):
            said = decode(event[1], _Said)
            with self._lock:
                order = self._orders.get(said.order)
            if order is not None:
                order.tell(said)

    def _files(self, attempt: Attempt) -> tuple[Shipped, ...]:
        """Send the project, and the products that the task reads."""
        if not self._store:
            return ()
        if self._project is None or self._pipeline is None:
            raise ExecutionError("files can only travel for a project that is known")
        root = self._project.root.resolve()
        products = {
            task.name: [root / product.path for product in task.products if product.is_file]
            for task in self._pipeline.tasks
        }
        with self._lock:
            if self._sources is None:
                everything = [path for paths in products.values() for path in paths]
                if "://" not in self._store:
                    everything.append(Path(self._store))  # it may lie in the project
                self._sources = pack(self._store, root, project_files(root, everything))
        needed = [path for name in attempt.task.upstream for path in products.get(name, ())]
        if attempt.task.kind is not TaskKind.NOTEBOOK:
            # Ploomber checks the specification as a whole, cached or not.
            needed += [root / ".mlops" / "cache" / "pipeline.json"]
        return self._sources + pack(self._store, root, needed)


class _Said(msgspec.Struct, frozen=True):
    """What a worker tells of an order."""

    order: str
    kind: EventKind
    data: dict[str, Any]


class _Order:
    """The events of one order, on this side."""

    def __init__(self, tell: Callable[..., object]) -> None:
        self._tell = tell
        self._heard = 0
        self._news = threading.Condition()

    def tell(self, said: _Said) -> None:
        """Pass one event on."""
        self._tell(said.kind, **said.data)
        with self._news:
            self._heard += 1
            self._news.notify_all()

    def wait_for(self, told: int) -> None:
        """Wait until everything that was sent has come, or a while."""
        with self._news:
            self._news.wait_for(lambda: self._heard >= told, timeout=_LATE)


def _answer(
    future: Any, attempt: Attempt, cancel: threading.Event, revive: Callable[[], None]
) -> Result | TaskRun:
    """Wait for a worker's answer; where there is none, say why."""
    from distributed import CancelledError, KilledWorker

    name = attempt.task.name
    done = threading.Event()
    future.add_done_callback(lambda _: done.set())
    while not done.wait(_REVIVE):
        revive()
    try:
        error = future.exception()
        if error is None:  # for a cancelled one too
            return decode(future.result(), Result)
    except CancelledError as lost:
        error = lost
    if cancel.is_set():
        info = ErrorInfo(name="Cancelled", message="cancelled")
        return TaskRun(task=name, status=TaskStatus.CANCELLED, attempt=attempt.number, error=info)
    if isinstance(error, KilledWorker | CancelledError):
        text = f"the Dask workers that ran it died: {error}"
        info = ErrorInfo(name="WorkerDied", message=text)
        return TaskRun(task=name, status=TaskStatus.DIED, attempt=attempt.number, error=info)
    return replace(failure(name, error), attempt=attempt.number)


def _on_worker(order: bytes, topic: str) -> bytes:
    """Run an order; the function that Dask calls on a worker."""
    from distributed import get_worker

    worker = get_worker()

    def tell(event: bytes) -> None:
        worker.loop.add_callback(worker.log_event, topic, event)

    return run_order(order, tell)
