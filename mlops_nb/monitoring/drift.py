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

from mlops_nb.model import (
    ColumnDrift,
    DriftReport,
    DriftState,
    Finding,
    SegmentDrift,
    Severity,
)
from mlops_nb.monitoring import explain
from mlops_nb.monitoring.columns import DATETIME, EMPTY, kind_of, measure
from mlops_nb.monitoring.reference import Reference, natural_threshold
from mlops_nb.monitoring.statistics import benjamini_hochberg
from mlops_nb.monitoring.summary import ColumnSummary
from mlops_nb.monitoring.verdict import (
    NEW_COLUMN,
    notes_on,
    overall,
    severity_of,
    text_of,
    volume_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlops_nb.monitoring.columns import Measured
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
    measured: list[tuple[str, str, ColumnSummary, list[Measured]]] = []
    schema: dict[str, ColumnDrift] = {}
    names = list(base.columns)
    names += [n for n in profile.columns if n not in base.columns and n not in settings.ignore]
    for name in names:
        if name not in profile.columns or name not in base.columns:
            schema[name] = _schema_fault(name, profile, base, weights)
            continue
        old, new = base.summary(name), ColumnSummary((profile.columns[name],))
        kind = kind_of(old, settings)
        if kind == EMPTY:
            kind = kind_of(new, settings)
        measured.append((name, kind, new, measure(kind, old, new, settings)))
    families = [_family_p([found.p_value for found in row[3]]) for row in measured]
    adjusted = benjamini_hochberg(families)
    selected = sum(q <= settings.alpha for q in adjusted)
    decided = {
        row[0]: _decide(
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


def _decide(
    row: tuple[str, str, ColumnSummary, list[Measured]],
    base: Reference,
    settings: DriftSettings,
    weights: Mapping[str, float],
    column_q: float,
    *,
    inflation: float,
    detailed: bool,
) -> ColumnDrift:
    name, kind, new, measured = row
    old = base.summary(name)
    naturals = {
        key: natural_threshold(values, settings.spread) for key, values in base.spread(name).items()
    }
    # A column whose windows never overlap, as a clock or a running number, moves by its nature.
    limit = naturals.get("distribution/ks")
    moving = limit is not None and limit >= 0.99
    findings = []
    for found in measured:
        natural = naturals.get(f"{found.aspect}/{found.measure}")
        threshold = max(found.floor, natural or 0.0)
        q = min(1.0, found.p_value * len(measured) * inflation)
        q = max(q, column_q) if column_q > settings.alpha else q
        over = q <= settings.alpha and found.value > threshold
        if moving and found.aspect in ("distribution", "range"):
            over = False
        findings.append(
            Finding(
                aspect=found.aspect,
                measure=found.measure,
                value=found.value,
                threshold=threshold,
                floor=found.floor,
                natural=natural,
                p_value=found.p_value,
                q_value=q,
                drifted=over,
                text=explain.describe(kind, old, new, found) if over else "",
            )
        )
    findings.sort(key=lambda f: (not f.drifted, f.aspect != "types", -f.ratio))
    drifted = [finding for finding in findings if finding.drifted]
    state = DriftState.OK
    if any(finding.aspect == "types" for finding in drifted):
        state = DriftState.SCHEMA
    elif drifted:
        state = DriftState.DRIFT
    elif min(old.valid, new.valid) < settings.min_rows:
        state = DriftState.INSUFFICIENT
    weight = weights.get(name, 0.0) if weights else 1.0
    score = max((finding.ratio for finding in (drifted or findings)), default=0.0)
    told = detailed or bool(drifted)
    shares = explain.shares_of(kind, old, new) if told else ()
    # One window cannot tell a clock or an identifier from drift: say so instead of shouting.
    aspects = {finding.aspect for finding in drifted}
    unsure = len(base.windows) == 1 and (
        aspects == {"new values"} or (kind == DATETIME and aspects == {"distribution"})
    )
    return ColumnDrift(
        column=name,
        kind=kind,
        state=state,
        severity=severity_of(state, score, weight, unsure),
        score=score,
        importance=weight,
        findings=tuple(findings),
        measures=explain.descriptive(kind, old, new, shares) if told else {},
        reference_count=old.rows,
        current_count=new.rows,
        reference_null_rate=old.missing / max(old.rows, 1),
        current_null_rate=new.missing / max(new.rows, 1),
        overlay=explain.overlay_of(kind, old, new) if told else None,
        quantiles=explain.quantiles_of(kind, old, new) if told else (),
        shares=shares,
        text=text_of(drifted, state, old, new, unsure),
    )


def _schema_fault(
    name: str, profile: Profile, base: Reference, weights: Mapping[str, float]
) -> ColumnDrift:
    missing = name not in profile.columns
    weight = weights.get(name, 0.0) if weights else 1.0
    side = base.summary(name) if missing else ColumnSummary((profile.columns[name],))
    rate = side.missing / max(side.rows, 1)
    text = "the column is missing" if missing else "the column is new: the reference lacks it"
    state = DriftState.SCHEMA
    finding = Finding(
        aspect="schema",
        measure="missing column" if missing else NEW_COLUMN,
        value=1.0,
        threshold=0.0,
        floor=0.0,
        drifted=True,
        text=text,
    )
    return ColumnDrift(
        column=name,
        kind=kind_of(side, base.settings),
        state=state,
        # A model does not read a column that it was not trained on.
        severity=severity_of(state, 1.0, weight) if missing else Severity.INFO,
        score=1.0,
        importance=weight,
        findings=(finding,),
        reference_count=side.rows if missing else 0,
        current_count=0 if missing else side.rows,
        reference_null_rate=rate if missing else 0.0,
        current_null_rate=0.0 if missing else rate,
        text=text,
    )


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
    import msgspec

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
