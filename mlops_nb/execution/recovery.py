"""Writes down what a finished task was made from, and finishes what a dead run left."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from mlops_nb.errors import MlopsNbError, RunError
from mlops_nb.execution.commit import Commit, recover_run, unfinished
from mlops_nb.execution.lock import project_lock
from mlops_nb.pipeline.digests import Digests
from mlops_nb.pipeline.files import resolve
from mlops_nb.pipeline.state import StateStore

if TYPE_CHECKING:
    from mlops_nb.config import Project
    from mlops_nb.model import Fingerprint, Pipeline, Task

__all__ = ["Finisher", "recover"]


class Finisher:
    """Keeps the state records of one run's tasks.

    Parameters
    ----------
    project
        Whose state it is.
    pipeline
        As it runs; loaded when a crashed run is finished.
    """

    def __init__(self, project: Project, pipeline: Pipeline | None = None) -> None:
        self._project = project
        self._pipeline = pipeline
        self._state = StateStore(project)
        self._digests = Digests(project)

    def fingerprint(self, task: str) -> Fingerprint:
        """Return what a task depends on, now that everything upstream is done."""
        from mlops_nb.pipeline.fingerprint import fingerprint_now

        return fingerprint_now(self._project, self._loaded(), task)

    def is_current(self, task: Task, fingerprint: Fingerprint) -> bool:
        """Return whether a task's products were made from just this and are still what they were."""
        state = self._state.get(task.name)
        return (
            state is not None
            and state.fingerprint.digest == fingerprint.digest
            and all(
                state.products.get(product.path) == self._digest(product.path) != ""
                for product in task.products
                if product.is_file
            )
        )

    def finish(self, record: Commit) -> None:
        """Note what a task's products were made from, for the plan and for Ploomber.

        Raises
        ------
        RunError
            The state cannot be written.
        """
        digests = {path: self._digest(path) for path in record.products}
        if record.fingerprint is not None:
            self._state.put(record.task, record.fingerprint, digests, record.run)
        from mlops_nb.pipeline.sidecar import write_sidecars

        write_sidecars(self._project, self._loaded(), record.task)

    def close(self) -> None:
        """Keep the digests for the next command."""
        self._digests.save()

    def _digest(self, path: str) -> str:
        final = resolve(self._project.root, path)
        self._digests.forget(final)
        return self._digests.of(final)

    def _loaded(self) -> Pipeline:
        if self._pipeline is None:
            from mlops_nb.pipeline.load import load_pipeline

            self._pipeline = load_pipeline(self._project)
        return self._pipeline


def recover(project: Project, *, wait: float | None = 0.0) -> list[str]:
    """Finish or forget what runs left that died while products were moved in.

    Cheap where there is nothing to do. Does nothing while another run is going on: what it is
    about to do is its own.

    Parameters
    ----------
    wait
        Seconds to wait for another run to end; ``None`` for as long as it takes.

    Returns
    -------
    list of str
        The tasks whose products were put into place.

    Raises
    ------
    ExecutionError
        A product could not be moved.
    """
    runs = project.state / "runs"
    if next(unfinished(runs), None) is None:
        return []
    done: list[str] = []
    with suppress(RunError), project_lock(project, "recovery", wait=wait):
        finisher = _Recovery(project)
        for folder in unfinished(runs):
            done += recover_run(folder, finisher.finish)
        finisher.close()
    return done


class _Recovery(Finisher):
    def finish(self, record: Commit) -> None:
        # The pipeline may have changed or broken since: then Ploomber's own note has to wait.
        with suppress(MlopsNbError):
            super().finish(record)
