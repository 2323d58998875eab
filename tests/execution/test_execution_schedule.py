from __future__ import annotations

import math
import random
import time

from mlops_nb.execution.schedule import Schedule
from mlops_nb.model import Task, TaskKind, TaskPolicy


def task(name: str, *upstream: str, cpu: float = 1.0, memory: int = 0) -> Task:
    return Task(
        name=name,
        kind=TaskKind.FUNCTION,
        source="m.f",
        upstream=upstream,
        policy=TaskPolicy(cpu=cpu, memory_mb=memory),
    )


def test_tasks_start_in_order_and_only_when_all_above_is_done():
    schedule = Schedule(
        [task("a"), task("b", "a"), task("c", "a"), task("d", "b", "c")], slots=4, memory_mb=100
    )
    assert schedule.start() == ["a"]
    assert schedule.start() == []
    schedule.finish("a")
    assert sorted(schedule.start()) == ["b", "c"]
    schedule.finish("b")
    assert schedule.start() == []
    schedule.finish("c")
    assert schedule.start() == ["d"]
    assert len(schedule) == 1
    schedule.finish("d")
    assert len(schedule) == 0


def test_what_is_not_in_the_run_does_not_hold_up():
    schedule = Schedule([task("b", "skipped")], slots=1, memory_mb=0)
    assert schedule.start() == ["b"]


def test_the_longest_expected_road_starts_first():
    tasks = [task("short"), task("long"), task("head"), task("tail", "head")]
    expected = {"short": 1.0, "long": 5.0, "head": 1.0, "tail": 10.0}
    schedule = Schedule(tasks, slots=2, memory_mb=0, expected=expected)
    assert schedule.start() == ["head", "long"]
    schedule.finish("head")
    assert schedule.start() == ["tail"]


def test_two_big_trainings_do_not_run_at_once_but_a_small_task_may_beside_one():
    big = [task(f"train{n}", memory=6_000, cpu=1) for n in range(2)]
    schedule = Schedule([*big, task("small", memory=500)], slots=4, memory_mb=8_000)
    assert len(schedule.start()) == 2
    assert "small" in schedule.running
    (running,) = [name for name in schedule.running if name != "small"]
    schedule.finish(running)
    assert len(schedule.start()) == 1


def test_cpu_weights_fill_the_cores():
    tasks = [task("wide", cpu=4), *(task(f"n{n}", cpu=0.5) for n in range(6))]
    schedule = Schedule(tasks, slots=2, memory_mb=0, expected={"wide": 100.0, "n0": 1.0})
    # Unknown ones count as the mean of the known, 50.5 s. Wider than the machine: it takes all of it, alone.
    assert schedule.start() == ["wide"]
    schedule.finish("wide")
    assert len(schedule.start()) == 4


def test_a_failure_blocks_what_is_below_and_nothing_else():
    schedule = Schedule(
        [task("a"), task("b"), task("below", "a"), task("far", "below", "b"), task("free", "b")],
        slots=2,
        memory_mb=0,
    )
    assert sorted(schedule.start()) == ["a", "b"]
    assert schedule.fail("a") == ["below", "far"]
    schedule.finish("b")
    assert schedule.start() == ["free"]
    assert schedule.waiting == ()


def test_pause_and_ready_again_give_a_second_try():
    schedule = Schedule([task("a"), task("b", "a")], slots=1, memory_mb=0)
    schedule.start()
    schedule.pause("a")
    assert schedule.start() == []
    schedule.ready_again("a")
    assert schedule.start() == ["a"]
    assert schedule.give_up() == ("b",)
    schedule.finish("a")
    assert schedule.start() == []
    assert len(schedule) == 0


def test_any_graph_runs_to_its_end_within_its_limits_and_fast():
    rng = random.Random(3)
    tasks = [
        task(
            f"t{n}",
            *{f"t{rng.randrange(n)}" for _ in range(min(n, 3))},
            cpu=rng.choice((0.5, 1, 2, 9)),
            memory=rng.choice((0, 100, 900, 5000)),
        )
        for n in range(1000)
    ]
    upstream = {one.name: one.upstream for one in tasks}
    policies = {one.name: one.policy for one in tasks}
    began = time.process_time()
    schedule = Schedule(tasks, slots=3, memory_mb=1000)
    done: set[str] = set()
    running: list[str] = []
    while len(schedule):
        for name in schedule.start():
            assert done.issuperset(upstream[name])
            running.append(name)
        assert running, "nothing runs and nothing can start"
        assert sum(min(policies[name].cpu, 3) for name in running) <= 3
        assert sum(min(policies[name].memory_mb, 1000) for name in running) <= 1000
        name = running.pop(rng.randrange(len(running)))
        schedule.finish(name)
        done.add(name)
    assert len(done) == 1000
    assert time.process_time() - began < 1.0


def test_a_cluster_that_grows_gets_more_and_what_ran_gives_back_what_it_took() -> None:
    schedule = Schedule([task(f"n{i}") for i in range(4)], slots=1, memory_mb=100)
    (first,) = schedule.start()
    assert schedule.start() == []
    schedule.resize(3, 100)
    assert len(schedule.start()) == 2
    schedule.resize(1, 100)
    schedule.finish(first)
    assert schedule.start() == []


def test_a_cluster_without_a_bound_of_memory_starts_tasks_and_gets_one_later() -> None:
    schedule = Schedule([task(f"n{i}", memory=60) for i in range(3)], slots=1, memory_mb=math.inf)
    schedule.resize(3, math.inf)
    assert len(schedule.start()) == 3
    schedule = Schedule([task(f"n{i}", memory=60) for i in range(3)], slots=3, memory_mb=math.inf)
    schedule.resize(3, 130)
    assert len(schedule.start()) == 2
