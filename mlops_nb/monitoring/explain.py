"""Says in words, shares and quantiles what changed in a column."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlops_nb.model import Overlay, QuantileShift, ShareShift
from mlops_nb.monitoring import statistics as stats
from mlops_nb.monitoring.columns import CATEGORICAL, DATETIME, HIGH, NUMERIC

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops_nb.monitoring.columns import Measured
    from mlops_nb.monitoring.summary import ColumnSummary

__all__ = ["describe", "descriptive", "overlay_of", "quantiles_of", "shares_of"]

_PS = (0.01, 0.25, 0.5, 0.75, 0.99)
_SHOWN = 12
_UNITS = {
    1.609: "kilometres for miles?",
    0.6214: "miles for kilometres?",
    0.3048: "metres for feet?",
    3.281: "feet for metres?",
    0.4536: "kilograms for pounds?",
    2.205: "pounds for kilograms?",
    60.0: "a unit 60 times smaller?",
    1 / 60: "a unit 60 times larger?",
}


_UNNATURAL = float(np.log(2))
"""Half or twice is the least that is asked about without a name: seasons change rates by less."""


def quantiles_of(kind: str, old: ColumnSummary, new: ColumnSummary) -> tuple[QuantileShift, ...]:
    """Return five quantiles of both sides; none for columns without numbers."""
    if kind not in (NUMERIC, DATETIME) or not (old.distribution.n and new.distribution.n):
        return ()
    before, now = old.distribution.quantiles(_PS), new.distribution.quantiles(_PS)
    return tuple(
        QuantileShift(p=p, reference=float(a), current=float(b))
        for p, a, b in zip(_PS, before, now, strict=True)
    )


@np.errstate(over="ignore")
def overlay_of(
    kind: str, old: ColumnSummary, new: ColumnSummary, *, bins: int = 28
) -> Overlay | None:
    """Return both histograms over the central 99% of the two sides; the ends hold the rest."""
    if kind not in (NUMERIC, DATETIME) or not (old.distribution.n and new.distribution.n):
        return None
    ends = np.concatenate(
        (old.distribution.quantiles((0.005, 0.995)), new.distribution.quantiles((0.005, 0.995)))
    )
    low, high = float(ends.min()), float(ends.max())
    if not np.isfinite(high - low):
        return None
    if high <= low:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, bins + 1)
    return Overlay(
        edges=tuple(edges.tolist()),
        reference=tuple(old.distribution.masses(edges[1:-1]).tolist()),
        current=tuple(new.distribution.masses(edges[1:-1]).tolist()),
    )


def shares_of(kind: str, old: ColumnSummary, new: ColumnSummary) -> tuple[ShareShift, ...]:
    """Return the categories that hold or moved most, and the rest as one."""
    if kind not in (CATEGORICAL, HIGH) or not old.valid or not new.valid:
        return ()
    share_old = {label: count / old.valid for label, count in old.frequent.items()}
    share_new = {label: count / new.valid for label, count in new.frequent.items()}
    labels = sorted(
        share_old.keys() | share_new.keys(),
        key=lambda label: (-max(share_old.get(label, 0), share_new.get(label, 0)), label),
    )[:_SHOWN]
    rows = [
        ShareShift(
            label=label, reference=share_old.get(label, 0.0), current=share_new.get(label, 0.0)
        )
        for label in labels
    ]
    rest_old = max(0.0, 1 - sum(row.reference for row in rows))
    rest_new = max(0.0, 1 - sum(row.current for row in rows))
    if max(rest_old, rest_new) > 1e-9:
        rows.append(ShareShift(label="other", reference=rest_old, current=rest_new, is_other=True))
    return tuple(rows)


@np.errstate(over="ignore", invalid="ignore")
def descriptive(
    kind: str, old: ColumnSummary, new: ColumnSummary, shares: Sequence[ShareShift]
) -> dict[str, float]:
    """Return measures that decide nothing: PSI, Jensen-Shannon distance, means."""
    found: dict[str, float] = {}
    if kind in (NUMERIC, DATETIME) and old.distribution.n and new.distribution.n:
        edges = old.distribution.edges()
        p, q = old.distribution.masses(edges), new.distribution.masses(edges)
        found["psi"] = stats.population_stability(p, q)
        found["jensen-shannon"] = stats.jensen_shannon(p, q)
        found["reference mean"] = _mean(old)
        found["mean"] = _mean(new)
    elif shares:
        p = np.array([share.reference for share in shares])
        q = np.array([share.current for share in shares])
        found["psi"] = stats.population_stability(p, q)
    if kind == HIGH:
        found["reference distinct"] = old.distinct
        found["distinct"] = new.distinct
    return {name: value for name, value in found.items() if np.isfinite(value)}


@np.errstate(over="ignore", invalid="ignore")
def describe(kind: str, old: ColumnSummary, new: ColumnSummary, found: Measured) -> str:
    """Return one sentence on a test that found drift, with the old and the new value."""
    match found.aspect:
        case "missing values":
            return f"missing values {_percent(old.missing, old.rows)} → {_percent(new.missing, new.rows)}"
        case "infinities":
            return f"infinite values {_percent(old.infinite, old.rows)} → {_percent(new.infinite, new.rows)}"
        case "types":
            return f"type {_types(old)} → {_types(new)}"
        case "range":
            return (
                f"values from {_number(new.low)} to {_number(new.high)}, before from "
                f"{_number(old.low)} to {_number(old.high)} ({found.value:.1%} lie outside)"
                if found.measure == "share beyond"
                else f"values reach {_number(new.low)} … {_number(new.high)}, before "
                f"{_number(old.low)} … {_number(old.high)}"
            )
        case "new categories":
            return _new_categories(old, new, found.value)
        case "distinct values":
            return f"distinct values {old.distinct:,.0f} → {new.distinct:,.0f}"
        case "new values":
            return f"{found.value:.0%} of the distinct values were never seen before"
        case _ if kind in (CATEGORICAL, HIGH):
            return _moved_categories(kind, old, new)
    return _moved_numbers(found, old, new)


def _moved_numbers(found: Measured, old: ColumnSummary, new: ColumnSummary) -> str:
    ps = (0.25, 0.5, 0.75)
    before, now = old.distribution.quantiles(ps), new.distribution.quantiles(ps)
    # Labels and flags as floats: their median stands still while their shares move.
    middle, a, b = "median", before[1], now[1]
    if a == b:
        middle, a, b = "mean", _mean(old), _mean(new)
    text = (
        f"{middle} {_number(a)} → {_number(b)}, middle half "
        f"{_number(before[0])}–{_number(before[2])} → {_number(now[0])}–{_number(now[2])}"
    )
    hint = _transformation(old.distribution, new.distribution)
    return f"{text}; {hint}" if hint else text


def _transformation(old: stats.Distribution, new: stats.Distribution) -> str:
    """Name the factor or offset that would undo the change, if one does: rarely is that nature."""
    ps = np.linspace(0.05, 0.95, 19)
    before, now = old.quantiles(ps), new.quantiles(ps)
    distance, _ = stats.kolmogorov_smirnov(old, new)
    used = (before != 0) & (now / np.where(before == 0, 1, before) > 0)
    factor = float(np.median(now[used] / before[used])) if used.sum() >= 10 else 1.0
    offset = float(np.median(now - before))
    tries = []
    if abs(np.log(factor)) > 0.1:
        undone = stats.Distribution(new.items / factor, new.weights)
        name = next((n for f, n in _UNITS.items() if abs(factor / f - 1) < 0.04), "")
        if not name and abs(np.log(factor)) > _UNNATURAL:
            name = "another unit?"
        said = f"values are {factor:.3g} times what they were" + (f": {name}" if name else "")
        tries.append((stats.kolmogorov_smirnov(old, undone)[0], said))
    if offset and abs(offset) > 0.1 * old.scale:
        undone = stats.Distribution(new.items - offset, new.weights)
        said = f"values moved by {_number(offset, sign=True)}: an offset?"
        tries.append((stats.kolmogorov_smirnov(old, undone)[0], said))
    left, said = min(tries, default=(1.0, ""))
    return said if left < min(0.08, distance / 3) else ""


def _moved_categories(kind: str, old: ColumnSummary, new: ColumnSummary) -> str:
    rows = list(shares_of(kind, old, new))
    rows.sort(key=lambda row: -abs(row.current - row.reference))
    return ", ".join(
        f"{row.label or '(empty text)'} {row.reference:.1%} → {row.current:.1%}" for row in rows[:3]
    )


def _new_categories(old: ColumnSummary, new: ColumnSummary, share: float) -> str:
    unseen = sorted(
        (label for label in new.frequent if label not in old.frequent),
        key=lambda label: (-new.frequent[label], label),
    )
    shown = ", ".join(label or "(empty text)" for label in unseen[:3])
    more = f" and {len(unseen) - 3} more" if len(unseen) > 3 else ""
    listed = sum(new.frequent[label] for label in unseen) / max(new.valid, 1)
    if not unseen:
        shown = "many values, each of them rare"
    elif listed < 0.9 * share:
        more += " and many rare ones"
    text = f"new: {shown}{more}, {share:.1%} of the rows"
    known = {label.strip().casefold() for label in old.frequent}
    same = [label for label in unseen if label.strip().casefold() in known]
    if same and len(same) >= 0.8 * len(unseen):
        return f"{text}; the same names in other letter case or spacing"
    return text


def _types(side: ColumnSummary) -> str:
    total = sum(side.types.values()) or 1
    parts = sorted(side.types.items(), key=lambda item: (-item[1], item[0]))
    if len(parts) == 1:
        return parts[0][0]
    return " + ".join(f"{name} {count / total:.0%}" for name, count in parts) or "none"


def _percent(hits: int, n: int) -> str:
    return f"{hits / max(n, 1):.1%}"


def _number(value: float, *, sign: bool = False) -> str:
    return f"{value:{'+' if sign else ''}.4g}"


def _mean(side: ColumnSummary) -> float:
    dist = side.distribution
    return float(stats.weighted_sum(dist.items, dist.weights) / dist.n)
