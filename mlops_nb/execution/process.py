"""Runs a task that is no notebook through Ploomber, in a process of its own."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_nb.errors import ExecutionError
from mlops_nb.execution.child import run_child
from mlops_nb.execution.ending import how_it_died
from mlops_nb.files import file_name, write_whole
from mlops_nb.model import (
    Attempt,
    ErrorInfo,
    EventKind,
    Task,
    TaskKind,
    TaskRun,
    TaskStatus,
    encode,
)

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping

    from mlops_nb.config import Project
    from mlops_nb.execution.child import ChildEnd
    from mlops_nb.execution.forge import Forge
    from mlops_nb.pipeline.worker import RunAnswer, RunJob

__all__ = ["HookCancelledError", "run_hook", "run_pipeline_hook", "run_process"]

_TAIL = 4096
"""Bytes of a task's output that its event and its error tell; the log has all."""
_WORKER = "mlops_nb.pipeline.worker"


class HookCancelledError(ExecutionError):
    """The run was cancelled before a hook had ended; that is no failure of the hook."""


def run_process(
    attempt: Attempt,
    *,
    tell: Callable[..., object],
    cancel: threading.Event,
    forge: Forge | None = None,
) -> TaskRun:
    """Run one attempt at a function, script, statement or command.

    Parameters
    ----------
    forge
        Where to fork the process from.

    Returns
    -------
    TaskRun
        How it ended; its output is in the attempt's log.

    Raises
    ------
    OSError
        The process cannot be started.
    """
    from mlops_nb.pipeline.worker import RunJob

    job = RunJob(
        root=attempt.root,
        spec=attempt.spec,
        task=attempt.task.name,
        params=attempt.task.params,
        products=attempt.products,
    )
    answer, end = _call(attempt, job, attempt.log, cancel, forge)
    tail = _tail(Path(attempt.run_dir, attempt.log))
    if tail:
        tell(EventKind.TASK_LOG, text=tail)
    status, error = _judge(attempt, answer, end, tail)
    return TaskRun(
        task=attempt.task.name,
        status=status,
        error=error,
        peak_mb=end.peak_mb,
    )


def run_hook(
    attempt: Attempt, when: str, cancel: threading.Event, forge: Forge | None = None
) -> None:
    """Call a notebook task's Ploomber hook.

    Parameters
    ----------
    when
        ``on_finish`` or ``on_failure``; nothing happens where the task has none.
    forge
        Where to fork the process from.

    Raises
    ------
    HookCancelledError
        The run was cancelled before the hook had ended.
    ExecutionError
        The hook raised, or its process died.
    """
    if not any(hook.startswith(f"{when}:") for hook in attempt.task.hooks):
        return
    from mlops_nb.pipeline.worker import RunJob

    job = RunJob(
        root=attempt.root,
        spec=attempt.spec,
        task=attempt.task.name,
        params=attempt.task.params,
        products=attempt.products,
        hooks_only=when,
    )
    log = f"logs/{file_name(attempt.task.name)}.{when}.log"
    answer, end = _call(attempt, job, log, cancel, forge)
    status, error = _judge(attempt, answer, end, _tail(Path(attempt.run_dir, log)))
    if status is TaskStatus.CANCELLED:
        raise HookCancelledError(
            f"cancelled before its {when} hook had ended", where=f'task "{attempt.task.name}"'
        )
    if status is not TaskStatus.SUCCEEDED:
        raise ExecutionError(
            f"its {when} hook did not succeed: {error.message if error else status.value}",
            where=f'task "{attempt.task.name}"',
            fix=f"see {log} in the run's folder",
        )


def run_pipeline_hook(
    project: Project,
    run_dir: Path,
    when: str,
    *,
    env: Mapping[str, str],
    traceback: str = "",
    cancel: threading.Event | None = None,
    forge: Forge | None = None,
) -> None:
    """Call a hook of the whole pipeline.

    Parameters
    ----------
    when
        ``on_finish`` or ``on_failure``.
    env
        Environment variables, over those of this process.
    traceback
        For ``on_failure``: what failed.
    cancel
        Ends the hook when it is set.
    forge
        Where to fork the process from.

    Raises
    ------
    ExecutionError
        The hook raised, or its process died.
    """
    from mlops_nb.execution.jobs import Cancellation
    from mlops_nb.pipeline.worker import RunJob

    root, spec = str(project.root), str(project.spec)
    nothing = Task(name="pipeline", kind=TaskKind.OTHER, source="")
    attempt = Attempt(run="", task=nothing, root=root, run_dir=str(run_dir), env=dict(env))
    job = RunJob(root=root, spec=spec, hooks_only=when, traceback=traceback)
    log = f"logs/{when}.log"
    answer, end = _call(attempt, job, log, cancel or Cancellation(), forge)
    status, error = _judge(attempt, answer, end, "")
    if status is not TaskStatus.SUCCEEDED:
        raise ExecutionError(
            f"the pipeline's {when} hook did not succeed: {error.message if error else ''}",
            where=spec,
            fix=f"see {log} in the run's folder",
        )


def _call(
    attempt: Attempt, job: RunJob, log: str, cancel: threading.Event, forge: Forge | None
) -> tuple[RunAnswer | None, ChildEnd]:
    from mlops_nb.pipeline.worker import environment, read_answer

    folder = Path(attempt.run_dir, "jobs")
    name = f"{file_name(attempt.task.name)}.{attempt.number}{job.hooks_only}"
    request, answer = folder / f"{name}.json", folder / f"{name}.answer.json"
    answer.unlink(missing_ok=True)
    write_whole(request, encode(job))
    end = run_child(
        _WORKER,
        ["run", str(request), str(answer)],
        cwd=Path(attempt.root),
        env={**environment(), **attempt.env},
        log=Path(attempt.run_dir, log),
        timeout=attempt.task.policy.timeout,
        cancel=cancel,
        forge=forge,
    )
    found = read_answer(answer)
    request.unlink(missing_ok=True)
    answer.unlink(missing_ok=True)
    return found, end


def _judge(
    attempt: Attempt, answer: RunAnswer | None, end: ChildEnd, tail: str
) -> tuple[TaskStatus, ErrorInfo | None]:
    if end.cancelled:
        return TaskStatus.CANCELLED, ErrorInfo(name="Cancelled", message="cancelled while it ran")
    if end.timed_out:
        text = f"the task took longer than {attempt.task.policy.timeout:g} s"
        return TaskStatus.TIMED_OUT, ErrorInfo(name="Timeout", message=text, traceback=tail)
    if answer is not None:
        return answer.status, answer.error
    if end.code < 0:
        text = how_it_died(end.code).replace("the kernel", "the task's process")
        return TaskStatus.DIED, ErrorInfo(name="ProcessDied", message=text, traceback=tail)
    text = f"the task's process left with exit code {end.code} before the task was done"
    return TaskStatus.EXITED, ErrorInfo(name="SystemExit", message=text, traceback=tail)


def _tail(log: Path) -> str:
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    return re.sub(r"\x1b\[[0-?]*[ -/]*[@-~]", "", text).strip()
