"""Runs one task that is not a notebook, or one hook, through Ploomber in this process."""

from __future__ import annotations

import contextlib
import sys
import traceback
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_nb.model import ErrorInfo, TaskStatus
from mlops_nb.notebooks.types import json_of
from mlops_nb.pipeline.files import resolve
from mlops_nb.pipeline.ploomber import open_dag, quiet, render, require_task
from mlops_nb.pipeline.worker import RunAnswer, RunJob

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["run_hook", "run_task"]


def run_task(job: RunJob) -> RunAnswer:
    """Run one task with its hooks.

    Raises
    ------
    ProjectError
        The specification cannot be loaded, or has no such task.
    """
    with _rendered(job) as dag:
        task = require_task(dag, job.task, Path(job.spec))
        task._exec_status = type(task.exec_status).WaitingExecution
        hooks: list[str] = []
        answer = _attempt(task._run)
        if answer.status is TaskStatus.SUCCEEDED:
            if task.on_finish:
                hooks.append("on_finish")
                answer = _attempt(task._run_on_finish)
            answer = _finish(task, answer)
        elif answer.status is TaskStatus.FAILED and task.on_failure:
            hooks.append("on_failure")
            _note(answer, _attempt(task._run_on_failure))
        dag.close_clients()
    return RunAnswer(status=answer.status, error=answer.error, ran_hooks=tuple(hooks))


def run_hook(job: RunJob) -> RunAnswer:
    """Call one hook of a task, or of the whole pipeline, and run nothing else.

    ``upload`` sends a task's files, with Ploomber's metadata of them, to their remote store.

    Raises
    ------
    ProjectError
        The specification cannot be loaded, or has no such task.
    """
    with _rendered(job) as dag:
        owner = require_task(dag, job.task, Path(job.spec)) if job.task else dag
        if job.hooks_only == "upload":
            answer = _attempt(owner.product.upload)
            dag.close_clients()
            return answer
        if getattr(owner, job.hooks_only) is None:
            return RunAnswer(status=TaskStatus.SUCCEEDED)
        call: Callable[[], object] = getattr(owner, f"_run_{job.hooks_only}")
        if owner is dag:
            call = _pipeline_hook(dag, job)
        answer = _attempt(call)
        dag.close_clients()
    return RunAnswer(status=answer.status, error=answer.error, ran_hooks=(job.hooks_only,))


def _pipeline_hook(dag: Any, job: RunJob) -> Callable[[], object]:
    if job.hooks_only == "on_failure":
        return lambda: dag._run_on_failure({"build": job.traceback})
    from mlops_nb.pipeline.ploomber import build_report

    return lambda: dag._run_on_finish(build_report(dag))


@contextlib.contextmanager
def _rendered(job: RunJob) -> Iterator[Any]:
    root, spec = Path(job.root), Path(job.spec)
    with open_dag(root, spec, keep_modules=True) as dag:
        if job.task:
            task = require_task(dag, job.task, spec)
            _set_params(task, job)
            _redirect(task, job, root)
        with quiet():
            render(dag, spec)
        yield dag


def _set_params(task: Any, job: RunJob) -> None:
    for name, value in job.params.items():
        # What the specification says already keeps its own type, which JSON may not have.
        if name not in task.params or json_of(task.params[name]) != value:
            task.params._setitem(name, value)


def _redirect(task: Any, job: RunJob, root: Path) -> None:
    """Have the task write its file products elsewhere."""
    moved = {str(resolve(root, final)): resolve(root, path) for final, path in job.products.items()}
    for product in _products(task):
        if hasattr(product, "__fspath__"):
            final = str(resolve(root, product._identifier.best_repr(shorten=False)))
            if final in moved:
                product._identifier = product._init_identifier(str(moved[final]))


def _products(task: Any) -> list[Any]:
    product = task.product
    return list(product.products) if hasattr(product, "products") else [product]


def _finish(task: Any, answer: RunAnswer) -> RunAnswer:
    """Check that the products exist, and keep the metadata of those that are no files."""
    if answer.status is not TaskStatus.SUCCEEDED:
        return answer
    for product in _products(task):
        is_file = hasattr(product, "__fspath__")
        if not is_file:
            # Relations are made in place, and so is what Ploomber notes of them.
            kept = _attempt(partial(_keep_metadata, task, product))
            if kept.status is not TaskStatus.SUCCEEDED:
                return kept
        if not product.exists():
            info = ErrorInfo(
                name="MissingProduct",
                message=f"the task ran to its end but did not make its product {product}",
            )
            return RunAnswer(status=TaskStatus.FAILED, error=info)
    return answer


def _keep_metadata(task: Any, product: Any) -> None:
    product.metadata.update(
        source_code=str(task.source),
        params=task.params.to_json_serializable(params_only=True),
    )


def _attempt(call: Callable[[], object]) -> RunAnswer:
    """Call user code; whatever ends it becomes the answer."""
    try:
        call()
    except SystemExit as error:
        code = 0 if error.code is None else error.code
        info = ErrorInfo(
            name="SystemExit",
            message=f"it called sys.exit({code!r})",
            traceback=_trace(error),
        )
        return RunAnswer(status=TaskStatus.EXITED, error=info)
    except KeyboardInterrupt as error:
        info = ErrorInfo(name="KeyboardInterrupt", message="interrupted", traceback=_trace(error))
        return RunAnswer(status=TaskStatus.CANCELLED, error=info)
    except Exception as error:  # noqa: BLE001 - user code may raise anything; it is the answer
        root = _root(error)
        stopped = any(type(item).__name__ == "DAGBuildEarlyStop" for item in (error, root))
        info = ErrorInfo(name=type(root).__name__, message=str(root), traceback=_trace(root))
        return RunAnswer(status=TaskStatus.CANCELLED if stopped else TaskStatus.FAILED, error=info)
    return RunAnswer(status=TaskStatus.SUCCEEDED)


def _root(error: BaseException) -> BaseException:
    """Return the user's own exception below those that Ploomber wraps around it."""
    while type(error).__module__.startswith("ploomber") and error.__cause__ is not None:
        error = error.__cause__
    return error


def _trace(error: BaseException) -> str:
    """Return the traceback from the first frame that is not ours or Ploomber's."""
    frames = traceback.extract_tb(error.__traceback__)
    inner = [
        index
        for index, frame in enumerate(frames)
        if not {"ploomber", "mlops_nb"} & set(Path(frame.filename).parts)
    ]
    kept = frames[inner[0] :] if inner else frames
    head = ["Traceback (most recent call last):\n"]
    return "".join([*head, *traceback.format_list(kept), *traceback.format_exception_only(error)])


def _note(answer: RunAnswer, hook: RunAnswer) -> None:
    """Tell on standard error that a failure hook failed too; the first error stays the answer."""
    if hook.error is not None:
        sys.stderr.write(f"the hook on_failure failed too: {hook.error.traceback}\n")
        sys.stderr.flush()
