"""What each kind of gate looks at; one function a kind, each gives an answer with its evidence."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from mlops_nb.errors import GateError, nearest
from mlops_nb.model import ArtifactInfo, Json, ModelVersion, Record, to_builtins
from mlops_nb.registry import holdout, settings
from mlops_nb.registry.artifact import (
    load_example,
    load_features,
    load_model,
    load_scores,
    read_manifest,
)
from mlops_nb.registry.signature import as_input, incompatibilities
from mlops_nb.registry.statistics import (
    calibration_bins,
    calibration_error,
    metric_kind,
    paired_bootstrap,
)

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

__all__ = ["Answer", "Candidate", "Tools", "answer"]


class Answer(Record, frozen=True, kw_only=True):
    """What a gate found."""

    passed: bool
    reason: str
    evidence: dict[str, Json] = {}


class Tools(msgspec.Struct, frozen=True, kw_only=True):
    """What gates need from other stages; given by who composes them."""

    notebook: Callable[[settings.NotebookGate, ModelVersion, Path], Answer] | None = None
    """Runs the notebook with the version and its artifact's folder; `GateError` when it raises."""
    drift: Callable[[settings.DriftGate, Path, Path], Answer] | None = None
    """Compares the champion's reference profile with the candidate's."""


class Candidate:
    """The version that is judged, beside the champion; artifacts are read when first needed."""

    def __init__(
        self,
        version: ModelVersion,
        folder: Path,
        champion: ModelVersion | None,
        champion_folder: Path | None,
        *,
        trusted_types: tuple[str, ...] = (),
        approvals: tuple[tuple[str, str], ...] = (),
        tools: Tools | None = None,
    ) -> None:
        self.version = version
        self.folder = folder
        self.champion = champion
        self.champion_folder = champion_folder
        self.approvals = approvals
        self.tools = tools or Tools()
        self._trusted = trusted_types

    @cached_property
    def info(self) -> ArtifactInfo:
        """The candidate's manifest."""
        return read_manifest(self.folder)

    @cached_property
    def model(self) -> Any:
        """The candidate itself, loaded safely."""
        return self._load(self.version, self.folder)

    @cached_property
    def scores(self) -> pd.DataFrame:
        """The candidate's holdout."""
        scores = load_scores(self.folder)
        if scores is None:
            raise GateError(
                "the model was saved without its holdout's scores",
                fix="give save_model holdout_scores",
            )
        return scores

    @cached_property
    def paired(self) -> pd.DataFrame:
        """The candidate's holdout with the champion's score beside each row."""
        if self.champion is None or self.champion_folder is None:
            raise AssertionError("asked for a pair without a champion")
        stored = load_scores(self.champion_folder)
        if stored is not None:
            together = holdout.pair(self.scores, stored)
            if together is not None:
                return together
        features = load_features(self.folder)
        if features is None:
            raise GateError(
                f"the champion, v{self.champion.version}, was scored on other rows",
                fix="give save_model holdout_features, so that the champion can be scored on them",
            )
        champion = self._load(self.champion, self.champion_folder)
        takes = read_manifest(self.champion_folder).takes
        return self.scores.assign(champion=holdout.score(champion, as_input(takes, features)))

    def _load(self, version: ModelVersion, folder: Path) -> Any:
        return load_model(folder, digest=version.digest, trusted_types=self._trusted)


def answer(gate: settings.AnyGate, candidate: Candidate) -> Answer:
    """Ask one gate about a candidate.

    Raises
    ------
    GateError
        What it needs is missing.
    ArtifactError
        An artifact is not whole, or may not be loaded.
    """
    if isinstance(gate, RELATIVE) and candidate.champion is None:
        return Answer(passed=True, reason="there is no champion to compare with")
    check: Callable[[Any, Candidate], Answer] = _CHECKS[type(gate)]
    return check(gate, candidate)


