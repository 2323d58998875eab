from __future__ import annotations

import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from whylogs_oracle import DatasetProfileView, exact, stock, stock_view, whylogs

from mlops_nb.errors import MonitoringError
from mlops_nb.monitoring.profile import Profile, merge_all, profile


def frame(n: int = 20_000, seed: int = 0, shift: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "x": rng.normal(shift, 1, n),
            "holes": np.where(rng.random(n) < 0.1, np.nan, rng.gamma(2, 2, n)),
            "few": rng.integers(0, 20, n),
            "many": rng.integers(0, 10**12, n),
            "word": rng.choice(["a", "bb", "ccc"], n, p=[0.7, 0.2, 0.1]),
            "id": [f"user-{i}" for i in rng.integers(0, 10**7, n)],
            "flag": rng.random(n) < 0.25,
            "when": pd.Timestamp("2013-01-01") + pd.to_timedelta(rng.integers(0, 10**6, n), "s"),
        }
    )


ONE, TWO = frame(seed=1), frame(8_000, seed=2, shift=1)
BOTH = pd.concat([ONE, TWO], ignore_index=True)
# Stock takes ten seconds for a million datetimes: it is asked once.
STOCK_ONE, STOCK_TWO = stock_view(ONE), stock_view(TWO)


def assert_describes(found: Profile, data: pd.DataFrame, *, datetimes: bool = True) -> None:
    """Check a profile, however it came about, against the rows it stands for."""
    assert set(found.columns) == set(data) and found.rows == len(data)
    for name, series in data.items():
        column = found.columns[name]
        assert column.count == len(series) and column.nulls == int(series.isna().sum())
        if name == "when":
            if not datetimes:
                continue
            series = (series - pd.Timestamp(0)).dt.total_seconds()
        if series.dtype.kind in "iufb":
            known = np.sort(series.dropna().to_numpy(float))
            assert column.kll is not None and column.kll.n == len(known)
            assert (column.minimum, column.maximum) == (known[0], known[-1])
            assert column.mean == pytest.approx(known.mean())
            assert column.stddev == pytest.approx(known.std(ddof=1))
            points = np.unique(known)
            true = np.searchsorted(known, points, side="right") / len(known)
            assert np.abs(column.cdf(points) - true).max() <= 0.004
        if column.hll is not None:
            assert column.distinct() == pytest.approx(series.nunique(), rel=0.06)
        if column.top is not None:
            counts = series.astype(str).value_counts()
            for text, estimate in column.frequent().items():
                assert abs(estimate - counts.get(text, 0)) <= column.frequent_error + 1e-9


def test_a_profile_describes_its_rows() -> None:
    found = profile(ONE)
    assert_describes(found, ONE)
    kinds = {name: column.kind for name, column in found.columns.items()}
    assert kinds == {
        "x": "numeric",
        "holes": "numeric",
        "few": "numeric",
        "many": "numeric",
        "word": "categorical",
        "id": "categorical",
        "flag": "categorical",
        "when": "datetime",
    }
    assert list(found.columns["word"].frequent()) == ["a", "bb", "ccc"]
    assert found.columns["word"].frequent() == ONE["word"].value_counts().astype(float).to_dict()
    assert (
        found.columns["flag"].frequent()["True"] == ONE["flag"].sum() == found.columns["flag"].trues
    )
    assert found.columns["id"].frequent() == {}
    assert found.columns["few"].integers == (0, 19)


def test_merging_ours_with_ours() -> None:
    merged = profile(ONE).merge(profile(TWO))
    assert_describes(merged, BOTH)
    whole = profile(BOTH)
    for name in BOTH:
        assert exact(merged.columns[name]) == exact(whole.columns[name])
    assert merged.to_bytes() == profile(ONE).merge(profile(TWO)).to_bytes() or merged.created


def test_merging_ours_with_stock_by_us() -> None:
    one, two = (Profile.from_bytes(bytes(v.serialize())) for v in (STOCK_ONE, STOCK_TWO))
    theirs = stock(BOTH.drop(columns="when"))
    for merged in (profile(ONE).merge(two), one.merge(profile(TWO))):
        assert_describes(merged, BOTH, datetimes=False)
        assert merged.columns["when"].is_datetime
        for name in set(BOTH) - {"when"}:
            assert exact(merged.columns[name]) == exact(theirs.columns[name])


