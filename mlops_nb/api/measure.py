"""Measures a window's performance, realised and estimated, by what the model version brought along."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_nb.errors import MonitoringError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from mlops_nb.config import Project
    from mlops_nb.model import PerformancePoint
    from mlops_nb.monitoring.performance import ScoreSides
    from mlops_nb.monitoring.profile import Profile
    from mlops_nb.monitoring.reference import Reference
    from mlops_nb.monitoring.settings import DriftSettings

__all__ = ["Baseline", "Columns", "find_baseline", "measure", "read_baseline"]

_NAMES = {"roc_auc": "auc"}
"""The registry's names of metrics that monitoring calls otherwise."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Which columns of a window hold what the model said and what came true.

    With a ``score`` (the probability of the positive class) the model is a classifier and
    ``predicted`` the label it gave; without one ``predicted`` is a regressor's prediction.
    """

    score: str = ""
    predicted: str = ""
    label: str = ""

    @property
    def is_classifier(self) -> bool:
        """Whether the window is measured as a classifier's."""
        return bool(self.score)


@dataclass(frozen=True, eq=False, kw_only=True)
class Baseline:
    """What a model version is held against."""

    model: str
    version: str
    reference: Reference
    expected: Mapping[str, float] = field(default_factory=dict)
    """Its metrics where it was accepted, by monitoring's names."""
    holdout: pd.DataFrame | None = None
    """Its holdout's ``target`` and ``score``; ``None`` where it was saved without."""


def read_baseline(
    folder: Path,
    reference: Reference,
    *,
    model: str,
    version: str,
    metrics: Mapping[str, float] | None = None,
) -> Baseline:
    """Return what the artifact of a version says of its performance.

    Figures come from the holdout's scores, computed as a window's are; without these from the
    reference, else from the registered metrics.

    Parameters
    ----------
    folder
        The artifact.
    reference
        What windows of data are compared with.
    model, version
        Names for the results.
    metrics
        The registered figures, by the registry's names.

    Raises
    ------
    ArtifactError
        The holdout's scores cannot be read.
    """
    from mlops_nb.monitoring.performance import realised, realised_errors
    from mlops_nb.registry.artifact import load_scores

    given = dict(metrics or {}) | dict(reference.metrics)
    expected = {_NAMES.get(name, name): value for name, value in given.items()}
    holdout = load_scores(folder)
    if holdout is not None:
        points = (
            realised("reference", _sides(holdout))
            if _is_binary(holdout)
            else realised_errors("reference", holdout["target"], holdout["score"])
        )
        expected |= {point.metric: point.value for point in points}
    return Baseline(
        model=model, version=version, reference=reference, expected=expected, holdout=holdout
    )


def _given(path: Path, settings: DriftSettings) -> Reference:
    """Return the reference of a profile, a folder of them or a data file."""
    from mlops_nb.api.gates import read_reference
    from mlops_nb.api.profiles import is_profile, profile_files
    from mlops_nb.monitoring.reference import Reference

    if path.is_dir() or is_profile(path):
        return read_reference(path, settings)
    return Reference([profile_files([path])], [path.stem], settings=settings)


def find_baseline(
    project: Project,
    settings: DriftSettings,
    model: str,
    version: str,
    reference: Path | str | None,
) -> Baseline:
    """Return what windows are held against: the version's own, or a reference by itself."""
    from mlops_nb.api.gates import read_reference
    from mlops_nb.api.opening import opened, resolve_version
    from mlops_nb.registry.versions import find_version

    if reference is not None:
        if not model:
            raise MonitoringError(
                "a reference of its own does not say which model it belongs to",
                where=str(reference),
                fix='name the model: "monitor run MODEL", "monitor backfill --model MODEL"',
            )
        given = _given(Path(reference), settings)
        return Baseline(
            model=model,
            version=version,
            reference=given,
            expected=given.metrics,
        )
    with opened(project) as (_, registry):
        name, number = resolve_version(registry, version, model)
        found = find_version(registry, name, number)
        folder = registry.fetch(found)
    try:
        own = read_reference(folder, settings)
    except MonitoringError as error:
        raise MonitoringError(
            "was registered without a reference",
            where=f"{name} v{number}",
            fix="give save_model reference_profiles, or name one with --reference",
        ) from error
    return read_baseline(
        folder,
        own,
        model=name,
        version=str(number),
        metrics={key: metric.value for key, metric in found.metrics.items()},
    )