def _metric(gate: settings.MetricGate, candidate: Candidate) -> Answer:
    metric = candidate.version.metrics.get(gate.metric)
    if metric is None:
        raise GateError(
            f'the model was saved without a metric "{gate.metric}"',
            fix=nearest(gate.metric, candidate.version.metrics),
        )
    low = metric.low if gate.whole_interval and metric.low is not None else metric.value
    high = metric.high if gate.whole_interval and metric.high is not None else metric.value
    wrong = []
    if gate.min is not None and not low >= gate.min:
        wrong.append(f"{low:.4g} is below {gate.min:.4g}")
    if gate.max is not None and not high <= gate.max:
        wrong.append(f"{high:.4g} is above {gate.max:.4g}")
    bounds = " and ".join(
        text
        for text, bound in ((f"≥ {gate.min}", gate.min), (f"≤ {gate.max}", gate.max))
        if bound is not None
    )
    reason = f"{gate.metric} " + ("; ".join(wrong) or f"{metric.value:.4g} is {bounds}")
    return Answer(passed=not wrong, reason=reason, evidence={"metric": to_builtins(metric)})


def _not_worse(gate: settings.ChampionGate, candidate: Candidate) -> Answer:
    frame = candidate.paired
    result = paired_bootstrap(
        gate.metric,
        frame["target"].to_numpy(float),
        frame["score"].to_numpy(float),
        frame["champion"].to_numpy(float),
        confidence=gate.confidence,
        resamples=gate.resamples,
        seed=gate.seed,
        clusters=holdout.cluster_ids(frame, gate.cluster),
    )
    passed = result.low >= -gate.margin
    reason = (
        f"{gate.metric} {result.candidate:.4f} against {result.champion:.4f}, better by "
        f"{result.difference:+.4f} ({result.low:+.4f} to {result.high:+.4f}); "
        f"may be worse by {gate.margin:g}"
    )
    return Answer(passed=passed, reason=reason, evidence=to_builtins(result))


def _slices(gate: settings.SlicesGate, candidate: Candidate) -> Answer:
    frame = candidate.paired
    columns = gate.columns or candidate.info.slices
    for column in columns:
        if column not in frame.columns:
            raise GateError(
                f'the holdout has no slice column "{column}"',
                fix=nearest(column, candidate.info.slices),
            )
    groups = [
        (column, str(value), part)
        for column in columns
        for value, part in frame.groupby(column, observed=True, sort=True)
        if len(part) >= gate.min_rows
    ]
    metric_kind(gate.metric)
    confidence = 1 - (1 - gate.confidence) / max(len(groups), 1)
    found: list[dict[str, Json]] = []
    bad = []
    for column, value, part in groups:
        try:
            result = paired_bootstrap(
                gate.metric,
                part["target"].to_numpy(float),
                part["score"].to_numpy(float),
                part["champion"].to_numpy(float),
                confidence=confidence,
                resamples=max(gate.resamples, int(20 / (1 - confidence))),
                seed=gate.seed,
            )
        except GateError as error:
            found.append({"column": column, "value": value, "n": len(part), "left_out": str(error)})
            continue
        worse = result.difference < -gate.max_drop and result.high < 0
        found.append({"column": column, "value": value, "worse": worse, **to_builtins(result)})
        if worse:
            bad.append(f"{column} {value} by {-result.difference:.4f}")
    judged = sum("worse" in row for row in found)
    if not judged:
        raise GateError(
            f"no slice has {gate.min_rows} rows on which {gate.metric} is defined",
            fix="lower min-rows, or save slice columns with holdout_scores",
        )
    worst = min((row["difference"] for row in found if "worse" in row), default=0.0)
    reason = (
        f"{gate.metric} is worse by more than {gate.max_drop:g} for {', '.join(bad)}"
        if bad
        else f"{gate.metric} on {judged} slices, largest change for the worse {min(worst, 0):+.4f}"
    )
    return Answer(passed=not bad, reason=reason, evidence={"slices": found})


def _calibration(gate: settings.CalibrationGate, candidate: Candidate) -> Answer:
    frame = candidate.scores
    score = frame["score"].to_numpy(float)
    if score.min() < 0 or score.max() > 1:
        raise GateError("the holdout's scores are not probabilities")
    bins = calibration_bins(frame["target"].to_numpy(float), score, gate.bins)
    error = calibration_error(bins)
    passed = error <= gate.max_error
    sign = "≤" if passed else ">"
    return Answer(
        passed=passed,
        reason=f"expected calibration error {error:.4f} {sign} {gate.max_error:g}",
        evidence={"error": error, "bins": to_builtins(bins)},
    )


