"""Ours against stock whylogs on the same pandas column: everything that is not an estimate is equal."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from whylogs_oracle import exact, paths, stock

from mlops_nb.monitoring.profile import profile

N = 2_000


def _columns() -> dict[str, pd.Series]:
    rng = np.random.default_rng(7)
    floats = rng.normal(size=N)
    holes = floats.copy()
    holes[::7] = np.nan
    wild = holes.copy()
    wild[1::50], wild[2::50], wild[3::50] = np.inf, -np.inf, -0.0
    words = rng.choice(["a", "bb", "ccc", "größer", "", "日本"], N)
    gaps = [None if i % 9 == 0 else w for i, w in enumerate(words)]
    nans = [np.nan if i % 9 == 0 else w for i, w in enumerate(words)]
    truth = rng.random(N) < 0.3
    times = pd.Series(pd.date_range("2013-01-01", periods=N, freq="37min"))
    late = times.where(np.arange(N) % 5 != 0)
    ints = rng.integers(-50, 50, N)
    return {
        "float64": pd.Series(floats),
        "float32": pd.Series(floats.astype(np.float32)),
        "float16": pd.Series(floats.astype(np.float16)),
        "float-nan": pd.Series(holes),
        "float-inf": pd.Series(wild),
        "float-all-nan": pd.Series(np.full(N, np.nan)),
        "float-constant": pd.Series(np.full(N, 3.25)),
        "Float64": pd.Series(floats).astype("Float64").where(np.arange(N) % 4 != 0),
        "int64": pd.Series(ints),
        "int8": pd.Series(ints.astype(np.int8)),
        "uint16": pd.Series(np.abs(ints).astype(np.uint16)),
        "int-wide": pd.Series(rng.integers(-(2**62), 2**62, N)),
        "int-extreme": pd.Series(np.array([2**63 - 1, -(2**63) + 1, 0] * 10)),
        "Int64": pd.Series(ints).astype("Int64").where(np.arange(N) % 6 != 0),
        "bool": pd.Series(truth),
        "bool-true": pd.Series(np.ones(N, bool)),
        "boolean": pd.Series(truth).astype("boolean").where(np.arange(N) % 6 != 0),
        "str": pd.Series(words, dtype="str"),
        "str-nan": pd.Series(gaps, dtype="str"),
        "string": pd.Series(gaps, dtype="string"),
        "object-str": pd.Series(words, dtype=object),
        "object-none": pd.Series(gaps, dtype=object),
        "object-nan": pd.Series(nans, dtype=object),
        "object-int": pd.Series(ints, dtype=object),
        "object-bool": pd.Series(truth, dtype=object),
        "object-bool-none": pd.Series([None, *truth[1:]], dtype=object),
        "object-int-nan": pd.Series([np.nan, *ints[1:]], dtype=object),
        "object-mixed": pd.Series([1, 2.5, "x", True, None, np.nan, b"y", [1.0, 2.0]] * 40),
        "object-decimal": pd.Series([Decimal("1.5"), Decimal("-2"), None] * 30, dtype=object),
        "object-date": pd.Series([date(2020, 1, 1), None, date(2021, 5, 6)] * 9, dtype=object),
        "object-time": pd.Series([datetime(2020, 1, 1, 3), None] * 9, dtype=object),
        "object-none-only": pd.Series([None] * 20, dtype=object),
        "unique": pd.Series([f"user-{i:06d}" for i in rng.permutation(N)], dtype="str"),
        "long": pd.Series(["x" * (i % 300) + str(i) for i in range(400)], dtype="str"),
        "category": pd.Series(words).astype("category"),
        "category-int": pd.Series(ints).astype("category"),
        "datetime": times,
        "datetime-nat": late,
        "datetime-tz": times.dt.tz_localize("Europe/Berlin", nonexistent="shift_forward"),
        "datetime-s": times.astype("datetime64[s]"),
        "timedelta": pd.Series([timedelta(hours=1), pd.NaT] * 10),
        "lists": pd.Series([[1, 2], [], ["a"], None, [[1], [2]]] * 5, dtype=object),
        "dicts": pd.Series([{"a": 1}, None] * 5, dtype=object),
        "one": pd.Series([4.5]),
        "zone": pd.Series([datetime(2020, 1, 1, tzinfo=UTC)] * 3, dtype=object),
    }


COLUMNS = _columns()


@pytest.mark.parametrize("kind", COLUMNS)
def test_equal_to_stock(kind: str) -> None:
    frame = pd.DataFrame({"x": COLUMNS[kind]})
    theirs = stock(frame).columns["x"]
    ours = profile(frame).columns["x"]
    wanted, found = exact(theirs), exact(ours)
    if kind in ("Int64", "Float64") and pd.__version__ < "3":
        # pandas 2 hands stock a NaN for each missing value of these types.
        del wanted["nans"], found["nans"]
    if ours.is_datetime:
        for name in ("minimum", "maximum", "n"):
            del wanted[name], found[name]
    assert found == wanted
    extra = (
        {"distribution/kll", "distribution/mean", "distribution/m2"} if ours.is_datetime else set()
    )
    assert paths(ours) - extra == paths(theirs) - extra
    if theirs.mean is not None and not ours.is_datetime:
        assert ours.mean == pytest.approx(theirs.mean, rel=1e-12)
    if theirs.stddev is not None and not ours.is_datetime:
        assert ours.stddev == pytest.approx(theirs.stddev, rel=1e-9)
