"""Runs tasks on this machine: notebooks in kernels, the rest in processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_nb.execution.attempt import run_attempt
from mlops_nb.execution.memory import available_mb
from mlops_nb.execution.threads import cores

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from mlops_nb.execution.forge import Forge
    from mlops_nb.model import Attempt, TaskRun

__all__ = ["LocalExecutor"]


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
        # What was free at the start: what tasks take by and by is counted by their weights.
        self._memory_mb = available_mb()

    @property
    def slots(self) -> float:
        """Cores there are to fill."""
        return float(self._jobs)

    @property
    def memory_mb(self) -> float:
        """MiB that were free when this was made."""
        return self._memory_mb

    def run(
        self, attempt: Attempt, *, tell: Callable[..., object], cancel: threading.Event
    ) -> TaskRun:
        """Run one attempt in the calling thread; see `mlops_nb.protocols.Executor`."""
        return run_attempt(
            attempt, tell=tell, cancel=cancel, zygote=self._zygote, forge=self._forge
        )

    def close(self) -> None:
        """Do nothing: zygote and forge belong to whoever made them."""
