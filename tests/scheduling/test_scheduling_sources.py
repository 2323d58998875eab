"""Schedules whose notebooks change under them: each outcome is recorded and told, the daemon goes on."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import faces_kit as kit
import pytest

from mlops_nb.api import schedules as api
from mlops_nb.api.scheduler import run_daemon
from mlops_nb.model import Occurrence, OccurrenceState, Schedule
from mlops_nb.scheduling.daemon import Daemon

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PIPELINE = """
meta: {extract_upstream: false}
tasks:
  - source: make.ipynb
    name: make
    product: products/make.ipynb
"""
RECOVERY = "[critical] project: schedule s recovery"
TELL = "import sys, pathlib; pathlib.Path('told').open('a').write(sys.stdin.read() + chr(10))"


@pytest.fixture
def project(tmp_path: Path, monkeypatch) -> Path:
    root = tmp_path / "project"
    kit.write_notebook(root / "make.ipynb", "upstream = None\nproduct = None", "print('made')")
    (root / "pipeline.yaml").write_text(PIPELINE)
    notify = f'kind = "command"\ncommand = {json.dumps([sys.executable, "-c", TELL])}\n'
    (root / "pyproject.toml").write_text(
        f'[tool.mlops-nb]\ntracking = "none"\n[[tool.mlops-nb.alerts.notify]]\n{notify}'
    )
    monkeypatch.chdir(root)
    api.add(root, Schedule(name="s", when="0 2 1 1 *", force=True))
    return root


@pytest.fixture
def daemon(project: Path) -> Iterator[threading.Thread]:
    made: list[Daemon] = []
    thread = threading.Thread(
        target=run_daemon, args=(project,), kwargs={"port": 0, "ready": made.append}
    )
    thread.start()
    yield thread
    made[0].stop()
    thread.join(30)
    assert not thread.is_alive()


def _run(project: Path) -> Occurrence:
    at = api.run_now(project, "s").at
    end = time.monotonic() + 120
    while True:
        found = next(one for one in api.history(project, "s") if one.at == at)
        if found.ended is not None and found.state is not OccurrenceState.WAITING:
            return found
        assert time.monotonic() < end, found
        time.sleep(0.1)


def _told(project: Path, count: int) -> list[str]:
    end = time.monotonic() + 30
    while True:
        path = project / "told"
        found = (
            [json.loads(line)["subject"] for line in path.read_text().splitlines()]
            if (path.exists())
            else []
        )
        if len(found) >= count:
            return found
        assert time.monotonic() < end, found
        time.sleep(0.1)


def test_a_removed_kernel_and_a_deleted_notebook_are_told_and_survived(
    project: Path, daemon: threading.Thread
) -> None:
    path = project / "make.ipynb"
    whole = path.read_text()
    assert _run(project).state is OccurrenceState.SUCCEEDED

    path.write_text(whole.replace('"name": "python3"', '"name": "gone-kernel"'))
    removed = _run(project)
    assert removed.state is OccurrenceState.FAILED
    assert "gone-kernel" in removed.why
    assert _told(project, 1) == ["[critical] project: schedule s failure"]

    path.unlink()
    deleted = _run(project)
    assert deleted.state is OccurrenceState.FAILED
    assert "make.ipynb" in deleted.why

    path.write_text(whole)
    assert _run(project).state is OccurrenceState.SUCCEEDED
    assert _told(project, 3) == [*["[critical] project: schedule s failure"] * 2, RECOVERY]
    assert daemon.is_alive()
