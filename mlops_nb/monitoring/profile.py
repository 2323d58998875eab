"""Profiles of tables: made from data of any size, merged, written and read as whylogs' ``.bin``.

The only importer of whylogs, which is asked for nothing but columns of mixed Python objects and
the merging of metrics that are not known here.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field, replace
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_nb.config import telemetry_off
from mlops_nb.errors import MonitoringError
from mlops_nb.files import write_whole
from mlops_nb.monitoring.collect.run import Plan, make_plan, reporter, run_memory, run_pieces
from mlops_nb.monitoring.collect.sources import deal, find_pieces, known_rows, paths
from mlops_nb.monitoring.collect.table import MISSING, OTHER, Columns, trim
from mlops_nb.monitoring.column import ColumnProfile
from mlops_nb.monitoring.merging import merge_columns
from mlops_nb.monitoring.sketch.container import Container
from mlops_nb.monitoring.sketch.wire import CorruptError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from mlops_nb.monitoring.collect.run import Progress
    from mlops_nb.monitoring.collect.sources import Piece

__all__ = [
    "MISSING",
    "OTHER",
    "ColumnProfile",
    "Profile",
    "merge_all",
    "profile",
]

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
        """Encode as whylogs' ``.bin``, segments behind it."""
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
        """Decode whylogs' ``.bin``, whoever wrote it; whylogs is not imported.

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
        """Write as whylogs' ``.bin``, all or nothing; return the path.

        Raises
        ------
        MonitoringError
            The file cannot be written.
        """
        path = Path(path)
        try:
            write_whole(path, self.to_bytes(), durable=True)
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
        """Return the profile of both tables' rows, with the segments of both.

        A segment that one side has, and the other may count among `OTHER`, becomes `OTHER`: what is
        left under a value's own name stands for all of its rows. Segments by a column that only one
        side knows stand for that side's rows.

        Raises
        ------
        MonitoringError
            Both hold a metric that neither this package nor the installed whylogs knows.
        """
        names = [*self.columns, *(name for name in other.columns if name not in self.columns)]
        columns: dict[str, ColumnProfile] = {}
        for name in names:
            parts = [p.columns[name] for p in (self, other) if name in p.columns]
            columns[name] = merge_columns(name, parts)
            if len(parts) == 2 and parts[0].foreign.keys() & parts[1].foreign.keys():
                both = _stock_merge(*(Profile(columns={name: part}) for part in parts))
                columns[name] = replace(columns[name], foreign=both.columns[name].foreign)
        return Profile(
            columns=columns,
            metadata={**self.metadata, **other.metadata},
            segments=_merge_segments(self.segments, other.segments),
            created=_earlier(self.created, other.created),
            timestamp=_earlier(self.timestamp, other.timestamp),
        )


def _merge_segments(
    left: Mapping[tuple[str, str], Profile], right: Mapping[tuple[str, str], Profile]
) -> dict[tuple[str, str], Profile]:
    merged: dict[tuple[str, str], Profile] = {}
    for mine, theirs in ((left, right), (right, left)):
        for (column, value), segment in mine.items():
            key = (column, value)
            if key not in theirs and value != MISSING and (column, OTHER) in theirs:
                key = (column, OTHER)
            merged[key] = merged[key].merge(segment) if key in merged else segment
    return merged


def _earlier(a: float, b: float) -> float:
    return min(a, b) if a and b else a or b


def profile(
    data: Any,
    *,
    segments: Iterable[str] = (),
    predictions: str | None = None,
    score: str | None = None,
    label: str | None = None,
    processes: int = 1,
    columns: Iterable[str] | None = None,
    progress: Progress | None = None,
    metadata: Mapping[str, str] | None = None,
    timestamp: float | None = None,
    most_segments: int = 50,
) -> Profile:
    """Profile a table in one pass and bounded memory.

    Parameters
    ----------
    data
        A pandas or polars frame, an Arrow table, record batch or dataset, the path of a Parquet,
        CSV or Arrow file or of a folder of them, a list of paths, or an iterator of tables.
    segments
        Columns of few values; the rows of each value are profiled by themselves, too.
    predictions, score, label
        The predicted label's column, the score's, and the true label's. The score is profiled by
        predicted label and by true label, as segments that hold these three columns only.
    processes
        How many processes share the work on files, or threads that on tables in memory; 0 for the
        number of cores. An iterator is read by one thread and profiled by all of them.
    columns
        The columns wanted; all by default.
    progress
        Called with the rows done and, where they are known, all rows.
    metadata
        Texts to keep in the profile.
    timestamp
        Seconds since 1970 that the data stand for; now by default.
    most_segments
        How many values of a segment column are told apart; the rest becomes `OTHER`.

    Raises
    ------
    MonitoringError
        The data cannot be read, two columns have one name, or a column is missing.
    """
    plan = make_plan(tuple(segments), predictions, score, label, columns)
    hands = processes or os.cpu_count() or 1
    files = paths(data)
    if files:
        pieces = [piece for file in files for piece in find_pieces(file)]
        whole = _profile_files(pieces, plan, hands, progress)
    else:
        report = reporter(progress, known_rows(data))
        whole = _as_profile(*run_memory(data, plan, _stock_column, report, hands))
    return finish(whole, most_segments, metadata, timestamp)


def profile_pieces(
    pieces: Sequence[Piece], plan: Plan, report: Callable[[float], None] = lambda rows: None
) -> Profile:
    """Profile files, or parts of them, in this process."""
    return _as_profile(*run_pieces(pieces, plan, _stock_column, report))


def profile_table(data: Any, plan: Plan) -> Profile:
    """Profile a table in memory in this thread."""
    return _as_profile(*run_memory(data, plan, _stock_column))


def merge_all(parts: Sequence[Profile]) -> Profile:
    """Merge any number of profiles pairwise, so that errors grow with the logarithm of it."""
    parts = list(parts) or [Profile()]
    while len(parts) > 1:
        parts = [reduce(Profile.merge, parts[i : i + 2]) for i in range(0, len(parts), 2)]
    return parts[0]


def _profile_files(
    pieces: list[Piece], plan: Plan, processes: int, progress: Progress | None
) -> Profile:
    total = sum(piece.rows for piece in pieces) or None
    report = reporter(progress, total)
    hands = deal(pieces, processes) if processes > 1 else [pieces]
    if len(hands) == 1:
        return profile_pieces(pieces, plan, report)
    from mlops_nb.monitoring.workers import Job, run_jobs

    jobs = [Job(pieces=tuple(hand), plan=plan) for hand in hands]
    return merge_all([Profile.from_bytes(data) for data in run_jobs(jobs, report)])


def _as_profile(columns: Columns, segments: dict[tuple[str, str], Columns]) -> Profile:
    parts = {key: Profile(columns=inner) for key, inner in segments.items()}
    return Profile(columns=columns, segments=parts)


def finish(
    whole: Profile,
    most: int,
    metadata: Mapping[str, str] | None,
    timestamp: float | None,
) -> Profile:
    """Join what is left of the segments, and add what is the same for all of them."""
    parts = {key: dict(part.columns) for key, part in whole.segments.items()}
    for column in {key[0] for key in parts}:
        parts = trim(parts, column, most)
    created = time.time()
    stands_for = created if timestamp is None else timestamp
    return Profile(
        columns=whole.columns,
        metadata=dict(metadata or {}),
        segments={
            key: Profile(columns=inner, created=created, timestamp=stands_for)
            for key, inner in sorted(parts.items())
        },
        created=created,
        timestamp=stands_for,
    )


def _whylogs() -> Any:
    """Import whylogs; NumPy 2 lost a name that it asks for."""
    import numpy as np

    telemetry_off()
    if not hasattr(np, "unicode_"):
        np.unicode_ = np.str_  # type: ignore[attr-defined]
    import whylogs
    import whylogs.core.view.dataset_profile_view

    return whylogs


def _stock_column(name: str, values: list[Any]) -> ColumnProfile:
    """Profile a column of mixed Python objects with stock whylogs."""
    import numpy as np
    import pandas as pd

    if not values:
        return ColumnProfile(name=name)
    try:
        frame = pd.DataFrame({"column": pd.Series(values, dtype=object)})
        with np.errstate(all="ignore"):
            data = bytes(_whylogs().log(pandas=frame).view().serialize())
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise MonitoringError(
            f"its values cannot be profiled: {error}",
            where=f'column "{name}"',
            fix="give the column one type, or leave it out with columns=",
        ) from error
    return replace(Profile.from_bytes(data).columns["column"], name=name)


def _stock_merge(left: Profile, right: Profile) -> Profile:
    """Merge by stock whylogs; it is handed nothing but what was decoded and encoded here."""
    view = _whylogs().core.view.dataset_profile_view.DatasetProfileView
    from whylogs.core.errors import DeserializationError, UnsupportedError

    try:
        first, second = view.deserialize(left.to_bytes()), view.deserialize(right.to_bytes())
        return Profile.from_bytes(bytes(first.merge(second).serialize()))
    except (DeserializationError, UnsupportedError, ValueError, KeyError, TypeError) as error:
        raise MonitoringError(
            f"profiles with a metric that is not known here cannot be merged: {error}",
            where=f'column "{next(iter(left.columns))}"',
            fix="install the package that the metric comes from",
        ) from error
