"""Profiles against stock whylogs: ``python -m benchmarks.profiles``.

CPU time of the profiling call alone, in both cases without imports (whylogs' takes seconds, ours a
fifth of one) and with the decoding of the file. Ours, stock and bare decoding take turns, each in a
process of its own, so that peak memory is that of one contender; single columns take turns within
one process, as pandas columns in memory.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks._results import Figure, figure, main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    import pandas as pd
    import pyarrow as pa

STOCK = "stock whylogs"
KINDS = {
    "float": ">= 30",
    "float_with_nan": ">= 30",
    "int_low": "",
    "int_high": "",
    "string_low": ">= 20",
    "string_high": ">= 5",
    "category": "",
    "bool": ">= 1000",
    "datetime": ">= 1000",
}


def columns(n: int, seed: int) -> pa.Table:
    """Twenty columns: six floats, four integers, four texts of few and two of many values, two
    truth values, two times."""
    import numpy as np
    import pyarrow as pa

    rng = np.random.default_rng(seed)
    out: dict[str, Any] = {f"float{i}": rng.normal(10 * i, 1 + i, n) for i in range(4)}
    out["float4"] = pa.array(rng.lognormal(3, 1, n), mask=rng.random(n) < 0.05)
    out["float5"] = np.round(rng.gamma(2, 20, n), 2)
    out["int0"] = rng.integers(0, 24, n)
    out["int1"] = rng.integers(0, 1_000, n).astype(np.int32)
    out["int2"] = rng.integers(0, 2**40, n)
    out["int3"] = rng.poisson(200, n)
    for i, count in enumerate((3, 16, 100, 900)):
        words = pa.array([f"category_{j:04d}" for j in range(count)])
        picks = (rng.random(n) ** 2 * count).astype(np.int32)
        out[f"text{i}"] = pa.DictionaryArray.from_arrays(picks, words).cast(pa.string())
    out["id0"] = [f"user_{v:09d}" for v in rng.integers(0, 10**8, n).tolist()]
    out["id1"] = [f"{v:x}-{v % 977}" for v in rng.integers(0, 2**60, n).tolist()]
    out["bool0"] = rng.random(n) < 0.1
    out["bool1"] = pa.array(rng.random(n) < 0.5, mask=rng.random(n) < 0.02)
    start = np.datetime64("2024-01-01", "us")
    out["time0"] = start + np.sort(rng.integers(0, 10**12, n)).astype("m8[us]")
    out["time1"] = start + rng.integers(0, 10**13, n).astype("m8[us]")
    return pa.table(out)


def write(path: str, rows: int) -> None:
    """Write the file that is profiled, half a million rows a row group."""
    import pyarrow.parquet as pq

    step = min(rows, 500_000)
    with pq.ParquetWriter(path, columns(1, 0).schema) as writer:
        for start in range(0, rows, step):
            writer.write_table(columns(min(step, rows - start), start))


def ours(path: str, processes: int = 1) -> Callable[[], object]:
    from mlops_nb.monitoring.profile import profile

    return lambda: profile(path, processes=processes).to_bytes()


def decode(path: str) -> Callable[[], object]:
    import pyarrow.parquet as pq

    def read() -> None:
        for _ in pq.ParquetFile(path).iter_batches(1 << 16, use_threads=False):
            pass

    return read


def stock(path: str) -> Callable[[], object]:
    import pandas as pd

    whylogs = _whylogs()
    return lambda: whylogs.log(pandas=pd.read_parquet(path)).view().serialize()


def _whylogs() -> Any:
    import numpy as np

    from mlops_nb.config import telemetry_off

    telemetry_off()
    if not hasattr(np, "unicode_"):
        np.unicode_ = np.str_  # type: ignore[attr-defined]
    import whylogs

    return whylogs


def contend(name: str, path: str) -> None:
    """Run one contender in this process and print what it took."""
    makers: dict[str, Callable[[str], Callable[[], object]]] = {
        "ours": ours,
        "decode": decode,
        "stock": stock,
        "pair": lambda path: ours(path, 2),
    }
    action = makers[name](path)
    started, wall = time.process_time(), time.perf_counter()
    action()
    took = {"cpu": time.process_time() - started, "wall": time.perf_counter() - wall}
    # Not ru_maxrss: that one remembers what the parent held when it forked.
    status = Path("/proc/self/status").read_text().splitlines()
    peak = next(line for line in status if line.startswith("VmHWM"))
    print(json.dumps({**took, "peak": int(peak.split()[1]) / 1024}))


def rank_errors(path: str) -> None:
    """Print the worst rank error over the numeric columns and times, in one go and merged."""
    import numpy as np
    import pyarrow.parquet as pq

    from mlops_nb.monitoring.profile import profile

    worst = 0.0
    names = [n for n in pq.read_schema(path).names if n.startswith(("float", "int", "time"))]
    found = [profile(path, columns=names), profile(path, columns=names, processes=2)]
    for name in names:
        column = pq.read_table(path, columns=[name])[name].combine_chunks().drop_null()
        values = np.sort(column.to_numpy().astype("M8[us]" if name.startswith("time") else float))
        if name.startswith("time"):
            values = values.astype(np.int64) / 1e6
        worst = max(worst, *(_worst(part.columns[name].cdf, values) for part in found))
    for shape in _shapes(np.random.default_rng(0)):
        import pandas as pd

        column = profile(pd.DataFrame({"x": shape})).columns["x"]
        worst = max(worst, _worst(column.cdf, np.sort(shape)))
    print(worst)


def _shapes(rng: np.random.Generator) -> Iterator[np.ndarray]:
    import numpy as np

    for n in (1_500, 20_000, 300_000):
        yield rng.normal(size=n)
        yield np.sort(rng.lognormal(size=n))
        yield rng.integers(0, 3, n).astype(float)
        yield rng.integers(0, 5_000, n).astype(float)
        yield np.where(rng.random(n) < 0.99, 0.0, rng.normal(size=n))
        yield np.tile(np.arange(n // 10.0), 10)


def _worst(cdf: Callable[[np.ndarray], np.ndarray], values: np.ndarray) -> float:
    import numpy as np

    new = np.append(values[1:] != values[:-1], True)
    return float(np.abs(cdf(values[new]) - (np.flatnonzero(new) + 1) / len(values)).max())


def series(kind: str, n: int) -> pd.Series:
    """One column in memory."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(0)
    normal = rng.normal(size=n)
    words = np.array([f"category_{i:03d}" for i in range(50)])
    made: dict[str, Callable[[], Any]] = {
        "float": lambda: normal,
        "float_with_nan": lambda: np.where(rng.random(n) < 0.1, np.nan, normal),
        "int_low": lambda: rng.integers(0, 100, n),
        "int_high": lambda: rng.integers(0, 10**12, n),
        "string_low": lambda: pd.array(rng.choice(words, n), dtype="str"),
        "string_high": lambda: pd.array(
            [f"user_{v:09d}" for v in rng.integers(0, 10**8, n).tolist()], dtype="str"
        ),
        "category": lambda: pd.Categorical(rng.choice(words, n)),
        "bool": lambda: rng.random(n) < 0.3,
        "datetime": lambda: (
            np.datetime64("2024-01-01", "ms") + rng.integers(0, 10**9, n).astype("m8[ms]")
        ),
    }
    return pd.Series(made[kind]())