def test_merging_ours_with_stock_by_stock() -> None:
    mine = profile(ONE).to_bytes()
    for view in (
        DatasetProfileView.deserialize(mine).merge(STOCK_TWO),
        STOCK_TWO.merge(DatasetProfileView.deserialize(mine)),
    ):
        merged = Profile.from_bytes(bytes(view.serialize()))
        assert_describes(merged, BOTH, datetimes=False)
        assert merged.columns["when"].is_datetime
        table = view.to_pandas()
        assert table.loc["x", "counts/n"] == len(BOTH)
        assert table.loc["few", "ints/max"] == 19
        assert table.loc["x", "distribution/median"] == pytest.approx(BOTH["x"].median(), abs=0.02)


def test_stock_tracks_on_top_of_ours(tmp_path: Path) -> None:
    """What stock writes after reading ours is what it writes of its own."""
    profile(ONE).write(tmp_path / "ours.bin")
    view = DatasetProfileView.read(str(tmp_path / "ours.bin"))
    assert view.get_column("word").get_metric("frequent_items").strings[0].value == "a"
    assert view.get_column("id").get_metric("cardinality").estimate == pytest.approx(
        20_000, rel=0.05
    )
    assert view.get_column("flag").get_metric("types").boolean.value == 20_000
    assert view.get_column("when").get_metric("types").object.value == 20_000


def test_datetimes_have_a_distribution_that_survives() -> None:
    again = Profile.from_bytes(profile(ONE).to_bytes()).columns["when"]
    assert again.kind == "datetime" and again.types["object"] == len(ONE)
    median = pd.Timestamp(again.quantiles(0.5).item(), unit="s")
    assert abs(median - ONE["when"].median()) < pd.Timedelta("1h")


def test_seconds_and_numbers_are_kept_apart() -> None:
    times = profile(pd.DataFrame({"x": pd.date_range("2020", periods=5)}))
    numbers = profile(pd.DataFrame({"x": [1.0, 2.0]}))
    for merged in (times.merge(numbers), numbers.merge(times)):
        column = merged.columns["x"]
        assert (column.minimum, column.maximum, column.kind) == (1.0, 2.0, "mixed")
        assert not column.is_datetime and column.count == 7


def test_noise_in_stocks_sketches_is_no_frequent_value() -> None:
    column = Profile.from_bytes(bytes(STOCK_ONE.serialize())).columns["id"]
    assert column.top.offset > 0 and column.top.items
    assert column.frequent() == {}


def test_columns_of_either_side_are_kept() -> None:
    merged = profile(ONE[["x"]]).merge(profile(TWO[["word"]]))
    assert {name: c.count for name, c in merged.columns.items()} == {"x": 20_000, "word": 8_000}


def test_metadata_and_times_of_a_merge() -> None:
    a = replace(profile(ONE[["x"]], metadata={"a": "1", "b": "1"}, timestamp=50.0), created=9.0)
    b = replace(profile(TWO[["x"]], metadata={"b": "2"}, timestamp=40.0), created=0.0)
    merged = Profile.from_bytes(a.merge(b).to_bytes())
    assert merged.metadata == {"a": "1", "b": "2"}
    assert (merged.timestamp, merged.created) == (40.0, 9.0)


def test_merging_many_and_none() -> None:
    parts = [frame(500, seed) for seed in range(9)]
    assert_describes(
        merge_all([profile(part) for part in parts]), pd.concat(parts, ignore_index=True)
    )
    assert merge_all([]).rows == 0


def test_metrics_of_whylogs_that_are_not_known_here_travel_along() -> None:
    from whylogs.core.metrics.metrics import MetricConfig
    from whylogs.core.schema import DatasetSchema

    schema = DatasetSchema(default_configs=MetricConfig(track_unicode_ranges=True))
    views = [
        whylogs.log(pandas=part[["word"]].head(2_000), schema=schema).view() for part in (ONE, TWO)
    ]
    parts = [Profile.from_bytes(bytes(view.serialize())) for view in views]
    lengths = "unicode_range/string_length:counts/n"
    assert parts[0].columns["word"].foreign[lengths].value == 2_000
    alone = parts[0].merge(profile(TWO[["word"]]))
    assert alone.columns["word"].foreign[lengths].value == 2_000
    merged = Profile.from_bytes(parts[0].merge(parts[1]).to_bytes())
    assert merged.columns["word"].foreign[lengths].value == 4_000
    assert merged.columns["word"].count == 4_000
    view = DatasetProfileView.deserialize(merged.to_bytes())
    assert view.get_column("word").get_metric("unicode_range") is not None


