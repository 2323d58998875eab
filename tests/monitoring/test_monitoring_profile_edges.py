"""Data that break naive profilers: a clear answer each."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from whylogs_oracle import exact, stock

from mlops_nb.errors import MonitoringError
from mlops_nb.monitoring.column import ColumnProfile
from mlops_nb.monitoring.profile import Profile, profile

VIEW = getattr(pa, "string_view", pa.large_string)()
"""Older versions of Arrow do not know views."""


def one(values: Any, **kinds: Any) -> ColumnProfile:
    data = values if isinstance(values, pa.Array) else pd.Series(values, **kinds)
    table = pa.table({"x": data}) if isinstance(data, pa.Array) else pd.DataFrame({"x": data})
    return Profile.from_bytes(profile(table).to_bytes()).columns["x"]


def only(column: ColumnProfile) -> dict[str, int]:
    return {name: count for name, count in column.types.items() if count}


def test_nothing_at_all() -> None:
    assert profile(pd.DataFrame()).rows == 0
    assert profile(pd.DataFrame(index=range(5))).columns == {}
    assert profile([]).columns == {}
    empty = profile(pa.table({"a": pa.array([], pa.int64()), "s": pa.array([], pa.string())}))
    assert {name: (c.count, c.kind) for name, c in empty.columns.items()} == {
        "a": (0, "empty"),
        "s": (0, "empty"),
    }
    assert Profile.from_bytes(empty.to_bytes()).columns["a"].quantiles([0.5]).size == 1


@pytest.mark.parametrize(
    "values",
    [
        pa.nulls(5),
        pa.nulls(5, pa.float64()),
        pa.nulls(5, pa.int8()),
        pa.nulls(5, pa.string()),
        pa.nulls(5, pa.bool_()),
        pa.nulls(5, pa.timestamp("ns")),
        pa.nulls(5, pa.list_(pa.int8())),
        pa.nulls(5, pa.dictionary(pa.int32(), pa.string())),
    ],
    ids=lambda values: str(values.type),
)
def test_all_null(values: pa.Array) -> None:
    column = one(values)
    assert (column.count, column.nulls, column.kind, column.nans) == (5, 5, "empty", 0)
    assert column.minimum is None and column.frequent() == {} and column.distinct() == 0


@pytest.mark.parametrize(
    ("values", "types", "kind"),
    [
        (pa.array([Decimal("1.5"), None]), {"fractional": 1}, "numeric"),
        (pa.array([np.float16(1.5), None], pa.float16()), {"fractional": 1}, "numeric"),
        (pa.array([[1, 2], [], None]), {"tensor": 1, "object": 1}, "mixed"),
        (pa.array([[1.0], [2.0]], pa.list_(pa.float32(), 1)), {"tensor": 2}, "mixed"),
        (pa.array([["a"], None]), {"object": 1}, "mixed"),
        (pa.array([{"a": 1}, None]), {"object": 1}, "mixed"),
        (pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int8())), {"object": 1}, "mixed"),
        (pa.array([b"x", None]), {"object": 1}, "mixed"),
        (pa.array([timedelta(1), None]), {"object": 1}, "mixed"),
        (pa.array([time(1), None]), {"object": 1}, "mixed"),
        (pa.array([date(2020, 1, 1), None]), {"object": 1}, "datetime"),
        (pa.array([date(2020, 1, 1)], pa.date64()), {"object": 1}, "datetime"),
        (pa.array(["a", None]).cast(VIEW), {"string": 1}, "categorical"),
        (pa.array(["a", None], pa.large_string()), {"string": 1}, "categorical"),
        (pa.array([1, 1, None]).dictionary_encode(), {"integral": 2}, "numeric"),
        (pa.array([1.5]).dictionary_encode(), {"fractional": 1}, "numeric"),
        (pa.DictionaryArray.from_arrays([0, 1, None], ["a", None]), {"string": 1}, "categorical"),
        (
            pa.array([datetime(2020, 1, 1)], pa.timestamp("us", "Asia/Tokyo")),
            {"object": 1},
            "datetime",
        ),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_arrow_types(values: pa.Array, types: dict[str, int], kind: str) -> None:
    column = one(values)
    assert (only(column), column.kind, column.count) == (types, kind, len(values))
    assert column.nulls == len(values) - sum(types.values())


def test_midnight_in_tokyo() -> None:
    zoned = pd.Series(pd.to_datetime(["2020-01-01"]).tz_localize("Asia/Tokyo"))
    assert one(zoned).minimum == datetime(2019, 12, 31, 15).timestamp() - _offset()
    assert one(pa.array(zoned)).minimum == one(zoned).minimum


def _offset() -> float:
    """Seconds that this machine's clock is behind UTC at that time."""
    return (datetime(2019, 12, 31, 15) - pd.Timestamp(0)).total_seconds() * -1 + datetime(
        2019, 12, 31, 15
    ).timestamp()


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_datetimes_at_the_ends_of_their_range(unit: str) -> None:
    values = np.array([-(2**63) + 1, 2**63 - 1, 0], np.int64).view(f"datetime64[{unit}]")
    column = one(pa.array(values))
    assert column.minimum == pytest.approx(-column.maximum) and column.stddev > 0
    assert column.count == 3 and column.kind == "datetime"
    days = profile(pa.table({"x": pa.array(np.array(["2020-01-01"], "datetime64[D]"))}))
    assert days.columns["x"].minimum == 1577836800


