"""Profiles data files and compares them, without a registry or a run."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mlops_nb.api.gates import MANIFEST, read_reference
from mlops_nb.config import find_project
from mlops_nb.errors import ConfigError, MonitoringError, ProjectError, nearest
from mlops_nb.model import DriftReport, Record, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops_nb.monitoring.collect.run import Progress
    from mlops_nb.monitoring.column import ColumnProfile
    from mlops_nb.monitoring.profile import Profile
    from mlops_nb.monitoring.reference import Reference
    from mlops_nb.monitoring.settings import MonitoringSettings

__all__ = [
    "ColumnFacts",
    "DriftCheck",
    "ProfileFacts",
    "check_drift",
    "describe",
    "monitoring_settings",
    "names_data",
    "profile_files",
]


class ColumnFacts(Record, frozen=True, kw_only=True):
    """One column of a profile, in figures."""

    name: str
    kind: str
    """``numeric``, ``categorical``, ``datetime``, ``mixed`` or ``empty``."""
    count: int
    nulls: int
    """Missing values, NaN among them."""
    distinct: float
    """Estimated number of distinct values."""
    minimum: float | None = None
    """Seconds since 1970 for datetimes, as the others."""
    mean: float | None = None
    median: float | None = None
    maximum: float | None = None
    stddev: float | None = None
    top: dict[str, float] = {}
    """The most frequent values with their estimated counts."""


class ProfileFacts(Record, frozen=True, kw_only=True):
    """A profile in figures."""

    file: str = ""
    """Where it was written; empty where it was not."""
    rows: int = 0
    columns: tuple[ColumnFacts, ...] = ()
    segments: tuple[str, ...] = ()
    """``column=value`` of the parts that were profiled by themselves."""


class DriftCheck(Record, frozen=True, kw_only=True):
    """Current data against a reference, and whether that is too much of a change."""

    drifted: bool
    """Whether the severity reaches what was asked for."""
    fail_on: Severity
    page: str = ""
    """The report's page; empty where none was asked for."""
    report: DriftReport


def monitoring_settings(project: str | None) -> MonitoringSettings:
    """Return a project's ``[tool.mlops-nb.monitoring]``; the defaults outside of a project.

    Raises
    ------
    ConfigError
        The settings are wrong.
    ProjectError
        The named project does not exist.
    """
    from mlops_nb.monitoring.settings import MonitoringSettings

    try:
        found = find_project(project)
    except ConfigError:
        raise
    except ProjectError:
        if project is not None:
            raise
        return MonitoringSettings()
    return found.section("monitoring", MonitoringSettings)


def profile_files(
    paths: Sequence[Path | str],
    *,
    out: Path | str | None = None,
    segments: Sequence[str] = (),
    predictions: str = "",
    score: str = "",
    label: str = "",
    columns: Sequence[str] = (),
    processes: int = 1,
    dask: str = "",
    progress: Progress | None = None,
) -> Profile:
    """Profile data files as one table; files that are profiles already are merged in.

    Parameters
    ----------
    paths
        Parquet, CSV or Arrow files, folders of them, ``.bin`` profiles of whylogs or ours, or
        folders of a reference.
    out
        Where to write the profile, readable by whylogs; it is not written by default.
    segments
        Columns of few values; the rows of each value are profiled by themselves, too.
    predictions, score, label
        Columns of the predicted label, the score and the true label.
    columns
        The columns wanted; all by default.
    processes
        How many share the work on a file; 0 for the number of cores.
    dask
        The address of a Dask scheduler; its workers, which must see the files, do the work then.
    progress
        Called with the rows of a file that are done and, where they are known, all of its rows.

    Raises
    ------
    MonitoringError
        A file cannot be read, a named column is missing, or the profile cannot be written.
    """
    from mlops_nb.monitoring.profile import merge_all
    from mlops_nb.monitoring.profile import profile as make

    if not paths:
        raise MonitoringError("no data were named", fix="name a Parquet, CSV or Arrow file")
    parts: list[Profile] = []
    wanted: dict[str, Any] = {
        "segments": segments,
        "predictions": predictions or None,
        "score": score or None,
        "label": label or None,
        "columns": tuple(columns) or None,
        "progress": progress,
    }
    with ExitStack() as stack:
        client = None
        if dask:
            from mlops_nb.monitoring.cluster import connected, profile_dask

            client = stack.enter_context(connected(dask))
        for path in map(Path, paths):
            if is_profile(path):
                parts += read_reference(path).windows
            elif client is not None:
                parts.append(profile_dask(client, path.resolve(), **wanted))
            else:
                parts.append(make(path, processes=processes, **wanted))
    whole = merge_all(parts)
    for what, name in (("score", score), ("prediction", predictions), ("label", label)):
        if name and name not in whole.columns and not columns:
            raise MonitoringError(
                f'there is no column "{name}" to take for the {what}',
                where=", ".join(map(str, paths)),
                fix=nearest(name, whole.columns),
            )
    if out is not None:
        whole.write(out)
    return whole


