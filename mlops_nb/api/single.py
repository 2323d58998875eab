"""Any notebook on its own: the parameters that it declares, and a run of it with values for them."""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_nb.config import find_project, telemetry_off
from mlops_nb.errors import NotebookError, ParameterError, nearest
from mlops_nb.model import ErrorInfo, Record, TaskStatus

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping

    from mlops_nb.config import Project
    from mlops_nb.execution.jobs import CellProgress
    from mlops_nb.model import Json, Parameter

__all__ = ["NotebookRun", "notebook_parameters", "read_values", "run_notebook"]


class NotebookRun(Record, frozen=True, kw_only=True):
    """How a notebook's run on its own ended."""

    status: TaskStatus
    notebook: str
    """The executed notebook; an absolute path."""
    page: str
    """The same as HTML."""
    seconds: float
    parameters: dict[str, Json] = {}
    error: ErrorInfo | None = None
    cells_total: int = 0


def notebook_parameters(project: str | None, notebook: Path | str) -> tuple[Parameter, ...]:
    """Return the parameters that a notebook declares, in order.

    Parameters
    ----------
    project
        A folder or a specification; by default the project that the current folder lies in.
    notebook
        The notebook's path, from the current folder or from the project's.

    Raises
    ------
    NotebookError
        There is no such notebook, it cannot be read, or it has no ``parameters`` cell.
    """
    from mlops_nb.notebooks.parameters import infer_parameters

    return infer_parameters(_path(find_project(project), notebook), required=True)


def read_values(parameters: tuple[Parameter, ...], given: Mapping[str, Json]) -> dict[str, Json]:
    """Check values against the parameters they are for; text is read by the parameter's type.

    Raises
    ------
    ParameterError
        A value is not of its type, or there is no such parameter.
    """
    from mlops_nb.notebooks.parameters import check_value, parse_value

    known = {parameter.name: parameter for parameter in parameters}
    values: dict[str, Json] = {}
    for name, value in given.items():
        if name not in known:
            raise ParameterError(f'"{name}" is not declared', fix=nearest(name, known))
        if isinstance(value, str):
            values[name] = parse_value(known[name], value)
        else:
            values[name] = check_value(known[name], value)
    return values


def run_notebook(
    project: str | None,
    notebook: Path | str,
    parameters: Mapping[str, Json],
    *,
    on_cell: Callable[[CellProgress], None] | None = None,
    timeout: float | None = None,
    cancel: threading.Event | None = None,
) -> NotebookRun:
    """Run a notebook on its own with these values; the notebook itself stays as it is.

    A notebook that needs ``upstream`` and ``product`` finds them as it does by hand, see
    `mlops_nb.resolve`. What was executed is kept in ``.mlops/scratch/notebooks/``.

    Parameters
    ----------
    project, notebook
        Which notebook, as for `notebook_parameters`.
    parameters
        Values by name; the others keep the notebook's own.
    on_cell
        Called when a cell begins and when it ends.
    timeout
        Seconds it may take.
    cancel
        Ends it when it is set.

    Returns
    -------
    NotebookRun
        How it ended; a cell that raises is no exception here.

    Raises
    ------
    NotebookError
        The notebook cannot be read.
    ParameterError
        A value is not of its type, or there is no such parameter.
    """
    from mlops_nb.execution.convert import notebook_product
    from mlops_nb.execution.engine import run_notebook as execute
    from mlops_nb.execution.jobs import NotebookJob
    from mlops_nb.files import file_name

    telemetry_off()
    found = find_project(project)
    source = _path(found, notebook)
    values = read_values(notebook_parameters(project, source), parameters)
    stamp = f"{time.strftime('%Y%m%dT%H%M%S')}-{secrets.token_hex(3)}"
    place = found.state / "scratch" / "notebooks" / file_name(source.stem) / stamp
    executed = place / f"{source.stem}.ipynb"
    outcome = execute(
        NotebookJob(
            task=source.name,
            notebook=str(source),
            output=str(executed),
            parameters=values,
            timeout=timeout,
            max_output_mb=found.settings.max_output_mb,
        ),
        on_cell=on_cell,
        cancel=cancel,
    )
    page = executed.with_suffix(".html")
    notebook_product(executed, page)
    return NotebookRun(
        status=outcome.status,
        notebook=str(executed),
        page=str(page),
        seconds=outcome.seconds,
        parameters=values,
        error=outcome.error,
        cells_total=outcome.cells_total,
    )


def _path(project: Project, notebook: Path | str) -> Path:
    for path in (Path(notebook), project.root / notebook):
        if path.is_file():
            return path.resolve()
    known = [
        str(path.relative_to(project.root))
        for path in sorted(project.root.glob("**/*.ipynb"))
        if not any(part.startswith(".") for part in path.relative_to(project.root).parts)
    ]
    raise NotebookError(
        "there is no such notebook", where=str(notebook), fix=nearest(str(notebook), known)
    )
