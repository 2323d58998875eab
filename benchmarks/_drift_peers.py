"""Runs one peer on two Parquet files: ``python _drift_peers.py PEER REFERENCE CURRENT...``.

Stands alone: it runs inside the peer's own environment. Prints one JSON line per current file:
CPU seconds (this process and its children, without reading the files), and the columns found.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

os.environ.update(
    WHYLOGS_NO_ANALYTICS="1", DO_NOT_TRACK="1", NML_DISABLE_USAGE_LOGGING="1", MPLBACKEND="agg"
)


def cpu() -> float:
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def run_scipy(reference: Any, current: Any) -> list[str]:
    """What is written by hand most often: KS and chi-square per column, Bonferroni, p < .05."""
    import pandas as pd
    from scipy import stats

    found = []
    for name in reference:
        a, b = reference[name].dropna(), current[name].dropna()
        if pd.api.types.is_datetime64_any_dtype(a):
            a, b = a.astype("int64"), b.astype("int64")
        if pd.api.types.is_numeric_dtype(a) and not pd.api.types.is_bool_dtype(a):
            p = stats.ks_2samp(a, b).pvalue
        else:
            counts = pd.concat([a.value_counts(), b.value_counts()], axis=1).fillna(0)
            p = stats.chi2_contingency(counts.to_numpy().T).pvalue
        if p < 0.05 / len(reference.columns):
            found.append(name)
    return found


def run_whylogs(reference: Any, current: Any) -> list[str]:
    """Stock whylogs' own drift scores with its own thresholds."""
    import whylogs as why
    from whylogs.viz.drift.column_drift_algorithms import calculate_drift_scores

    target = why.log(pandas=current).view()
    base = _cached("whylogs", lambda: why.log(pandas=reference).view())
    scores = calculate_drift_scores(target_view=target, reference_view=base, with_thresholds=True)
    return [
        name
        for name, score in scores.items()
        if score and score.get("drift_category") not in (None, "NO_DRIFT")
    ]


def run_evidently(reference: Any, current: Any) -> list[str]:
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    texts = [
        n for n in reference if reference[n].dtype == object or str(reference[n].dtype) == "bool"
    ]
    dates = [n for n in reference if str(reference[n].dtype).startswith("datetime")]
    numbers = [n for n in reference if n not in texts and n not in dates]
    plan = DataDefinition(
        numerical_columns=numbers, categorical_columns=texts, datetime_columns=dates
    )
    report = Report([DataDriftPreset()])
    done = report.run(
        Dataset.from_pandas(current, data_definition=plan),
        Dataset.from_pandas(reference, data_definition=plan),
    )
    found = []
    for metric in done.dict()["metrics"]:
        config = metric.get("config", {})
        name = config.get("column")
        if not name or "ValueDrift" not in str(config.get("type", metric.get("metric_name", ""))):
            continue
        method, bound, value = (
            str(config.get("method")),
            config.get("threshold"),
            float(metric["value"]),
        )
        small_is_drift = "p_value" in method
        if bound is not None and (value < bound if small_is_drift else value >= bound):
            found.append(name)
    return found


def run_nannyml(reference: Any, current: Any) -> list[str]:
    import nannyml as nml
    import pandas as pd

    texts = [
        n for n in reference if reference[n].dtype == object or str(reference[n].dtype) == "bool"
    ]
    numbers = [
        n
        for n in reference
        if n not in texts and not str(reference[n].dtype).startswith("datetime")
    ]
    names = numbers + texts

    def fit() -> list[Any]:
        calc = nml.UnivariateDriftCalculator(
            column_names=names,
            treat_as_categorical=texts,
            continuous_methods=["jensen_shannon"],
            categorical_methods=["jensen_shannon"],
            chunk_number=10,
        )
        missing = nml.MissingValuesCalculator(column_names=names, chunk_number=10)
        unseen = nml.UnseenValuesCalculator(column_names=texts, chunk_number=10)
        return [c.fit(reference) for c in (calc, missing)] + [unseen.fit(reference)]

    found = set()
    for calculator in _cached("nannyml", fit):
        frame = calculator.calculate(current).filter(period="analysis").to_df()
        for name in names:
            if name not in frame.columns.get_level_values(0):
                continue
            part = frame[name]
            alerts = [c for c in part.columns if "alert" in str(c)]
            if alerts and part[alerts].astype(bool).to_numpy().mean() > 0.5:
                found.add(name)
    assert isinstance(frame, pd.DataFrame)
    return sorted(found)


_KEPT: dict[str, Any] = {}


def _cached(name: str, make: Callable[[], Any]) -> Any:
    """The stored reference: made once, outside the clock."""
    if name not in _KEPT:
        _KEPT[name] = make()
    return _KEPT[name]


def main(peer: str, reference_path: str, *current_paths: str) -> None:
    import pandas as pd

    reference = pd.read_parquet(reference_path)
    for frame in (reference,):
        for name in frame:
            if str(frame[name].dtype) in ("str", "string"):
                frame[name] = frame[name].astype(object)
    run = globals()[f"run_{peer}"]
    small = reference.head(2000)
    run(small, small)  # imports and caches are not what is measured
    if _KEPT:
        _KEPT.clear()
        run(reference, small)  # its stored reference
    for path in current_paths:
        current = pd.read_parquet(path)
        for name in current:
            if str(current[name].dtype) in ("str", "string"):
                current[name] = current[name].astype(object)
        before, wall = cpu(), time.perf_counter()
        found = run(reference, current)
        line = {"cpu": cpu() - before, "wall": time.perf_counter() - wall, "found": sorted(found)}
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
