from __future__ import annotations

import json
import math

import pytest

from mlops_nb.api import execute
from mlops_nb.errors import KernelError
from mlops_nb.execution import threads
from mlops_nb.execution.executors.local import LocalExecutor
from mlops_nb.execution.kernels import Zygote
from mlops_nb.model import Pipeline, Task, TaskKind, TaskPolicy
from tests.execution.kernel_kit import alive
from tests.execution.runner_kit import notebook, project


@pytest.mark.parametrize(
    ("files", "own", "cores"),
    [
        ({}, "0::/\n", math.inf),
        ({"cpu.max": "max 100000\n"}, "0::/\n", math.inf),
        ({"cpu.max": "150000 100000\n"}, "0::/\n", 1.5),
        # The host's path, which a container does not see.
        ({"cpu.max": "150000 100000\n"}, "0::/system.slice/a\n", 1.5),
        ({"a/cpu.max": "300000 100000\n", "a/b/cpu.max": "max 100000\n"}, "0::/a/b\n", 3.0),
        (
            {"cpu/a/cpu.cfs_quota_us": "200000\n", "cpu/a/cpu.cfs_period_us": "100000\n"},
            "4:cpu,cpuacct:/a\n",
            2.0,
        ),
        (
            {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"},
            "4:cpu,cpuacct:/\n",
            math.inf,
        ),
    ],
)
def test_the_quota_of_control_groups_is_read(tmp_path, files, own, cores):
    for name, text in files.items():
        path = tmp_path / "groups" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "own").write_text(own)
    assert threads._quota(tmp_path / "groups", tmp_path / "own") == cores
    assert threads._quota(tmp_path / "groups", tmp_path / "missing") in (math.inf, 1.5)


def test_a_part_of_a_core_is_one(monkeypatch):
    for quota, cores in ((0.25, 1), (math.inf, 4), (2.5, 3), (9.0, 4)):
        monkeypatch.setattr(threads, "_quota", lambda quota=quota: quota)
        monkeypatch.setattr(threads.os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
        assert threads.cores() == cores
        assert LocalExecutor().slots == cores


def _pipeline(*names: str, cpu: float = 1.0) -> Pipeline:
    """Tasks called ``b<a``: b needs a."""
    return Pipeline(
        name="p",
        root="",
        spec="pipeline.yaml",
        tasks=tuple(
            Task(
                name=name.partition("<")[0],
                kind=TaskKind.NOTEBOOK,
                source="n.ipynb",
                upstream=tuple(name.split("<")[1:]),
                policy=TaskPolicy(cpu=cpu),
            )
            for name in names
        ),
    )


WIDE = ("a", "b<a", "c<a", "d<a", "e<a", "f<b<c<d<e")


@pytest.mark.parametrize(
    ("names", "jobs", "cpu", "count"),
    [
        (("a", "b<a", "c<b"), 0, 1.0, None),  # one at a time: nothing is divided
        (WIDE, 0, 1.0, 2),  # four at a time
        (WIDE, 2, 1.0, 4),
        (WIDE, 64, 1.0, 2),
        (tuple("abcdefghijkl"), 0, 1.0, 1),
        (tuple("abcdefghijkl"), 0, 0.1, 1),
        (tuple("abcdefghijkl"), 0, 2.5, 3),  # what it says it keeps busy
        (tuple("abcdefghijkl"), 0, 99.0, 8),
        (("a", "b<a", "c<b"), 0, 2.0, None),
        (WIDE, 1, 1.0, None),
    ],
)
def test_tasks_share_the_cores(monkeypatch, names, jobs, cpu, count):
    monkeypatch.setattr(threads, "cores", lambda: 8)
    pipeline = _pipeline(*names, cpu=cpu)
    shares = threads.Threads(pipeline, jobs, environ={})
    for task in pipeline.tasks:
        expected = None if count is None else str(count)
        assert shares.environment(task).get("OMP_NUM_THREADS") == expected


def test_the_share_does_not_depend_on_what_is_left_to_run(monkeypatch):
    monkeypatch.setattr(threads, "cores", lambda: 8)
    shares = threads.Threads(_pipeline(*WIDE), environ={})
    assert (
        len({shares.environment(task)["OMP_NUM_THREADS"] for task in _pipeline(*WIDE).tasks}) == 1
    )
    assert shares.environment() == shares.environment(_pipeline("a").tasks[0])


def test_who_names_a_number_gets_that(monkeypatch):
    monkeypatch.setattr(threads, "cores", lambda: 8)
    pipeline = _pipeline("a", "b", cpu=2.0)
    given = {"OMP_NUM_THREADS": "5", "A": "b"}
    shares = threads.Threads(pipeline, environ=given)
    assert shares.environment().keys() == set(threads.VARIABLES) - {"OMP_NUM_THREADS"}
    every = dict.fromkeys(threads.VARIABLES, "5")
    assert threads.Threads(pipeline, environ=every).environment(pipeline.tasks[0]) == {}


LOOK = """
import joblib, json, numpy, os, threadpoolctl
counts = {pool["num_threads"] for pool in threadpoolctl.threadpool_info()} | {joblib.cpu_count()}
json.dump([os.environ.get("OMP_NUM_THREADS"), sorted(counts)], open(product["data"], "w"))
"""
SCRIPT = """
import json, os
from pathlib import Path

def look(product):
    import numpy, threadpoolctl

    counts = {pool["num_threads"] for pool in threadpoolctl.threadpool_info()}
    Path(product).write_text(json.dumps([os.environ.get("OMP_NUM_THREADS"), sorted(counts)]))
"""


@pytest.fixture
def two(tmp_path, monkeypatch):
    """A notebook and a function at once on two cores, and a notebook that wants both."""
    for name in threads.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(threads, "cores", lambda: 2)
    tasks = []
    for name in ("one", "big"):
        notebook(tmp_path / f"{name}.ipynb", "upstream = None\nproduct = None", LOOK)
        out = f"product:\n  nb: out/{name}.ipynb\n  data: out/{name}.json"
        tasks.append(f"source: {name}.ipynb\n{out}")
    tasks.append("source: tasks.look\nproduct: out/look.json")
    settings = "[tool.mlops-nb.tasks.big]\ncpu = 2\n"
    return project(tmp_path, *tasks, settings=settings, functions=SCRIPT)


@pytest.mark.parametrize("cold", [False, True])
def test_libraries_start_as_many_threads_in_warm_and_in_cold_kernels(two, cold):
    prepared = execute.prepare(two, force=True)
    outcome = execute.run(prepared, jobs=2, cold=cold)
    kernels = {task.kernel.partition(":")[0] for task in outcome.run.tasks if task.kernel}
    assert kernels == ({"cold"} if cold else {"warm"})
    found = {
        name: json.loads((two.root / "out" / f"{name}.json").read_text())
        for name in ("one", "big", "look")
    }
    assert found == {"one": ["1", [1]], "big": ["2", [2]], "look": ["1", [1]]}


def test_a_zygote_for_each_number_of_threads_ends_with_the_first():
    with Zygote(["json"]) as first:
        plain = dict(first.environment)
        other = first.matching({**plain, "OMP_NUM_THREADS": "3"})
        assert first.matching(plain) is first
        assert other is not first
        assert first.matching({**plain, "OMP_NUM_THREADS": "3", "A": "b"}) is other
        other.start()
        assert other.is_alive()
        pid = other.pid
    assert not alive(pid)
    with pytest.raises(KernelError, match="was closed"):
        first.matching({**plain, "OMP_NUM_THREADS": "3"})
