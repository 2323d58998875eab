from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from oracle import due

from mlops_nb.errors import ScheduleError
from mlops_nb.model import Schedule
from mlops_nb.scheduling.when import Trigger, read_trigger, read_when
from mlops_nb.scheduling.zones import iso, zone


def times(cron: str, zone_name: str, first: str, last: str) -> list[str]:
    tz = ZoneInfo(zone_name)
    start = dt.datetime.fromisoformat(first).replace(tzinfo=tz).timestamp()
    end = dt.datetime.fromisoformat(last).replace(tzinfo=tz).timestamp()
    return [iso(at, zone_name) for at in Trigger(cron=cron, timezone=zone_name).times(start, end)]


# The clocks of Berlin go from 02:00 to 03:00 on 29 March 2026, from 03:00 to 02:00 on 25 October.
@pytest.mark.parametrize(
    ("cron", "zone_name", "first", "last", "expected"),
    [
        # A fixed time that does not exist: once, when the gap ends.
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", "2026-03-30T12:00",
         ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"]),
        ("0,30 2 * * *", "Europe/Berlin", "2026-03-29T00:00", "2026-03-29T12:00",
         ["2026-03-29T03:00:00+02:00"]),
        ("0 2,3 * * *", "Europe/Berlin", "2026-03-29T00:00", "2026-03-29T12:00",
         ["2026-03-29T03:00:00+02:00"]),
        # A fixed time that comes twice: the first one.
        ("30 1 * * *", "America/New_York", "2026-11-01T00:00", "2026-11-02T00:00",
         ["2026-11-01T01:30:00-04:00"]),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T00:00", "2026-10-26T00:00",
         ["2026-10-25T02:30:00+02:00"]),
        # The clock on the wall: nothing in the gap, twice in the repeated hour.
        ("*/30 2 * * *", "Europe/Berlin", "2026-03-29T00:00", "2026-03-29T12:00", []),
        ("*/30 2 * * *", "Europe/Berlin", "2026-10-25T00:00", "2026-10-25T12:00",
         ["2026-10-25T02:00:00+02:00", "2026-10-25T02:30:00+02:00",
          "2026-10-25T02:00:00+01:00", "2026-10-25T02:30:00+01:00"]),
        ("15 * * * *", "Europe/Berlin", "2026-03-29T01:00", "2026-03-29T04:00",
         ["2026-03-29T01:15:00+01:00", "2026-03-29T03:15:00+02:00"]),
        # Half an hour, at Lord Howe Island.
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-04T00:00", "2026-10-04T12:00",
         ["2026-10-04T02:30:00+11:00"]),
        # A day that a zone left out: Samoa, 30 December 2011.
        ("0 6 * * *", "Pacific/Apia", "2011-12-29T12:00", "2012-01-01T00:00",
         ["2011-12-31T00:00:00+14:00", "2011-12-31T06:00:00+14:00"]),
        # Leap day.
        ("0 6 29 2 *", "Europe/Berlin", "2026-01-01T00:00", "2033-01-01T00:00",
         ["2028-02-29T06:00:00+01:00", "2032-02-29T06:00:00+01:00"]),
        ("0 6 L 2 *", "UTC", "2026-01-01T00:00", "2029-01-01T00:00",
         ["2026-02-28T06:00:00+00:00", "2027-02-28T06:00:00+00:00", "2028-02-29T06:00:00+00:00"]),
        # Day of month or day of week, as cron has it.
        ("0 0 13 * fri", "UTC", "2026-02-12T12:00", "2026-02-21T00:00",
         ["2026-02-13T00:00:00+00:00", "2026-02-20T00:00:00+00:00"]),
    ],
)  # fmt: skip
def test_clock_changes(cron, zone_name, first, last, expected) -> None:
    assert times(cron, zone_name, first, last) == expected


def test_a_repeated_hour_does_not_bring_a_time_back() -> None:
    """Asked in the second 01:10, cronsim's own answer for 01:30 would be the first one, which is over."""
    second = dt.datetime(2026, 11, 1, 1, 10, fold=1, tzinfo=ZoneInfo("America/New_York"))
    found = Trigger(cron="30 1 * * *", timezone="America/New_York").after(second.timestamp())
    assert found is not None
    assert iso(found, "America/New_York") == "2026-11-02T01:30:00-05:00"


