"""Compares a window's profile with a reference, and decides what is drift.

A column has drifted where a change is both unlikely by chance and large:

- unlikely: p-values of its tests, sampling and sketch error both counted, adjusted for the number
  of tests and of columns. Columns are selected by Benjamini-Hochberg (1995); within a selected
  column each test is held to the level that keeps the false share (Benjamini and Bogomolov 2014,
  *Selective inference on multiple families of hypotheses*).
- large: beyond the larger of a floor and what is natural between the reference's own windows,
  their mean + 3 standard deviations.

A missing column, a new one or another type is a schema fault and needs no test.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from mlops_nb.model import DriftReport, SegmentDrift
from mlops_nb.monitoring.columns import EMPTY, kind_of, measure
from mlops_nb.monitoring.decide import MeasuredColumn, decide, schema_fault
from mlops_nb.monitoring.reference import Reference
from mlops_nb.monitoring.statistics import benjamini_hochberg
from mlops_nb.monitoring.summary import ColumnSummary
from mlops_nb.monitoring.verdict import notes_on, overall, volume_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlops_nb.model import ColumnDrift
    from mlops_nb.monitoring.profile import Profile
    from mlops_nb.monitoring.settings import DriftSettings

__all__ = ["as_reference", "compare"]

_DETAILED = 500
"""Columns up to which those without drift are drawn and described as well."""


def as_reference(
    reference: Reference | Profile | Sequence[Profile], settings: DriftSettings | None = None
) -> Reference:
    """Return a reference from what a caller has: one profile, or a list of them."""
    if isinstance(reference, Reference):
        return reference
    if isinstance(reference, (list, tuple)):
        return Reference(reference, settings=settings)
    return Reference([reference], settings=settings)  # type: ignore[list-item]


def compare(
    profile: Profile,
    reference: Reference | Profile | Sequence[Profile],
    *,
    window: str = "",
    model: str = "",
    version: str = "",
    baseline: str = "pinned",
    importance: Mapping[str, float] | None = None,
    settings: DriftSettings | None = None,
) -> DriftReport:
    """Compare a window with a reference and decide which columns drifted.

    Parameters
    ----------
    profile
        The window's profile.
    reference
        A `Reference`, a list of window profiles, or one profile. With two or more windows the
        thresholds follow what is natural between them.
    window, model, version, baseline
        Names for the report.
    importance
        Feature importances on any scale; the reference's by default. Columns without one matter
        little where others have one.
    settings
        Floors and levels; the reference's by default.

    Returns
    -------
    DriftReport
        One `ColumnDrift` per column of either side, segments, and the row volume.
    """
    base = as_reference(reference, settings)
    used = settings or base.settings
    base = base.under(used)
    weights = _scaled(importance if importance is not None else base.importance)
    columns = _compare_columns(profile, base, used, weights)
    segments = _compare_segments(profile, base, used, weights)
    columns = tuple(_with_segments(column, segments) for column in columns)
    volume = volume_of(profile, base, used)
    state, severity = overall(columns, profile.rows, used, volume)
    notes = notes_on(profile, base, columns, segments)
    total = sum(column.importance for column in columns)
    share = sum(column.importance for column in columns if column.drifted) / total if total else 0.0
    return DriftReport(
        window=window,
        model=model,
        version=version,
        baseline=baseline,
        rows=profile.rows,
        reference_rows=base.rows,
        reference_windows=base.labels,
        state=state,
        severity=severity,
        drift_share=share,
        columns=columns,
        segments=segments,
        volume=volume,
        notes=notes,
        alpha=used.alpha,
    )


def _scaled(importance: Mapping[str, float]) -> dict[str, float]:
    largest = max((abs(value) for value in importance.values()), default=0.0)
    return {name: abs(value) / largest for name, value in importance.items()} if largest else {}


def _compare_columns(
    profile: Profile, base: Reference, settings: DriftSettings, weights: Mapping[str, float]
) -> tuple[ColumnDrift, ...]:
    """Measure every column, then decide over all of them together."""
    measured: list[MeasuredColumn] = []
    schema: dict[str, ColumnDrift] = {}
    names = list(base.columns)
    names += [n for n in profile.columns if n not in base.columns and n not in settings.ignore]
    for name in names:
        if name not in profile.columns or name not in base.columns:
            schema[name] = schema_fault(name, profile, base, weights)
            continue
        old, new = base.summary(name), ColumnSummary((profile.columns[name],))
        kind = kind_of(old, settings)
        if kind == EMPTY:
            kind = kind_of(new, settings)
        tests = measure(kind, old, new, settings)
        measured.append(MeasuredColumn(name, kind, old, new, tests))
    families = [_family_p([found.p_value for found in row.tests]) for row in measured]
    adjusted = benjamini_hochberg(families)
    selected = sum(q <= settings.alpha for q in adjusted)
    decided = {
        row.name: decide(
            row,
            base,
            settings,
            weights,
            q,
            inflation=len(measured) / max(selected, 1),
            detailed=len(measured) <= _DETAILED,
        )
        for row, q in zip(measured, adjusted, strict=True)
    }
    return tuple(schema.get(name) or decided[name] for name in names)


def _family_p(p_values: Sequence[float]) -> float:
    """Bonferroni within a column: valid however its tests depend on one another."""
    return min(1.0, min(p_values, default=1.0) * len(p_values))


def _compare_segments(
    profile: Profile, base: Reference, settings: DriftSettings, weights: Mapping[str, float]
) -> tuple[SegmentDrift, ...]:
    found = []
    for (column, value), part in profile.segments.items():
        if len(part.columns) < len(profile.columns):
            continue  # the score by predicted or true label, not a segment of the table
        windows = [w.segments[column, value] for w in base.windows if (column, value) in w.segments]
        if not windows or min(part.rows, sum(w.rows for w in windows)) < settings.min_rows:
            continue
        inner = Reference(windows, settings=settings)
        columns = _compare_columns(part, inner, settings, weights)
        # The column that makes the segment is one value in it by definition.
        columns = tuple(drift for drift in columns if drift.column != column)
        state, _ = overall(columns, part.rows, settings)
        found.append(
            SegmentDrift(
                column=column,
                value=value,
                rows=part.rows,
                reference_rows=inner.rows,
                state=state,
                columns=columns,
            )
        )
    return tuple(found)


def _with_segments(column: ColumnDrift, segments: Sequence[SegmentDrift]) -> ColumnDrift:
    """Name the segments in which a column changed most, where it did not change everywhere."""
    if not column.drifted or not segments:
        return column
    scores = [
        (part.score, segment.name)
        for segment in segments
        for part in segment.columns
        if part.column == column.column and part.drifted
    ]
    scores.sort(reverse=True)
    return msgspec.structs.replace(column, segments=tuple(name for _, name in scores[:5]))
