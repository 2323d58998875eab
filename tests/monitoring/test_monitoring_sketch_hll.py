from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from whylogs_oracle import sketching

from mlops_nb.monitoring.collect.strings import hash_strings
from mlops_nb.monitoring.sketch.distinct import Distinct, leading_zeros
from mlops_nb.monitoring.sketch.hll import Hll
from mlops_nb.monitoring.sketch.murmur import hash_bytes
from mlops_nb.monitoring.sketch.wire import CorruptError

SIZES = [0, 1, 7, 8, 9, 384, 385, 5_000, 300_000]
FORMS = [sketching.HLL_4, sketching.HLL_6, sketching.HLL_8]


def theirs(values: np.ndarray, form: object = sketching.HLL_4, lg_k: int = 12) -> object:
    sketch = sketching.hll_sketch(lg_k, form)
    sketch.update_np(values)
    return sketch


def ours(values: np.ndarray) -> Hll:
    collected = Distinct()
    for start in range(0, len(values), 50_000):
        collected.add_words(values[start : start + 50_000].view(np.uint64))
    return collected.finish()


def of_texts(texts: list[str]) -> Hll:
    collected = Distinct()
    for _, a, b in hash_strings(pa.array(texts, pa.large_string())):
        collected.add_hashes(a, b)
    return collected.finish()


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("form", FORMS)
def test_stock_is_read_in_every_form(n: int, form: object) -> None:
    sketch = theirs(np.arange(n), form)
    for data in (sketch.serialize_compact(), sketch.serialize_updatable()):
        read = Hll.from_bytes(data)
        assert read.estimate() == pytest.approx(sketch.get_estimate(), rel=1e-9)
        assert read.is_empty == (n == 0)
    assert np.array_equal(read.as_registers(), ours(np.arange(n)).as_registers())


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("lg_k", [4, 7, 8, 12, 15])
def test_stock_reads_what_was_read_from_it(n: int, lg_k: int) -> None:
    sketch = theirs(np.arange(n), lg_k=lg_k)
    data = Hll.from_bytes(sketch.serialize_compact()).to_bytes()
    again = sketching.hll_sketch.deserialize(data)
    assert again.get_estimate() == pytest.approx(sketch.get_estimate(), rel=1e-9)
    again.update_np(np.arange(n + 1_000))
    sketch.update_np(np.arange(n + 1_000))
    continued = Hll.from_bytes(again.serialize_compact())
    expected = Hll.from_bytes(sketch.serialize_compact())
    assert np.array_equal(continued.as_registers(), expected.as_registers())


@pytest.mark.parametrize("dtype", [np.int64, np.float64])
def test_registers_equal_those_of_stock(dtype: type) -> None:
    values = np.random.default_rng(2).integers(-(2**60), 2**60, 60_000).astype(dtype)
    assert np.array_equal(
        ours(values).as_registers(),
        Hll.from_bytes(theirs(values).serialize_compact()).as_registers(),
    )


def test_texts_hash_like_stocks() -> None:
    texts = ["", "a", "ab\0", "größer", "日本語" * 9, "x" * 15, "y" * 16, "z" * 31, "w" * 32]
    texts += [f"{'p' * (i % 700)}{i}" for i in range(2_000)] + ["long" * 50_000, "q" * 70_000]
    sketch = sketching.hll_sketch(12)
    sketch.update_str_list(texts)
    assert np.array_equal(
        of_texts(texts).as_registers(), Hll.from_bytes(sketch.serialize_compact()).as_registers()
    )


@pytest.mark.parametrize("length", [0, 1, 8, 15, 16, 17, 33, 400])
def test_one_long_text_hashes_like_many(length: int) -> None:
    text = "".join(chr(33 + i % 90) for i in range(length))
    pairs = [(a.tolist(), b.tolist()) for _, a, b in hash_strings(pa.array([text, text]))]
    expected = hash_bytes(text.encode())
    assert all(set(a) == {expected[0]} and set(b) == {expected[1]} for a, b in pairs)
    assert sum(len(a) for a, _ in pairs) == (2 if length else 0)


def test_leading_zeros_at_the_edges() -> None:
    words = np.array([0, 1, 2**10, 2**11 - 1, 2**11, 2**53 - 1, 2**63, 2**64 - 1], np.uint64)
    expected = [64 - int(word).bit_length() for word in words]
    assert leading_zeros(words).tolist() == expected


@pytest.mark.parametrize("n", [2_000, 40_000, 300_000])
def test_estimates_after_merging_are_good(n: int) -> None:
    a, b = ours(np.arange(n)), ours(np.arange(n // 2, n + n // 2))
    both = a.union(b)
    assert both.estimate() == pytest.approx(1.5 * n, rel=0.05)
    union = sketching.hll_union(12)
    for part in (a, b):
        union.update(sketching.hll_sketch.deserialize(part.to_bytes()))
    result = union.get_result(sketching.HLL_4)
    assert both.estimate() == pytest.approx(result.get_estimate(), rel=0.01)
    merged = Hll.from_bytes(result.serialize_compact())
    assert np.array_equal(merged.as_registers(), both.as_registers())
    read = sketching.hll_sketch.deserialize(both.to_bytes())
    assert read.get_estimate() == pytest.approx(result.get_estimate(), rel=1e-9)


def test_unions_of_small_and_of_different_sketches() -> None:
    few, none = ours(np.arange(10)), Hll()
    assert few.union(none) is few and none.union(few) is few and none.estimate() == 0
    assert few.union(ours(np.arange(5, 15))).estimate() == pytest.approx(15, abs=1e-4)
    assert few.union(ours(np.arange(5_000))).estimate() == pytest.approx(5_000, rel=0.05)
    small = Hll.from_bytes(theirs(np.arange(3_000), lg_k=8).serialize_compact())
    mixed = small.union(ours(np.arange(3_000)))
    assert mixed.lg_k == 8 and np.array_equal(mixed.as_registers(), small.as_registers())


def test_a_known_number_becomes_the_estimate() -> None:
    collected = Distinct()
    collected.add_words(np.arange(5_000, dtype=np.uint64))
    sketch = Hll.from_bytes(collected.finish(5_000).to_bytes())
    assert sketch.estimate() == 5_000
    assert sketching.hll_sketch.deserialize(sketch.to_bytes()).get_estimate() == 5_000


@pytest.mark.parametrize("n", [0, 3, 100, 2_000])
def test_every_truncation_is_noticed(n: int) -> None:
    data = theirs(np.arange(n)).serialize_compact()
    for size in {*range(min(len(data), 50)), len(data) - 1}:
        with pytest.raises(CorruptError):
            Hll.from_bytes(data[:size])


@pytest.mark.parametrize(("at", "byte"), [(0, 9), (1, 2), (2, 8), (3, 3), (3, 22), (7, 3), (6, 64)])
def test_foreign_headers_are_refused(at: int, byte: int) -> None:
    data = bytearray(theirs(np.arange(2_000)).serialize_compact())
    data[at] = byte
    with pytest.raises(CorruptError):
        Hll.from_bytes(bytes(data))


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=120), st.sampled_from([(3, 8), (100, 12), (2_000, 40), (2_000, 2_080)]))
def test_any_bytes_are_refused_or_read(data: bytes, start: tuple[int, int]) -> None:
    n, keep = start
    try:
        sketch = Hll.from_bytes(theirs(np.arange(n)).serialize_compact()[:keep] + data)
    except CorruptError:
        return
    assert np.array_equal(Hll.from_bytes(sketch.to_bytes()).as_registers(), sketch.as_registers())
    sketching.hll_sketch.deserialize(sketch.to_bytes()).get_estimate()
