"""Values by rank: counted into bins they are those of the sorted block, whatever its shape."""

from __future__ import annotations

import numpy as np
import pytest

from mlops_nb.monitoring.collect.numbers import Floats
from mlops_nb.monitoring.collect.ranks import Ranker
from mlops_nb.monitoring.collect.times import Datetimes
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


def way(ranker: Ranker, *, sorts: bool) -> None:
    """Make it sort, or count, from now on."""
    ranker._sorts = sorts


@pytest.mark.parametrize("shape", SHAPES)
def test_bins_give_what_sorting_gives(shape: str) -> None:
    values = SHAPES[shape]
    ranker = Ranker()
    ranker.sorts(values)
    ordered = ranker.sort(values).copy()
    assert (ordered == np.sort(values)).all()
    if ranker._range is not None:
        assert (ranker.pick(values, RANKS) == ordered[RANKS]).all()
        # The range was learned from other values than these.
        moved = values + values.dtype.type(3)
        assert (ranker.pick(moved, RANKS) == np.sort(moved)[RANKS]).all()


@pytest.mark.parametrize("shape", ["two values", "cauchy", "huge and tiny"])
def test_bins_hold_what_a_sample_did_not_show(shape: str) -> None:
    ranker = Ranker()
    ranker.sorts(np.random.default_rng(1).random(N))
    values = SHAPES[shape]
    assert (ranker.pick(values, RANKS) == np.sort(values)[RANKS]).all()


def test_each_column_goes_on_with_what_took_less_time() -> None:
    values = SHAPES["normal"]
    ranker = Ranker()
    assert ranker.sorts(values[:1000])
    assert not ranker.sorts(values), "the first block tells how long counting takes"
    assert ranker._sorting > 0 and ranker._sorts is None
    ranker.pick(values, RANKS)
    assert ranker._sorts is not None
    way(ranker, sorts=True)
    assert ranker.sorts(values)
    way(ranker, sorts=False)
    assert not ranker.sorts(values) and ranker.sorts(values[:1000])


@pytest.mark.parametrize(
    "values",
    [
        np.zeros(N),
        SHAPES["rounded"],
        np.tile([0.0, 1e-310], N // 2),
        np.tile([-(2**63), 2**63 - 1], N // 2),
    ],
    ids=["constant", "repeated", "too close", "too far apart"],
)
def test_what_no_bins_can_part_is_sorted(values: np.ndarray) -> None:
    ranker = Ranker()
    assert ranker.sorts(values) and ranker.sorts(values)
    ranker.sort(values)
    assert ranker.sorts(values)


@pytest.mark.parametrize("shape", ["normal", "rounded", "infinite"])
@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_a_columns_profile_does_not_depend_on_the_way(shape: str, missing: float) -> None:
    made = []
    for sorts in (True, False):
        collector = Floats()
        way(collector._ranker, sorts=sorts)
        for seed in range(3):
            values = np.random.default_rng(seed).permutation(SHAPES[shape])
            values[np.random.default_rng(seed).random(N) < missing] = np.nan
            collector.add(values)
        made.append(Profile(columns={"x": collector.finish("x")}).to_bytes())
    assert made[0] == made[1]


def test_times_that_16_bits_cannot_part_do_not_depend_on_the_way() -> None:
    made = []
    for sorts in (True, False):
        collector = Datetimes()
        way(collector._ranker, sorts=sorts)
        collector._coarse._useless = True
        for _ in range(2):
            collector.add(SHAPES["close integers"], 1e6)
        made.append(collector.finish("x").components())
    assert made[0] == made[1]


def test_two_columns_in_turns_keep_their_values_apart() -> None:
    alone = []
    for shape in ("normal", "lognormal"):
        collector = Floats()
        for _ in range(3):
            collector.add(SHAPES[shape])
        alone.append(Profile(columns={"x": collector.finish("x")}).to_bytes())
    both = Floats(), Floats()
    for _ in range(3):
        both[0].add(SHAPES["normal"])
        both[1].add(SHAPES["lognormal"])
    assert [Profile(columns={"x": c.finish("x")}).to_bytes() for c in both] == alone
