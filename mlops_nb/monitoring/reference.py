"""What windows are compared with: a list of window profiles, kept beside the model version.

A list and not one profile, because the windows' own differences say how large a change is
natural. In a folder: one ``.bin`` file per window, readable by whylogs, and ``index.json``.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mlops_nb.errors import MonitoringError
from mlops_nb.files import file_name, write_whole
from mlops_nb.model import Record, decode, encode
from mlops_nb.monitoring.columns import kind_of, measure
from mlops_nb.monitoring.settings import DriftSettings
from mlops_nb.monitoring.summary import ColumnSummary

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlops_nb.monitoring.profile import Profile

__all__ = ["Reference", "ReferenceIndex", "WindowFile", "natural_threshold"]

_INDEX = "index.json"


class WindowFile(Record, frozen=True, kw_only=True):
    """One window's profile on disk."""

    label: str
    file: str
    rows: int
    sha256: str


class ReferenceIndex(Record, frozen=True, kw_only=True):
    """``index.json``: what stands in a reference's folder."""

    windows: tuple[WindowFile, ...]
    importance: dict[str, float] = {}
    """Feature importances of the model version."""
    metrics: dict[str, float] = {}
    """The model's metrics where the reference was made, by name."""
    spreads: dict[str, dict[str, tuple[float, ...]]] = {}
    """By column and ``aspect/measure``: each window against the others."""
    min_rows: int = 0
    max_categories: int = 0
    """The settings that `spreads` was made with; with others it is made again."""
    format: int = 1


def natural_threshold(values: Sequence[float], spread: float) -> float | None:
    """Return mean + `spread` standard deviations, or ``None`` for fewer than two values.

    The control limit of Shewhart 1931, over the reference's own windows, each compared with the
    others (leave-one-out, so that no window is compared with itself).
    """
    if len(values) < 2:
        return None
    mean = sum(values) / len(values)
    variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return float(mean + spread * variance**0.5)


