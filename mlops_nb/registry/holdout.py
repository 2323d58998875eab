"""The holdout that travels with a model: row, truth, score and slices, and the features if wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_nb.errors import ArtifactError, GateError
from mlops_nb.registry.statistics import bootstrap_metric

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from mlops_nb.model import Metric

__all__ = ["FEATURES", "SCORES", "check_scores", "cluster_ids", "metrics_of", "pair", "score"]

SCORES = "holdout.parquet"
FEATURES = "holdout-features.parquet"


def check_scores(scores: pd.DataFrame) -> tuple[str, ...]:
    """Check a holdout table and return the names of its slice columns.

    The index names the rows; ``target`` is the truth (0 or 1, or a number), ``score`` what the
    model says; every other column is a slice.

    Raises
    ------
    ArtifactError
        A column is missing, a row occurs twice, or a target or score is not a finite number.
    """
    import numpy as np

    for name in ("target", "score"):
        if name not in scores.columns:
            raise ArtifactError(f'has no column "{name}"', where="holdout_scores")
        values = scores[name].to_numpy(dtype=float, na_value=np.nan)
        if not np.isfinite(values).all():
            raise ArtifactError(
                f'column "{name}" holds nulls or infinities', where="holdout_scores"
            )
    if not scores.index.is_unique:
        raise ArtifactError(
            "its index names some rows twice",
            where="holdout_scores",
            fix="use an index that identifies each row, such as the flight's id",
        )
    return tuple(str(name) for name in scores.columns if name not in ("target", "score"))


def metrics_of(
    scores: pd.DataFrame,
    names: Iterable[str],
    *,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
    cluster: str = "",
) -> dict[str, Metric]:
    """Return metrics of a holdout table with bootstrap intervals.

    Parameters
    ----------
    scores
        As `check_scores` describes it.
    names
        Metrics, see `mlops_nb.registry.statistics.METRICS`.
    confidence, resamples, seed
        Of the percentile bootstrap.
    cluster
        Column whose rows are drawn together, such as the day; rows are drawn singly by default.

    Raises
    ------
    GateError
        A metric is unknown or undefined on these rows.
    """
    ids = cluster_ids(scores, cluster)
    target, predicted = scores["target"].to_numpy(float), scores["score"].to_numpy(float)
    return {
        name: bootstrap_metric(
            name,
            target,
            predicted,
            confidence=confidence,
            resamples=resamples,
            seed=seed,
            clusters=ids,
        )
        for name in names
    }


def cluster_ids(scores: pd.DataFrame, cluster: str) -> NDArray[np.intp] | None:
    """Number the rows' clusters from 0; ``None`` where no column is named.

    Raises
    ------
    GateError
        The holdout has no such column, or it does not say the cluster of every row.
    """
    if not cluster:
        return None
    if cluster not in scores.columns:
        raise GateError(
            f'the holdout has no column "{cluster}" to draw clusters by',
            fix="add it to holdout_scores",
        )
    codes = scores[cluster].astype("category").cat.codes.to_numpy().astype("intp")
    missing = int((codes < 0).sum())
    if missing:
        raise GateError(
            f'the holdout\'s column "{cluster}" misses {missing} value(s), so that it cannot be told'
            " which rows belong together",
            fix="fill them in holdout_scores, or leave those rows out",
        )
    return codes


def score(model: Any, features: Any) -> NDArray[np.float64]:
    """Return a model's probability of the second class, or its prediction where it gives none.

    Raises
    ------
    GateError
        The model does not take these features, or has more than two classes.
    """
    import numpy as np

    try:
        if hasattr(model, "predict_proba"):
            given = np.asarray(model.predict_proba(features), dtype=float)
            if given.shape[1] != 2:
                raise GateError(f"the model has {given.shape[1]} classes; holdout scores need two")
            return np.asarray(given[:, 1])
        return np.asarray(model.predict(features), dtype=float)
    except (ValueError, TypeError, KeyError) as error:
        raise GateError(f"the model cannot score these features: {error}") from error


def pair(candidate: pd.DataFrame, champion: pd.DataFrame) -> pd.DataFrame | None:
    """Return the candidate's rows with the champion's score beside each, or ``None``.

    ``None`` where the champion was scored on other rows, or the truths differ.
    """
    import numpy as np

    if not candidate.index.isin(champion.index).all():
        return None
    other = champion.loc[candidate.index]
    if not np.array_equal(other["target"].to_numpy(float), candidate["target"].to_numpy(float)):
        return None
    return candidate.assign(champion=other["score"].to_numpy(float))
