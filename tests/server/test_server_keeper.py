"""A Jupyter server that runs schedules while it lives."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from server_kit import Server

from tests.processes_kit import has_ended, living_children, until

pytestmark = pytest.mark.slow


@pytest.fixture
def keeping(root: Path, tmp_path: Path) -> Iterator[Server]:
    made = Server(root, tmp_path / "home", schedules_of=["one", "nowhere"])
    yield made
    made.client.close()
    if made.process.poll() is None:
        made.stop()


def _keepers(server: Server) -> list[psutil.Process]:
    return living_children(server.process.pid, running="mlops_nb.server.keeper")


def _standing(server: Server) -> dict[bool, str]:
    """How the schedulers stand; by whether the server hosts them."""
    found = server.get("/schedules", project="one")["schedulers"]
    return {one["embedded"]: one["state"] for one in found}


def test_a_server_runs_schedules_and_hands_over_to_a_stand_alone_scheduler(
    keeping: Server,
) -> None:
    assert 'nowhere" is no project' in (keeping.home / "log").read_text()
    until(lambda: _standing(keeping) == {True: "active"})
    assert keeping.get("/schedules", project="one")["served"]
    body = {"name": "soon", "when": "0 2 1 1 *", "tasks": ["make"]}
    keeping.post("/schedules", body, project="one", status=201)
    keeping.post("/schedules/soon/run-now", project="one", status=202)
    history = "/schedules/soon/history"
    until(
        lambda: keeping.get(history, project="one")["occurrences"][0]["state"] == "succeeded", 120
    )

    command = [sys.executable, "-m", "mlops_nb", "--project", str(keeping.root / "one")]
    alone = subprocess.Popen([*command, "scheduler", "--port", "0"], stderr=subprocess.DEVNULL)
    try:
        until(lambda: _standing(keeping) == {True: "standby", False: "active"})
    finally:
        alone.send_signal(signal.SIGTERM)
        assert alone.wait(30) == 0
    until(lambda: _standing(keeping) == {True: "active"})


def test_a_scheduler_that_dies_is_started_again_and_none_outlives_its_server(
    keeping: Server,
) -> None:
    (first,) = until(lambda: _keepers(keeping))
    first.kill()
    (second,) = until(lambda: [one for one in _keepers(keeping) if one.pid != first.pid])
    until(lambda: _standing(keeping).get(True) == "active")
    os.kill(keeping.process.pid, signal.SIGKILL)
    keeping.process.wait(10)
    until(lambda: has_ended(second))


def test_a_server_that_is_stopped_ends_its_schedulers_in_order(keeping: Server) -> None:
    (keeper,) = until(lambda: _keepers(keeping))
    until(lambda: _standing(keeping).get(True) == "active")
    keeping.stop()
    assert not keeper.is_running()
    assert '"daemon stopped"' in (keeping.home / "log").read_text()
