"""Values by rank: counted into bins they are those of the sorted block, whatever its shape."""

from __future__ import annotations

import numpy as np
import pytest

from mlops_nb.monitoring.collect.numbers import Datetimes, Floats
from mlops_nb.monitoring.collect.ranks import Ranker
from mlops_nb.monitoring.profile import Profile

N = 1 << 16
r = np.random.default_rng(0)
SHAPES = {
    "normal": r.normal(size=N),
    "lognormal": r.lognormal(0, 2, N),
    "cauchy": r.standard_cauchy(N),
    "rounded": np.round(r.normal(20, 5, N), 1),
    "two values": (r.random(N) < 0.3).astype(float),
    "nearly constant": np.where(r.random(N) < 0.001, r.normal(size=N), 7.0),
    "ascending": np.arange(N, dtype=float),
    "huge and tiny": np.concatenate((r.normal(size=N // 2) * 1e300, r.normal(size=N // 2) * 1e-300)),
    "infinite": np.where(r.random(N) < 0.01, np.inf, np.where(r.random(N) < 0.01, -np.inf, r.random(N))),
    "integers": r.integers(-(2**62), 2**62, N),
    "close integers": r.integers(1_760_000_000_000_000, 1_760_000_100_000_000, N),
}  # fmt: skip
RANKS = np.concatenate((np.arange(16, N, 32), [N - 1]))


def bins(ranker: Ranker) -> Ranker:
    """Make it count from now on."""
    ranker._spent = {"sort": 2, "bins": 1}
    return ranker


@pytest.mark.parametrize("shape", SHAPES)
def test_bins_give_what_sorting_gives(shape: str) -> None:
    values = SHAPES[shape]
    ranker = Ranker()
    assert ranker.sorts(N)
    ordered = ranker.sort(values)
    assert (ordered == np.sort(values)).all()
    if ranker._range is not None:
        assert (ranker.pick(values, RANKS) == ordered[RANKS]).all()
        # The range was learned from other values than these.
        moved = values + values.dtype.type(3)
        assert (ranker.pick(moved, RANKS) == np.sort(moved)[RANKS]).all()


def test_each_column_goes_on_with_what_took_less_time() -> None:
    ranker = Ranker()
    assert ranker.sorts(10) and ranker.sorts(N)
    ranker.sort(SHAPES["normal"])
    assert not ranker.sorts(N) and ranker.sorts(1000)
    ranker.pick(SHAPES["normal"], RANKS)
    assert ranker._spent.keys() == {"sort", "bins"} and min(ranker._spent.values()) >= 0
    ranker._spent = {"sort": 1, "bins": 2}
    assert ranker.sorts(N)
    assert not bins(ranker).sorts(N)
    constant = Ranker()
    constant.sort(np.zeros(N))
    assert constant.sorts(N)


@pytest.mark.parametrize("shape", ["normal", "rounded", "infinite"])
@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_a_columns_profile_does_not_depend_on_the_way(shape: str, missing: float) -> None:
    made = []
    for spent in ({"sort": 1, "bins": 2}, {"sort": 2, "bins": 1}):
        collector = Floats()
        collector._ranker._spent = dict(spent)
        for seed in range(3):
            values = np.random.default_rng(seed).permutation(SHAPES[shape])
            values[np.random.default_rng(seed).random(N) < missing] = np.nan
            collector.add(values)
        made.append(Profile(columns={"x": collector.finish("x")}).to_bytes())
    assert made[0] == made[1]


def test_datetimes_do_not_depend_on_the_way() -> None:
    made = []
    for spent in ({"sort": 1, "bins": 2}, {"sort": 2, "bins": 1}):
        collector = Datetimes()
        collector._ranker._spent = dict(spent)
        for _ in range(2):
            collector.add(SHAPES["close integers"], 1e6)
        made.append(collector.finish("x").components())
    assert made[0] == made[1]
