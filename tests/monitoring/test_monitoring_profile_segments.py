"""Parts of the rows: segments, and the score by predicted and by true label."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from whylogs_oracle import DatasetProfileView, exact

from mlops_nb.errors import MonitoringError
from mlops_nb.monitoring.profile import MISSING, OTHER, Profile, profile

N = 30_000


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    score = rng.beta(2, 3, N)
    return pd.DataFrame(
        {
            "origin": rng.choice(["EWR", "JFK", "LGA", None], N, p=[0.4, 0.3, 0.29, 0.01]),
            "carrier": rng.integers(0, 9, N),
            "delay": np.where(rng.random(N) < 0.1, np.nan, rng.gamma(2, 9, N)),
            "score": score,
            "predicted": np.where(score > 0.5, "late", "on time"),
            "late": rng.random(N) < score,
        }
    )


FRAME = frame()


@pytest.mark.parametrize("kind", ["pandas", "polars", "arrow", "batches"])
def test_each_segment_is_the_profile_of_its_rows(kind: str) -> None:
    data = {
        "pandas": lambda: FRAME,
        "polars": lambda: pl.from_pandas(FRAME),
        "arrow": lambda: pa.Table.from_pandas(FRAME, preserve_index=False),
        "batches": lambda: [FRAME.iloc[i : i + 7_000] for i in range(0, N, 7_000)],
    }[kind]()
    found = profile(data, segments=["origin", "carrier"])
    assert len(found.segments) == 4 + 9
    for (column, value), part in found.segments.items():
        text = FRAME[column].astype(object).where(FRAME[column].notna(), MISSING).astype(str)
        rows = FRAME[text == value]
        wanted = profile(
            rows
            if kind in ("pandas", "batches")
            else pa.Table.from_pandas(rows, preserve_index=False)
        )
        assert part.rows == len(rows)
        for name, expected in wanted.columns.items():
            if name != "origin":
                assert exact(part.columns[name]) == exact(expected), (value, name)
    assert found.segments["origin", MISSING].rows == FRAME["origin"].isna().sum()
    whole = profile(data() if callable(data) else data)
    assert {n: exact(c) for n, c in found.columns.items()} == {
        n: exact(c) for n, c in whole.columns.items()
    }


def test_rare_values_become_other() -> None:
    values = np.repeat(np.arange(400), np.arange(400) + 1)
    data = pd.DataFrame({"c": [f"v{v}" for v in values], "x": values.astype(float)})
    found = profile(data, segments=["c"], most_segments=5)
    names = {value for _, value in found.segments}
    assert len(names) == 6 and OTHER in names
    assert sum(part.rows for part in found.segments.values()) == len(data)
    for (_, value), part in found.segments.items():
        if value != OTHER:
            rows = data[data["c"] == value]
            assert exact(part.columns["x"]) == exact(profile(rows).columns["x"])
    assert {int(name[1:]) for name in names - {OTHER}} == {395, 396, 397, 398, 399}


def test_numbers_name_segments_alike_whatever_their_type() -> None:
    for values in ([1, 0, 1], [1.0, 0.0, 1.0], ["1", "0", "1"], [1, "0", 1.0]):
        found = profile(pd.DataFrame({"k": values, "x": [1.0, 2.0, 3.0]}), segments=["k"])
        assert {key: part.rows for key, part in found.segments.items()} == {
            ("k", "0"): 1,
            ("k", "1"): 2,
        }
    flags = profile(pd.DataFrame({"k": [True, None, False]}, dtype=object), segments=["k"])
    assert set(flags.segments) == {("k", "True"), ("k", "False"), ("k", MISSING)}
    gaps = profile(pd.DataFrame({"k": [1.0, np.nan]}), segments=["k"])
    assert set(gaps.segments) == {("k", "1"), ("k", MISSING)}
    kinds = profile(pd.DataFrame({"k": pd.Categorical(["a", None])}), segments=["k"])
    assert set(kinds.segments) == {("k", "a"), ("k", MISSING)}


def test_the_score_by_label() -> None:
    found = profile(FRAME, predictions="predicted", score="score", label="late")
    assert set(found.segments) == {
        ("predicted", "late"),
        ("predicted", "on time"),
        ("late", "True"),
        ("late", "False"),
    }
    for (column, value), part in found.segments.items():
        rows = FRAME[FRAME[column].astype(str) == value]
        assert set(part.columns) == {"score", "predicted", "late"}
        assert part.columns["score"].mean == pytest.approx(rows["score"].mean())
        assert part.columns["score"].kll.n == len(rows)
    # The confusion matrix stands in the segments' counts.
    late = found.segments["predicted", "late"].columns["late"]
    assert late.trues == int((FRAME["late"] & (FRAME["predicted"] == "late")).sum())


def test_the_score_before_labels_come() -> None:
    found = profile(FRAME.drop(columns="late"), predictions="predicted", score="score")
    assert {key[0] for key in found.segments} == {"predicted"}
    assert set(found.segments["predicted", "late"].columns) == {"score", "predicted"}


def test_columns_read_for_the_segments_only_are_not_profiled() -> None:
    found = profile(
        FRAME, columns=["delay"], segments=["origin"], predictions="predicted", score="score"
    )
    assert set(found.columns) == {"delay"}
    assert set(found.segments["origin", "JFK"].columns) == {"delay"}
    assert set(found.segments["predicted", "late"].columns) == {"score", "predicted"}


def test_a_segment_column_may_be_the_prediction() -> None:
    found = profile(FRAME, segments=["predicted"], predictions="predicted", score="score")
    assert set(found.segments["predicted", "late"].columns) == set(FRAME)


def test_segments_survive_and_merge() -> None:
    first, second = FRAME.iloc[:10_000], FRAME.iloc[10_000:]
    merged = profile(first, segments=["origin"]).merge(profile(second, segments=["origin"]))
    again = Profile.from_bytes(merged.to_bytes())
    whole = profile(FRAME, segments=["origin"])
    assert again.segments.keys() == whole.segments.keys()
    for key, part in whole.segments.items():
        for name, column in part.columns.items():
            assert exact(again.segments[key].columns[name]) == exact(column)
    one_sided = profile(first, segments=["origin"]).merge(profile(second))
    assert one_sided.segments["origin", "JFK"].rows == (first["origin"] == "JFK").sum()


def test_a_merged_segment_stands_for_all_of_its_rows() -> None:
    first = pd.DataFrame({"c": list("aaabbc")})
    second = pd.DataFrame({"c": list("bbbaac")})
    merged = profile(first, segments=["c"], most_segments=1).merge(
        profile(second, segments=["c"], most_segments=1)
    )
    assert {key: part.rows for key, part in merged.segments.items()} == {("c", OTHER): 12}
    some = profile(first, segments=["c"], most_segments=2).merge(
        profile(second, segments=["c"], most_segments=2)
    )
    assert {key[1]: part.rows for key, part in some.segments.items()} == {"a": 5, "b": 5, OTHER: 2}


def test_stock_reads_the_whole_and_drops_the_segments() -> None:
    data = profile(FRAME, segments=["origin"]).to_bytes()
    view = DatasetProfileView.deserialize(data)
    assert view.get_column("delay").get_metric("counts").n.value == N
    assert not Profile.from_bytes(bytes(view.serialize())).segments


def test_unknown_and_unfit_segment_columns() -> None:
    with pytest.raises(MonitoringError, match='did you mean "origin"') as caught:
        profile(FRAME, segments=["orign"])
    assert caught.value.where == 'column "orign"'
    with pytest.raises(MonitoringError, match="cannot name a segment"):
        profile(pa.table({"a": [[1], [2]]}), segments=["a"])


def test_no_rows_make_no_segments() -> None:
    found = profile(FRAME.iloc[:0], segments=["origin"])
    assert not found.segments and found.rows == 0 and set(found.columns) == set(FRAME)
