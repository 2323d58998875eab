from __future__ import annotations

import random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from whylogs_oracle import DatasetProfileView, stock_view

from mlops_nb.errors import MonitoringError
from mlops_nb.monitoring.profile import Profile, profile
from mlops_nb.monitoring.sketch import wire
from mlops_nb.monitoring.sketch.container import Container
from mlops_nb.monitoring.sketch.wire import CorruptError


def frame(n: int = 900) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "i": rng.integers(0, 10**9, n),
            "s": rng.choice(["a", "b", "ü"], n),
            "b": rng.random(n) < 0.5,
            "t": pd.date_range("2020", periods=n, freq="h"),
        }
    )


OURS = profile(frame(), segments=["s"], metadata={"k": "v", "whylogs.tag.env": "test"}).to_bytes()
STOCK = bytes(stock_view(frame()).serialize())


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 2**32, 2**63 - 1, 2**64 - 1])
def test_numbers_survive(value: int) -> None:
    data = wire.varint(value)
    assert wire.read_varint(data, 0) == (value, len(data))


@pytest.mark.parametrize("value", [-1, -(2**63), 0, 2**63 - 1])
def test_signed_numbers_survive(value: int) -> None:
    assert wire.signed(wire.read_varint(wire.varint(value), 0)[0]) == value


@pytest.mark.parametrize(
    "data", [b"", b"\x80", b"\xff" * 11, b"\x80" * 9], ids=["empty", "cut", "long", "cut-long"]
)
def test_broken_numbers_are_refused(data: bytes) -> None:
    with pytest.raises(CorruptError):
        wire.read_varint(data, 0)


@pytest.mark.parametrize("data", [b"\x03", b"\x00\x00", b"\x0a\x05ab", b"\x09abc", b"\x0dab"])
def test_broken_messages_are_refused(data: bytes) -> None:
    with pytest.raises(CorruptError):
        list(wire.fields(data))


@pytest.mark.parametrize("data", [OURS, STOCK], ids=["ours", "stock"])
def test_a_file_is_written_as_it_was_read(data: bytes) -> None:
    once = Container.from_bytes(data)
    again = Container.from_bytes(once.to_bytes())
    assert again == once
    assert once.to_bytes() == again.to_bytes()
    if data is OURS:
        assert once.to_bytes() == data


def test_stock_reads_what_is_before_the_segments() -> None:
    view = DatasetProfileView.deserialize(OURS)
    assert set(view.get_columns()) == set(frame())
    assert view.metadata == {"k": "v", "whylogs.tag.env": "test", "mlops_nb.datetime.t": "seconds"}
    assert len(Container.from_bytes(OURS).segments) == 3


def test_protobuf_agrees_on_the_header() -> None:
    """The official parser accepts every message: nothing is written that only we can read."""
    from whylogs.core.proto import ChunkHeader, ChunkMessage, DatasetProfileHeader

    data = OURS
    size, at = wire.read_varint(data, 4)
    size, at = wire.read_varint(data, at + size)
    header = DatasetProfileHeader.FromString(data[at : at + size])
    start = at + size
    assert header.properties.metadata["k"] == "v" and header.properties.creation_timestamp > 0
    for name, places in header.column_offsets.items():
        size, at = wire.read_varint(data, start + places.offsets[0])
        chunk = ChunkHeader.FromString(data[at : at + size])
        body = ChunkMessage.FromString(data[at + size : at + size + chunk.length])
        paths = {header.indexed_metric_paths[i] for i in body.metric_components}
        assert {"counts/n", "types/object"} <= paths, name
        assert all(part.WhichOneof("value") for part in body.metric_components.values())


@pytest.mark.parametrize("data", [OURS, STOCK], ids=["ours", "stock"])
def test_every_truncation_is_noticed(data: bytes) -> None:
    end = len(Container.from_bytes(data).to_bytes()) if data is OURS else len(data)
    rng = random.Random(0)
    for size in [*range(60), *rng.sample(range(60, end - 1), 60), end - 1]:
        try:
            read = Profile.from_bytes(data[:size])
        except MonitoringError:
            continue
        # Cut exactly where the segments begin, the rest is a whole profile.
        assert not read.segments and data is OURS


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"PAR1" + b"\0" * 50, "does not begin"),
        (b"\x89PNG\r\n", "does not begin"),
        (b"WHY1", "cut off"),
        (b"WHY1\x00\x00", "cut off"),
        (b"WHY1" + b"\xff" * 40, "too long"),
    ],
)
def test_foreign_files_are_told(data: bytes, reason: str) -> None:
    with pytest.raises(MonitoringError, match=reason) as caught:
        Profile.from_bytes(data, where="some/file.bin")
    assert caught.value.where == "some/file.bin" and caught.value.fix


def test_the_broken_column_is_named() -> None:
    content = Container.from_bytes(STOCK)
    part = content.columns["x"]["distribution/kll"]
    content.columns["x"]["distribution/kll"] = type(part)(0, 6, bytes(part.value)[:-1])
    with pytest.raises(MonitoringError, match='column "x": a KLL sketch is cut off'):
        Profile.from_bytes(content.to_bytes())


def test_negative_counts_are_refused() -> None:
    content = Container.from_bytes(STOCK)
    part = content.columns["x"]["counts/n"]
    content.columns["x"]["counts/n"] = type(part)(0, 2, -1)
    with pytest.raises(MonitoringError, match="negative"):
        Profile.from_bytes(content.to_bytes())


def test_nesting_without_end_is_refused() -> None:
    inner = Container()
    for _ in range(6):
        inner = Container(columns={}, segments={("a", "b"): inner})
    with pytest.raises(MonitoringError, match="nested"):
        Profile.from_bytes(inner.to_bytes())


@settings(max_examples=250, deadline=None)
@given(
    st.sampled_from([OURS, STOCK]),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6),
)
def test_flipped_bytes_never_break_the_reader_or_stock(
    data: bytes, flips: list[tuple[float, int]]
) -> None:
    """What is accepted is written as bytes that the C++ sketches take without harm."""
    broken = bytearray(data)
    for place, value in flips:
        broken[int(place * (len(broken) - 1))] = value
    _read_and_hand_on(bytes(broken))


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([OURS, STOCK]), st.floats(0, 1), st.binary(max_size=40), st.integers(0, 40))
def test_spliced_bytes_never_break_the_reader_or_stock(
    data: bytes, place: float, put: bytes, taken: int
) -> None:
    at = int(place * len(data))
    _read_and_hand_on(data[:at] + put + data[at + taken :])


def _read_and_hand_on(data: bytes) -> None:
    try:
        read = Profile.from_bytes(data)
    except MonitoringError:
        return
    for column in read.columns.values():
        column.quantiles([0.1, 0.9]), column.cdf([0.0]), column.frequent(), column.distinct()
    merged = read.merge(Profile.from_bytes(STOCK))
    for part in (read, merged):
        try:
            view = DatasetProfileView.deserialize(part.to_bytes())
        except Exception as error:
            # Stock may refuse an unknown metric or a date beyond its calendar; it must not die.
            assert type(error).__name__ in (
                "UnsupportedError",
                "DeserializationError",
                "ValueError",
                "OverflowError",
                "OSError",
            ), error
            continue
        view.to_pandas()
