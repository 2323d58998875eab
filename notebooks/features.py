"""The features of a flight: what is known of it two hours before it is scheduled to leave.

`build_features` uses nothing that happened after a flight's ``cutoff``; its column ``known_until``
holds the latest instant that any feature of the row knows of. `known_at` cuts the data back to
what was known at one instant, so that a check can prove it by building the features twice.

Used by training and scoring alike, so the two cannot differ.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from flights import NEW_YORK

LEAD = pd.Timedelta(hours=2)
"""How long before the scheduled departure a prediction is made."""

LATE_MINUTES = 15
"""An arrival later than this is a late one."""

TARGET = "late"

KEYS = ["flight_id", "date", "scheduled", "cutoff", "known_until"]
"""Columns that tell which flight a row is about; no model sees them."""

CATEGORICAL = {
    "carrier": "airline, two letters",
    "origin": "airport of departure: EWR, JFK or LGA",
    "dest": "airport of arrival",
}

NUMERIC = {
    # the schedule
    "departure_hour": "scheduled departure, hours after midnight in New York",
    "weekday": "day of the week, 0 for Monday",
    "distance": "miles",
    "block_minutes": "scheduled minutes from gate to gate",
    "departures_origin": "departures scheduled at the airport within 30 minutes",
    "departures_all": "departures scheduled at all three airports within 30 minutes",
    # the plane
    "plane_age": "years",
    "seats": "seats of the plane",
    # the weather at the airport
    "cold": "degrees Fahrenheit below 40: frost and de-icing",
    "humidity": "relative, percent",
    "wind_speed": "miles per hour",
    "wind_gust": "miles per hour; the wind's speed where no gust was noted",
    "rain": "inches in the hour",
    "rain_3h": "inches in three hours",
    "visibility": "miles, 10 at most",
    "pressure": "millibars at sea level",
    "pressure_change": "millibars in three hours",
    # how the day goes: what left or landed in the hours before the cutoff
    "delay_origin_2h": "mean departure delay at the airport, minutes",
    "delay_all_2h": "mean departure delay at all three airports, minutes",
    "delay_carrier_3h": "mean departure delay of the airline, minutes",
    "late_origin_4h": "share of late arrivals among flights from the airport",
    "late_all_4h": "share of late arrivals among all flights",
    "late_carrier_6h": "share of late arrivals of the airline",
    "late_dest_12h": "share of late arrivals at the destination",
    "plane_out_24h": "last day's mean departure delay of the same plane, minutes",
    "plane_in_24h": "last day's mean arrival delay of the same plane, minutes",
    "backlog_3h": "departures scheduled less departures made at the airport",
    # how it usually goes: shares of late arrivals, drawn to the share of all flights
    "late_carrier_28d": "share of late arrivals of the airline, four weeks",
    "late_carrier_hour_28d": "the same at this hour of the day, four weeks",
    "late_dest_28d": "share of late arrivals at the destination, four weeks",
    "late_flight_28d": "share of late arrivals of this flight number, four weeks",
    "late_carrier_origin_7d": "share of late arrivals of the airline from the airport, a week",
}

FEATURES = [*CATEGORICAL, *NUMERIC]
"""What a model is given, in this order."""

TIMETABLE = {
    "departure_hour",
    "weekday",
    "distance",
    "block_minutes",
    "departures_origin",
    "departures_all",
    "backlog_3h",
}
"""Numbers that are never missing; any other may be."""

_PRIOR_FLIGHTS = 10
"""A usual share counts as if that many more flights had gone like the average of all."""

_HOUR, _DAY = 60, 24 * 60
_APART = 10_000_000
"""Minutes between two groups on the common axis; more than any window or year."""


def build_features(
    flights: pd.DataFrame, weather: pd.DataFrame, planes: pd.DataFrame
) -> pd.DataFrame:
    """Build the features of the flights marked ``predict``; the others serve as their past.

    Parameters
    ----------
    flights, weather, planes
        As `flights.read_flights`, `flights.read_weather` and `flights.read_planes` return them.

    Returns
    -------
    pandas.DataFrame
        `KEYS`, `FEATURES` (all numbers as floats, null where nothing is known yet) and the
        outcome: ``late`` as 1.0 or 0.0 and ``arr_delay`` in minutes, both null for flights that
        were cancelled or diverted.
    """
    rows = flights[flights["predict"]]
    local = rows["scheduled"].dt.tz_convert(NEW_YORK)
    table = rows[["flight_id", "date", "scheduled"]].assign(cutoff=rows["scheduled"] - LEAD)
    table = table.assign(known_until=pd.NaT, **{name: rows[name] for name in CATEGORICAL})

    table["departure_hour"] = local.dt.hour + local.dt.minute / 60
    table["weekday"] = rows["date"].dt.day_of_week.astype("float64")
    table["distance"] = rows["distance"]
    table["block_minutes"] = _minutes(rows["scheduled_arrival"] - rows["scheduled"])
    plane = planes.set_index("tailnum").reindex(rows["tailnum"])
    table["plane_age"] = rows["date"].dt.year - plane["built"].to_numpy()
    table["seats"] = plane["seats"].to_numpy()

    observed = _add_weather(table, weather)
    happened = _add_past(table, flights)
    table["known_until"] = pd.concat([observed, happened], axis=1).max(axis=1)
    late = (rows["arr_delay"] > LATE_MINUTES).astype("float64")
    table[TARGET] = late.where(rows["arr_delay"].notna())
    table["arr_delay"] = rows["arr_delay"]
    return table[[*KEYS, *FEATURES, TARGET, "arr_delay"]].reset_index(drop=True)


def known_at(
    flights: pd.DataFrame, weather: pd.DataFrame, moment: pd.Timestamp
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return flights and weather as they were known at one instant.

    The schedule stays: it is published months ahead. What left or landed later has not happened,
    and later weather has not been observed.
    """
    unknown = flights.copy()
    unknown.loc[~(flights["departed"] <= moment), ["departed", "dep_delay"]] = None
    unknown.loc[~(flights["landed"] <= moment), ["landed", "arr_delay"]] = None
    return unknown, weather[weather["observed"] <= moment]


