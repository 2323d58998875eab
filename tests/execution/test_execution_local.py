from __future__ import annotations

import math

import pytest

from mlops_nb.execution.executors import local


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
    assert local._quota(tmp_path / "groups", tmp_path / "own") == cores
    assert local._quota(tmp_path / "groups", tmp_path / "missing") in (math.inf, 1.5)


def test_a_part_of_a_core_is_one(monkeypatch):
    for quota, cores in ((0.25, 1), (math.inf, 4), (2.5, 3), (9.0, 4)):
        monkeypatch.setattr(local, "_quota", lambda quota=quota: quota)
        monkeypatch.setattr(local.os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
        assert local.cores() == cores
        assert local.LocalExecutor().slots == cores
