"""400 days of 50 schedules in simulated time, against an independent computation."""

from __future__ import annotations

import datetime as dt
import random

import sqlalchemy as sa
from oracle import due

from mlops_nb.model import Schedule
from mlops_nb.scheduling import schema
from mlops_nb.scheduling.rows import ms

ZONES = [
    "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu",
    "America/St_Johns", "Europe/Dublin", "Pacific/Chatham", "America/Santiago", "Africa/Casablanca",
]  # fmt: skip
CRONS = [
    "0 6 * * mon-fri", "30 2 * * *", "30 1 * * *", "0 * * * *", "*/45 2-4 * * *", "0 0 1 * *",
    "15,45 1,2,3 * * sun", "59 23 28-31 * *", "0 12 13 * fri", "7 */6 * * *", "0 3 29 2 *",
    "*/20 0-3 * mar,oct,nov sun", "5 2 */2 * *", "0 0 * * 7",
]  # fmt: skip
DAYS = 400
START = int(dt.datetime(2027, 9, 20, tzinfo=dt.UTC).timestamp())
"""The 400 days hold both changes of the clocks on both halves of the globe, and 29 February 2028."""


def fifty() -> dict[str, tuple[str, str]]:
    pairs = [(cron, zone) for number, cron in enumerate(CRONS) for zone in ZONES[number % 3 :: 2]]
    random.Random(7).shuffle(pairs)
    return {f"s{number}": pair for number, pair in enumerate(pairs[:50])}


def test_nothing_is_missed_and_nothing_doubled(store) -> None:
    plans = fifty()
    assert len(plans) == 50
    assert len({zone for _, zone in plans.values()}) == len(ZONES)
    with store.write() as writer:
        for name, (cron, zone) in plans.items():
            plan = Schedule(name=name, when=cron, timezone=zone, missed="all")
            writer.put(plan, now=START - 1)
    random_ = random.Random(3)
    now, end = float(START), START + DAYS * 86_400 - 1
    while now < end:
        # The clock is looked at after minutes or after days, jumps ahead, and is set back.
        now = min(now + random_.choice([60, 1800, 7200, 40_000, 90_000, 400_000]), end)
        with store.write() as writer:
            writer.catch_up(now)
            if random_.random() < 0.2:
                writer.catch_up(now - random_.choice([1, 3600, 86_400]))
    with store.read() as reader:
        table = schema.occurrences
        rows = reader.connection.execute(sa.select(table.c.schedule, table.c.at)).all()
        states = {state.schedule.name: state for state in reader.states()}
    found: dict[str, list[int]] = {name: [] for name in plans}
    for name, at in sorted(rows):
        found[name].append(at)
    total = 0
    for name, (cron, zone) in plans.items():
        expected = [ms(at) for at in due(cron, zone, START, DAYS)]
        assert found[name] == expected, (name, cron, zone)
        total += len(expected)
        following = states[name].next_at
        assert following is not None
        assert following > end
    assert total > 20_000
