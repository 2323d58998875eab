"""What happens on a cluster's worker: one attempt, in place or in a copy of the project."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from mlops_nb.config import telemetry_off
from mlops_nb.execution import zygotes
from mlops_nb.execution.attempt import fresh_stage, run_attempt
from mlops_nb.execution.jobs import Cancellation
from mlops_nb.execution.kernels import supported
from mlops_nb.execution.shipping import Shipped, pack, unpack
from mlops_nb.execution.staging import STAGING
from mlops_nb.files import file_name
from mlops_nb.model import Attempt, Json, Record, TaskKind, TaskRun, decode, encode, to_builtins

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops_nb.execution.kernels import Zygote
    from mlops_nb.model import EventKind

__all__ = ["Order", "Result", "cancel_order", "release", "run_order"]

_running: dict[str, Cancellation] = {}
"""What this process is working on, by order."""
_cancelled: dict[str, str] = {}
"""Orders that were cancelled, perhaps before they came, and the limit that each had passed."""
_guard = threading.Lock()


class Order(Record, frozen=True, kw_only=True):
    """One attempt for a worker."""

    name: str
    attempt: Attempt
    store: str = ""
    """Where files travel through; empty where the worker sees the project's folder itself."""
    files: tuple[Shipped, ...] = ()
    """The project and the products the task needs, where they travel."""
    preload: tuple[str, ...] = ()
    """What the run's notebooks import at their top, for warm kernels."""


class Result(Record, frozen=True, kw_only=True):
    """What a worker answers."""

    run: TaskRun
    told: int = 0
    """Events that were sent while it ran."""
    files: tuple[Shipped, ...] = ()
    """What it made, relative to the run's folder, where files travel."""


def run_order(data: bytes, tell: Callable[[bytes], object]) -> bytes:
    """Run an order to its end.

    Parameters
    ----------
    data
        An `Order` as JSON.
    tell
        Sends one event, as JSON.

    Returns
    -------
    bytes
        A `Result` as JSON.

    Raises
    ------
    ExecutionError
        Files could not travel.
    """
    telemetry_off()
    order = decode(data, Order)
    told = 0

    def pass_on(kind: EventKind, **event: Json) -> None:
        nonlocal told
        told += 1
        tell(encode({"order": order.name, "kind": kind.value, "data": to_builtins(event)}))

    cancel = Cancellation()
    with _guard:
        _running[order.name] = cancel
        if order.name in _cancelled:
            cancel.set(_cancelled[order.name])
    try:
        if order.store:
            run, files = _away(order, pass_on, cancel)
        else:
            _fresh(order.attempt)
            zygote = _zygote_for(order)
            run = run_attempt(order.attempt, tell=pass_on, cancel=cancel, zygote=zygote)
            files = ()
    finally:
        with _guard:
            del _running[order.name]
    return encode(Result(run=run, told=told, files=files))


def cancel_order(name: str, limit: str = "") -> bool:
    """End an order, if this process works on it or will; return whether it does.

    Parameters
    ----------
    name
        The order's.
    limit
        Which limit was passed, where it is the time that ends it.
    """
    with _guard:
        _cancelled[name] = limit
        cancel = _running.get(name)
    if cancel is not None:
        # The kernel's end may take a moment; whoever calls this must not wait for it.
        threading.Thread(
            target=cancel.set, args=(limit,), name="mlops-nb cancel", daemon=True
        ).start()
    return cancel is not None


def _zygote_for(order: Order) -> Zygote | None:
    """Return what warm kernels are forked from on this worker."""
    task = order.attempt.task
    if task.kind is not TaskKind.NOTEBOOK or order.attempt.cold or task.policy.cold or supported():
        return None
    seen = not order.store
    memory = Path(order.attempt.root, ".mlops", "cache", "preload.json") if seen else None
    return zygotes.take(order.preload, memory, busy=lambda: bool(_running))


def release() -> None:
    """Close this worker's zygotes if nothing is running; called when a run ends."""
    with _guard:
        if not _running:
            zygotes.close()


def _fresh(attempt: Attempt) -> None:
    """Forget what a worker that died in the middle of this attempt has written."""
    if attempt.resume is None:  # else it does so itself
        fresh_stage(attempt, str(Path(attempt.run_dir, STAGING, file_name(attempt.task.name))))


def _away(
    order: Order, tell: Callable[..., object], cancel: Cancellation
) -> tuple[TaskRun, tuple[Shipped, ...]]:
    """Run in a copy of the project, and send back what was made."""
    root = order.attempt.root
    with tempfile.TemporaryDirectory(prefix="mlops-nb-") as folder:
        local = str(Path(folder).resolve() / "project")
        unpack(order.store, order.files, Path(local))
        attempt = _moved(order.attempt, root, local)
        _fresh(attempt)
        run = run_attempt(attempt, tell=tell, cancel=cancel, zygote=_zygote_for(order))
        run_dir = Path(attempt.run_dir)
        executed = run_dir / attempt.notebook
        if attempt.notebook and executed.exists():
            executed.write_bytes(executed.read_bytes().replace(local.encode(), root.encode()))
        made = [run_dir / STAGING, run_dir / "notebooks", run_dir / "logs"]
        files = pack(order.store, run_dir, made)
    if run.error is not None:
        texts = {
            name: getattr(run.error, name).replace(local, root) for name in ("message", "traceback")
        }
        run = replace(run, error=replace(run.error, **texts))
    return run, files


def _moved(attempt: Attempt, root: str, local: str) -> Attempt:
    """Return an attempt with every path below the project moved to its copy."""

    def move(value: Json) -> Json:
        if isinstance(value, str):
            inside = value == root or value.startswith(root + "/")
            return local + value[len(root) :] if inside else value
        if isinstance(value, list):
            return [move(item) for item in value]
        if isinstance(value, dict):
            return {key: move(item) for key, item in value.items()}
        return value

    return decode(encode(move(to_builtins(attempt))), Attempt)
