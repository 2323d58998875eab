"""Executes one notebook and says honestly how it ended."""

from __future__ import annotations

import contextlib
from time import monotonic
from typing import TYPE_CHECKING, Any

from mlops_nb.execution.control import Control, author_index
from mlops_nb.execution.guard import Guard
from mlops_nb.execution.jobs import NotebookOutcome
from mlops_nb.execution.resident import Resident
from mlops_nb.light import import_papermill
from mlops_nb.model import TaskStatus

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping

    from mlops_nb.execution.jobs import CellProgress, Earlier, NotebookJob
    from mlops_nb.execution.kernels import Zygote
    from mlops_nb.model import Json

__all__ = ["ENGINE", "run_notebook"]

ENGINE = "mlops-nb"
"""The engine's name in Papermill's registry."""


def run_notebook(
    job: NotebookJob,
    *,
    zygote: Zygote | Resident | None = None,
    on_cell: Callable[[CellProgress], None] | None = None,
    cancel: threading.Event | None = None,
) -> NotebookOutcome:
    """Execute a notebook through Papermill's engine interface and write the executed one.

    Safe to call from several threads at once: nothing of the process is changed, the kernel alone
    gets the job's folder and environment. The executed notebook is written whatever happens, and
    its cells' states are true. A failure is an outcome, not an exception.

    Parameters
    ----------
    job
        What to execute, where to and within which limits.
    zygote
        Where warm kernels come from, or a server that has one; without, the kernel starts cold, as
        where the server has gone.
    on_cell
        Called, in this thread, when a cell begins and when it ends.
    cancel
        Ends the execution when it is set: the kernel is interrupted, then killed. A
        `mlops_nb.execution.jobs.Cancellation` acts at once, a plain event within 0.25 s.

    Raises
    ------
    NotebookError
        The notebook cannot be read, or its language takes no parameters.
    KernelError
        The server of warm kernels went away while the notebook ran.
    """
    why_cold = ""
    if isinstance(zygote, Resident):
        outcome = zygote.run(job, on_cell=on_cell, cancel=cancel)
        if outcome is not None:
            return outcome
        zygote, why_cold = None, "the server went away"
    began = monotonic()
    engine = _engine()
    nb, injected = _prepare(job)
    kernel = job.kernel or nb.metadata.get("kernelspec", {}).get("name") or "python3"
    if job.earlier is not None and (why := _cannot_resume(nb, job.earlier, injected)):
        return NotebookOutcome(status=TaskStatus.PENDING, not_resumed=why)
    with Guard(
        timeout=job.timeout, cell_timeout=job.cell_timeout, grace=job.grace, cancel=cancel
    ) as guard:
        control = Control(
            job, guard, on_cell=on_cell, injected=injected, zygote=zygote, why_cold=why_cold
        )
        engine.execute_notebook(
            nb,
            kernel,
            output_path=job.output,
            progress_bar=False,
            start_timeout=job.start_timeout,
            control=control,
        )
    return NotebookOutcome(
        status=control.status or TaskStatus.SUCCEEDED,
        error=control.error,
        kernel=control.kernel,
        cells=tuple(control.cells),
        cells_total=control.total,
        peak_mb=control.peak_mb,
        seconds=monotonic() - began,
        kept=control.kept,
        skipped=control.skips,
        resumed_at=None if control.first is None else control.author_index(control.first),
        not_resumed=control.not_resumed,
    )


def _cannot_resume(nb: Any, earlier: Earlier, injected: int | None) -> str:
    from mlops_nb.execution.keeping import why_not

    return why_not(nb.cells, earlier, lambda index: author_index(index, injected))


def _engine() -> Any:
    """Return our engine, in Papermill's registry also where the package's metadata is not installed."""
    registry = import_papermill().papermill_engines
    from mlops_nb.execution.papermill_engine import MlopsEngine

    registry.register(ENGINE, MlopsEngine)
    return registry.get_engine(ENGINE)


def _prepare(job: NotebookJob) -> tuple[Any, int | None]:
    """Read the notebook, set its parameters and give it the metadata of Papermill's format.

    Returns
    -------
    tuple
        The notebook, and the index of the cell that was added; ``None`` where none was.
    """
    import nbformat
    from papermill.version import version

    from mlops_nb.execution.mending import remove_banners
    from mlops_nb.notebooks.inject import inject
    from mlops_nb.notebooks.read import read_notebook

    nb = read_notebook(job.notebook)
    remove_banners(nb)
    injected = None
    if job.parameters:
        nb = inject(nb, job.parameters)
        injected = next(
            index
            for index, cell in enumerate(nb.cells)
            if "injected-parameters" in cell.metadata.get("tags", ())
        )
    nb.metadata.setdefault("papermill", nbformat.from_dict({}))
    nb.metadata.papermill.update(
        parameters=_jsonable(job.parameters),
        environment_variables={},
        version=version,
        input_path=job.notebook,
        output_path=job.output,
    )
    nb.metadata.papermill.setdefault("default_parameters", {})
    for cell in nb.cells:
        cell.metadata.setdefault("tags", [])
    return nb, injected


def _jsonable(values: Mapping[str, Json]) -> Any:
    """Return the values as JSON can hold them: what the metadata shows; the cell keeps the types."""
    import json

    with contextlib.suppress(TypeError, ValueError):
        return json.loads(json.dumps(values, default=str))
    return {name: repr(value) for name, value in values.items()}
