"""Puts two versions of a model side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nb.errors import GateError
from mlops_nb.model import (
    ArtifactInfo,
    Change,
    Comparison,
    Curves,
    Difference,
    MetricPair,
    Points,
    SlicePair,
)
from mlops_nb.registry import holdout
from mlops_nb.registry.loading import load_features, load_model, load_scores, read_manifest
from mlops_nb.registry.signature import as_input
from mlops_nb.registry.statistics import METRICS, calibration_bins, paired_bootstrap
from mlops_nb.registry.versions import find_version

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd

    from mlops_nb.model import ModelVersion
    from mlops_nb.registry.store import Registry

__all__ = ["compare_versions", "curves_of"]

_MIN_ROWS = 50


def compare_versions(
    registry: Registry,
    model: str,
    left: int | str,
    right: int | str,
    *,
    confidence: float = 0.95,
    resamples: int = 500,
    seed: int = 0,
) -> Comparison:
    """Return two versions of a model side by side: right against left.

    Where both were scored on the same rows, or one's holdout features are stored, differences are
    paired bootstrap differences; otherwise ``note`` says why there are none.

    Parameters
    ----------
    registry, model
        Which model.
    left, right
        The versions, by number or alias; usually champion and challenger.
    confidence, resamples, seed
        Of the paired bootstrap.

    Raises
    ------
    RegistryError
        There is no such version.
    ArtifactError
        An artifact is missing or was changed.
    """
    old, new = find_version(registry, model, left), find_version(registry, model, right)
    old_folder, new_folder = registry.fetch(old), registry.fetch(new)
    old_info, new_info = read_manifest(old_folder), read_manifest(new_folder)
    frame, note = _together(registry, old, old_folder, new, new_folder)
    names = sorted({*old.metrics, *new.metrics})
    paired = {}
    if frame is not None:
        for name in names:
            difference = _difference(name, frame, confidence, resamples, seed)
            if difference is not None:
                paired[name] = difference
    left_curves, right_curves = _stored_curves(old_folder, new_folder)
    return Comparison(
        left=old,
        right=new,
        metrics=tuple(
            MetricPair(
                name=name,
                left=old.metrics.get(name),
                right=new.metrics.get(name),
                paired=paired.get(name),
            )
            for name in names
        ),
        slices=() if frame is None else _slices(frame, new_info, resamples, seed),
        left_curves=left_curves,
        right_curves=right_curves,
        params=_changes(old_info.params, new_info.params),
        data=_changes(old_info.data_digests, new_info.data_digests),
        requirements=_changes(_pins(old_info), _pins(new_info)),
        signature=_changes(_columns(old_info), _columns(new_info)),
        paired_rows=0 if frame is None else len(frame),
        note=note,
    )


def _together(
    registry: Registry, old: ModelVersion, old_folder: Path, new: ModelVersion, new_folder: Path
) -> tuple[pd.DataFrame | None, str]:
    """Return rows with ``target``, ``score`` (new) and ``champion`` (old), or why there are none."""
    ours, theirs = load_scores(new_folder), load_scores(old_folder)
    if ours is None:
        return None, f"v{new.version} was saved without its holdout's scores"
    if theirs is not None:
        frame = holdout.pair(ours, theirs)
        if frame is not None:
            return frame, ""
    features = load_features(new_folder)
    if features is None:
        return None, f"v{old.version} was scored on other rows than v{new.version}"
    trusted = registry.settings.trusted_types
    model = load_model(old_folder, digest=old.digest, trusted_types=trusted)
    try:
        return ours.assign(
            champion=holdout.score(model, as_input(read_manifest(old_folder).takes, features))
        ), ""
    except GateError as error:
        return None, f"v{old.version} cannot be scored on the rows of v{new.version}: {error}"


def _difference(
    name: str, frame: pd.DataFrame, confidence: float, resamples: int, seed: int
) -> Difference | None:
    if name not in METRICS:
        return None
    try:
        return paired_bootstrap(
            name,
            frame["target"].to_numpy(float),
            frame["score"].to_numpy(float),
            frame["champion"].to_numpy(float),
            confidence=confidence,
            resamples=resamples,
            seed=seed,
        )
    except GateError:
        return None  # undefined on these rows, such as an area with one class only


def _slices(
    frame: pd.DataFrame, info: ArtifactInfo, resamples: int, seed: int
) -> tuple[SlicePair, ...]:
    metric = "roc_auc" if _is_binary(frame) else "mae"
    found = []
    for column in info.slices:
        for value, part in frame.groupby(column, observed=True, sort=True):
            if len(part) < _MIN_ROWS:
                continue
            difference = _difference(metric, part, 0.95, resamples, seed)
            if difference is not None:
                found.append(
                    SlicePair(
                        column=column,
                        value=str(value),
                        n=len(part),
                        metric=metric,
                        left=difference.champion,
                        right=difference.candidate,
                        difference=difference,
                    )
                )
    return tuple(found)


def _stored_curves(*folders: Path) -> tuple[Curves, ...]:
    """Return each artifact's curves; their scores are counted in the same bins."""
    stored = [load_scores(folder) for folder in folders]
    every = [(part["score"].min(), part["score"].max()) for part in stored if part is not None]
    span = (min(low for low, _ in every), max(high for _, high in every)) if every else None
    return tuple(Curves() if part is None else curves_of(part, span=span) for part in stored)


