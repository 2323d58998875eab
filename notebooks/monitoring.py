"""The profiles that production is compared with, made the same way in training and scoring."""

from __future__ import annotations

from typing import TYPE_CHECKING

import mlops_nb
from features import FEATURES, TARGET

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from mlops_nb.monitoring.profile import Profile

SCORE, PREDICTED = "score", "predicted_late"


def weeks(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Cut a table into weeks, counted back from its last day; name each by its first day.

    Days at the start that make no whole week are left out.
    """
    back = (table["date"].max() - table["date"]).dt.days // 7
    found = {}
    for number in sorted(back.unique(), reverse=True):
        week = table[back == number]
        if week["date"].nunique() == 7:
            found[f"{week['date'].min():%Y-%m-%d}"] = week
    return found


def profile_window(
    table: pd.DataFrame, score: NDArray[np.float64] | None, *, threshold: float = 0.5
) -> Profile:
    """Profile the features of some flights and, where they were scored, scores and outcomes.

    Parameters
    ----------
    table
        What `features.build_features` returns; at least one row.
    score
        Probability of a late arrival, one a row; ``None`` where there is no honest one.
    threshold
        From this score on, a flight counts as predicted late.
    """
    frame = table[[*FEATURES, TARGET]]
    when = table["scheduled"].max().timestamp()
    if score is None:
        return mlops_nb.profile(frame, timestamp=when)
    frame = frame.assign(**{SCORE: score, PREDICTED: (score >= threshold).astype("float64")})
    return mlops_nb.profile(frame, predictions=PREDICTED, score=SCORE, label=TARGET, timestamp=when)