def test_a_metric_nobody_knows_cannot_be_merged_twice() -> None:
    column = profile(ONE[["x"]]).columns["x"]
    strange = {"strange/n": column.components()["counts/n"]}
    odd = Profile(columns={"x": replace(column, foreign=strange)})
    assert odd.merge(profile(TWO[["x"]])).columns["x"].foreign == strange
    with pytest.raises(MonitoringError, match="strange") as caught:
        odd.merge(odd)
    assert caught.value.where == 'column "x"'


def test_quantiles_and_shares() -> None:
    column = profile(pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.0]})).columns["x"]
    assert column.quantiles([0, 0.25, 0.5, 0.51, 1]).tolist() == [1, 1, 2, 3, 4]
    assert column.cdf([0, 1, 2.5, 4, 9]).tolist() == [0, 0.25, 0.5, 1, 1]
    empty = profile(pd.DataFrame({"x": [None]}, dtype=object)).columns["x"]
    assert np.isnan(empty.quantiles([0.5])).all() and np.isnan(empty.cdf([1.0])).all()
    assert (empty.minimum, empty.mean, empty.stddev, empty.distinct()) == (None, None, None, 0)
    assert empty.frequent() == {} and len(empty.weighted_items()[0]) == 0


def test_infinities_leave_no_mean() -> None:
    column = profile(pd.DataFrame({"x": [1.0, np.inf, 2.0]})).columns["x"]
    assert (column.mean, column.stddev, column.maximum, column.infs) == (None, None, np.inf, 1)
    merged = profile(pd.DataFrame({"x": [1.0, np.inf]})).merge(profile(pd.DataFrame({"x": [5.0]})))
    assert (merged.columns["x"].mean, merged.columns["x"].infs) == (None, 1)


def test_distinct_values_of_two_columns() -> None:
    a = profile(pd.DataFrame({"x": np.arange(30_000)})).columns["x"]
    b = profile(pd.DataFrame({"x": np.arange(20_000, 50_000)})).columns["x"]
    assert a.hll_union(b) == pytest.approx(50_000, rel=0.05)
    none = profile(pd.DataFrame({"x": pd.Series([], dtype=float)})).columns["x"]
    assert none.hll_union(none) == 0


def test_files_are_written_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "p.bin"
    found = profile(ONE, segments=["word"], metadata={"k": "ü"})
    assert found.write(target) == target
    first = target.read_bytes()
    again = Profile.read(target)
    assert again.to_bytes() == first == found.to_bytes()
    assert again.segments.keys() == found.segments.keys() and again.metadata == {"k": "ü"}
    found.write(target)
    assert [path.name for path in target.parent.iterdir()] == ["p.bin"]
    assert stat.S_IMODE(target.stat().st_mode) & 0o600 == 0o600


def test_files_that_cannot_be_written_or_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MonitoringError, match="cannot be written"):
        Profile().write(tmp_path / "file" / "p.bin")
    with pytest.raises(MonitoringError, match="cannot be written"):
        Profile().write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    with pytest.raises(MonitoringError, match="cannot be read"):
        Profile.read(tmp_path / "nothing.bin")
    with pytest.raises(MonitoringError, match="empty"):
        Profile.read(tmp_path / "file")


def test_reading_and_profiling_import_no_whylogs(tmp_path: Path) -> None:
    profile(ONE).write(tmp_path / "p.bin")
    ONE.to_parquet(tmp_path / "p.parquet")
    code = (
        "import sys; from mlops_nb.monitoring.profile import Profile, profile;"
        "a = Profile.read(sys.argv[1]); b = profile(sys.argv[2]); a.merge(b).to_bytes();"
        "assert not {'whylogs', 'whylogs_sketching', 'pandas', 'google.protobuf'} & set(sys.modules)"
    )
    subprocess.run(
        [sys.executable, "-c", code, tmp_path / "p.bin", tmp_path / "p.parquet"], check=True
    )