def measure(
    window: str,
    profile: Profile,
    data: Path | pd.DataFrame,
    columns: Columns,
    baseline: Baseline,
) -> tuple[PerformancePoint, ...]:
    """Return a window's performance: estimated from what the model said, realised from labels.

    Estimates come from the profile's sketches alone. So do a classifier's realised metrics, unless
    the rows are in hand: then they are exact.

    Parameters
    ----------
    window
        Its label.
    profile
        The window's profile.
    data
        The rows, or the file of them, from which a regressor's labels are read.
    columns
        Which columns hold score, prediction and label.
    baseline
        What the estimate learns from.

    Raises
    ------
    MonitoringError
        A column is missing, or does not hold what it should.
    """
    if columns.is_classifier:
        return _classifier(window, profile, data, columns, baseline)
    if columns.predicted:
        return _regressor(window, profile, data, columns, baseline)
    return ()


def _classifier(
    window: str,
    profile: Profile,
    data: Path | pd.DataFrame,
    columns: Columns,
    baseline: Baseline,
) -> tuple[PerformancePoint, ...]:
    from mlops_nb.monitoring.estimate import estimate, fit_calibration, scores_by_prediction
    from mlops_nb.monitoring.performance import realised, score_sides, score_sides_of
    from mlops_nb.monitoring.profile import merge_all

    _require(profile, columns.score)
    known = None
    if baseline.holdout is not None and _is_binary(baseline.holdout):
        known = _sides(baseline.holdout)
    elif columns.label:
        known = score_sides_of(
            merge_all(baseline.reference.windows), score=columns.score, label=columns.label
        )
    calibration = None
    if known is not None and known.positive.n and known.negative.n:
        calibration = fit_calibration(known)
    yes, no = scores_by_prediction(profile, score=columns.score, prediction=columns.predicted)
    points = estimate(window, yes, no, calibration=calibration)
    if not columns.label:
        return points
    sides: ScoreSides | None
    if isinstance(data, Path):
        sides = score_sides_of(profile, score=columns.score, label=columns.label)
    else:
        sides = score_sides(data[columns.label], data[columns.score])
    # No label may have arrived yet: then there is the estimate alone.
    return points if sides is None else (*points, *realised(window, sides))


def _regressor(
    window: str,
    profile: Profile,
    data: Path | pd.DataFrame,
    columns: Columns,
    baseline: Baseline,
) -> tuple[PerformancePoint, ...]:
    from mlops_nb.monitoring.estimate import estimate_errors, fit_errors
    from mlops_nb.monitoring.performance import realised_errors
    from mlops_nb.monitoring.statistics import Distribution

    _require(profile, columns.predicted)
    points: tuple[PerformancePoint, ...] = ()
    holdout = baseline.holdout
    if holdout is not None and len(holdout) > 1:
        said = profile.columns[columns.predicted]
        items, weights = said.weighted_items()
        model = fit_errors(holdout["target"].to_numpy(), holdout["score"].to_numpy())
        points = estimate_errors(
            window, Distribution(items, weights.astype(float), said.rank_error), model
        )
    if not columns.label:
        return points
    rows = _rows(data, [columns.label, columns.predicted]) if isinstance(data, Path) else data
    return (*points, *realised_errors(window, rows[columns.label], rows[columns.predicted]))


def _rows(data: Path, columns: list[str]) -> pd.DataFrame:
    """Read a few columns of a data file."""
    import pandas as pd
    from pyarrow import ArrowException

    if data.suffix == ".bin":
        raise MonitoringError(
            "a profile does not say which label belongs to which prediction",
            where=str(data),
            fix="give the rows as Parquet or CSV",
        )
    try:
        if ".csv" in data.suffixes:
            return pd.read_csv(data, usecols=columns)
        if data.suffix in (".arrow", ".feather"):
            return pd.read_feather(data, columns=columns)
        return pd.read_parquet(data, columns=columns)
    except (OSError, ValueError, ArrowException) as error:
        raise MonitoringError(
            f"{' and '.join(columns)} cannot be read: {error}", where=str(data)
        ) from error


def _require(profile: Profile, column: str) -> None:
    if column not in profile.columns:
        raise MonitoringError(
            f'there is no column "{column}"', where="window", fix=nearest(column, profile.columns)
        )


def _is_binary(holdout: pd.DataFrame) -> bool:
    score = holdout["score"]
    return bool(holdout["target"].isin((0, 1)).all() and score.between(0, 1).all())


def _sides(holdout: pd.DataFrame) -> ScoreSides:
    from mlops_nb.monitoring.performance import score_sides

    return score_sides(holdout["target"].to_numpy(), holdout["score"].to_numpy())