@pytest.mark.parametrize("zone_name", ["Europe/Berlin", "America/St_Johns", "Asia/Kathmandu"])
@pytest.mark.parametrize("cron", ["30 2 * * *", "*/20 * * * 1-5", "5 1,2,3 1-7 * sun"])
def test_walking_step_by_step_gives_the_same_as_a_sweep(cron: str, zone_name: str) -> None:
    start = int(dt.datetime(2026, 10, 20, tzinfo=dt.UTC).timestamp())
    expected = due(cron, zone_name, start, 20)
    trigger = Trigger(cron=cron, timezone=zone_name)
    found, at = [], start - 1.0
    while (at := trigger.after(at)) < start + 20 * 86_400:
        found.append(int(at))
    assert found == expected
    for moment in expected[:5]:
        assert trigger.latest(moment) == moment
        assert trigger.latest(moment + 59) == moment


def test_start_and_end() -> None:
    plan = Schedule(
        name="x", when="0 6 * * *", timezone="Europe/Berlin", start="2026-03-28", end="2026-03-29"
    )
    found = [iso(at, "Europe/Berlin") for at in read_trigger(plan).times(0)]
    assert found == ["2026-03-28T06:00:00+01:00", "2026-03-29T06:00:00+02:00"]
    assert read_trigger(plan).latest(2e9) is not None
    assert read_trigger(plan).after(2e9) is None


def test_an_interval_counts_from_its_start_and_knows_no_clock_changes() -> None:
    plan = Schedule(
        name="x", when="every 6 hours", timezone="Europe/Berlin", start="2026-03-28T22:30"
    )
    trigger = read_trigger(plan)
    first = trigger.after(0)
    assert first is not None
    found = [iso(at, "Europe/Berlin") for at in trigger.times(0, first + 13 * 3600)]
    assert found[:3] == [
        "2026-03-28T22:30:00+01:00",
        "2026-03-29T05:30:00+02:00",
        "2026-03-29T11:30:00+02:00",
    ]


@pytest.mark.parametrize(
    ("text", "cron"),
    [
        ("@daily", "0 0 * * *"),
        ("0 6 * * MON-FRI", "0 6 * * mon-fri"),
        ("0 0 l jul *", "0 0 L jul *"),
        ("every weekday at 6", "0 6 * * 1-5"),
        ("weekdays at 6:30pm", "30 18 * * 1-5"),
        ("every day at 6 and 18", "0 6,18 * * *"),
        ("mon, wed and fri at 7", "0 7 * * 1,3,5"),
        ("every hour at :15", "15 * * * *"),
        ("hourly", "0 * * * *"),
        ("weekly on friday at 6", "0 6 * * 5"),
        ("monthly on the 15th at noon", "0 12 15 * *"),
        ("on the first monday of the month at 7:30", "30 7 * * 1#1"),
        ("last day of the month at 22", "0 22 L * *"),
        ("on the last business day of the month at 5", "0 5 LW * *"),
        ("on the last friday of the month at 17", "0 17 * * 5L"),
        ("on the 1st and 15th of every month at 6", "0 6 1,15 * *"),
        ("every weekend at midnight", "0 0 * * 0,6"),
    ],
)
def test_words(text: str, cron: str) -> None:
    assert read_when(text) == (cron, 0.0)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("every 15 minutes", 900),
        ("every 1h30m", 5400),
        ("every second", 1),
        ("every 2 weeks", 1_209_600),
        ("every 2 hrs and 5 mins", 7_500),
    ],
)
def test_intervals(text: str, seconds: float) -> None:
    assert read_when(text) == ("", seconds)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("61 * * * *", "bad minute"),
        ("0 6 31 2 *", "bad day-of-month"),
        ("0 6 * *", "five fields"),
        ("@dayly", 'did you mean "@daily"'),
        ("@reboot", "no cron expression"),
        ("every now and then", "is no schedule"),
        ("every day at 25", "no time of day"),
        ("every day at 6 and 18:30", "different minutes"),
        ("every 500 ms", "is no schedule"),
        ("every 0.2 s", "shorter than a second"),
        ("", "is no schedule"),
    ],
)
def test_what_means_nothing_is_refused(text: str, said: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        read_when(text)
    assert said in str(caught.value)


def test_an_unknown_zone_names_the_nearest() -> None:
    for wrong in ("Europe/Berlim", "berlin"):
        with pytest.raises(ScheduleError, match="Europe/Berlin"):
            zone(wrong)