def add_split(table: pd.DataFrame, holdout_days: int) -> pd.DataFrame:
    """Add the column ``split``: ``holdout`` for the last days of the table, ``train`` before.

    Raises
    ------
    ValueError
        One of the parts would hold no flight with an outcome.
    """
    first = table["date"].max() - pd.Timedelta(days=holdout_days - 1)
    split = table.assign(split=np.where(table["date"] < first, "train", "holdout"))
    if known(split, "train").empty or known(split, "holdout").empty:
        days = table["date"].nunique()
        raise ValueError(f"a holdout of {holdout_days} days does not fit into {days} days")
    return split


def known(table: pd.DataFrame, split: str) -> pd.DataFrame:
    """Return the flights of a part whose outcome is known: those that landed."""
    return table[(table["split"] == split) & table[TARGET].notna()]


def _add_weather(table: pd.DataFrame, weather: pd.DataFrame) -> pd.Series:
    """Add the latest observation made at the airport by the cutoff; return when it was made."""
    hourly = weather.sort_values("observed").rename(
        columns={"humid": "humidity", "precip": "rain", "visib": "visibility"}
    )
    hourly["cold"] = (40 - hourly["temp"]).clip(lower=0)
    hourly["wind_gust"] = hourly["wind_gust"].fillna(hourly["wind_speed"])
    by_airport = hourly.groupby("origin")
    hourly["rain_3h"] = by_airport["rain"].transform(lambda rain: rain.rolling(3, 1).sum())
    hourly["pressure_change"] = by_airport["pressure"].diff(3)
    names = ["cold", "humidity", "wind_speed", "wind_gust", "rain", "rain_3h", "visibility"]
    names += ["pressure", "pressure_change"]
    nearest = pd.merge_asof(
        table[["origin", "cutoff"]].reset_index().sort_values("cutoff"),
        hourly[["origin", "observed", *names]],
        left_on="cutoff",
        right_on="observed",
        by="origin",
        tolerance=pd.Timedelta(hours=6),
    ).set_index("index")
    table[names] = nearest[names]
    return nearest["observed"].reindex(table.index)


