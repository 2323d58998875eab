"""Plans and runs a pipeline, and says how its tasks stand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mlops_nb.config import Project, find_project, telemetry_off
from mlops_nb.errors import ParameterError, PipelineError, nearest
from mlops_nb.model import (
    Action,
    Json,
    Pipeline,
    Plan,
    Record,
    Run,
    TaskKind,
    TaskStatus,
)
from mlops_nb.pipeline.load import load_pipeline
from mlops_nb.pipeline.overrides import with_parameters
from mlops_nb.pipeline.plan import make_plan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


__all__ = ["Outcome", "Prepared", "TaskState", "parse_parameters", "prepare", "run", "status"]


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A run that is planned and not started."""

    project: Project
    pipeline: Pipeline
    plan: Plan
    parameters: dict[str, Json] = {}
    targets: tuple[str, ...] = ()
    resumed_from: str = ""

    @property
    def is_noop(self) -> bool:
        """Whether every task is up to date."""
        return all(item.action is Action.SKIP for item in self.plan.items)


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """A run that has ended, and the folder that holds its records."""

    run: Run
    folder: Path


class TaskState(Record, frozen=True, kw_only=True):
    """How one task stands between runs."""

    task: str
    kind: TaskKind
    action: Action
    """What a run would do with it now."""
    why: str
    upstream: tuple[str, ...] = ()
    last_status: TaskStatus | None = None
    """How it ended in the last run that had it do something; ``None`` where it never ran."""
    last_run: str = ""
    last_ended: float | None = None
    """Seconds since the epoch."""
    last_seconds: float | None = None


def parse_parameters(pairs: Sequence[str], file: str | Path | None = None) -> dict[str, Json]:
    """Read parameters from ``NAME=VALUE`` texts and a YAML or JSON file; the texts win.

    Values from texts stay text here: they get their type from the notebook that declares them.

    Raises
    ------
    ParameterError
        A text has no ``=``, or the file cannot be read or holds no mapping.
    """
    values: dict[str, Json] = {}
    if file is not None:
        import yaml

        try:
            loaded = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise ParameterError(f"cannot be read: {error}", where=str(file)) from error
        except yaml.YAMLError as error:
            raise ParameterError(f"is not valid YAML: {error}", where=str(file)) from error
        if not isinstance(loaded, dict) or not all(isinstance(name, str) for name in loaded):
            raise ParameterError(
                "holds no parameters", where=str(file), fix="write one NAME: VALUE a line"
            )
        values.update(loaded)
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name.strip():
            raise ParameterError(f'"{pair}" is no parameter', fix="write it as NAME=VALUE")
        values[name.strip()] = text
    return values


def prepare(
    project: Project | Path | str | None = None,
    *,
    targets: Sequence[str] = (),
    start_from: Sequence[str] = (),
    parameters: Mapping[str, Json] | None = None,
    force: bool = False,
    cache: str | None = None,
) -> Prepared:
    """Load a project's pipeline and plan a run; nothing is run or written but caches.

    Parameters
    ----------
    project
        A project, its folder or its specification; by default the current folder's.
    targets
        Tasks to bring up to date with what they need; all by default.
    start_from
        Tasks to run anew together with everything below them.
    parameters
        Values for this run, checked against what the notebooks declare; text is converted.
    force
        Run also what is up to date.
    cache
        Folder or fsspec URL of the product cache; the project's by default.

    Raises
    ------
    ProjectError
        The project, its pipeline, a notebook or a parameter is wrong.
    """
    telemetry_off()
    found = project if isinstance(project, Project) else find_project(project)
    if cache is not None:
        found = msgspec.structs.replace(
            found, settings=msgspec.structs.replace(found.settings, cache=cache)
        )
    pipeline = load_pipeline(found)
    _check_names(pipeline, (*targets, *start_from))
    given = dict(parameters or {})
    if given:
        pipeline = with_parameters(pipeline, given)
    plan = make_plan(found, pipeline, targets=targets, start_from=start_from, force=force)
    return Prepared(
        project=found,
        pipeline=pipeline,
        plan=plan,
        parameters=given,
        targets=tuple(targets),
    )


def _check_names(pipeline: Pipeline, names: Sequence[str]) -> None:
    known = pipeline.names()
    for name in names:
        if name not in known:
            raise PipelineError(
                f'no task is called "{name}"', where=pipeline.spec, fix=nearest(name, known)
            )