def is_profile(path: Path) -> bool:
    """Whether a path is a profile, or a folder or index of a reference."""
    inside = (path / "index.json", path / MANIFEST)
    return path.suffix == ".bin" or path.name == "index.json" or any(p.is_file() for p in inside)


def names_data(text: str) -> bool:
    """Whether a text names data rather than a run: it exists, or has a folder or a suffix."""
    path = Path(text)
    return path.exists() or len(path.parts) > 1 or bool(path.suffix)


def describe(profile: Profile, *, file: str = "", top: int = 3) -> ProfileFacts:
    """Return a profile in figures.

    Parameters
    ----------
    profile
        Which.
    file
        Where it lies, to be told along.
    top
        How many of a column's most frequent values are named.
    """
    return ProfileFacts(
        file=file,
        rows=profile.rows,
        columns=tuple(_facts(column, top) for column in profile.columns.values()),
        segments=tuple(f"{column}={value}" for column, value in profile.segments),
    )


def _facts(column: ColumnProfile, top: int) -> ColumnFacts:
    median = float(column.quantiles(0.5))
    return ColumnFacts(
        name=column.name,
        kind=column.kind,
        count=column.count,
        nulls=column.nulls,
        distinct=min(column.distinct(), column.count - column.nulls),
        minimum=column.minimum,
        mean=column.mean,
        median=median if median == median else None,  # NaN where there are no values
        maximum=column.maximum,
        stddev=column.stddev,
        top=dict(list(column.frequent().items())[:top]),
    )


def check_drift(
    project: str | None,
    reference: Path | str,
    current: Path | str,
    *,
    segments: Sequence[str] = (),
    ignore: Sequence[str] = (),
    fail_on: str = "warning",
    page: Path | str | None = None,
    processes: int = 1,
    progress: Progress | None = None,
) -> DriftCheck:
    """Compare current data with a reference.

    Parameters
    ----------
    project
        Whose ``[tool.mlops-nb.monitoring]`` applies; the defaults outside of a project.
    reference
        The folder of a reference or of a model's artifact, a profile, or a data file.
    current
        A profile or a data file.
    segments
        Columns by whose values data files are compared as well.
    ignore
        Columns to leave out, besides those of the settings.
    fail_on
        The least severity that counts as drift: ``info``, ``warning`` or ``critical``.
    page
        Where to write the report as HTML.
    processes
        How many share the work on a file; 0 for the number of cores.
    progress
        Called with the rows of a file that are done and, where they are known, all of its rows.

    Raises
    ------
    MonitoringError
        Data or profiles cannot be read, the reference holds no rows, or the page cannot be written.
    """
    from mlops_nb.monitoring.drift import compare

    limit = Severity(fail_on)
    settings = monitoring_settings(project)
    used = msgspec.structs.replace(settings.drift, ignore=(*settings.drift.ignore, *ignore))
    named = tuple(segments) or settings.segments

    def read(path: Path) -> Profile:
        return profile_files([path], segments=named, processes=processes, progress=progress)

    base_path, path = Path(reference), Path(current)
    base: Reference | Profile = (
        read_reference(base_path, used) if is_profile(base_path) else read(base_path)
    )
    if not base.rows:
        raise MonitoringError(
            "the reference holds no rows, so nothing could be called drift",
            where=str(base_path),
            fix="name data, or a profile of data, that are as they should be",
        )
    report = compare(read(path), base, window=path.stem, settings=used)
    written = ""
    if page is not None:
        from mlops_nb.monitoring.report import render_report, write_page

        written = str(write_page(render_report(report), page))
    return DriftCheck(
        drifted=limit is not Severity.NONE and report.severity.rank >= limit.rank,
        fail_on=limit,
        page=written,
        report=report,
    )