def test_integers_beyond_64_bits_keep_their_value() -> None:
    column = one([10**30, 5, None, -(10**400), 2**63], dtype=object)
    assert (column.count, column.nulls, only(column)) == (5, 1, {"integral": 4})
    assert (column.minimum, column.maximum) == (-np.inf, 1e30)
    unsigned = one(np.array([2**64 - 1, 5, 2**63, 5], np.uint64))
    assert (unsigned.maximum, unsigned.integers) == (2.0**64, (5, 2**63 - 1))
    assert unsigned.frequent() == {"5": 2, str(2**64 - 1): 1, str(2**63): 1}
    assert unsigned.distinct() == pytest.approx(3, abs=1e-6) and only(unsigned) == {"integral": 4}


def test_integers_far_apart() -> None:
    column = one(np.array([-(2**63) + 1, 2**63 - 1] * 40_000))
    assert column.integers == (-(2**63) + 1, 2**63 - 1) and column.distinct() == pytest.approx(2)
    assert column.frequent() == {str(2**63 - 1): 40_000, str(-(2**63) + 1): 40_000}


def test_integers_of_several_widths_are_not_rounded() -> None:
    kinds = (np.int8, np.uint64, np.int64, np.uint32)
    parts = [pd.DataFrame({"x": np.array([1, 77], kind)}) for kind in kinds]
    big = pd.DataFrame({"x": np.array([2**53 + 1, 2**60 + 3], np.uint64)})
    column = profile([*parts, big, *parts]).columns["x"]
    assert column.integers == (1, 2**60 + 3)
    assert column.frequent() == {"1": 8, "77": 8, str(2**53 + 1): 1, str(2**60 + 3): 1}


def test_integers_that_spread_out_on_the_way() -> None:
    near, far = np.arange(100_000) % 50, np.arange(100_000) * 10**9
    found = profile(iter([pd.DataFrame({"x": near}), pd.DataFrame({"x": far})])).columns["x"]
    wanted = stock(pd.DataFrame({"x": np.concatenate((near, far))})).columns["x"]
    assert exact(found) == exact(wanted)
    assert set(map(str, range(50))) <= set(found.frequent())


def test_texts_that_multiply_on_the_way() -> None:
    rng = np.random.default_rng(0)
    few = rng.choice(["a", "b"], 100_000)
    many = [f"id-{i}" for i in range(80_000)]
    parts = [few, np.array(many), few]
    found = profile(pd.DataFrame({"x": part}) for part in parts).columns["x"]
    wanted = stock(pd.DataFrame({"x": np.concatenate(parts)})).columns["x"]
    assert exact(found) == exact(wanted)
    counts = pd.Series(np.concatenate((few, few))).value_counts()
    for text in ("a", "b"):
        assert abs(found.frequent()[text] - counts[text]) <= found.frequent_error


