"""Stock whylogs, as the tests ask it for the right answer."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mlops_nb.config import telemetry_off
from mlops_nb.monitoring.profile import ColumnProfile, Profile

telemetry_off()
if not hasattr(np, "unicode_"):
    np.unicode_ = np.str_

import whylogs  # noqa: E402
import whylogs_sketching as sketching  # noqa: E402
from whylogs.core.view.dataset_profile_view import DatasetProfileView  # noqa: E402

__all__ = ["DatasetProfileView", "exact", "paths", "sketching", "stock", "stock_view", "whylogs"]


def stock_view(frame: pd.DataFrame) -> DatasetProfileView:
    """Profile a frame with stock whylogs."""
    with np.errstate(all="ignore"):
        return whylogs.log(pandas=frame).view()


def stock(frame: pd.DataFrame) -> Profile:
    """Profile a frame with stock whylogs, and read what it wrote."""
    return Profile.from_bytes(bytes(stock_view(frame).serialize()))


def exact(column: ColumnProfile) -> dict[str, object]:
    """Return all that has to be equal to the last digit."""
    return {
        "count": column.count,
        "nulls": column.nulls,
        "nans": column.nans,
        "infs": column.infs,
        "trues": column.trues,
        "types": dict(column.types),
        "integers": column.integers,
        "minimum": column.minimum,
        "maximum": column.maximum,
        "n": column.kll.n if column.kll else None,
        "total": column.top.total if column.top else None,
        "registers": None if column.hll is None else column.hll.as_registers().tobytes(),
    }


def paths(column: ColumnProfile) -> set[str]:
    """Return the names of the metrics a column has."""
    return set(column.components())
