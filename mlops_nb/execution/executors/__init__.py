"""Where tasks run, one file for each place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_nb.plugins import find

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops_nb.config import Project
    from mlops_nb.model import Pipeline
    from mlops_nb.protocols import Executor

__all__ = ["make_executor"]


def make_executor(
    name: str,
    *,
    jobs: int = 0,
    zygote: Any = None,
    address: str = "",
    store: str = "",
    project: Project | None = None,
    pipeline: Pipeline | None = None,
    preload: Sequence[str] = (),
) -> Executor:
    """Return an executor by name; the caller closes it.

    Parameters
    ----------
    name
        ``local``, ``dask``, or one that an installed package offers.
    jobs
        Tasks of one core each at a time; the number of cores by default.
    zygote
        Where warm kernels come from; for ``local``.
    address, store
        For ``dask``; see `mlops_nb.execution.executors.dask.DaskExecutor`.
    project, pipeline
        What to send to machines that do not see the project's folder.
    preload
        What notebooks import at their top, for warm kernels on a cluster.

    Raises
    ------
    PluginError
        There is none of that name, or it needs a package that is not installed.
    ExecutionError
        The cluster cannot be reached.
    """
    kind = find("executor", name)
    made: Executor
    if name == "local":
        made = kind(jobs=jobs, zygote=zygote)
    else:
        made = kind(
            address=address,
            jobs=jobs,
            store=store,
            project=project,
            pipeline=pipeline,
            preload=preload,
        )
    return made
