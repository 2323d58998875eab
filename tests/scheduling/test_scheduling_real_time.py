"""Real daemons on one store in real time, killed again and again."""

from __future__ import annotations

from pathlib import Path

import pytest
from chase import Chase, chase


def check(went: Chase) -> None:
    assert (went.doubled, went.forgotten, went.damage) == (0, 0, "")
    assert went.states.keys() <= {"succeeded", "missed"}
    assert went.states["succeeded"] > 0


@pytest.mark.slow
def test_daemons_that_are_killed_forget_nothing_and_double_nothing(tmp_path: Path) -> None:
    went = chase(
        f"sqlite:///{tmp_path / 's.db'}", tmp_path, schedules=12, seconds=8, pause=(1.5, 3)
    )
    check(went)
    assert went.kills >= 2


@pytest.mark.stress
@pytest.mark.timeout(900)
@pytest.mark.parametrize("where", ["sqlite", "postgresql"])
def test_three_daemons_300_schedules_a_minute(
    request, record_property, where: str, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 's.db'}"
    if where == "postgresql":
        url = request.getfixturevalue("postgresql")()
    went = chase(url, tmp_path, schedules=300, seconds=60, pause=(3, 5))
    record_property("went", str(went))
    check(went)
    assert went.kills >= 10
