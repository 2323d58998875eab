from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
TOOLS = Path(os.environ.get("EXPORT_TOOLS", REPOSITORY / ".tools"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.real)
            item.add_marker(pytest.mark.timeout(1800))


def tool(name: str, *places: str) -> str:
    """Return a tool's path; a missing one fails the test and says how to get it."""
    for place in places:
        if (TOOLS / place).exists():
            return str(TOOLS / place)
    found = None if places else shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is missing; install it with: .ci/tools-export.sh", pytrace=False)
    return found


@pytest.fixture
def find_tool():
    return tool


@pytest.fixture
def pass_on_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let jobs pass on what they are given from two bundles on, as those of deep pipelines do."""
    from functools import partial

    from mlops_nb.export import jobs

    monkeypatch.setattr(jobs, "hand_on", partial(jobs.hand_on, most=1))