def curves_of(
    scores: pd.DataFrame, *, points: int = 200, span: tuple[float, float] | None = None
) -> Curves:
    """Return ROC, precision-recall and calibration curves and the distribution of the scores.

    Parameters
    ----------
    scores
        A holdout with ``target`` and ``score``; other than two classes have a distribution only.
    points
        How many points a curve keeps at most.
    span
        The range that the scores are counted over, in 30 bins; their own by default.
    """
    import numpy as np

    target, score = scores["target"].to_numpy(float), scores["score"].to_numpy(float)
    counts, edges = np.histogram(score, bins=30, range=span)
    shares = Points(x=_floats(edges[1:]), y=_floats(counts / len(score)))
    if not _is_binary(scores) or not 0 < target.sum() < len(target):
        return Curves(scores=shares, n=len(score))
    order = np.argsort(-score, kind="stable")
    hits, misses = np.cumsum(target[order]), np.cumsum(1 - target[order])
    # Only the last row of equal scores is a threshold that exists.
    ends = np.flatnonzero(np.r_[np.diff(score[order]) != 0, True])
    thin = ends[np.unique(np.linspace(0, len(ends) - 1, min(points, len(ends))).astype(int))]
    recall = hits[thin] / hits[-1]
    is_probability = score.min() >= 0 and score.max() <= 1
    return Curves(
        roc=Points(x=(0.0, *_floats(misses[thin] / misses[-1])), y=(0.0, *_floats(recall))),
        precision_recall=Points(
            x=_floats(recall), y=_floats(hits[thin] / (hits[thin] + misses[thin]))
        ),
        calibration=calibration_bins(target, score) if is_probability else (),
        scores=shares,
        n=len(score),
    )


def _floats(values: object) -> tuple[float, ...]:
    import numpy as np

    return tuple(float(value) for value in np.asarray(values))


def _is_binary(scores: pd.DataFrame) -> bool:
    return bool(scores["target"].isin((0, 1)).all())


def _changes(left: Mapping[str, str], right: Mapping[str, str]) -> tuple[Change, ...]:
    return tuple(
        Change(name=name, left=left.get(name, ""), right=right.get(name, ""))
        for name in sorted(left.keys() | right.keys())
        if left.get(name) != right.get(name)
    )


def _pins(info: ArtifactInfo) -> dict[str, str]:
    return {name: pin for name, _, pin in (line.partition("==") for line in info.requirements)}


def _columns(info: ArtifactInfo) -> dict[str, str]:
    taken = {column.name: column.type for column in info.signature.inputs}
    return taken | {f"→ {column.name}": column.type for column in info.signature.outputs}
