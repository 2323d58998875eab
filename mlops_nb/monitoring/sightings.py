"""What one window shows of each of its subjects, which is all that alerts remember of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from mlops_nb.model import DriftState, Record, Severity, WindowResult
from mlops_nb.monitoring.verdict import NEW_COLUMN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from mlops_nb.model import ColumnDrift, DriftReport, Gap

__all__ = ["COLUMN_ASPECTS", "Observation", "Sighting", "bad_windows", "observe", "with_since"]

COLUMN_ASPECTS = ("drift", "schema")


class Observation(Record, frozen=True, kw_only=True):
    """What one window says of one subject."""

    subject: str
    aspect: str
    bad: bool | None
    """``None`` where the window could not tell: it neither opens nor closes anything."""
    at_once: bool = False
    """Whether one bad window is enough: schema faults."""
    settles: bool = False
    """Whether it is told for some windows only, after which it is known: a new column."""
    severity: Severity = Severity.NONE
    text: str = ""
    importance: float = 1.0


class Sighting(Record, frozen=True, kw_only=True):
    """What one window showed. Columns that are not listed were compared and found clean."""

    window: str
    version: str = ""
    """The model version; what its predecessor's windows showed counts no more."""
    compared: bool = True
    """False where there was no reference to compare columns with."""
    seen: tuple[Observation, ...] = ()


def observe(
    window: str, report: DriftReport | None, gaps: Iterable[Gap] = (), *, version: str = ""
) -> Sighting:
    """Return what a window's report and performance show.

    Parameters
    ----------
    window
        Its label.
    report
        The comparison that alerts follow; ``None`` where there is none.
    gaps
        Realised against estimated, or against reference, performance of the window.
    version
        The model version that was monitored.
    """
    found: list[Observation] = []
    for column in report.columns if report is not None else ():
        found += _observe_column(column)
    if report is not None and report.volume is not None:
        found.append(
            Observation(
                subject="rows",
                aspect="volume",
                bad=report.volume.drifted,
                severity=Severity.WARNING if report.volume.drifted else Severity.NONE,
                text=report.volume.text,
            )
        )
    found += [
        Observation(
            subject=gap.metric,
            aspect=gap.aspect,
            bad=gap.drifted,
            severity=Severity.CRITICAL if gap.drifted else Severity.NONE,
            text=gap.text,
        )
        for gap in gaps
    ]
    return Sighting(window=window, version=version, compared=report is not None, seen=tuple(found))


def _observe_column(column: ColumnDrift) -> Iterator[Observation]:
    if column.state is DriftState.OK:
        return
    if column.state is DriftState.INSUFFICIENT:
        yield Observation(subject=column.column, aspect="drift", bad=None)
        return
    schema = column.state is DriftState.SCHEMA
    yield Observation(
        subject=column.column,
        aspect="schema" if schema else "drift",
        bad=True,
        at_once=schema,
        settles=any(finding.measure == NEW_COLUMN for finding in column.findings),
        severity=column.severity,
        text=column.text,
        importance=column.importance,
    )
    if schema:
        # Missing, or of another type, it says nothing about its distribution.
        yield Observation(subject=column.column, aspect="drift", bad=None)


def bad_windows(sightings: Iterable[Sighting]) -> dict[tuple[str, str], list[str]]:
    """Return the windows in which each subject was bad, by subject and aspect."""
    bad: dict[tuple[str, str], list[str]] = {}
    for sighting in sightings:
        for seen in sighting.seen:
            if seen.bad:
                bad.setdefault((seen.subject, seen.aspect), []).append(sighting.window)
    return bad


def with_since(
    results: Sequence[WindowResult], sightings: Sequence[Sighting]
) -> tuple[WindowResult, ...]:
    """Say of each drifted column since which window it has been so without a break."""
    ordered = sorted(sightings, key=lambda sighting: sighting.window)
    bad: dict[str, dict[str, bool | None]] = {}
    for sighting in ordered:
        row = bad.setdefault(sighting.window, {})
        for seen in sighting.seen:
            if seen.aspect in COLUMN_ASPECTS:
                row[seen.subject] = row.get(seen.subject) or seen.bad
    told = []
    for result in results:
        if result.pinned is None:
            told.append(result)
            continue
        before = [
            sighting.window
            for sighting in ordered
            if sighting.window < result.window
            and sighting.version == result.version
            and sighting.compared
        ]
        columns = tuple(
            msgspec.structs.replace(column, since=_since(column, result.window, before, bad))
            if column.drifted
            else column
            for column in result.pinned.columns
        )
        report = msgspec.structs.replace(result.pinned, columns=columns)
        told.append(msgspec.structs.replace(result, reports=(report, *result.reports[1:])))
    return tuple(told)


def _since(
    column: ColumnDrift,
    window: str,
    before: Sequence[str],
    bad: Mapping[str, Mapping[str, bool | None]],
) -> str:
    since = window
    for earlier in reversed(before):
        was = bad[earlier].get(column.column, False)
        if was is False:
            break
        since = earlier if was else since
    return since
