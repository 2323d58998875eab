"""The same rows give the same profile, wherever they come from."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from whylogs_oracle import exact

from mlops_nb.errors import MonitoringError
from mlops_nb.monitoring.cluster import connected, profile_dask
from mlops_nb.monitoring.collect.sources import deal, find_pieces
from mlops_nb.monitoring.profile import Profile, profile

N = 12_000


def table(n: int = N, seed: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    gone = rng.random(n) < 0.1
    words = np.array(["alpha", "beta", "größer", "a rather longer name than the others have"])
    return pa.table(
        {
            "x": rng.normal(size=n),
            "holes": pa.array(rng.normal(size=n), mask=gone),
            "i": rng.integers(-40, 40, n),
            "wide": rng.integers(0, 2**50, n),
            "gaps": pa.array(rng.integers(0, 5, n), mask=gone),
            "s": pa.array(words[rng.integers(0, 4, n)], mask=gone),
            "id": [f"{'u' * (i % 20)}{i}" for i in rng.permutation(n)],
            "b": pa.array(rng.random(n) < 0.2, mask=gone),
            "t": pa.array(rng.integers(0, 10**9, n), pa.timestamp("s"), mask=gone),
        }
    )


TABLE = table()
WANTED = {name: exact(column) for name, column in profile(TABLE).columns.items()}


def assert_same(found: Profile) -> None:
    assert {name: exact(column) for name, column in found.columns.items()} == WANTED


def test_parquet(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "a.parquet", row_group_size=5_000)
    assert_same(profile(tmp_path / "a.parquet"))
    assert_same(profile(str(tmp_path / "a.parquet"), segments=["s"]))


def test_parquet_without_dictionaries_and_in_one_row_group(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "a", use_dictionary=False)
    assert_same(profile(tmp_path / "a"))


def test_folders_and_lists_of_files(tmp_path: Path) -> None:
    for i in range(3):
        part = TABLE.slice(i * 4_000, 4_000)
        folder = tmp_path / f"month={i}"
        folder.mkdir()
        pq.write_table(part, folder / "part.parquet")
    (tmp_path / "_SUCCESS").write_text("")
    (tmp_path / ".hidden.parquet").write_text("no parquet")
    found = profile(tmp_path)
    assert found.columns["month"].frequent() == {"0": 4000, "1": 4000, "2": 4000}
    assert_same(profile(tmp_path, columns=TABLE.column_names))
    assert_same(profile(sorted(tmp_path.glob("*/*.parquet"))))
    assert profile(tmp_path, columns=["month"]).rows == N
    by_month = profile(tmp_path, columns=["x"], segments=["month"])
    assert {key: part.rows for key, part in by_month.segments.items()} == {
        ("month", str(i)): 4_000 for i in range(3)
    }
    assert set(by_month.columns) == {"x"}


def test_names_in_paths_are_decoded(tmp_path: Path) -> None:
    for name in ("a%20b", "__HIVE_DEFAULT_PARTITION__"):
        (tmp_path / f"k={name}").mkdir()
        pq.write_table(pa.table({"v": [1.0]}), tmp_path / f"k={name}" / "p.parquet")
    column = profile(tmp_path).columns["k"]
    assert (column.frequent(), column.nulls) == ({"a b": 1.0}, 1)


def test_arrow_and_feather(tmp_path: Path) -> None:
    with pa.ipc.new_file(tmp_path / "a.arrow", TABLE.schema) as writer:
        writer.write_table(TABLE, max_chunksize=5_000)
    assert_same(profile(tmp_path / "a.arrow"))
    (tmp_path / "a.arrow").rename(tmp_path / "nameless")
    assert_same(profile(tmp_path / "nameless"))
    with pa.ipc.new_stream(tmp_path / "a.arrows", TABLE.schema) as stream:
        stream.write_table(TABLE, max_chunksize=5_000)
    assert_same(profile(tmp_path / "a.arrows"))
    (tmp_path / "a.arrows").rename(tmp_path / "stream")
    assert_same(profile(tmp_path / "stream"))


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.txt"])
def test_csv(tmp_path: Path, name: str) -> None:
    data = TABLE.to_pandas(types_mapper=pd.ArrowDtype).to_csv(index=False).encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    assert_same(profile(tmp_path / name))


def test_csv_types_are_found_out_beyond_the_first_block(tmp_path: Path) -> None:
    n = 400_000
    lines = ["a,b,c,d", *["1,,2020-01-01 00:00:00,x"] * n, "1.5,7,soon,y", "two,8.5,,z"]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    found = profile(tmp_path / "a.csv").columns
    assert {name: column.kind for name, column in found.items()} == {
        "a": "categorical",
        "b": "numeric",
        "c": "categorical",
        "d": "categorical",
    }
    assert found["b"].types["fractional"] == 2 and found["b"].nulls == n
    assert found["a"].count == n + 2 and found["a"].distinct() == pytest.approx(3, abs=1e-6)


@pytest.mark.parametrize(
    "frame", [pl.from_arrow(TABLE), pl.from_arrow(TABLE).lazy()], ids=["eager", "lazy"]
)
def test_polars(frame: object) -> None:
    assert_same(profile(frame))


def test_pandas_with_arrow_types() -> None:
    assert_same(profile(TABLE.to_pandas(types_mapper=pd.ArrowDtype)))


def test_pandas_masked_types() -> None:
    frame = TABLE.drop_columns(["t", "holes"]).to_pandas(
        types_mapper={
            pa.int64(): pd.Int64Dtype(),
            pa.bool_(): pd.BooleanDtype(),
            pa.string(): pd.StringDtype(),
        }.get
    )
    found = profile(frame).columns
    assert {name: exact(c) for name, c in found.items()} == {
        name: wanted for name, wanted in WANTED.items() if name in found
    }


@pytest.mark.parametrize("size", [1, 100, 7_000])
def test_batches(size: int) -> None:
    some = TABLE.slice(0, 300 if size == 1 else N)

    def parts() -> Iterator[object]:
        for i, start in enumerate(range(0, len(some), size)):
            part = some.slice(start, size)
            yield (part, part.to_batches()[0], pl.from_arrow(part))[i % 3]

    found, wanted = profile(parts()), profile(some)
    for name, column in wanted.columns.items():
        assert exact(found.columns[name]) == exact(column)


def test_iterators_are_read_as_they_go() -> None:
    alive: list[int] = []

    def parts() -> Iterator[pa.Table]:
        for i in range(50):
            alive.append(i)
            yield TABLE.slice(0, 100)

    seen: list[tuple[int, int | None, int]] = []
    profile(parts(), progress=lambda done, total: seen.append((done, total, len(alive))))
    assert [at for _, _, at in seen[:9]] == [1] * 9 and seen[-1] == (5_000, None, 50)


def test_datasets_and_readers(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "a.parquet", row_group_size=5_000)
    assert_same(profile(ds.dataset(tmp_path)))
    assert_same(profile(TABLE.to_reader(1_000)))
    assert_same(profile(ds.dataset(TABLE)))


def test_sliced_and_chunked_arrow_data() -> None:
    padded = pa.concat_tables([table(777, 1), TABLE, table(5, 2)])
    assert_same(profile(padded.slice(777, N)))
    dictionaries = TABLE.set_column(5, "s", TABLE["s"].dictionary_encode())
    assert_same(profile(dictionaries))
    assert_same(profile(TABLE.combine_chunks().to_batches()[0]))


class Seen:
    def __init__(self) -> None:
        self.done: list[tuple[int, int | None]] = []

    def __call__(self, rows: int, total: int | None) -> None:
        self.done.append((rows, total))


def test_progress_reaches_the_end(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "a.parquet", row_group_size=5_000)
    for data in (tmp_path / "a.parquet", TABLE, TABLE.to_pandas(), pl.from_arrow(TABLE)):
        for processes in (1, 2):
            seen = Seen()
            profile(data, processes=processes, progress=seen)
            assert seen.done[-1] == (N, N) and seen.done == sorted(seen.done)


def test_processes_share_files(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "a.parquet", row_group_size=3_000)
    TABLE.slice(0, 10).to_pandas().to_csv(tmp_path / "b.csv", index=False)
    found = profile(tmp_path / "a.parquet", processes=2, segments=["gaps"])
    assert_same(found)
    alone = profile(tmp_path / "a.parquet", segments=["gaps"])
    assert {k: p.rows for k, p in found.segments.items()} == {
        k: p.rows for k, p in alone.segments.items()
    }
    with pytest.raises(MonitoringError, match='no column "absent"'):
        profile(tmp_path / "a.parquet", processes=2, columns=["absent"])


def test_threads_share_tables_in_memory() -> None:
    assert_same(profile(TABLE, processes=3))
    assert_same(profile([TABLE.slice(0, 5_000), TABLE.slice(5_000)], processes=2))
    with pytest.raises(MonitoringError, match="cannot name a segment"):
        profile(pa.table({"a": [[1]]}), processes=2, segments=["a"])


def test_a_process_that_dies_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pq.write_table(TABLE, tmp_path / "a.parquet", row_group_size=3_000)
    shim = tmp_path / "python"
    shim.write_text("#!/bin/sh\nexit 9\n")
    shim.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(shim))
    with pytest.raises(MonitoringError, match="ended with code 9"):
        profile(tmp_path / "a.parquet", processes=2)


def test_a_script_without_main_guard_may_use_processes(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "a.parquet", row_group_size=3_000)
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\nfrom mlops_nb.monitoring.profile import profile\n"
        "print(profile(sys.argv[1], processes=2).rows)\n"
    )
    out = subprocess.run(
        [sys.executable, script, tmp_path / "a.parquet"], check=True, capture_output=True, text=True
    )
    assert out.stdout == f"{N}\n"


def test_work_is_dealt_out_evenly(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "a.parquet", row_group_size=1_000)
    pq.write_table(TABLE.slice(0, 500), tmp_path / "b.parquet")
    pieces = find_pieces(tmp_path)
    for hands in (2, 3, 5):
        dealt = deal(pieces, hands)
        rows = [sum(piece.rows for piece in hand) for hand in dealt]
        assert len(rows) == hands and sum(rows) == N + 500 and max(rows) - min(rows) <= 1_500
        groups = [(p.path, g) for hand in dealt for p in hand for g, _ in p.groups]
        assert len(groups) == len(set(groups)) == 13
    assert len(deal(pieces, 99)) <= 13
    TABLE.slice(0, 10).to_pandas().to_csv(tmp_path / "c.csv", index=False)
    (tmp_path / "a.parquet").unlink()
    (tmp_path / "b.parquet").unlink()
    assert [len(hand) for hand in deal(find_pieces(tmp_path), 4)] == [1]


def test_a_dask_cluster(tmp_path: Path) -> None:
    import dask
    import dask.dataframe as dd
    from distributed import Client

    pq.write_table(TABLE, tmp_path / "a.parquet", row_group_size=3_000)
    with Client(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0"
    ) as client:
        assert_same(profile_dask(client, tmp_path / "a.parquet"))
        frame = dd.from_pandas(TABLE.to_pandas(types_mapper=pd.ArrowDtype), npartitions=4)
        seen: list[int] = []
        found = profile_dask(
            client, frame, segments=["gaps"], progress=lambda done, total: seen.append(done)
        )
        assert_same(found)
        assert seen[-1] == N and len(found.segments) == 6
        assert_same(profile_dask(client, [dask.delayed(TABLE)]))
        with connected(client.scheduler_info()["address"]) as found_again:
            assert_same(profile_dask(found_again, tmp_path / "a.parquet"))
        with pytest.raises(MonitoringError, match='no column "absent"'):
            profile_dask(client, tmp_path / "a.parquet", columns=["absent"])
        with pytest.raises(MonitoringError, match=r"a task failed: .*zero"):
            profile_dask(client, [dask.delayed(lambda: 1 // 0)()])
    for address in ("tcp://127.0.0.1:1", "carrier-pigeon://coop"):
        with (
            pytest.raises(MonitoringError, match="the scheduler cannot be reached"),
            connected(address, timeout=0.5),
        ):
            pass
