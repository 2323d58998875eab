"""Profiles of tables: made from data of any size, merged, written and read as whylogs' ``.bin``.

The only importer of whylogs.
"""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_nb.config import telemetry_off
from mlops_nb.errors import MonitoringError
from mlops_nb.monitoring.column import ColumnProfile
from mlops_nb.monitoring.sketch.container import Container
from mlops_nb.monitoring.sketch.wire import CorruptError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["ColumnProfile", "Profile", "profile"]

_DATETIME = "mlops_nb.datetime."
"""Metadata key before a column's name: its distribution is of seconds since 1970."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Profile:
    """What is known of a table; it never changes."""

    columns: Mapping[str, ColumnProfile] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    segments: Mapping[tuple[str, str], Profile] = field(default_factory=dict)
    """Profiles of some of the rows, by column and value: ``("origin", "JFK")``."""
    created: float = 0.0
    """Seconds since 1970 when the profile was made."""
    timestamp: float = 0.0
    """Seconds since 1970 that the data stand for."""

    @property
    def rows(self) -> int:
        """How many rows were seen."""
        return max((column.count for column in self.columns.values()), default=0)

    def to_bytes(self) -> bytes:
        """Encode as whylogs' ``.bin``."""
        return self._container().to_bytes()

    def _container(self) -> Container:
        marks = {_DATETIME + c.name: "seconds" for c in self.columns.values() if c.is_datetime}
        return Container(
            columns={name: column.components() for name, column in self.columns.items()},
            metadata={**self.metadata, **marks},
            created_ms=round(self.created * 1000),
            timestamp_ms=round(self.timestamp * 1000),
            segments={key: segment._container() for key, segment in self.segments.items()},
        )

    @classmethod
    def from_bytes(cls, data: bytes, *, where: str = "profile") -> Profile:
        """Decode whylogs' ``.bin``, whoever wrote it.

        Parameters
        ----------
        data
            The file's content.
        where
            What to call it in an error.

        Raises
        ------
        MonitoringError
            The bytes are no profile, are cut off or contradict themselves.
        """
        try:
            return cls._of_container(Container.from_bytes(data))
        except CorruptError as error:
            raise MonitoringError(
                f"cannot be read as a whylogs profile: {error}",
                where=where,
                fix="make the profile again from its data",
            ) from error

    @classmethod
    def _of_container(cls, container: Container) -> Profile:
        columns: dict[str, ColumnProfile] = {}
        for name, parts in container.columns.items():
            mark = container.metadata.get(_DATETIME + name) == "seconds"
            try:
                columns[name] = ColumnProfile.of_components(name, parts, is_datetime=mark)
            except CorruptError as error:
                raise CorruptError(f'column "{name}": {error}') from error
        return cls(
            columns=columns,
            metadata={k: v for k, v in container.metadata.items() if not k.startswith(_DATETIME)},
            segments={key: cls._of_container(c) for key, c in container.segments.items()},
            created=container.created_ms / 1000,
            timestamp=container.timestamp_ms / 1000,
        )

    def write(self, path: Path | str) -> Path:
        """Write as whylogs' ``.bin``, all or nothing; return the path."""
        path = Path(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(self.to_bytes())
                    file.flush()
                    os.fsync(file.fileno())
                Path(name).replace(path)
            finally:
                with suppress(FileNotFoundError):
                    Path(name).unlink()
        except OSError as error:
            raise MonitoringError(
                f"cannot be written: {error.strerror}", where=str(path)
            ) from error
        return path

    @classmethod
    def read(cls, path: Path | str) -> Profile:
        """Read a ``.bin`` of whylogs or ours.

        Raises
        ------
        MonitoringError
            There is no such file, or it is no profile.
        """
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise MonitoringError(f"cannot be read: {error.strerror}", where=str(path)) from error
        return cls.from_bytes(data, where=str(path))

    def merge(self, other: Profile) -> Profile:
        """Return the profile of both tables' rows."""
        segments = dict(self.segments)
        for key, segment in other.segments.items():
            segments[key] = segments[key].merge(segment) if key in segments else segment
        merged = Profile.from_bytes(_stock_merge(self.to_bytes(), other.to_bytes()))
        return Profile(
            columns=merged.columns,
            metadata={**self.metadata, **other.metadata},
            segments=segments,
            created=merged.created,
            timestamp=merged.timestamp,
        )


def profile(
    data: Any,
    *,
    segments: Iterable[str] = (),
    predictions: str | None = None,
    score: str | None = None,
    label: str | None = None,
    processes: int = 1,
    columns: Iterable[str] | None = None,
    progress: Callable[[int, int | None], None] | None = None,
    metadata: Mapping[str, str] | None = None,
    timestamp: float | None = None,
) -> Profile:
    """Profile a table."""
    import pandas as pd

    frame = data if isinstance(data, pd.DataFrame) else pd.read_parquet(data)
    if columns is not None:
        frame = frame[list(columns)]
    now = time.time()

    def one(part: pd.DataFrame) -> Profile:
        out = Profile.from_bytes(_stock_profile(part))
        return Profile(
            columns={n: _with_datetimes(c, part[n]) for n, c in out.columns.items()},
            metadata=dict(metadata or {}),
            created=now,
            timestamp=now if timestamp is None else timestamp,
        )

    keys: dict[str, list[str]] = {name: [str(c) for c in frame] for name in segments}
    for name in (predictions, label):
        if name is not None and score is not None:
            others = [c for c in (score, predictions, label) if c is not None and c != name]
            keys.setdefault(name, others)
    parts = {
        (name, str(value)): one(frame.loc[rows, picked])
        for name, picked in keys.items()
        for value, rows in frame.groupby(name).groups.items()
    }
    whole = one(frame)
    return Profile(
        columns=whole.columns,
        metadata=whole.metadata,
        segments=parts,
        created=now,
        timestamp=whole.timestamp,
    )


def _with_datetimes(column: ColumnProfile, series: Any) -> ColumnProfile:
    """Add the distribution of a datetime column, which stock does not keep."""
    import dataclasses

    import numpy as np
    import pandas as pd

    if not pd.api.types.is_datetime64_any_dtype(series.dtype):
        return column
    seconds = (series.dropna() - pd.Timestamp(0, tz=series.dt.tz)).dt.total_seconds()
    frame = pd.DataFrame({column.name: seconds.to_numpy(np.float64)})
    if not len(frame):
        return dataclasses.replace(column, is_datetime=True)
    seen = Profile.from_bytes(_stock_profile(frame)).columns[column.name]
    return dataclasses.replace(column, is_datetime=True, kll=seen.kll, moments=seen.moments)


def _whylogs() -> Any:
    """Import whylogs; NumPy 2 lost a name that it asks for."""
    import numpy as np

    telemetry_off()
    if not hasattr(np, "unicode_"):
        np.unicode_ = np.str_  # type: ignore[attr-defined]
    import whylogs
    import whylogs.core.view.dataset_profile_view

    return whylogs


def _stock_profile(frame: Any) -> bytes:
    view = _whylogs().log(pandas=frame).view()
    return bytes(view.serialize())


def _stock_merge(left: bytes, right: bytes) -> bytes:
    view = _whylogs().core.view.dataset_profile_view.DatasetProfileView
    return bytes(view.deserialize(left).merge(view.deserialize(right)).serialize())
