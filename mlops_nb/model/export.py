"""A pipeline written for a target, file by file, beside what is on the disk."""

from __future__ import annotations

from enum import Enum

from mlops_nb.model.base import Record

__all__ = ["ExportFile", "ExportPreview", "ExportTarget", "FileState"]


class FileState(Enum):
    """How a file on the disk stands to the one that would be written."""

    MISSING = "missing"
    STALE = "stale"
    SAME = "same"
    LEFT_OVER = "left-over"
    """An earlier export wrote it and this one would not: a schedule or a job that is gone."""


class ExportTarget(Record, frozen=True, kw_only=True):
    """What a pipeline can be written for."""

    name: str
    """As the command line takes it."""
    title: str
    """As the system calls itself."""
    description: str
    """One line: what is written."""


class ExportFile(Record, frozen=True, kw_only=True):
    """One file of a target."""

    path: str
    """POSIX, relative to the folder that is written to."""
    text: str
    """What would be written; empty for one that is left over."""
    state: FileState
    diff: str
    """What writing would change, as a unified diff; empty where nothing."""


class ExportPreview(Record, frozen=True, kw_only=True):
    """Everything that an export to a target would write or remove."""

    target: str
    files: tuple[ExportFile, ...]
    """Sorted by path."""
    notes: tuple[str, ...] = ()
    """What the project lacks for the files to work, each with the way to mend it."""

    @property
    def stale(self) -> bool:
        """Whether the disk differs in any file."""
        return any(file.state is not FileState.SAME for file in self.files)

    @property
    def diff(self) -> str:
        """What writing would change in all files, as one unified diff."""
        return "".join(file.diff for file in self.files)