def _signature(_gate: settings.SignatureGate, candidate: Candidate) -> Answer:
    if candidate.champion_folder is None:
        raise AssertionError("asked for a signature without a champion")
    old = read_manifest(candidate.champion_folder).signature
    found = incompatibilities(candidate.info.signature, old)
    return Answer(
        passed=not found,
        reason="; ".join(found) or "takes and gives what the champion does",
        evidence={"differences": list(found)},
    )


def _drift(gate: settings.DriftGate, candidate: Candidate) -> Answer:
    if candidate.tools.drift is None:
        raise GateError("drift cannot be judged here: no monitoring was given")
    if candidate.champion_folder is None:
        raise AssertionError("asked for drift without a champion")
    sides = []
    for whose, folder in (("champion", candidate.champion_folder), ("model", candidate.folder)):
        profiles = read_manifest(folder).profiles
        # A reference of several windows stands in its folder beside an index, and is one.
        name = gate.profile or (next(iter(profiles)) if len(profiles) == 1 else "index")
        if name not in profiles:
            raise GateError(
                f'the {whose} has no reference profile "{name}"',
                fix=nearest(name, profiles) or "give save_model reference_profiles",
            )
        sides.append(folder / profiles[name])
    return candidate.tools.drift(gate, sides[0], sides[1])


def _latency(gate: settings.LatencyGate, candidate: Candidate) -> Answer:
    import platform

    import numpy as np
    import pandas as pd

    example = load_example(candidate.folder)
    repeats = -(-gate.rows // len(example))
    rows = pd.concat([example] * repeats, ignore_index=True).head(gate.rows)
    given = as_input(candidate.info.takes, rows)
    model = candidate.model
    call = getattr(model, "predict_proba", None) or model.predict
    try:
        call(given)
        times = np.empty(gate.calls)
        for index in range(gate.calls):
            start = time.perf_counter()
            call(given)
            times[index] = (time.perf_counter() - start) * 1000
    except (ValueError, TypeError, KeyError) as error:
        raise GateError(f"the model does not take its own example: {error}") from error
    took = float(np.quantile(times, gate.quantile))
    passed = took <= gate.max_ms
    sign = "≤" if passed else ">"
    return Answer(
        passed=passed,
        reason=(
            f"{gate.quantile:.0%} of {gate.calls} calls of {gate.rows} rows took "
            f"{took:.2f} ms {sign} {gate.max_ms:g} ms"
        ),
        evidence={
            "ms": took,
            "median_ms": float(np.median(times)),
            "fastest_ms": float(times.min()),
            "machine": platform.machine(),
        },
    )


def _size(gate: settings.SizeGate, candidate: Candidate) -> Answer:
    size = sum(file.size for file in candidate.info.files if file.path.startswith("model."))
    passed = size <= gate.max_mb * 1e6
    sign = "≤" if passed else ">"
    return Answer(
        passed=passed,
        reason=f"{size / 1e6:.2f} MB {sign} {gate.max_mb:g} MB",
        evidence={"bytes": size},
    )


def _notebook(gate: settings.NotebookGate, candidate: Candidate) -> Answer:
    if candidate.tools.notebook is None:
        raise GateError("a notebook cannot be run here: no execution was given")
    return candidate.tools.notebook(gate, candidate.version, candidate.folder)


def _approval(gate: settings.ApprovalGate, candidate: Candidate) -> Answer:
    people = sorted({who for who, role in candidate.approvals if gate.role in ("", role)})
    wanted = f"{gate.count} " + (f'as "{gate.role}"' if gate.role else "needed")
    passed = len(people) >= gate.count
    reason = f"approved by {', '.join(people)}" if people else "nobody approved it"
    return Answer(
        passed=passed,
        reason=reason if passed else f"{reason}; {wanted}",
        evidence={"approvals": [list(pair) for pair in candidate.approvals]},
    )


RELATIVE = (
    settings.ChampionGate,
    settings.SlicesGate,
    settings.SignatureGate,
    settings.DriftGate,
)
"""Gates whose answer depends on who is champion."""

_CHECKS: dict[type[Any], Callable[[Any, Candidate], Answer]] = {
    settings.MetricGate: _metric,
    settings.ChampionGate: _not_worse,
    settings.SlicesGate: _slices,
    settings.CalibrationGate: _calibration,
    settings.SignatureGate: _signature,
    settings.DriftGate: _drift,
    settings.LatencyGate: _latency,
    settings.SizeGate: _size,
    settings.NotebookGate: _notebook,
    settings.ApprovalGate: _approval,
}
