"""How good predictions are: figures with intervals, a baseline and slices.

Flights of one day share their weather and their queues, so they are not independent: every
interval here comes from drawing whole days, not single flights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from features import TARGET
from mlops_nb.registry.holdout import cluster_ids, metrics_of
from mlops_nb.registry.statistics import METRICS, paired_bootstrap

if TYPE_CHECKING:
    from mlops_nb.model import Metric
    from mlops_nb.registry.statistics import Difference

FIGURES = ("roc_auc", "log_loss", "brier")
"""What every model is judged by; how they are computed: `mlops_nb.registry.statistics`."""

SLICES = ("carrier", "origin")
"""Columns that the holdout is sliced by."""

_PRIOR_FLIGHTS = 20


def baseline_rates(train: pd.DataFrame) -> pd.DataFrame:
    """Return the share of late arrivals by airline and hour: what a timetable could print.

    Small groups are drawn to the share of all flights, as if each had 20 more such flights.
    """
    hour = train["departure_hour"].astype("int64").rename("hour")
    groups = train.groupby(["carrier", hour])[TARGET].agg(["sum", "count"])
    prior = _PRIOR_FLIGHTS * train[TARGET].mean()
    share = (groups["sum"] + prior) / (groups["count"] + _PRIOR_FLIGHTS)
    return share.rename("share").reset_index()


def baseline_score(rates: pd.DataFrame, table: pd.DataFrame) -> pd.Series:
    """Look flights up in the rates; an unknown airline and hour gets the rates' mean."""
    asked = table[["carrier"]].assign(hour=table["departure_hour"].astype("int64"))
    found = asked.merge(rates, on=["carrier", "hour"], how="left")["share"]
    return found.fillna(rates["share"].mean()).set_axis(table.index)


def holdout_scores(table: pd.DataFrame, score: pd.Series) -> pd.DataFrame:
    """Return one row a flight that landed: the truth, the score and what to slice by.

    Parameters
    ----------
    table
        What `features.build_features` returns.
    score
        Probability of a late arrival, one a row of `table`.
    """
    scores = pd.DataFrame(
        {
            "target": table[TARGET].to_numpy(),
            "score": score,
            **{name: table[name].to_numpy() for name in SLICES},
            "day": table["date"].dt.strftime("%Y-%m-%d").to_numpy(),
        },
    ).set_axis(pd.Index(table["flight_id"], name="flight_id"))
    return scores[scores["target"].notna()]


def measure(scores: pd.DataFrame, *, resamples: int = 1000, seed: int = 0) -> dict[str, Metric]:
    """Return `FIGURES` with 95% intervals from a bootstrap of whole days."""
    return metrics_of(scores, FIGURES, resamples=resamples, seed=seed, cluster="day")


def compare(
    figure: str, ours: pd.DataFrame, theirs: pd.DataFrame, *, resamples: int = 1000, seed: int = 0
) -> Difference:
    """Return how much better `ours` is on the same flights; above zero is better."""
    return paired_bootstrap(
        figure,
        ours["target"].to_numpy(),
        ours["score"].to_numpy(),
        theirs.loc[ours.index, "score"].to_numpy(),
        resamples=resamples,
        seed=seed,
        clusters=cluster_ids(ours, "day"),
    )


def by_slice(scores: pd.DataFrame, column: str, *, least: int = 200) -> pd.DataFrame:
    """Return flights, late share, mean score and AUC of each value of a column.

    Parameters
    ----------
    scores
        As `holdout_scores` returns them.
    column
        One of `SLICES`.
    least
        Smaller slices are left out: their figures would be noise.
    """
    rows = []
    for value, part in scores.groupby(column):
        if len(part) < least or part["target"].nunique() < 2:
            continue
        auc = metrics_of(part, ["roc_auc"], resamples=300, cluster="day")["roc_auc"]
        rows.append(
            {
                column: value,
                "flights": len(part),
                "late": part["target"].mean(),
                "predicted": part["score"].mean(),
                "auc": auc.value,
                "auc_low": auc.low,
                "auc_high": auc.high,
            }
        )
    names = [column, "flights", "late", "predicted", "auc", "auc_low", "auc_high"]
    found = pd.DataFrame(rows, columns=names)
    return found.sort_values("flights", ascending=False, ignore_index=True)


def is_better(figure: str, value: float, than: float) -> bool:
    """Return whether a figure's value is better than another."""
    return METRICS[figure].sign * (value - than) > 0
