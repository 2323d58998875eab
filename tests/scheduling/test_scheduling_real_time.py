"""Real daemons on one store in real time, killed again and again."""

from __future__ import annotations

import collections
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from mlops_nb.model import Overlap, Schedule
from mlops_nb.scheduling import schema
from mlops_nb.scheduling.rows import ms
from mlops_nb.scheduling.store import ScheduleStore

SCRIPT = str(Path(__file__).with_name("light_runs.py"))


def start(*words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, SCRIPT, *words], start_new_session=True)


def chase(
    url: str, folder: Path, *, schedules: int, seconds: float, seed: int = 1
) -> dict[str, int]:
    """Three daemons, one of them killed every few seconds; returns what became of the occurrences."""
    random_ = random.Random(seed)
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
            time.sleep(random_.uniform(1.5, 3.0))
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
        assert store.damage() == ""
    finally:
        for one in (*daemons, spawner):
            os.killpg(one.pid, signal.SIGKILL)
            one.wait()
        store.close()
    found = {(row.schedule, row.at): row.state for row in rows}
    assert len(found) == len(rows)
    # None is forgotten: every second of every schedule has its row.
    for name, cursor in cursors.items():
        expected = set(range(-(-ms(begun) // 1000) * 1000, cursor + 1, 1000))
        assert {at for schedule, at in found if schedule == name} == expected
        assert cursor > ms(ended) - 1001
    # None is doubled: a run has written its line once, and only where it is recorded.
    lines = [line.split() for line in file.read_text().splitlines()]
    ran = collections.Counter((name, ms(float(at))) for name, at in lines)
    assert max(ran.values()) == 1
    assert set(ran) == {key for key, state in found.items() if state == "succeeded"}
    counts = collections.Counter(found.values())
    assert set(counts) <= {"succeeded", "missed"}, [
        r for r in rows if r.state not in ("succeeded", "missed")
    ][:5]
    return {**counts, "kills": kills}


def test_daemons_that_are_killed_forget_nothing_and_double_nothing(tmp_path: Path) -> None:
    counts = chase(f"sqlite:///{tmp_path / 's.db'}", tmp_path, schedules=12, seconds=8)
    assert counts["succeeded"] > 0
    assert counts["kills"] >= 2


@pytest.mark.stress
@pytest.mark.timeout(900)
@pytest.mark.skipif(not os.environ.get("MLOPS_NB_STRESS_ROUNDS"), reason="stress only")
@pytest.mark.parametrize("where", ["sqlite", "postgresql"])
def test_three_daemons_300_schedules_a_minute(request, where: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 's.db'}"
    if where == "postgresql":
        url = request.getfixturevalue("postgresql")()
    counts = chase(url, tmp_path, schedules=300, seconds=60)
    assert counts["succeeded"] > 0
    assert counts["kills"] >= 15
