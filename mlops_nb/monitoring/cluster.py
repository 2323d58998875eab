"""Profiles tables on a Dask cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_nb.errors import MonitoringError
from mlops_nb.monitoring.collect.sources import deal, find_pieces, paths
from mlops_nb.monitoring.workers import Job

if TYPE_CHECKING:
    from mlops_nb.monitoring.collect.run import Plan, Progress
    from mlops_nb.monitoring.profile import Profile

__all__ = ["run_on_cluster"]

_TASK_ROWS = 1_000_000


def run_on_cluster(
    client: Any, data: Any, plan: Plan, progress: Progress | None = None
) -> list[Profile]:
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

    from mlops_nb.monitoring.profile import Profile

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
    from mlops_nb.monitoring.profile import profile_pieces

    return profile_pieces(job.pieces, job.plan).to_bytes()


def _table(data: Any, plan: Plan) -> bytes:
    from mlops_nb.monitoring.profile import profile_table

    return profile_table(data, plan).to_bytes()