def test_dictionaries_that_grow_large() -> None:
    words = pa.array([f"w{i}" for i in range(100_000)])
    array = pa.DictionaryArray.from_arrays(np.arange(100_000, dtype=np.int32), words)
    column = profile(pa.table({"x": array})).columns["x"]
    assert column.distinct() == pytest.approx(100_000, rel=0.05) and column.top.total == 100_000
    unused = pa.DictionaryArray.from_arrays(np.zeros(10, np.int32), words)
    assert profile(pa.table({"x": unused})).columns["x"].frequent() == {"w0": 10}


def test_types_that_change_from_batch_to_batch() -> None:
    parts = [pd.DataFrame({"x": values}) for values in ([1, 2], [1.5, np.nan], ["a"], [True])]
    column = profile(parts).columns["x"]
    assert only(column) == {"integral": 2, "fractional": 1, "string": 1, "boolean": 1}
    assert (column.kind, column.count, column.nans, column.maximum) == ("mixed", 6, 1, 2.0)


def test_objects_that_only_stock_knows() -> None:
    values = [
        object(),
        np.array([1, 2]),
        Decimal("NaN"),
        Decimal("Infinity"),
        "a",
        2**70,
        1.5,
        None,
    ]
    column = one(values, dtype=object)
    assert (column.count, column.nulls, column.nans) == (8, 2, 1)
    assert only(column) == {"object": 1, "tensor": 1, "fractional": 2, "string": 1, "integral": 1}


class _Hostile(list[int]):
    def __array__(self, *_: object, **__: object) -> np.ndarray:
        raise ValueError("no")


def test_objects_that_raise_are_told_by_column() -> None:
    for value in (Decimal("sNaN"), _Hostile()):
        values = np.array([1.5, None])
        values[1] = value
        frame = pd.DataFrame({"x": values})
        with pytest.raises(MonitoringError) as caught:
            profile(frame)
        assert caught.value.where == 'column "x"' and caught.value.fix


def test_texts_that_are_no_unicode() -> None:
    column = one(["a\ud800b", "c", None], dtype=object)
    assert only(column) == {"string": 2} and column.frequent() == {"a?b": 1, "c": 1}


def test_pandas_types_without_a_counterpart() -> None:
    frame = pd.DataFrame(
        {
            "period": pd.period_range("2020", periods=3),
            "interval": pd.interval_range(0, 3),
            "sparse": pd.arrays.SparseArray([0.0, np.nan, 1.0]),
            "complex": np.array([1j, 2, 3]),
            "categories": pd.Categorical([1, 2, 2]),
            "floats": pd.Categorical([1.5, 2.5, None]),
        }
    )
    found = {name: only(column) for name, column in profile(frame).columns.items()}
    assert found == {
        "period": {"object": 3},
        "interval": {"object": 3},
        "sparse": {"fractional": 2},
        "complex": {"object": 3},
        "categories": {"integral": 3},
        "floats": {"fractional": 2},
    }


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame([[1, 2]], columns=["a", "a"]),
        pd.DataFrame([[1, 2]], columns=[1, "1"]),
        pa.table([[1], [2]], names=["a", "a"]),
    ],
)
def test_columns_of_one_name_are_refused(frame: object) -> None:
    with pytest.raises(MonitoringError, match="several columns are called"):
        profile(frame)


def test_unusual_names() -> None:
    names = ["", " ", "a/b", "ü" * 300, "x\0y", "counts/n", "a.b"]
    frame = pd.DataFrame([range(len(names))], columns=names)
    again = Profile.from_bytes(profile(frame).to_bytes())
    assert {name: column.maximum for name, column in again.columns.items()} == {
        name: float(i) for i, name in enumerate(names)
    }
    assert set(profile(pd.DataFrame([[1, 2]])).columns) == {"0", "1"}


