"""Real daemons on one store in real time, killed again and again: what became of the occurrences."""

from __future__ import annotations

import collections
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import sqlalchemy as sa

from mlops_nb.model import Overlap, Record, Schedule
from mlops_nb.scheduling import schema
from mlops_nb.scheduling.rows import ms
from mlops_nb.scheduling.store import ScheduleStore

SCRIPT = str(Path(__file__).with_name("light_runs.py"))


class Chase(Record, frozen=True, kw_only=True):
    """How it went."""

    kills: int
    states: dict[str, int]
    """Occurrences by their end."""
    doubled: int
    """Runs beyond the first of an occurrence, or of one that is recorded as not run."""
    forgotten: int
    """Occurrences without a row, and rows that say they ran where nothing did."""
    damage: str
    """What the database's own check finds."""


def start(*words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, SCRIPT, *words], start_new_session=True)


def chase(
    url: str, folder: Path, *, schedules: int, seconds: float, pause: tuple[float, float]
) -> Chase:
    """Three daemons, one of them killed every few seconds"""
    random_ = random.Random(1)
    store = ScheduleStore(url)
    place, file = str(folder / "spawner"), folder / "ran"
    file.touch()
    spawner = start("spawner", url, place, str(file))
    daemons: list[subprocess.Popen[bytes]] = []
    try:
        while not Path(place).exists():
            assert spawner.poll() is None
            time.sleep(0.05)
        begun = time.time()
        with store.write() as writer:
            for number in range(schedules):
                plan = Schedule(
                    name=f"s{number}",
                    when="every second",
                    missed="skip",
                    grace=4.0,
                    overlap=Overlap.QUEUE,
                )
                writer.put(plan, now=begun)
        daemons = [start("daemon", url, place) for _ in range(3)]
        kills = 0
        while time.time() < begun + seconds:
            time.sleep(random_.uniform(*pause))
            victim = random_.randrange(3)
            os.killpg(daemons[victim].pid, signal.SIGKILL)
            daemons[victim].wait()
            kills += 1
            daemons[victim] = start("daemon", url, place)
        # No more comes due; what is due is run or left out, by the daemons that are there.
        ended = time.time()
        with store.write() as writer:
            writer.catch_up(ended)
            plan_table = schema.schedules
            writer.connection.execute(plan_table.update().values(next_at=None))
            cursors = dict(
                writer.connection.execute(sa.select(plan_table.c.name, plan_table.c.cursor)).all()
            )
            writer.touch()
        open_states = ("waiting", "running")
        table = schema.occurrences
        deadline = time.time() + 120
        while time.time() < deadline:
            with store.read() as reader:
                left = reader.connection.execute(
                    sa.select(sa.func.count()).where(table.c.state.in_(open_states))
                ).scalar_one()
            if not left:
                break
            time.sleep(0.5)
        with store.read() as reader:
            rows = reader.connection.execute(
                sa.select(table.c.schedule, table.c.at, table.c.state, table.c.why)
            ).all()
        damage = store.damage()
    finally:
        for one in (*daemons, spawner):
            os.killpg(one.pid, signal.SIGKILL)
            one.wait()
        store.close()
    found = {(row.schedule, row.at): row.state for row in rows}
    expected = {
        (name, at)
        for name, cursor in cursors.items()
        for at in range(-(-ms(begun) // 1000) * 1000, ms(ended) // 1000 * 1000 + 1, 1000)
    }
    lines = [line.split() for line in file.read_text().splitlines()]
    ran = collections.Counter((name, ms(float(at))) for name, at in lines)
    good = {key for key, state in found.items() if state == "succeeded"}
    return Chase(
        kills=kills,
        states=dict(collections.Counter(found.values())),
        doubled=sum(ran.values()) - len(ran) + len(ran.keys() - good) + len(rows) - len(found),
        forgotten=len(expected - found.keys()) + len(good - ran.keys()),
        damage=damage,
    )
