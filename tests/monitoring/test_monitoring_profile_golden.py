"""Pins the bytes: what an earlier version wrote is read, and what is written has not changed.

``golden/ours.bin`` was written by this package, ``golden/stock.bin`` by whylogs 1.6.4, both of the
rows below. Written anew by ``python tests/monitoring/test_monitoring_profile_golden.py``, which is
right only where a change of the format is meant.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mlops_nb.monitoring.profile import Profile, profile
from mlops_nb.monitoring.sketch.container import Container

GOLDEN = Path(__file__).parent / "golden"
N = 1_500


def table() -> pa.Table:
    """Rows that are the same everywhere: no random numbers."""
    i = np.arange(N)
    return pa.table(
        {
            "float": (i * 7919 % N) / 8,
            "gaps": pa.array((i * 31 % 211) / 4.0, mask=i % 7 == 0),
            "few": i * i % 23,
            "far": i * 1_000_003,
            "word": pa.array(["alpha", "beta", "größer"]).take(pa.array(i * i % 3)),
            "id": [f"id-{k * 7919 % N:05d}" for k in range(N)],
            "flag": i % 5 == 0,
            "time": pa.array(i * 3_600, pa.timestamp("s")),
        }
    )


def current() -> Profile:
    found = profile(
        table(), predictions="flag", score="float", metadata={"made": "once"}, timestamp=1e9
    )
    parts = {key: replace(part, created=1e9) for key, part in found.segments.items()}
    return replace(found, created=1e9, segments=parts)


MOMENTS = {"distribution/mean", "distribution/m2"}


def _without_moments(content: Container) -> Container:
    return Container(
        columns={
            name: {path: part for path, part in column.items() if path not in MOMENTS}
            for name, column in content.columns.items()
        },
        metadata=content.metadata,
        created_ms=content.created_ms,
        timestamp_ms=content.timestamp_ms,
        segments={key: _without_moments(inner) for key, inner in content.segments.items()},
    )


def test_the_bytes_have_not_changed() -> None:
    pinned = Container.from_bytes((GOLDEN / "ours.bin").read_bytes())
    found = Container.from_bytes(current().to_bytes())
    assert _without_moments(found) == _without_moments(pinned)
    for name, column in pinned.columns.items():
        for path in MOMENTS & column.keys():
            # Their last digit depends on the processor's vector width.
            assert found.columns[name][path].value == pytest.approx(column[path].value, rel=1e-12)


@pytest.mark.parametrize("name", ["ours.bin", "stock.bin"])
def test_golden_files_are_read(name: str) -> None:
    found = Profile.read(GOLDEN / name)
    data = table()
    assert found.rows == N and set(found.columns) == set(data.column_names)
    assert found.columns["few"].integers == (0, 18)
    assert found.columns["gaps"].nulls == data["gaps"].null_count
    assert found.columns["word"].frequent() == {"beta": 1000, "alpha": 500}
    assert found.columns["flag"].trues == 300
    assert found.columns["id"].distinct() == pytest.approx(N, rel=0.05)
    assert found.columns["far"].maximum == (N - 1) * 1_000_003
    floats = np.sort(data["float"].to_numpy())
    assert np.abs(found.columns["float"].cdf(floats) - (np.arange(N) + 1) / N).max() < 0.0027
    assert Profile.from_bytes(found.to_bytes()).to_bytes() == found.to_bytes()


def test_the_golden_file_of_ours_holds_what_stock_does_not() -> None:
    ours, stock = Profile.read(GOLDEN / "ours.bin"), Profile.read(GOLDEN / "stock.bin")
    assert set(ours.segments) == {("flag", "True"), ("flag", "False")}
    assert set(ours.segments["flag", "True"].columns) == {"flag", "float"}
    assert ours.columns["time"].maximum == (N - 1) * 3_600 and ours.columns["time"].is_datetime
    assert stock.columns["time"].kll is None and ours.metadata == {"made": "once"}
    merged = ours.merge(stock)
    assert merged.rows == 2 * N and merged.columns["time"].is_datetime


if __name__ == "__main__":
    from whylogs_oracle import stock_view

    GOLDEN.mkdir(exist_ok=True)
    (GOLDEN / "ours.bin").write_bytes(current().to_bytes())
    view = stock_view(table().to_pandas())
    (GOLDEN / "stock.bin").write_bytes(bytes(view.serialize()))
