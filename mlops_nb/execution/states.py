"""Which kept states a run may go on from, and which it keeps; see `checkpoints` for the files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from mlops_nb.execution.checkpoints import checkpoint_folder, forget, not_resumed, read_index
from mlops_nb.model import Checkpoint, Keep, Record, Resume, TaskKind, TaskStatus
from mlops_nb.pipeline.reasons import changes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_nb.config import Project
    from mlops_nb.execution.staging import Stage
    from mlops_nb.model import Attempt, Fingerprint, Task, TaskRun

__all__ = ["EarlierState", "Found", "States"]


class EarlierState(Record, frozen=True, kw_only=True):
    """What an earlier run, or an earlier attempt, tells of a failed task's state."""

    run: str
    run_dir: str
    checkpoint: Checkpoint


class Found(Record, frozen=True, kw_only=True):
    """A state that a task goes on from."""

    resume: Resume
    stage_run: str
    stage_dir: Path
    """The folder of that run: what the state knows of paths lies in there."""


class States:
    """The kept states of one run's tasks.

    Parameters
    ----------
    project
        Whose runs they are.
    run_dir, run_id
        The run.
    earlier
        States of the run that is gone on with, by task.
    shared
        Whether tasks run where the project's folder is seen.
    """

    def __init__(
        self,
        project: Project,
        run_dir: Path,
        run_id: str,
        *,
        earlier: Mapping[str, EarlierState],
        shared: bool = True,
    ) -> None:
        self._project = project
        self._run_dir = run_dir
        self._run_id = run_id
        self._earlier = dict(earlier)
        self._shared = shared
        self.borrowed: set[Path] = set()
        """Folders of other runs whose staging folders are used."""

    def find(self, task: Task, fingerprint: Fingerprint) -> tuple[Found | None, str]:
        """Return the state that a task can go on from, or why it cannot though one was asked for.

        Parameters
        ----------
        fingerprint
            What the task depends on now.
        """
        earlier = self._earlier.get(task.name)
        if earlier is None or (earlier.checkpoint.why and not task.policy.checkpoint):
            return None, ""
        why = self._objection(task, fingerprint, earlier)
        if isinstance(why, Found):
            self.borrowed.add(why.stage_dir)
            return why, ""
        return None, not_resumed(earlier.run, why)

    def _objection(
        self, task: Task, fingerprint: Fingerprint, earlier: EarlierState
    ) -> Found | str:
        checkpoint, run_dir = earlier.checkpoint, Path(earlier.run_dir)
        if checkpoint.why:
            return checkpoint.why
        if not self._shared:
            return "the workers do not see the project's folder, where the state is"
        folder = run_dir / checkpoint.folder
        if not folder.resolve().is_relative_to((run_dir / "checkpoints").resolve()):
            return "it lies outside of its run"
        index = read_index(folder, checkpoint.digest)
        if isinstance(index, str):
            return index
        old, new = _comparable(index.parts, fingerprint.parts)
        changed = changes(task, old, new, with_upstream=True)
        if changed:
            return ", ".join(reason.text for reason in changed)
        stage_dir = run_dir.parent / index.stage_run
        if not stage_dir.is_dir():
            return f"run {index.stage_run}, which it began in, was deleted"
        order = Resume(run=earlier.run, folder=str(folder), digest=checkpoint.digest, stage="")
        return Found(resume=order, stage_run=index.stage_run, stage_dir=stage_dir)

    def order(
        self, attempt: Attempt, stage: Stage, found: Found | None, fingerprint: Fingerprint
    ) -> Attempt:
        """Return an attempt with what it is to keep and to go on from."""
        task = attempt.task
        resume = keep = None
        if found is not None:
            resume = replace(found.resume, stage=str(stage.folder))
        if task.kind is TaskKind.NOTEBOOK and task.policy.checkpoint and self._shared:
            folder = checkpoint_folder(self._run_dir, task.name, attempt.number)
            keep = Keep(
                folder=str(folder),
                stage=str(stage.folder),
                stage_run=found.stage_run if found else self._run_id,
                limit_mb=self._project.settings.checkpoint_mb,
                parts=fingerprint.parts,
            )
        return replace(attempt, keep=keep, resume=resume)

    def note(self, attempt: Attempt, run: TaskRun) -> TaskRun:
        """Take note of how an attempt ended; return its record with the state's place."""
        runs, task = self._run_dir.parent, attempt.task
        if run.status is TaskStatus.SUCCEEDED and (task.policy.checkpoint or attempt.resume):
            forget(runs, task.name)
        if attempt.keep is None or run.status is TaskStatus.SUCCEEDED:
            return replace(run, checkpoint=None)
        checkpoint = run.checkpoint
        if checkpoint is None:
            why = "cancelled" if run.status is TaskStatus.CANCELLED else "no cell had failed"
            checkpoint = Checkpoint(why=why)
        if not checkpoint.why:
            folder = Path(attempt.keep.folder)
            shown = folder.relative_to(self._run_dir).as_posix()
            checkpoint = replace(checkpoint, folder=shown)
            forget(runs, task.name, but=folder)
        self._earlier[task.name] = EarlierState(
            run=self._run_id, run_dir=str(self._run_dir), checkpoint=checkpoint
        )
        return replace(run, checkpoint=checkpoint)


def _comparable(
    old: Mapping[str, str], new: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the parts that cells before the failed one may depend on.

    The source is left to whoever compares the cells. Where those are the same, a module or package
    that came or went is one that only the cells after them import.
    """
    both = old.keys() & new.keys()

    def matters(key: str) -> bool:
        kind = key.partition(":")[0]
        return key != "source" and (key in both or kind not in ("module", "env"))

    return (
        {key: value for key, value in old.items() if matters(key)},
        {key: value for key, value in new.items() if matters(key)},
    )
