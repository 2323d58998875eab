"""Profiles tables on a Dask cluster."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mlops_nb.errors import MonitoringError
from mlops_nb.monitoring.collect.run import make_plan
from mlops_nb.monitoring.collect.sources import deal, find_pieces, paths
from mlops_nb.monitoring.profile import (
    Profile,
    finish,
    merge_all,
    profile_pieces,
    profile_table,
)
from mlops_nb.monitoring.workers import Job

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from mlops_nb.monitoring.collect.run import Plan, Progress

__all__ = ["connected", "profile_dask"]

_TASK_ROWS = 1_000_000


@contextmanager
def connected(address: str, *, timeout: float = 10.0) -> Iterator[Any]:
    """Connect to a Dask scheduler for the length of a ``with`` block.

    Parameters
    ----------
    address
        Such as ``tcp://scheduler:8786``.
    timeout
        Seconds to wait for it.

    Raises
    ------
    MonitoringError
        Dask is not installed, or the scheduler cannot be reached.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise MonitoringError(
            "Dask is not installed", where="dask", fix='pip install "mlops-nb[dask]"'
        ) from error
    make: Any = Client
    try:
        client = make(address, timeout=timeout)
    except (OSError, ValueError) as error:
        raise MonitoringError(
            f"the scheduler cannot be reached: {error}",
            where=address,
            fix="check the address, and that the scheduler runs",
        ) from error
    try:
        yield client
    finally:
        client.close()


def profile_dask(
    client: Any,
    data: Any,
    *,
    segments: Iterable[str] = (),
    predictions: str | None = None,
    score: str | None = None,
    label: str | None = None,
    columns: Iterable[str] | None = None,
    progress: Progress | None = None,
    metadata: Mapping[str, str] | None = None,
    timestamp: float | None = None,
    most_segments: int = 50,
) -> Profile:
    """Profile a table on a Dask cluster, a partition or some row groups a task.

    Parameters
    ----------
    client
        A ``distributed.Client``; its workers need this package.
    data
        A Dask frame, a list of delayed or future tables, or a path that the workers can read.

    The other parameters are those of `profile`.

    Raises
    ------
    MonitoringError
        A task failed.
    """
    plan = make_plan(tuple(segments), predictions, score, label, columns)
    parts = _run(client, data, plan, progress)
    return finish(merge_all(parts), most_segments, metadata, timestamp)


def _run(client: Any, data: Any, plan: Plan, progress: Progress | None = None) -> list[Profile]:
    """Profile a table's partitions, or a path's row groups, as tasks; return their profiles.

    Parameters
    ----------
    client
        A ``distributed.Client``.
    data
        A Dask frame, a list of delayed or future tables, or a path that the workers can read.
    plan
        What is wanted.
    progress
        Called with the rows done; all rows are known for Parquet only.

    Raises
    ------
    MonitoringError
        A task failed, or a worker died more often than Dask allows.
    """
    import distributed

    total = None
    files = paths(data)
    if files:
        pieces = [piece for file in files for piece in find_pieces(file)]
        total = sum(piece.rows for piece in pieces) or None
        hands = deal(pieces, max(len(pieces), (total or 0) // _TASK_ROWS, 1))
        jobs = [Job(pieces=tuple(hand), plan=plan) for hand in hands]
        futures = client.map(_files, jobs, pure=False)
    else:
        parts = data.to_delayed() if hasattr(data, "to_delayed") else list(data)
        futures = [client.submit(_table, part, plan, pure=False) for part in client.compute(parts)]
    done = 0
    results: dict[str, Profile] = {}
    as_completed: Any = distributed.as_completed
    for future in as_completed(futures):
        error = future.exception()
        if isinstance(error, MonitoringError):
            raise error
        if error is not None:
            raise MonitoringError(
                f"a task failed: {error}",
                where=f"Dask task {future.key}",
                fix="check that the workers have this package and can read the data",
            ) from error
        part = Profile.from_bytes(future.result())
        results[future.key] = part
        done += part.rows
        if progress is not None:
            progress(done, total)
    return [results[future.key] for future in futures]


def _files(job: Job) -> bytes:
    return profile_pieces(job.pieces, job.plan).to_bytes()


def _table(data: Any, plan: Plan) -> bytes:
    return profile_table(data, plan).to_bytes()
