"""Decides of one column whether it drifted, and says in which way; see `mlops_nb.monitoring.drift`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from mlops_nb.model import ColumnDrift, DriftState, Finding, Severity
from mlops_nb.monitoring import explain
from mlops_nb.monitoring.columns import DATETIME, Measured, kind_of
from mlops_nb.monitoring.reference import natural_threshold
from mlops_nb.monitoring.summary import ColumnSummary
from mlops_nb.monitoring.verdict import NEW_COLUMN, severity_of, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_nb.monitoring.profile import Profile
    from mlops_nb.monitoring.reference import Reference
    from mlops_nb.monitoring.settings import DriftSettings

__all__ = ["MeasuredColumn", "decide", "schema_fault"]


class MeasuredColumn(NamedTuple):
    """One column on both sides, with its tests before their decision."""

    name: str
    kind: str
    old: ColumnSummary
    new: ColumnSummary
    tests: list[Measured]


def decide(
    row: MeasuredColumn,
    base: Reference,
    settings: DriftSettings,
    weights: Mapping[str, float],
    column_q: float,
    *,
    inflation: float,
    detailed: bool,
) -> ColumnDrift:
    """Hold each test of a column against its threshold, and say what came of it.

    Parameters
    ----------
    row
        The column's tests.
    base
        The reference, whose windows' own spread raises thresholds.
    settings
        Levels and floors.
    weights
        Importances by column, the largest 1; without any, all columns matter alike.
    column_q
        The column's own p-value, adjusted over all columns.
    inflation
        All columns over the selected ones: what a test's p-value is multiplied by within a
        selected column (Benjamini and Bogomolov 2014).
    detailed
        Whether to draw and describe the column although it did not drift.
    """
    name, kind, old, new, measured = row
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


def schema_fault(
    name: str, profile: Profile, base: Reference, weights: Mapping[str, float]
) -> ColumnDrift:
    """Return what is said of a column that one side lacks."""
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