def one_kind(kind: str, rows: int, rounds: int) -> None:
    """Print the CPU seconds that ours and stock take for one column, by turns."""
    import pandas as pd

    from mlops_nb.monitoring.profile import profile

    whylogs = _whylogs()
    frame = pd.DataFrame({"x": series(kind, rows)})
    times: dict[str, list[float]] = {"ours": [], "stock": []}
    profile(frame)
    whylogs.log(pandas=frame.head(1_000)).view()
    for _ in range(rounds):
        started = time.process_time()
        for _ in range(5):  # a truth value takes a fraction of a nanosecond
            profile(frame)
        times["ours"].append((time.process_time() - started) / 5)
        started = time.process_time()
        whylogs.log(pandas=frame).view()
        times["stock"].append(time.process_time() - started)
    print(json.dumps({name: statistics.median(took) for name, took in times.items()}))


def _child(*arguments: object) -> Any:
    command = [sys.executable, "-m", "benchmarks.profiles", "--child", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def measure(quick: bool) -> Iterator[Figure]:
    rows, rounds, cells = (60_000, 1, 50_000) if quick else (4_000_000, 5, 1_000_000)
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/table.parquet"
        _child("write", path, rows)
        took: dict[str, list[dict[str, float]]] = {
            "ours": [],
            "decode": [],
            "stock": [],
            "pair": [],
        }
        for _ in range(rounds):
            for name, list_ in took.items():
                list_.append(_child("contend", name, path))

        def median(name: str, what: str) -> float:
            return statistics.median(item[what] for item in took[name])

        cpu = median("ours", "cpu")
        peak = max(item["peak"] for item in took["ours"])
        yield figure(
            "parquet_speedup_over_stock", median("stock", "cpu") / cpu, "×", ">= 25", peer=STOCK
        )
        yield figure(
            "parquet_over_decode", cpu / median("decode", "cpu"), "×", "<= 4", peer="pyarrow"
        )
        yield figure("peak_mib", peak, "MiB", "<= 300")
        yield figure("peer:stock_peak_mib", median("stock", "peak"), "MiB", peer=STOCK)
        yield figure("parquet_cpu_seconds", cpu, "s")
        yield figure("peer:stock_parquet_cpu_seconds", median("stock", "cpu"), "s", peer=STOCK)
        yield figure(
            "two_processes_over_one", median("pair", "wall") / median("ours", "wall"), "× wall"
        )
        yield figure("rank_error_worst", _child("ranks", path), "", "<= 0.0027", peer="every row")
    for kind, goal in KINDS.items():
        times = _child("kind", kind, cells, rounds)
        yield figure(f"speedup:{kind}", times["stock"] / times["ours"], "×", goal, peer=STOCK)


def child(what: str, *arguments: str) -> None:
    """Do one part of the measurement in this process."""
    if what == "write":
        write(arguments[0], int(arguments[1]))
        print("null")
    elif what == "contend":
        contend(*arguments)
    elif what == "ranks":
        rank_errors(arguments[0])
    else:
        one_kind(arguments[0], int(arguments[1]), int(arguments[2]))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(*sys.argv[2:])
    else:
        sys.exit(main("profiles", measure, ["whylogs", "pyarrow", "pandas", "numpy"]))
