"""The errors that mlops-nb raises, and the exit code each one gives the command line.

.. code-block:: text

    MlopsNbError                 1
    ├── ProjectError             3   the project or its settings are wrong
    │   ├── ConfigError              [tool.mlops-nb] or MLOPS_NB_*
    │   ├── PipelineError            pipeline.yaml, a cycle, a missing source, two tasks with one product
    │   ├── NotebookError            an unreadable notebook, no parameters cell
    │   └── ParameterError           an unknown or ill-typed parameter
    ├── ExecutionError           4   a task failed, timed out, died or exited
    │   └── KernelError              a kernel could not be started
    ├── RunError                 5   an unknown run, a store that cannot be read or written
    │   └── BusyError                a run is in the way, or has ended already
    ├── RegistryError            6   models, versions, artifacts
    │   ├── ArtifactError            a tampered, unknown or missing artifact
    │   ├── GateError                a gate that fails or cannot be evaluated
    │   └── ConflictError            someone else promoted first
    ├── MonitoringError          7   profiles and drift
    ├── PluginError              8   no back end of that name
    ├── TrackingError            9   the tracking server or store
    └── ScheduleError           11   schedules, their store, an occurrence that was not due

A drift found by ``mlops-nb drift check`` exits with 10, an interrupted command with 130.
"""

from __future__ import annotations

from difflib import get_close_matches
from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "ArtifactError",
    "BusyError",
    "ConfigError",
    "ConflictError",
    "ExecutionError",
    "ExitCode",
    "GateError",
    "KernelError",
    "MlopsNbError",
    "MonitoringError",
    "NotebookError",
    "ParameterError",
    "PipelineError",
    "PluginError",
    "ProjectError",
    "RegistryError",
    "RunError",
    "ScheduleError",
    "TrackingError",
    "nearest",
]


class ExitCode(IntEnum):
    """What the process exits with, by the phase that failed."""

    OK = 0
    ERROR = 1
    USAGE = 2
    PROJECT = 3
    EXECUTION = 4
    RUN = 5
    REGISTRY = 6
    MONITORING = 7
    PLUGIN = 8
    TRACKING = 9
    DRIFT = 10
    SCHEDULE = 11
    INTERRUPTED = 130


class MlopsNbError(Exception):
    """What every error of this package is, with the way to mend it.

    Parameters
    ----------
    message
        What is wrong, and with which thing.
    where
        The file, cell, task or setting it is wrong in; shown before the message.
    fix
        What the reader can do about it; shown after the message.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.ERROR

    def __init__(self, message: str, *, where: str = "", fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.fix = fix

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text}; {self.fix}" if self.fix else text

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross process borders; keyword-only arguments are lost by the default.
        return (_rebuild, (type(self), self.message, self.where, self.fix))


def _rebuild(kind: type[MlopsNbError], message: str, where: str, fix: str) -> MlopsNbError:
    return kind(message, where=where, fix=fix)


class ProjectError(MlopsNbError):
    """The project, its pipeline, its notebooks or its settings are wrong."""

    exit_code = ExitCode.PROJECT


class ConfigError(ProjectError):
    """A setting in ``[tool.mlops-nb]`` or an ``MLOPS_NB_*`` variable is wrong."""


class PipelineError(ProjectError):
    """The pipeline's specification is wrong: YAML, a cycle, a missing source, a shared product."""


class NotebookError(ProjectError):
    """A notebook cannot be read, or lacks what its use asks for."""


class ParameterError(ProjectError):
    """A parameter is unknown, missing or of the wrong type."""


class ExecutionError(MlopsNbError):
    """A task did not succeed."""

    exit_code = ExitCode.EXECUTION


class KernelError(ExecutionError):
    """A kernel could not be found, started or reached."""


class RunError(MlopsNbError):
    """A run is unknown, or its record cannot be read or written."""

    exit_code = ExitCode.RUN


class BusyError(RunError):
    """A run that goes on is in the way, or one that was to be stopped has ended already."""


class RegistryError(MlopsNbError):
    """A model, a version or an alias is not what the command needs it to be."""

    exit_code = ExitCode.REGISTRY


class ArtifactError(RegistryError):
    """An artifact is missing, was changed, or holds a type that is not allowed."""


class GateError(RegistryError):
    """A gate fails, or cannot be evaluated."""


class ConflictError(RegistryError):
    """The champion is no longer the one that the change was decided against."""


class MonitoringError(MlopsNbError):
    """A profile cannot be made, read or compared."""

    exit_code = ExitCode.MONITORING


class PluginError(MlopsNbError):
    """No back end of that name exists, or it cannot be loaded."""

    exit_code = ExitCode.PLUGIN


class TrackingError(MlopsNbError):
    """The tracking store or server refused or cannot be reached."""

    exit_code = ExitCode.TRACKING


class ScheduleError(MlopsNbError):
    """A schedule is wrong or unknown, or its store cannot be read or written."""

    exit_code = ExitCode.SCHEDULE


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the fix text for an unknown name: the nearest one, or the list of known ones.

    Parameters
    ----------
    name
        The name that was not found.
    known
        The names that exist.

    Returns
    -------
    str
        ``did you mean "x"?``, ``known: a, b`` or an empty text where there is nothing to offer.
    """
    names = sorted(known)
    close = get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f'did you mean "{close[0]}"?'
    return f"known: {', '.join(names)}" if names else ""
