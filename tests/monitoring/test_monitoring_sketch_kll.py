from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from whylogs_oracle import sketching

from mlops_nb.monitoring.sketch.kll import Kll, capacity
from mlops_nb.monitoring.sketch.kllmerge import merge
from mlops_nb.monitoring.sketch.quantiles import Quantiles
from mlops_nb.monitoring.sketch.wire import CorruptError

SIZES = [0, 1, 2, 7, 1024, 1025, 3000, 100_000]


def theirs(values: np.ndarray, k: int = 1024) -> object:
    sketch = sketching.kll_doubles_sketch(k)
    sketch.update(array=values)
    return sketch


def ours(values: np.ndarray, block: int = 1 << 16) -> Kll:
    collected = Quantiles()
    for start in range(0, len(values), block):
        collected.add_sorted(np.sort(values[start : start + block]))
    return collected.finish()


def worst(sketch: Kll, values: np.ndarray) -> float:
    """Return the greatest error of a rank, at every value that occurs."""
    points = np.unique(values)
    items, weights = sketch.weighted()
    reached = np.concatenate(([0], np.cumsum(weights)))
    found = reached[np.searchsorted(items, points, side="right")] / sketch.n
    true = np.searchsorted(np.sort(values), points, side="right") / len(values)
    return float(np.abs(found - true).max())


@pytest.mark.parametrize("n", SIZES)
def test_stock_bytes_are_read_and_written_unchanged(n: int) -> None:
    values = np.random.default_rng(n).normal(size=n)
    data = theirs(values).serialize()
    read = Kll.from_bytes(data)
    assert read.to_bytes() == data
    assert read.n == n == read.weighted()[1].sum()
    if n:
        assert (read.minimum, read.maximum) == (values.min(), values.max())


@pytest.mark.parametrize("n", SIZES)
def test_stock_reads_updates_and_merges_ours(n: int) -> None:
    rng = np.random.default_rng(n)
    values = rng.normal(size=n)
    sketch = sketching.kll_doubles_sketch.deserialize(ours(values).to_bytes())
    assert sketch.get_n() == n
    more = rng.normal(size=70_000)
    sketch.update(array=more)
    other = theirs(more)
    other.merge(sketch)
    assert other.get_n() == n + 140_000
    everything = np.concatenate((values, more, more))
    assert worst(Kll.from_bytes(other.serialize()), everything) < 0.004
    for p in (0.01, 0.5, 0.99):
        assert abs((everything <= other.get_quantile(p)).mean() - p) < 0.004


