from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from mlops_nb.scheduling.store import ScheduleStore


@pytest.fixture
def store(tmp_path: Path):
    made = ScheduleStore(f"sqlite:///{tmp_path / 'schedules.db'}")
    yield made
    made.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def any_store(request, tmp_path: Path):
    """A store in each of the databases."""
    if request.param == "sqlite":
        made = ScheduleStore(f"sqlite:///{tmp_path / 'schedules.db'}")
    else:
        made = ScheduleStore(request.getfixturevalue("postgresql")())
    yield made
    made.close()