class Reference:
    """A list of window profiles with what can be learned from it once and for all.

    Parameters
    ----------
    windows
        At least one profile; with two or more, thresholds follow the windows' own spread.
    labels
        A name per window; numbered by default.
    importance
        Feature importances of the model, any scale.
    metrics
        The model's metrics where the reference was made.
    settings
        The floors, and what counts as a category.

    Raises
    ------
    MonitoringError
        There is no window, or the labels do not fit.
    """

    def __init__(
        self,
        windows: Sequence[Profile],
        labels: Sequence[str] = (),
        *,
        importance: Mapping[str, float] | None = None,
        metrics: Mapping[str, float] | None = None,
        settings: DriftSettings | None = None,
    ) -> None:
        if not windows:
            raise MonitoringError(
                "a reference needs at least one window", fix="profile the training data first"
            )
        self.windows = tuple(windows)
        self.labels = tuple(labels) or tuple(f"reference {i + 1}" for i in range(len(windows)))
        if len(self.labels) != len(self.windows):
            raise MonitoringError(
                f"{len(self.windows)} windows but {len(self.labels)} labels", where="reference"
            )
        self.importance = dict(importance or {})
        self.metrics = dict(metrics or {})
        self.settings = settings or DriftSettings()
        self._summaries: dict[str, ColumnSummary] = {}
        self._spreads: dict[str, dict[str, tuple[float, ...]]] = {}

    def under(self, settings: DriftSettings) -> Reference:
        """Return this reference with other settings; what does not depend on them is kept."""
        if settings == self.settings:
            return self
        other = Reference(
            self.windows,
            self.labels,
            importance=self.importance,
            metrics=self.metrics,
            settings=settings,
        )
        other._summaries = self._summaries
        if _measured_alike(settings) == _measured_alike(self.settings):
            other._spreads = self._spreads
        return other

    @property
    def rows(self) -> int:
        """Rows of all windows."""
        return sum(window.rows for window in self.windows)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns of any window, in the order of their first appearance."""
        names: dict[str, None] = {}
        for window in self.windows:
            names.update(dict.fromkeys(window.columns))
        return tuple(name for name in names if name not in self.settings.ignore)

    def summary(self, column: str) -> ColumnSummary:
        """Return one column over all windows that hold it."""
        if column not in self._summaries:
            parts = tuple(w.columns[column] for w in self.windows if column in w.columns)
            self._summaries[column] = ColumnSummary(parts)
        return self._summaries[column]

    def spread(self, column: str) -> dict[str, tuple[float, ...]]:
        """Return, by ``aspect/measure``, each window of the column against all the others."""
        if column not in self._spreads:
            self._spreads[column] = _spread(self.summary(column), self.settings)
        return self._spreads[column]

    @cached_property
    def volumes(self) -> tuple[float, ...]:
        """Rows of each window."""
        return tuple(float(window.rows) for window in self.windows)

    def save(self, folder: Path | str) -> ReferenceIndex:
        """Write the windows and the index into a folder; the index last, so it is never half there.

        Raises
        ------
        MonitoringError
            The folder cannot be written.
        """
        folder = Path(folder)
        try:
            files = []
            for number, (label, window) in enumerate(zip(self.labels, self.windows, strict=True)):
                data = window.to_bytes()
                name = f"{number:04d}-{file_name(label)}.bin"
                write_whole(folder / name, data, durable=True)
                digest = hashlib.sha256(data).hexdigest()
                files.append(WindowFile(label=label, file=name, rows=window.rows, sha256=digest))
            index = ReferenceIndex(
                windows=tuple(files),
                importance=self.importance,
                metrics=self.metrics,
                spreads={name: self.spread(name) for name in self.columns},
                min_rows=self.settings.min_rows,
                max_categories=self.settings.max_categories,
            )
            write_whole(folder / _INDEX, encode(index, indent=1), durable=True)
        except OSError as error:
            raise MonitoringError(
                f"the reference cannot be written: {error.strerror or error}", where=str(folder)
            ) from error
        return index

    @classmethod
    def load(cls, folder: Path | str, *, settings: DriftSettings | None = None) -> Reference:
        """Read a folder that `save` wrote.

        Raises
        ------
        MonitoringError
            The folder holds no reference, or a file of it was changed or is missing.
        """
        from mlops_nb.monitoring.profile import Profile

        folder = Path(folder)
        try:
            index = decode((folder / _INDEX).read_bytes(), ReferenceIndex)
        except FileNotFoundError as error:
            raise MonitoringError(
                "holds no reference",
                where=str(folder),
                fix="register the model with the profiles of its training windows",
            ) from error
        except (OSError, msgspec.DecodeError) as error:
            raise MonitoringError(f"cannot be read: {error}", where=str(folder / _INDEX)) from error
        windows = []
        for entry in index.windows:
            path = folder / Path(entry.file).name
            try:
                data = path.read_bytes()
            except OSError as error:
                raise MonitoringError(f"cannot be read: {error}", where=str(path)) from error
            if hashlib.sha256(data).hexdigest() != entry.sha256:
                raise MonitoringError(
                    "is not what the reference was saved with",
                    where=str(path),
                    fix="register the model version again, or restore its files",
                )
            windows.append(Profile.from_bytes(data))
        reference = cls(
            windows,
            [entry.label for entry in index.windows],
            importance=index.importance,
            metrics=index.metrics,
            settings=settings,
        )
        if (index.min_rows, index.max_categories) == _measured_alike(reference.settings):
            reference._spreads.update(index.spreads)
        return reference


def _measured_alike(settings: DriftSettings) -> tuple[int, int]:
    """Return the settings that decide what is measured; the others judge it."""
    return settings.min_rows, settings.max_categories


def _spread(column: ColumnSummary, settings: DriftSettings) -> dict[str, tuple[float, ...]]:
    if len(column.parts) < 2:
        return {}
    kind = kind_of(column, settings)
    values: dict[str, list[float]] = {}
    for number, part in enumerate(column.parts):
        others = ColumnSummary(column.parts[:number] + column.parts[number + 1 :])
        for found in measure(kind, others, ColumnSummary((part,)), settings):
            values.setdefault(f"{found.aspect}/{found.measure}", []).append(found.value)
    return {name: tuple(row) for name, row in values.items()}