@pytest.mark.parametrize(
    "make",
    [
        lambda rng, n: rng.normal(size=n),
        lambda rng, n: np.sort(rng.lognormal(size=n)),
        lambda rng, n: rng.integers(0, 3, n).astype(float),
        lambda rng, n: rng.integers(0, 5_000, n).astype(float),
        lambda rng, n: np.where(rng.random(n) < 0.999, 0.0, rng.normal(size=n)),
        lambda rng, n: np.tile(np.arange(n // 10.0), 10),
    ],
    ids=["normal", "sorted", "three", "many", "zeros", "repeated"],
)
@pytest.mark.parametrize("block", [1 << 16, 5_000, 77])
def test_ranks_are_within_the_bound(make: object, block: int) -> None:
    values = make(np.random.default_rng(3), 300_000 if block > 77 else 30_000)
    sketch = ours(values, block)
    assert sketch.n == len(values)
    assert worst(sketch, values) < 0.0011 < sketch.rank_error
    assert len(sketch.weighted()[0]) <= capacity(1024, len(sketch.levels))


def test_small_samples_are_exact() -> None:
    values = np.random.default_rng(0).normal(size=1024)
    items, weights = ours(values, 100).weighted()
    assert np.array_equal(items, np.sort(values)) and set(weights) == {1}
    assert ours(values).rank_error == 0


def test_weighted_values_equal_repeated_ones() -> None:
    values, weights = np.array([1.0, 2.0, 5.0]), np.array([10, 70_000, 3])
    collected = Quantiles()
    collected.add_weighted(values, weights)
    sketch = collected.finish()
    assert sketch.n == weights.sum()
    assert worst(sketch, np.repeat(values, weights)) < 0.001
    assert (sketch.minimum, sketch.maximum) == (1.0, 5.0)


def test_no_item_is_heavy_enough_to_mislead_stock() -> None:
    """whylogs' quantiles overshoot where one item stands for a great share of all values."""
    values = np.repeat([0.0, 1.0], [600_000, 400_000])
    sketch = ours(values)
    assert sketch.weighted()[1].max() <= sketch.n / 1024
    stock = sketching.kll_doubles_sketch.deserialize(sketch.to_bytes())
    assert [stock.get_quantile(p) for p in (0.1, 0.59, 0.61, 0.9)] == [0, 0, 1, 1]


def test_a_long_chain_of_merges_keeps_the_bound() -> None:
    rng = np.random.default_rng(5)
    parts = [rng.normal(i / 30, 1, 4_000) for i in range(60)]
    chained = ours(parts[0])
    for part in parts[1:]:
        chained = merge(chained, ours(part))
    everything = np.concatenate(parts)
    assert chained.n == len(everything)
    assert worst(chained, everything) < chained.rank_error == pytest.approx(0.00272, abs=1e-5)
    sketching.kll_doubles_sketch.deserialize(chained.to_bytes())


def test_merging_takes_the_worse_accuracy_and_is_repeatable() -> None:
    values = np.random.default_rng(1).normal(size=20_000)
    coarse = Kll.from_bytes(theirs(values, 128).serialize())
    fine = ours(values)
    both = merge(fine, coarse)
    assert both.min_k == 128 and both.rank_error > fine.rank_error
    assert both.to_bytes() == merge(fine, coarse).to_bytes()
    assert merge(Kll(), fine) is fine and merge(fine, Kll()) is fine


def test_infinities_have_their_place() -> None:
    sketch = ours(np.array([-np.inf, 1.0, 2.0, np.inf]))
    again = Kll.from_bytes(sketch.to_bytes())
    assert (again.minimum, again.maximum) == (-np.inf, np.inf)


@pytest.mark.parametrize(
    ("at", "byte", "reason"),
    [
        (2, 7, "foreign"),
        (1, 9, "foreign"),
        (6, 3, "foreign"),
        (8, 1, "sum up"),
        (18, 0, "impossible"),
        (18, 61, "impossible"),
        (25, 5, "overlap"),
        (51, 0x7F, "range"),
    ],
)
def test_broken_bytes_say_what_is_wrong(at: int, byte: int, reason: str) -> None:
    data = bytearray(theirs(np.arange(5.0)).serialize())
    data[at] = byte
    with pytest.raises(CorruptError, match=reason):
        Kll.from_bytes(bytes(data))


def test_unsorted_levels_are_refused() -> None:
    sketch = ours(np.arange(3000.0))
    data = bytearray(sketch.to_bytes())
    data[-8:], data[-16:-8] = data[-16:-8], data[-8:]
    with pytest.raises(CorruptError, match="unsorted"):
        Kll.from_bytes(bytes(data))


@pytest.mark.parametrize("n", [0, 1, 5, 3000])
def test_every_truncation_is_noticed(n: int) -> None:
    data = theirs(np.arange(float(n))).serialize()
    for size in {*range(min(len(data), 80)), len(data) - 1, len(data) // 2}:
        with pytest.raises(CorruptError):
            Kll.from_bytes(data[:size])


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([6, 1500, 3000]),
    st.lists(st.tuples(st.integers(0, 120), st.integers(0, 255)), max_size=4),
    st.binary(max_size=20),
)
def test_any_bytes_are_refused_or_read(n: int, flips: list[tuple[int, int]], tail: bytes) -> None:
    data = bytearray(theirs(np.arange(float(n))).serialize() + tail)
    for at, value in flips:
        data[at % len(data)] = value
    try:
        sketch = Kll.from_bytes(bytes(data))
    except CorruptError:
        return
    again = sketching.kll_doubles_sketch.deserialize(sketch.to_bytes())
    assert again.get_n() == sketch.n
    again.merge(theirs(np.arange(5_000.0)))
    again.update(array=np.arange(5_000.0))
    again.get_quantiles([0.1, 0.9])