def test_ten_thousand_columns(tmp_path: Path) -> None:
    table = pa.table({f"c{i}": np.arange(3) + i for i in range(10_000)})
    pq.write_table(table, tmp_path / "wide.parquet")
    found = profile(tmp_path / "wide.parquet")
    assert len(found.columns) == 10_000 and found.columns["c77"].integers == (77, 79)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.parquet", b"", "cannot be read as Parquet"),
        ("a.parquet", b"PAR1garbage", "cannot be read as Parquet"),
        ("a.csv", b"", "cannot be read as CSV"),
        ("a.csv", b"a,b\n1\n", "cannot be read as CSV: .* Expected 2 columns"),
        ("a.csv", b"a,a\n1,2\n", "several columns"),
        ("a.csv.gz", b"no gzip", "cannot be read"),
        ("a.arrow", b"ARROW1junk", "cannot be read as Arrow"),
        ("a.feather", b"", "cannot be read as Arrow"),
        ("a.arrows", b"\xff\xff\xff\xff\x10\0\0\0junk", "cannot be read as Arrow"),
        ("a.json", b'[{"a": 1}]', "is neither Parquet nor CSV nor Arrow"),
        ("a.xml", b"<rows/>", "is neither Parquet nor CSV nor Arrow"),
        ("a.xlsx", b"PK\x03\x04\x14\0\x06\0", "is neither Parquet nor CSV nor Arrow"),
    ],
)
def test_broken_files(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MonitoringError, match=reason) as caught:
        profile(tmp_path / name)
    assert caught.value.where == str(tmp_path / name)


def test_parquet_broken_in_the_middle(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pq.write_table(pa.table({"x": rng.normal(size=50_000)}), tmp_path / "a.parquet")
    data = bytearray((tmp_path / "a.parquet").read_bytes())
    data[4:400] = bytes(396)
    (tmp_path / "a.parquet").write_bytes(data)
    with pytest.raises(MonitoringError, match="cannot be read as Parquet") as caught:
        profile(tmp_path / "a.parquet")
    assert caught.value.where.endswith("a.parquet")


def test_a_table_without_rows_in_a_file(tmp_path: Path) -> None:
    schema = pa.schema({"a": pa.int64(), "d": pa.dictionary(pa.int8(), pa.string())})
    pq.write_table(schema.empty_table(), tmp_path / "a.parquet")
    (tmp_path / "b.csv").write_text("a,b\n")
    assert {c.count for c in profile(tmp_path / "a.parquet").columns.values()} == {0}
    assert set(profile(tmp_path / "b.csv").columns) == {"a", "b"}


@pytest.mark.parametrize("data", [5, None, {"a": 1}, [1], b"bytes", "nowhere.parquet", object()])
def test_what_is_no_data(data: object) -> None:
    with pytest.raises(MonitoringError) as caught:
        profile(data)
    assert caught.value.where


def test_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MonitoringError, match="holds no Parquet"):
        profile(tmp_path)
    with pytest.raises(MonitoringError, match='no column "abd"; did you mean "abc"'):
        profile(pd.DataFrame({"abc": [1]}), columns=["abd"])


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.decimals(allow_nan=False),
    st.dates(),
    st.binary(max_size=3),
    st.lists(st.integers(0, 3), max_size=2),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(VALUES, max_size=12))
def test_any_python_values_are_counted(values: list[Any]) -> None:
    column = Profile.from_bytes(
        profile(pd.DataFrame({"x": pd.Series(values, dtype=object)})).to_bytes()
    ).columns["x"]
    assert column.count == len(values)
    assert column.count == column.nulls + sum(column.types.values())
    assert column.types["string"] == sum(isinstance(v, str) for v in values)
    assert column.types["boolean"] == sum(isinstance(v, bool) for v in values)
    assert column.types["integral"] == sum(type(v) is int for v in values)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(width=64) | st.none(), max_size=60),
    st.lists(st.integers(-(2**62), 2**62), max_size=60),
    st.lists(st.text(max_size=40) | st.none(), max_size=60),
)
def test_any_typed_values_are_what_stock_says(
    floats: list[float | None], ints: list[int], texts: list[str | None]
) -> None:
    for values, dtype in ((floats, "float64"), (ints, "int64"), (texts, "str")):
        if not values:
            continue
        frame = pd.DataFrame({"x": pd.Series(values, dtype=dtype)})
        assert exact(profile(frame).columns["x"]) == exact(stock(frame).columns["x"])
