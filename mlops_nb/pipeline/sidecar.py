"""Writes the metadata by which Ploomber tells whether a task is outdated.

For a product ``out.csv`` it is ``.out.csv.metadata`` beside it, with the source code, the
parameters and the time; after it, ``ploomber status`` agrees with us. Ploomber itself is not
needed for it.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mlops_nb.errors import RunError
from mlops_nb.files import write_whole
from mlops_nb.model import Json, Record, TaskKind
from mlops_nb.notebooks.read import read_cells
from mlops_nb.pipeline.files import resolve
from mlops_nb.pipeline.load import stored_source
from mlops_nb.pipeline.params import find_task

if TYPE_CHECKING:
    from mlops_nb.config import Project
    from mlops_nb.model import Pipeline, Task
    from mlops_nb.pipeline.records import Stored

__all__ = ["refresh_sidecars", "sidecar_path", "write_sidecars"]


class _Sidecar(Record, frozen=True, kw_only=True):
    timestamp: float | None = None
    stored_source_code: str | None = None
    params: dict[str, Json] | None = None


def sidecar_path(product: Path) -> Path:
    """Return where Ploomber keeps a file product's metadata."""
    return product.with_name(f".{product.name}.metadata")


def write_sidecars(project: Project, pipeline: Pipeline, task: Task | str) -> None:
    """Write the metadata of a task's file products, made just now.

    Call it for each task that ran or was restored, once its products stand in place, tasks
    above it first: Ploomber takes a task for outdated that is older than one above it.

    Raises
    ------
    PipelineError
        There is no such task, or the specification cannot be loaded any more.
    NotebookError
        The task's notebook cannot be read any more.
    RunError
        The folder of a product cannot be written to.
    """
    task = find_task(pipeline, task)
    _write(project, task, _content(project, task, time.time()))


def refresh_sidecars(project: Project, pipeline: Pipeline) -> tuple[str, ...]:
    """Mend the metadata of all tasks whose products exist, so that Ploomber takes them as current.

    Metadata may be missing (products that came with a checkout), tell of text that does not
    count here (Markdown cells) or be older than that of a task above.

    Returns
    -------
    tuple of str
        The tasks whose metadata was written.
    """
    written: list[str] = []
    times: dict[str, float] = {}
    for task in pipeline.tasks:
        places = _files(project, task)
        if not places or not all(place.exists() for place in places):
            continue
        latest = max((times.get(name, 0.0) for name in task.upstream), default=0.0)
        found = [_read(sidecar_path(place)) for place in places]
        stamps = [item.timestamp for item in found if item is not None and item.timestamp]
        stamp = (
            max([*stamps[:1], latest]) if len(stamps) == len(places) else max(time.time(), latest)
        )
        wanted = _content(project, task, stamp)
        if any(item != wanted for item in found):
            _write(project, task, wanted)
            written.append(task.name)
        times[task.name] = stamp
    return tuple(written)


def _content(project: Project, task: Task, stamp: float) -> _Sidecar:
    stored = stored_source(project, task.name)
    return _Sidecar(
        timestamp=stamp,
        stored_source_code=_source(project, task, stored),
        params=_params(task, stored),
    )


def _source(project: Project, task: Task, stored: Stored) -> str | None:
    if task.kind not in (TaskKind.NOTEBOOK, TaskKind.SCRIPT):
        return stored.source_code
    # As Ploomber's NotebookSource has it: every cell's source, Markdown among them.
    cells = read_cells(resolve(project.root, task.source)).cells
    return "\n".join(cell.source for cell in cells)


def _params(task: Task, stored: Stored) -> dict[str, Json]:
    """Return the parameters the task was run with, as Ploomber keeps them."""
    left_out = {"resources_", *stored.dropped}
    return {
        **stored.params,
        **{name: value for name, value in task.params.items() if name not in left_out},
    }


def _files(project: Project, task: Task) -> list[Path]:
    return [resolve(project.root, product.path) for product in task.products if product.is_file]


def _write(project: Project, task: Task, content: _Sidecar) -> None:
    data = msgspec.json.encode(content)
    for place in _files(project, task):
        try:
            write_whole(sidecar_path(place), data)
        except OSError as error:
            raise RunError(
                f"Ploomber's metadata cannot be written: {error.strerror}",
                where=str(sidecar_path(place)),
                fix="check the folder's permissions",
            ) from error


def _read(path: Path) -> _Sidecar | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Sidecar)
    except (OSError, msgspec.MsgspecError):
        return None
