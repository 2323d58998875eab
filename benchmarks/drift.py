"""Drift decisions beside their peers: ``python -m benchmarks.drift``.

Ours and every peer see the same tables (see ``_drift_data``); each peer runs in an environment of
its own, with its own defaults, against the same reference.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmarks._drift_data import FAULTS, FLIGHT_COLUMNS, TRUE, flights, table, with_drift
from benchmarks._peers import peer_environment
from benchmarks._results import Figure, figure, main
from mlops_nb.config import telemetry_off
from mlops_nb.monitoring.drift import compare
from mlops_nb.monitoring.estimate import estimate, scores_by_prediction
from mlops_nb.monitoring.profile import profile
from mlops_nb.monitoring.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Iterator

PEERS = {
    "evidently": ("evidently==0.7.23", "pandas<3", "pyarrow"),
    "nannyml": ("nannyml==0.13.1", "statsmodels", "pandas<3", "pyarrow"),
    "scipy": ("scipy==1.17.1", "pandas<3", "pyarrow"),
    "whylogs": ("whylogs[viz]==1.6.4", "numpy<2", "pandas<3", "pyarrow<20"),
}


def measure(quick: bool) -> Iterator[Figure]:
    """Measure everything; quick runs use small tables and no peers."""
    telemetry_off()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        yield from _no_drift(quick, folder)
        yield from _true_drift(quick, folder)
    yield from _per_column(quick)
    yield from _flights(quick)
    yield from _cbpe(quick)


def _no_drift(quick: bool, folder: Path) -> Iterator[Figure]:
    """115 reports on tables of one population, against one reference window of the same size."""
    plan = {1_000: 40, 10_000: 40, 100_000: 25, 1_000_000: 10}
    if quick:
        plan = {1_000: 4, 10_000: 2}
    alarms = reports = 0
    seed = 1
    for rows, times in plan.items():
        reference = Reference([profile(table(rows, seed))])
        for number in range(times):
            seed += 10
            report = compare(profile(table(rows, seed)), reference)
            alarms += bool(report.drifted)
            reports += 1
            if number == 0 and not quick and rows in (10_000, 100_000):
                table(rows, 1).to_parquet(folder / f"none-{rows}-ref.parquet")
                table(rows, seed).to_parquet(folder / f"none-{rows}.parquet")
    yield figure("false_report_share", alarms / reports, "share", "<= 0.01")
    if quick:
        return
    for peer in PEERS:
        hits = 0
        for rows in (10_000, 100_000):
            (line,) = _peer(
                peer, folder / f"none-{rows}-ref.parquet", folder / f"none-{rows}.parquet"
            )
            hits += bool(line["found"])
        yield figure(f"peer:{peer}_false_report_share", hits / 2, "share of 2", peer=peer)


def _true_drift(quick: bool, folder: Path) -> Iterator[Figure]:
    """20 columns of which 7 drifted, against a stored reference."""
    rows = 20_000 if quick else 1_000_000
    old, new = table(rows, 7), with_drift(rows, 8)
    Reference([profile(old)]).save(folder / "reference")
    found: tuple[str, ...] = ()
    seconds = []
    for _ in range(1 if quick else 5):
        before = time.process_time()
        report = compare(profile(new), Reference.load(folder / "reference"))
        seconds.append(time.process_time() - before)
        found = tuple(column.column for column in report.drifted)
    yield figure("true_found", len(set(found) & set(TRUE)), "columns of 7", ">= 7")
    yield figure("false_found", len(set(found) - set(TRUE)), "columns of 13", "<= 0")
    ours = statistics.median(seconds)
    yield figure("stored_reference_cpu_seconds", ours, "s", "<= 0.5")
    if quick:
        return
    old.to_parquet(folder / "old.parquet")
    new.to_parquet(folder / "new.parquet")
    for peer in PEERS:
        (line,) = _peer(peer, folder / "old.parquet", folder / "new.parquet")
        names = set(line["found"])
        yield figure(f"peer:{peer}_true_found", len(names & set(TRUE)), "columns of 7", peer=peer)
        yield figure(f"peer:{peer}_false_found", len(names - set(TRUE)), "columns of 13", peer=peer)
        yield figure(f"peer:{peer}_cpu_seconds", line["cpu"], "s", peer=peer)
        yield figure(f"peer:{peer}_cpu_over_ours", line["cpu"] / ours, "times", peer=peer)


def _peer(name: str, reference: Path, *current: Path) -> list[dict[str, Any]]:
    python = peer_environment(f"drift-{name}", PEERS[name]) / "python"
    script = Path(__file__).with_name("_drift_peers.py")
    done = subprocess.run(
        [str(python), "-W", "ignore", str(script), name, str(reference), *map(str, current)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-3000:]}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def _per_column(quick: bool) -> Iterator[Figure]:
    """Comparing two profiles that are in memory, nothing decoded or remembered from before."""
    rows = 20_000 if quick else 1_000_000
    old, new = profile(table(rows, 11)).to_bytes(), profile(table(rows, 12)).to_bytes()
    from mlops_nb.monitoring.profile import Profile

    seconds = []
    for _ in range(3 if quick else 15):
        reference, window = Profile.from_bytes(old), Profile.from_bytes(new)
        before = time.process_time()
        compare(window, reference)
        seconds.append(time.process_time() - before)
    yield figure("ms_per_column", statistics.median(seconds) * 1000 / 20, "ms", "<= 1")


def _flights(quick: bool) -> Iterator[Figure]:
    """Reference: eight weeks of January and February. Then 37 weeks, each also with each fault."""
    frame = flights()
    weeks = {int(str(week)): part[list(FLIGHT_COLUMNS)] for week, part in frame.groupby("week")}
    reference = Reference([profile(weeks[week]) for week in range(-8, 0)])
    watched = range(37)
    profiles = {week: profile(weeks[week]) for week in watched}
    clean = {week: compare(profiles[week], reference) for week in watched}
    red = sum(len(report.drifted) for report in clean.values())
    yield figure("flights_alerts_per_week", red / len(watched), "columns a week", "<= 1.5")
    trailing = [
        compare(profiles[week], [profiles[w] for w in range(week - 6, week)])
        for week in watched
        if week >= 6
    ]
    red = sum(len(report.drifted) for report in trailing)
    yield figure("flights_trailing_alerts_per_week", red / len(trailing), "columns a week")
    r = np.random.default_rng(0)
    found = 0
    for name, (column, break_it) in FAULTS.items():
        tried = watched[:: 9 if quick else 1]
        hits = 0
        for week in tried:
            broken = compare(profile(break_it(weeks[week], r)), reference)[column]
            sound = clean[week][column]
            aspects = {f.aspect for f in broken.findings if f.drifted}
            known = {f.aspect for f in sound.findings if f.drifted}
            # Found means what tells people in its own week: something that was not red without
            # the fault, or more urgent. (In one week the real data miss 3% of the humidity.)
            hits += bool(aspects - known) or broken.severity.rank > sound.severity.rank
        found += hits == len(tried)
        if hits < len(tried):
            print(f"{name}: found in {hits} of {len(tried)} weeks", file=sys.stderr)
    yield figure("flights_faults_found", found, "faults of 7, in every week", ">= 7")


def _cbpe(quick: bool) -> Iterator[Figure]:
    """The estimate from sketches against the same estimate from every row."""
    worst = 0.0
    rows = 50_000 if quick else 1_000_000
    for seed, (a, b) in enumerate(((1.2, 4.0), (0.4, 0.5), (5.0, 5.0), (1.0, 1.0), (2.0, 30.0))):
        r = np.random.default_rng(seed)
        score = r.beta(a, b, rows)
        said = score >= 0.5
        frame = pd.DataFrame({"score": score, "said": np.where(said, "1", "0")})
        part = profile(frame, score="score", predictions="said")
        yes, no = scores_by_prediction(part, score="score", prediction="said")
        ours = {p.metric: p.value for p in estimate("w", yes, no)}
        for metric, value in _row_by_row(score, said).items():
            worst = max(worst, abs(ours[metric] - value))
    yield figure("cbpe_error", worst, "of any metric", "<= 0.0005")


def _row_by_row(score: np.ndarray, said: np.ndarray) -> dict[str, float]:
    from sklearn.metrics import roc_auc_score

    n = len(score)
    truth = np.concatenate((np.ones(n), np.zeros(n)))
    both, weight = np.concatenate((score, score)), np.concatenate((score, 1 - score))
    return {
        "accuracy": float(np.where(said, score, 1 - score).mean()),
        "positive_rate": float(score.mean()),
        "brier": float((score * (1 - score) ** 2 + (1 - score) * score**2).mean()),
        "auc": float(roc_auc_score(truth, both, sample_weight=weight)),
    }


if __name__ == "__main__":
    sys.exit(main("drift", measure, ("numpy", "pandas", "scipy", "whylogs")))
