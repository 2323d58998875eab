"""Times: counts and moments are exact, ranks within stock's bound, whatever order they come in."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from mlops_nb.monitoring.collect.base import BLOCK
from mlops_nb.monitoring.collect.coarse import Coarse
from mlops_nb.monitoring.collect.times import Datetimes
from mlops_nb.monitoring.column import ColumnProfile
from mlops_nb.monitoring.profile import Profile, profile
from mlops_nb.monitoring.sketch.quantiles import step_of

BOUND = 0.0027
"""Stock whylogs' single-sided rank error at 99%, for k = 1,024."""
N = 5 * BLOCK + 12_345
START = np.datetime64("2024-01-01", "us").astype(int)
DAY = 86_400_000_000
r = np.random.default_rng(5)
_ANY = START + r.integers(0, 10**13, N)
_APART = np.where(r.random(N) < 0.5, START, START - 36_525 * DAY)
SHAPES = {
    "random": _ANY,
    "sorted": np.sort(_ANY),
    "reversed": np.sort(_ANY)[::-1],
    "saw": np.tile(np.sort(_ANY[:1000]), N // 1000 + 1)[:N],
    "few values": START + r.choice([0, 7, 3 * 10**9, 10**12], N, p=[0.6, 0.2, 0.15, 0.05]),
    "all equal": np.full(N, START),
    "days": START + DAY * r.integers(0, 730, N),
    "minutes": START + DAY // 1440 * r.integers(0, 2 * 365 * 1440, N),
    "days and a microsecond": START + DAY * r.integers(0, 730, N) + (r.random(N) < 1e-3),
    "two clusters 100 years apart": _APART + r.integers(0, 10**9, N),
    "one cluster after the other": np.sort(_APART) + r.integers(0, 10**9, N),
    "bursts": START + DAY * r.integers(0, 9, N) + r.exponential(1e6, N).astype(int),
    "a long tail": START + (r.standard_cauchy(N) * 1e6).clip(-1e15, 1e15).astype(int),
    "turns": START + np.where(np.arange(N) // BLOCK % 2, 10**15, 0) + r.integers(0, 10**12, N),
    "whole range": r.integers(-(2**63) + 1, 2**63 - 1, N),
}


def worst(column: ColumnProfile, values: np.ndarray, per_second: float = 1e6) -> float:
    """The greatest difference between the column's shares and the true ones, at every value."""
    seconds = np.sort(values) / per_second
    last = np.append(seconds[1:] != seconds[:-1], True)
    share = (np.flatnonzero(last) + 1) / len(seconds)
    assert column.kll is not None
    return float(np.abs(column.cdf(seconds[last]) - share).max())


@pytest.mark.parametrize("shape", SHAPES)
def test_ranks_are_within_the_bound_in_one_go_and_merged(shape: str) -> None:
    values = SHAPES[shape]
    frame = pd.DataFrame({"x": values.view("M8[us]")})
    half = N // 3
    whole = profile(frame)
    parts = [profile(frame.iloc[:half]), profile(frame.iloc[half:])]
    for found in (whole, parts[0].merge(parts[1]), parts[1].merge(parts[0])):
        column = Profile.from_bytes(found.to_bytes()).columns["x"]
        assert column.count == N and column.types["object"] == N
        assert column.minimum == values.min() / 1e6 and column.maximum == values.max() / 1e6
        assert worst(column, values) <= BOUND


@pytest.mark.parametrize("shape", SHAPES)
def test_mean_and_deviation_are_those_of_the_integers(shape: str) -> None:
    values = SHAPES[shape]
    column = profile(pd.DataFrame({"x": values.view("M8[us]")})).columns["x"]
    least = int(values.min())
    apart = [int(v) - least for v in values.tolist()]
    total = sum(apart)
    mean = least + Fraction(total, N)
    variance = (sum(a * a for a in apart) - Fraction(total * total, N)) / (N - 1)
    farthest = float(np.abs(values.astype(float)).max()) / 1e6
    assert column.mean == pytest.approx(float(mean / 10**6), rel=0, abs=1e-15 * farthest)
    assert column.stddev == pytest.approx(math.sqrt(variance) / 1e6, rel=1e-12)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("arrow", [False, True], ids=["pandas", "arrow"])
def test_missing_times_are_counted_and_left_out(unit: str, arrow: bool) -> None:
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    values = 1_704_067_200 * per_second + r.integers(0, 10**6 * per_second, N)
    missing = r.random(N) < 0.3
    times = values.view(f"M8[{unit}]").copy()
    times[missing] = np.datetime64("NaT")
    table = pa.table({"x": pa.array(times)}) if arrow else pd.DataFrame({"x": times})
    column = profile(table).columns["x"]
    assert column.count == N and column.nulls == missing.sum()
    assert worst(column, values[~missing], per_second) <= BOUND


def _ordered(values: np.ndarray) -> np.ndarray | None:
    """All values of a block by rank, as the leading bits tell them."""
    apart = (values - values.min()).view(np.uint64)
    pick = Coarse().order(apart, int(apart.max()))
    return None if pick is None else pick(np.arange(len(values))).view(np.int64) + values.min()


@pytest.mark.parametrize("shape", ["days", "all equal", "few units"])
def test_few_units_are_told_exactly(shape: str) -> None:
    few = START + r.integers(0, 1 << 16, BLOCK)
    values = few if shape == "few units" else SHAPES[shape][:BLOCK]
    found = _ordered(values)
    assert found is not None and (found == np.sort(values)).all()


@pytest.mark.parametrize("n", [1 << 14, 20_000, BLOCK - 1, BLOCK])
@pytest.mark.parametrize("shape", ["random", "minutes"])
def test_a_bin_holds_fewer_than_two_strides(n: int, shape: str) -> None:
    found = _ordered(SHAPES[shape][:n])
    assert found is not None
    assert np.unique(found, return_counts=True)[1].max() < 2 * step_of(n) <= n / 1024


@pytest.mark.parametrize(
    "shape", ["two clusters 100 years apart", "a long tail", "days and a microsecond"]
)
def test_what_16_bits_cannot_part_is_left_to_sorting(shape: str) -> None:
    coarse = Coarse()
    values = SHAPES[shape][:BLOCK]
    apart = (values - values.min()).view(np.uint64)
    assert coarse.order(apart, int(apart.max())) is None
    assert coarse.order(np.arange(BLOCK, dtype=np.uint64), BLOCK - 1) is None, "not tried again"
    both = Datetimes()
    both.add(values, 1e6)
    assert worst(both.finish("x"), values) <= 1 / 2048


def test_a_unit_that_no_longer_holds_is_given_up() -> None:
    coarse = Coarse()
    days = np.uint64(DAY) * r.integers(0, 365, BLOCK).astype(np.uint64)
    assert coarse.order(days, 364 * DAY) is not None
    spread = r.integers(0, 10**13, BLOCK).astype(np.uint64)
    pick = coarse.order(spread, int(spread.max()))
    assert pick is not None
    ranks = np.arange(0, BLOCK, 100)
    assert np.abs(pick(ranks).view(np.int64) - np.sort(spread)[ranks].view(np.int64)).max() < 2**28
