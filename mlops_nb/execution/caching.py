"""What one run takes from the product cache, and what it adds to it while the next tasks run."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from mlops_nb.errors import ExecutionError, MlopsNbError
from mlops_nb.model import EventKind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mlops_nb.execution.cache import ProductCache
    from mlops_nb.execution.staging import Stage
    from mlops_nb.model import Task
    from mlops_nb.protocols import EventSink

__all__ = ["Caching"]


class Caching:
    """The product cache as one run uses it; a cache that cannot be used costs time and no run.

    Parameters
    ----------
    cache
        The cache; ``None`` for none.
    sink
        Takes a note of what went wrong.
    run_id
        The run that adds to it.
    """

    def __init__(self, cache: ProductCache | None, sink: EventSink, run_id: str) -> None:
        self._cache = cache
        self._sink = sink
        self._run_id = run_id
        self._keepers: list[threading.Thread] = []
        self._over = False

    def keeps(self, task: Task) -> bool:
        """Return whether a task's products are taken from the cache and added to it."""
        return self._cache is not None and self._cache.keeps(task)

    def fetch(self, task: Task, fingerprint: str, stage: Stage) -> bool:
        """Write a task's products into its staging folder; return False where it has to run."""
        if self._cache is None or not self.keeps(task):
            return False
        try:
            stage.make()
            return self._cache.restore(fingerprint, stage)
        except ExecutionError as error:
            self._note(task.name, f"it is not restored but runs: {error}")
            return False

    def keep(
        self,
        task: Task,
        fingerprint: str,
        products: Mapping[str, Path],
        digests: Mapping[str, str],
    ) -> None:
        """Copy a task's products into the cache in a thread of its own.

        Parameters
        ----------
        products, digests
            As for `ProductCache.keep`.
        """
        cache = self._cache
        if cache is None or not cache.keeps(task):
            return

        def body() -> None:
            try:
                cache.keep(task.name, fingerprint, products, digests=digests, run=self._run_id)
            except MlopsNbError as error:
                self._note(task.name, str(error))

        thread = threading.Thread(target=body, name=f"mlops-nb cache {task.name}", daemon=True)
        self._keepers.append(thread)
        thread.start()

    def close(self) -> None:
        """Wait for what is on its way, and hold a folder to its limit; Ctrl-C ends the wait."""
        try:
            for thread in self._keepers:
                thread.join()
            if self._keepers and self._cache is not None:
                self._cache.trim()
        except MlopsNbError as error:
            self._note("", str(error))
        except KeyboardInterrupt:
            self._note("", "interrupted before all products were in the cache")
        self._over = True

    def _note(self, task: str, text: str) -> None:
        if not self._over:
            self._sink.emit(EventKind.NOTE, task, level="warning", text=text)