def _add_past(table: pd.DataFrame, flights: pd.DataFrame) -> pd.Series:
    """Add what the flights before tell; return the latest departure or landing that was used."""
    hour = flights["scheduled"].dt.tz_convert(NEW_YORK).dt.hour
    groups = {
        "all": np.zeros(len(flights), dtype=np.int64),
        "origin": _codes(flights["origin"]),
        "carrier": _codes(flights["carrier"]),
        "dest": _codes(flights["dest"]),
        "plane": _codes(flights["tailnum"]),
        "flight": _codes(flights["carrier"], flights["flight"]),
        "carrier_hour": _codes(flights["carrier"], hour),
        "carrier_origin": _codes(flights["carrier"], flights["origin"]),
    }
    epoch = flights["scheduled"].min() - pd.Timedelta(days=60)
    own = table.index.to_numpy()
    scheduled = _minutes(flights["scheduled"] - epoch).to_numpy()
    cutoff = _minutes(table["cutoff"] - epoch).to_numpy()
    departed = _minutes(flights["departed"] - epoch).to_numpy()
    landed = _minutes(flights["landed"] - epoch).to_numpy()
    was_late = (flights["arr_delay"] > LATE_MINUTES).to_numpy(dtype="float64")
    # One flight that is a day late must not outweigh a whole airport.
    out = _Past(departed, flights["dep_delay"].clip(-15, 180).to_numpy())
    arrived = _Past(landed, flights["arr_delay"].clip(-60, 180).to_numpy())
    late = _Past(landed, was_late)
    plan = _Past(scheduled, np.ones(len(flights)))

    for name, by in (("departures_origin", "origin"), ("departures_all", "all")):
        group = groups[by]
        table[name] = plan.before(group, group[own], scheduled[own] + 30, 1 * _HOUR).count
    seen = []
    for name, past, by, window in (
        ("delay_origin_2h", out, "origin", 2 * _HOUR),
        ("delay_all_2h", out, "all", 2 * _HOUR),
        ("delay_carrier_3h", out, "carrier", 3 * _HOUR),
        ("late_origin_4h", late, "origin", 4 * _HOUR),
        ("late_all_4h", late, "all", 4 * _HOUR),
        ("late_carrier_6h", late, "carrier", 6 * _HOUR),
        ("late_dest_12h", late, "dest", 12 * _HOUR),
        ("plane_out_24h", out, "plane", _DAY),
        ("plane_in_24h", arrived, "plane", _DAY),
    ):
        recent = past.before(groups[by], groups[by][own], cutoff, window)
        table[name] = recent.mean()
        seen.append(recent.latest)
    made = out.before(groups["origin"], groups["origin"][own], cutoff, 3 * _HOUR)
    due = plan.before(groups["origin"], groups["origin"][own], cutoff, 3 * _HOUR)
    table["backlog_3h"] = due.count - made.count
    everywhere = late.before(groups["all"], groups["all"][own], cutoff, 28 * _DAY)
    for by, days in (
        ("carrier", 28),
        ("carrier_hour", 28),
        ("dest", 28),
        ("flight", 28),
        ("carrier_origin", 7),
    ):
        usual = late.before(groups[by], groups[by][own], cutoff, days * _DAY)
        table[f"late_{by}_{days}d"] = usual.mean(prior=everywhere.mean())
        seen.append(usual.latest)
    seen += [made.latest, everywhere.latest]
    latest = np.fmax.reduce(seen)
    return epoch + pd.to_timedelta(pd.Series(latest, table.index), unit="min")


class _Window(NamedTuple):
    """What happened in the windows that were asked for; one entry a flight."""

    total: NDArray[np.float64]
    count: NDArray[np.float64]
    latest: NDArray[np.float64]
    """Minute of the latest event in the window; null where it holds none."""

    def mean(self, prior: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Return the means, drawn to a prior mean by `_PRIOR_FLIGHTS`; null where unknown."""
        if prior is not None:
            return (self.total + _PRIOR_FLIGHTS * prior) / (self.count + _PRIOR_FLIGHTS)
        return np.divide(
            self.total, self.count, where=self.count > 0, out=np.full_like(self.total, np.nan)
        )


class _Past:
    """Events in time with a value each, summed over windows that end at given minutes.

    Sorting by group and minute on one axis makes a window two binary searches and a difference of
    running sums, so a year takes a fraction of a second.
    """

    def __init__(self, minute: NDArray[np.float64], value: NDArray[np.float64]) -> None:
        self._happened = ~np.isnan(minute)
        self._minute = minute[self._happened]
        self._value = value[self._happened]

    def before(
        self,
        group: NDArray[np.int64],
        asked: NDArray[np.int64],
        until: NDArray[np.float64],
        window: int,
    ) -> _Window:
        """Sum the events of a group in the minutes ``(until - window, until]``.

        Parameters
        ----------
        group
            The group of every event's flight.
        asked, until
            The group and the last minute of each window.
        window
            The windows' length in minutes.
        """
        at = group[self._happened] * _APART + self._minute
        order = np.argsort(at, kind="stable")
        at, minute = at[order], self._minute[order]
        running = np.concatenate([[0.0], np.cumsum(self._value[order])])
        end = asked * _APART + until
        high = np.searchsorted(at, end, side="right")
        low = np.searchsorted(at, end - window, side="right")
        count = (high - low).astype("float64")
        latest = np.where(count > 0, minute[np.maximum(high - 1, 0)], np.nan)
        return _Window(running[high] - running[low], count, latest)


def _codes(*columns: pd.Series) -> NDArray[np.int64]:
    """Return a number from 0 for each combination of values."""
    code = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        codes, known = pd.factorize(column, sort=True)
        code = code * (len(known) + 1) + codes + 1
    return code


def _minutes(span: pd.Series) -> pd.Series:
    return span.dt.total_seconds() / 60
