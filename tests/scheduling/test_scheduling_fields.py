"""Fields for other schedulers cover every due time, and say so where they name more."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice

import pytest

from mlops_nb.model import Schedule
from mlops_nb.scheduling.fields import cover
from mlops_nb.scheduling.when import Trigger, read_trigger
from mlops_nb.scheduling.zones import changes_between
from mlops_nb.scheduling.zones import zone as own_zone

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    "target", ["UTC", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu"]
)
@pytest.mark.parametrize(
    ("when", "zone"),
    [
        ("0 6 * * mon-fri", "Europe/Berlin"),
        ("30 2 * * *", "America/New_York"),
        ("*/5 8-18 * * mon-fri", "Australia/Lord_Howe"),
        ("last day of the month at 22", "UTC"),
        ("0 0 13 * fri", "Asia/Kathmandu"),
        ("every 15 minutes", "UTC"),
        ("every 7 minutes", "UTC"),
        ("every 2 hours", "UTC"),
    ],
)
def test_nothing_is_left_out(when: str, zone: str, target: str) -> None:
    trigger = read_trigger(Schedule(name="x", when=when, timezone=zone))
    fields = cover(trigger, target, now=NOW)
    fires = Trigger(cron=fields.text, timezone=target)
    times = list(islice(trigger.times(NOW), 300))
    fired = set(fires.times(NOW, times[-1]))
    # A change of clocks is the reader's own matter where the zone is the same.
    assert set(times) <= fired or (fields.own and zone == target)
    if fields.exact and not fields.own:
        assert set(times) == fired


def test_a_plain_expression_stays_as_it_was_written_in_its_own_zone() -> None:
    trigger = read_trigger(Schedule(name="x", when="0 6 * * mon-fri", timezone="Europe/Berlin"))
    assert cover(trigger, "Europe/Berlin", now=NOW).text == "0 6 * * mon-fri"
    assert cover(trigger, "UTC", now=NOW).text == "0 4,5 * * 1,2,3,4,5"


@pytest.mark.parametrize(
    ("cron", "zone", "days"),
    [
        ("0 6 29 2 *", "Europe/Berlin", {29}),
        ("0 22 L * *", "UTC", {28, 29, 30, 31}),
        ("0 22 LW * *", "UTC", {26, 27, 28, 29, 30, 31}),
        ("0 0 1,2 * *", "Europe/Berlin", {1, 28, 29, 30, 31}),
    ],
)
def test_what_is_found_does_not_depend_on_the_day_it_is_looked(
    cron: str, zone: str, days: set[int]
) -> None:
    trigger = Trigger(cron=cron, timezone=zone)
    march = [datetime(year, 3, 2, tzinfo=UTC).timestamp() for year in (2026, 2028)]
    one, other = (cover(trigger, "UTC", now=now) for now in march)
    assert one == other
    assert set(one.days) == days


@pytest.mark.parametrize(
    ("when", "zone"),
    [
        ("0 6 * * mon-fri", "Europe/Berlin"),
        ("*/15 6-18 * * *", "Europe/Berlin"),
        ("*/10 * * * *", "America/New_York"),
        ("5,10,15,20,25,30,35 2 * * *", "Europe/Berlin"),
        ("0,5,10,15,20,25,30,35,40,45,50,55 1-3 * * *", "America/New_York"),
        ("0 * * * *", "Australia/Lord_Howe"),
    ],
)
def test_a_fresh_checkout_runs_each_occurrence_once_around_clock_changes(
    when: str, zone: str
) -> None:
    trigger = read_trigger(Schedule(name="x", when=when, timezone=zone))
    fields = cover(trigger, "UTC", now=NOW)
    changes = changes_between(own_zone(zone), NOW, NOW + 400 * 86_400)
    assert len(changes) >= 2
    for change in changes:
        start, end = change - 2 * 86_400, change + 2 * 86_400
        ran = []
        for fired in Trigger(cron=fields.text, timezone="UTC").times(start, end + 7200):
            latest = trigger.latest(fired + 20)  # a runner takes its time
            assert latest is not None
            if fields.within is None or fired + 20 - latest <= fields.within:
                ran.append(latest)
        assert [at for at in ran if start < at <= end] == list(trigger.times(start, end))
