"""Sums up what the tests of a window found: states, urgency, row volume, words."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING

from mlops_nb.model import DriftState, Finding, Severity
from mlops_nb.monitoring.reference import natural_threshold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops_nb.model import ColumnDrift, SegmentDrift
    from mlops_nb.monitoring.profile import Profile
    from mlops_nb.monitoring.reference import Reference
    from mlops_nb.monitoring.settings import DriftSettings
    from mlops_nb.monitoring.summary import ColumnSummary

__all__ = [
    "NEW_COLUMN",
    "breaks_schema",
    "notes_on",
    "overall",
    "severity_of",
    "text_of",
    "volume_of",
]

NEW_COLUMN = "new column"
"""The measure of a finding that settles: whoever was told of the column knows it."""

_MATTERS = 0.05
"""Importance, as a share of the largest, below which a column's drift is told but not urgent."""


def severity_of(state: DriftState, score: float, weight: float, unsure: bool = False) -> Severity:
    """Tell how urgent: by the column's importance, and by how far beyond its threshold it is."""
    if state in (DriftState.OK, DriftState.INSUFFICIENT):
        return Severity.NONE
    if unsure or weight < _MATTERS:
        return Severity.INFO
    if state is DriftState.SCHEMA or (score >= 3 and weight >= 4 * _MATTERS):
        return Severity.CRITICAL
    return Severity.WARNING


def breaks_schema(column: ColumnDrift) -> bool:
    """Tell whether a column that the model needs is missing or of another type."""
    return column.state is DriftState.SCHEMA and column.severity is not Severity.INFO


def volume_of(profile: Profile, base: Reference, settings: DriftSettings) -> Finding | None:
    """Compare the number of rows with the reference windows'; one window says nothing of it."""
    if len(base.volumes) < 2 or not all(base.volumes):
        return None
    mean = sum(base.volumes) / len(base.volumes)
    others = [(sum(base.volumes) - rows) / (len(base.volumes) - 1) for rows in base.volumes]
    own = [abs(log(rows / other)) for rows, other in zip(base.volumes, others, strict=True)]
    natural = natural_threshold(own, settings.spread)
    value = abs(log(max(profile.rows, 0.5) / mean))
    threshold = max(settings.volume, natural or 0.0)
    return Finding(
        aspect="row volume",
        measure="log ratio",
        value=value,
        threshold=threshold,
        floor=settings.volume,
        natural=natural,
        drifted=value > threshold,
        text=f"{profile.rows:,} rows, the reference's windows hold {mean:,.0f} on average",
    )


def overall(
    columns: Sequence[ColumnDrift],
    rows: int,
    settings: DriftSettings,
    volume: Finding | None = None,
) -> tuple[DriftState, Severity]:
    """Return the state and urgency of a window: a schema fault tells more than drift does.

    A column that is new, or does not matter, is told by itself and makes no faulty window.
    A volume that drifted is drift of the window.
    """
    thinned = volume is not None and volume.drifted
    found = [column.severity for column in columns] + [Severity.WARNING] * thinned
    severity = max(found, key=lambda s: s.rank, default=Severity.NONE)
    states = {column.state for column in columns}
    faulty = any(breaks_schema(column) for column in columns)
    if rows < settings.min_rows:
        state = DriftState.SCHEMA if faulty and rows > 0 else DriftState.INSUFFICIENT
    elif faulty:
        state = DriftState.SCHEMA
    elif thinned or DriftState.DRIFT in states:
        state = DriftState.DRIFT
    else:
        state = DriftState.OK if DriftState.OK in states else DriftState.INSUFFICIENT
    return state, severity


def notes_on(
    profile: Profile,
    base: Reference,
    columns: Sequence[ColumnDrift],
    segments: Sequence[SegmentDrift],
) -> tuple[str, ...]:
    """Return what a reader must know of the comparison itself."""
    notes = []
    if len(base.windows) == 1:
        notes.append(
            "The reference is one window: thresholds are the floors alone. "
            "Several windows would show what change is natural."
        )
    if profile.rows == 0:
        notes.append("The window holds no rows.")
    whole = {column.column for column in columns if column.drifted}
    hidden = [
        f"{column.column} where {segment.name}"
        for segment in segments
        for column in segment.columns
        if column.drifted and column.column not in whole
    ]
    if hidden:
        more = f" and {len(hidden) - 5} more" if len(hidden) > 5 else ""
        notes.append(f"Only in a segment, and hidden in the whole: {', '.join(hidden[:5])}{more}.")
    return tuple(notes)


def text_of(
    drifted: Sequence[Finding],
    state: DriftState,
    old: ColumnSummary,
    new: ColumnSummary,
    unsure: bool,
) -> str:
    """Return a column's findings as one text."""
    if state is DriftState.INSUFFICIENT:
        return f"too few values to decide: {old.valid:,} in the reference, {new.valid:,} now"
    texts = list(dict.fromkeys(finding.text for finding in drifted))
    if unsure:
        texts.append(
            "natural for an identifier or a clock; a reference of several windows would know"
        )
    return "; ".join(texts[:4])
