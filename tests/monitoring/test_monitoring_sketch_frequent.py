from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from whylogs_oracle import sketching

from mlops_nb.monitoring.collect.recognize import Recognizer
from mlops_nb.monitoring.sketch.frequent import Frequent
from mlops_nb.monitoring.sketch.heavy import HeavyIntegers, HeavyTexts
from mlops_nb.monitoring.sketch.wire import CorruptError

BOTH = sketching.frequent_items_error_type.NO_FALSE_NEGATIVES


def theirs(texts: list[str]) -> object:
    sketch = sketching.frequent_strings_sketch(10)
    sketch.update_str_list(texts)
    return sketch


def skewed(n: int, seed: int = 0) -> np.ndarray:
    return np.minimum(np.random.default_rng(seed).zipf(1.3, n), 10**9)


@pytest.mark.parametrize("n", [0, 1, 5, 700, 50_000])
def test_stock_is_read_and_reads_ours(n: int) -> None:
    texts = [f"é{v}" for v in skewed(n)]
    sketch = theirs(texts)
    read = Frequent.from_bytes(sketch.serialize())
    assert read.total == n
    again = sketching.frequent_strings_sketch.deserialize(read.to_bytes())
    assert sorted(again.get_frequent_items(BOTH)) == sorted(sketch.get_frequent_items(BOTH))
    again.update_str_list(texts)
    assert again.get_total_weight() == 2 * n


def assert_bounds(sketch: Frequent, truth: Counter[str]) -> None:
    assert sketch.total == sum(truth.values())
    assert len(sketch.items) <= sketch.room
    for text, count in truth.items():
        lower = sketch.items.get(text, 0)
        assert lower <= count <= lower + sketch.offset


def test_every_count_is_within_its_bounds() -> None:
    values = skewed(200_000)
    heavy = HeavyIntegers()
    for start in range(0, len(values), 1 << 16):
        heavy.add_sorted(np.sort(values[start : start + (1 << 16)]))
    sketch = heavy.finish(len(values))
    assert_bounds(sketch, Counter(map(str, values.tolist())))
    assert 0 < sketch.offset < len(values) / 700


def test_merged_counts_are_within_their_bounds() -> None:
    first = [str(v) for v in skewed(20_000, 1)]
    second = [str(v) for v in skewed(20_000, 2)]
    a, b = (
        Frequent.from_bytes(theirs(first).serialize()),
        Frequent.of(Counter(second), total=len(second)),
    )
    assert_bounds(a.merge(b), Counter(first) + Counter(second))
    both = theirs(first)
    both.merge(sketching.frequent_strings_sketch.deserialize(b.to_bytes()))
    assert_bounds(Frequent.from_bytes(both.serialize()), Counter(first) + Counter(second))


def test_candidates_are_cleared_up_within_the_bounds() -> None:
    truth = Counter({f"t{i}": 1 + i % 50 for i in range(40_000)})
    heavy = HeavyTexts()
    heavy.add(truth.keys(), truth.values())
    heavy.clear_up()
    assert len(heavy.counts) == 4096
    assert_bounds(heavy.finish(truth.total()), truth)


def test_long_texts_are_cut_as_stock_cuts_them() -> None:
    heavy = HeavyTexts()
    heavy.add(["x" * 200, "x" * 300, "y"], [2, 3, 1])
    assert heavy.finish(6).items == {"x" * 128: 5, "y": 1}


def test_recognized_texts_are_counted_exactly() -> None:
    rng = np.random.default_rng(0)
    known = [*(f"word-{i}" for i in range(500)), "", "größer", "x" * 31]
    drawn = [known[i] for i in rng.integers(0, len(known), 5_000)]
    strange = ["new", "word-5001", "word", "a" * 9]
    for texts in (drawn, [*drawn, *strange], ["x" * 31] * 9, [""] * 9, strange):
        recognizer = Recognizer(pa.array(known, pa.large_string()))
        others = recognizer.count(pa.array(texts, pa.large_string()))
        assert others is not None
        rest = Counter(texts[i] for i in others.tolist())
        seen = Counter(dict(zip(*recognizer.totals(), strict=True)))
        assert seen + rest == Counter(texts)
        assert set(strange).isdisjoint(seen)


def test_what_cannot_be_recognized_is_left_alone() -> None:
    recognizer = Recognizer(pa.array(["a", "b\0"], pa.string()))
    assert recognizer.count(pa.array(["a", "a\0"])) is None
    assert recognizer.count(pa.array(["a", "much too long for it"])) is None
    assert recognizer.totals() == ([], [])
    assert recognizer.count(pa.array(["a", "b\0", "c"])).tolist() == [1, 2]


@pytest.mark.parametrize("n", [1, 40])
def test_every_truncation_is_noticed(n: int) -> None:
    data = theirs([f"t{i}" for i in range(n)]).serialize()
    for size in range(len(data)):
        with pytest.raises(CorruptError):
            Frequent.from_bytes(data[:size])


@pytest.mark.parametrize(
    ("at", "byte"), [(0, 2), (1, 2), (2, 7), (3, 30), (4, 11), (8, 255), (16, 0)]
)
def test_broken_headers_are_refused(at: int, byte: int) -> None:
    data = bytearray(theirs(["a", "b"]).serialize())
    data[at] = byte
    with pytest.raises(CorruptError):
        Frequent.from_bytes(bytes(data))


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=150), st.sampled_from([0, 8, 32, 48]))
def test_any_bytes_are_refused_or_read(data: bytes, keep: int) -> None:
    try:
        sketch = Frequent.from_bytes(theirs(["a", "b", "a"]).serialize()[:keep] + data)
    except CorruptError:
        return
    sketching.frequent_strings_sketch.deserialize(sketch.to_bytes())
    assert Frequent.from_bytes(sketch.to_bytes()).total == sketch.total
