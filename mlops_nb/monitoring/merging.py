"""Merges columns: counts add up, sketches are united."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from typing import TYPE_CHECKING, TypeVar

from mlops_nb.monitoring.collect.base import combine
from mlops_nb.monitoring.column import TYPES, ColumnProfile
from mlops_nb.monitoring.sketch import kllmerge

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["merge_columns"]

T = TypeVar("T")


def merge_columns(name: str, parts: Sequence[ColumnProfile]) -> ColumnProfile:
    """Return one column's profile made of several parts of it, at least one.

    Metrics of whylogs that are carried along unread are taken from the first part that has them:
    the caller merges them by other means where several have.
    """
    return reduce(_merge, (replace(part, name=name) for part in parts))


def _merge(a: ColumnProfile, b: ColumnProfile) -> ColumnProfile:
    if a.is_datetime != b.is_datetime:
        # Seconds and plain numbers do not belong on one line; stock's datetimes have none.
        a, b = _without_seconds(a, b), _without_seconds(b, a)
    n, mean, m2 = combine(_moments(a), _moments(b))
    ranges = [r for r in (a.integers, b.integers) if r is not None]
    return ColumnProfile(
        name=a.name,
        count=a.count + b.count,
        nulls=a.nulls + b.nulls,
        nans=a.nans + b.nans,
        infs=a.infs + b.infs,
        trues=a.trues + b.trues,
        types={name: a.types.get(name, 0) + b.types.get(name, 0) for name in TYPES},
        integers=(min(r[0] for r in ranges), max(r[1] for r in ranges)) if ranges else None,
        tracks_integers=a.tracks_integers or b.tracks_integers,
        kll=_both(a.kll, b.kll, kllmerge.merge),
        moments=(mean, m2) if n else (0.0, 0.0),
        hll=_both(a.hll, b.hll, lambda x, y: x.union(y)),
        top=_both(a.top, b.top, lambda x, y: x.merge(y)),
        is_datetime=a.is_datetime or b.is_datetime,
        foreign={**b.foreign, **a.foreign},
    )


def _without_seconds(column: ColumnProfile, other: ColumnProfile) -> ColumnProfile:
    if column.is_datetime and other.kll is not None and other.kll.n:
        return replace(column, kll=None, moments=(0.0, 0.0), is_datetime=False)
    return column


def _moments(column: ColumnProfile) -> tuple[int, float, float]:
    return (column.kll.n if column.kll else 0, *column.moments)


def _both(a: T | None, b: T | None, join: Callable[[T, T], T]) -> T | None:
    if a is None or b is None:
        return a if b is None else b
    return join(a, b)
