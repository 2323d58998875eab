"""Features: right against slow, plain computations, and blind to the future."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features import (
    FEATURES,
    LATE_MINUTES,
    LEAD,
    NUMERIC,
    TARGET,
    TIMETABLE,
    add_split,
    build_features,
    known,
    known_at,
)
from flights import read_flights, read_planes, read_weather

START, END = "2013-03-05", "2013-03-14"


@pytest.fixture(scope="module")
def raw() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    return read_flights(START, END), read_weather(START, END), read_planes()


@pytest.fixture(scope="module")
def table(raw: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]) -> pd.DataFrame:
    return build_features(*raw)


def some(table: pd.DataFrame, rows: int = 25) -> pd.DataFrame:
    return table.sample(rows, random_state=1)


def test_one_row_a_flight_of_the_window(raw, table) -> None:
    assert list(table["flight_id"]) == list(raw[0].loc[raw[0]["predict"], "flight_id"])
    assert all(table[name].dtype == np.float64 for name in NUMERIC)
    assert table[sorted(TIMETABLE)].notna().all(axis=None)
    assert not set(FEATURES) & {"dep_delay", "arr_delay", "departed", "landed", TARGET}


def test_nothing_is_known_after_the_cutoff(table) -> None:
    assert (table["known_until"] <= table["cutoff"]).all()
    assert (table["cutoff"] == table["scheduled"] - LEAD).all()


def test_recent_delays_against_a_plain_computation(raw, table) -> None:
    flights = raw[0]
    for row in some(table).itertuples():
        left = flights["departed"].between(
            row.cutoff - pd.Timedelta(hours=2), row.cutoff, inclusive="right"
        )
        there = flights[left & (flights["origin"] == row.origin)]
        expected = there["dep_delay"].clip(-15, 180).mean()
        assert row.delay_origin_2h == pytest.approx(expected, nan_ok=True)


def test_usual_shares_against_a_plain_computation(raw, table) -> None:
    flights = raw[0]
    for row in some(table).itertuples():
        weeks = flights["landed"].between(
            row.cutoff - pd.Timedelta(days=28), row.cutoff, inclusive="right"
        )
        late = flights.loc[weeks, "arr_delay"] > LATE_MINUTES
        own = late[flights.loc[weeks, "carrier"] == row.carrier]
        expected = (own.sum() + 10 * late.mean()) / (len(own) + 10)
        assert row.late_carrier_28d == pytest.approx(expected)


def test_the_backlog_counts_what_is_due_and_has_not_left(raw, table) -> None:
    flights = raw[0]
    for row in some(table).itertuples():
        here = flights[flights["origin"] == row.origin]
        since = row.cutoff - pd.Timedelta(hours=3)
        due = here["scheduled"].between(since, row.cutoff, inclusive="right").sum()
        left = here["departed"].between(since, row.cutoff, inclusive="right").sum()
        assert row.backlog_3h == due - left


def test_weather_is_the_latest_by_the_cutoff(raw, table) -> None:
    weather = raw[1]
    for row in some(table).itertuples():
        seen = weather[(weather["origin"] == row.origin) & (weather["observed"] <= row.cutoff)]
        last = seen.sort_values("observed").iloc[-1]
        assert row.cutoff - last["observed"] < pd.Timedelta(hours=6)
        assert row.humidity == pytest.approx(last["humid"], nan_ok=True)
        assert row.rain_3h == pytest.approx(seen.sort_values("observed")["precip"].tail(3).sum())


@pytest.mark.parametrize("moment", ["2013-03-08 20:00", "2013-03-10 06:30", "2013-03-12 23:15"])
def test_a_replay_gives_the_same_features(raw, table, moment: str) -> None:
    flights, weather, planes = raw
    cutoffs = flights["scheduled"] - LEAD
    at = cutoffs[flights["predict"] & (cutoffs >= pd.Timestamp(moment, tz="UTC"))].min()
    then_flights, then_weather = known_at(flights, weather, at)
    assert then_flights["landed"].max() <= at
    assert then_weather["observed"].max() <= at
    asked = flights["predict"] & (cutoffs == at)
    then = build_features(then_flights.assign(predict=asked), then_weather, planes)
    now = table[table["flight_id"].isin(then["flight_id"])].reset_index(drop=True)
    assert len(now) > 0
    pd.testing.assert_frame_equal(now[FEATURES], then[FEATURES], check_exact=True)


def test_the_replay_would_notice_a_leak(raw, table) -> None:
    """A feature that knows the flight's own delay does not survive `known_at`."""
    flights, weather, _ = raw
    at = table["cutoff"].iloc[500]
    then, _ = known_at(flights, weather, at)
    own = flights["scheduled"] - LEAD == at
    assert flights.loc[own, "dep_delay"].notna().any()
    assert then.loc[own, "dep_delay"].isna().all()


def test_a_sample_changes_no_value(raw, table) -> None:
    flights, weather, planes = raw
    few = flights["predict"] & (flights["flight_id"] % 50 == 0)
    sampled = build_features(flights.assign(predict=few), weather, planes)
    same = table[table["flight_id"].isin(sampled["flight_id"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(sampled, same)


def test_cancelled_flights_have_features_and_no_outcome(raw, table) -> None:
    gone = raw[0].loc[raw[0]["arr_delay"].isna(), "flight_id"]
    rows = table[table["flight_id"].isin(gone)]
    assert len(rows) > 100
    assert rows[TARGET].isna().all()
    assert rows["departures_origin"].notna().all()


def test_the_split_is_by_time_and_leaves_unknown_outcomes_out(table) -> None:
    split = add_split(table, 3)
    train, holdout = known(split, "train"), known(split, "holdout")
    assert train["date"].max() < holdout["date"].min()
    assert holdout["date"].nunique() == 3
    assert train[TARGET].notna().all() and holdout[TARGET].notna().all()
    assert len(train) + len(holdout) == table[TARGET].notna().sum()


def test_a_holdout_as_long_as_the_window_is_refused(table) -> None:
    with pytest.raises(ValueError, match="10 days does not fit into 10 days"):
        add_split(table, 10)


def test_the_first_day_of_the_data_has_no_past() -> None:
    day = "2013-01-01"
    first = build_features(read_flights(day, day), read_weather(day, day), read_planes())
    early = first[first["departure_hour"] < 7]
    assert early["late_carrier_28d"].isna().all()
    assert early["known_until"].notna().any(), "the weather is known before the first flight"
