"""Writes down what a finished task was made from, and finishes what a dead run left."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from mlops_nb.errors import MlopsNbError, RunError
from mlops_nb.execution.apart import dead, finish_dead, is_apart
from mlops_nb.execution.commit import Commit, recover_run, unfinished
from mlops_nb.execution.lock import project_lock
from mlops_nb.pipeline.digests import Digests
from mlops_nb.pipeline.files import resolve
from mlops_nb.pipeline.fingerprint import complete_fingerprint
from mlops_nb.pipeline.reasons import changes
from mlops_nb.pipeline.state import StateStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

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
        self._state = StateStore(project, keep=True)
        self._digests = Digests(project)

    def fingerprint(self, task: str) -> Fingerprint:
        """Return what a task depends on, now that everything upstream is done."""
        from mlops_nb.pipeline.fingerprint import WORTH_KEEPING, Fingerprinter, fingerprint_now

        look = Fingerprinter(self._project, self._digests.again())
        made = fingerprint_now(self._project, self._loaded(), task, look=look, store=self._state)
        if look.digests.hashed_bytes > WORTH_KEEPING:
            look.digests.save()
        return made

    def settle(self, task: Task, before: Fingerprint, run: str) -> tuple[Fingerprint, str]:
        """Return what a task that has just ended counts as made from, and what changed meanwhile.

        Parameters
        ----------
        before
            What it depended on when it started.
        run
            The run's id.

        Returns
        -------
        Fingerprint, str
            Where something changed, which of its states the task saw cannot be told: then that
            part has a value that it never has at another look, so that the task runs again.
        """
        try:
            after = self.fingerprint(task.name)
        except MlopsNbError:  # a file of it cannot be read just now
            after = complete_fingerprint({**before.parts, "source": ""}, {})
        if after.digest == before.digest:
            return before, ""
        parts = {**before.parts, **after.parts}
        moved = {key for key in parts if before.parts.get(key) != after.parts.get(key)}
        parts.update(dict.fromkeys(moved, f"(changed during run {run})"))
        found = changes(task, before.parts, after.parts, with_upstream=True)
        return complete_fingerprint(parts, {}), ", ".join(reason.text for reason in found)

    def digests(self, task: Task, places: Mapping[str, Path]) -> dict[str, str]:
        """Return the digests of what has just been put into place, as `finish` has noted them.

        Parameters
        ----------
        places
            By product, or by another name as `Stage.named` gives it.
        """
        declared = {product.path for product in task.products}
        found = {}
        for name in places:
            final = resolve(self._project.root, name)
            if name not in declared:
                self._digests.forget(final)
            found[name] = self._digests.of(final)
        return found

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
        self._state.close()

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
    if project.shares is not None or (
        next(_left(project), None) is None and next(dead(project), None) is None
    ):
        return []
    done: list[str] = []
    with suppress(RunError), project_lock(project, "recovery", wait=wait):
        done += finish_dead(project)
        finisher = _Recovery(project)
        for folder in _left(project):
            done += recover_run(folder, finisher.finish)
        finisher.close()
    return done


def _left(project: Project) -> Iterator[Path]:
    """Yield the folders of runs that have left something, and have worked in the project itself."""
    for folder in unfinished(project.state / "runs"):
        if not is_apart(project.state, folder.name):
            yield folder


class _Recovery(Finisher):
    def finish(self, record: Commit) -> None:
        # The pipeline may have changed or broken since: then Ploomber's own note has to wait.
        with suppress(MlopsNbError):
            super().finish(record)
