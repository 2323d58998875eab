"""Every way a run can end is told apart: in the exit code, the record, the notebook and the report."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import nbformat
import pytest

from mlops_nb.errors import ExitCode
from tests.e2e.helpers import CLI, chain, cli, cli_json, notebook, statuses, write_text

FAILURES = {
    "failed": ("1 / 0", "ZeroDivisionError"),
    "died": ("import os; os.kill(os.getpid(), 9)", ""),
    "exited": ("import sys; sys.exit(0)", "SystemExit"),
}


def run_with(folder: Path, cell: str, settings: str = "") -> subprocess.CompletedProcess[str]:
    """Build the chain once, then break b and run again."""
    chain(folder, settings)
    assert cli(folder, "run").returncode == ExitCode.OK
    notebook(folder / "b.ipynb", write_text("'half'"), cell, upstream=["a"], params="depth = 1")
    return cli(folder, "run")


@pytest.mark.parametrize("status", FAILURES)
def test_failure_is_honest_and_leaves_the_last_good_products(tmp_path: Path, status: str) -> None:
    cell, name = FAILURES[status]
    done = run_with(tmp_path, cell)
    assert done.returncode == ExitCode.EXECUTION
    assert statuses(tmp_path) == {"a": "skipped", "b": status, "c": "blocked"}
    assert (tmp_path / "products/b.txt").read_text() == "a b1 plain"
    assert (tmp_path / "products/c.txt").read_text() == "a b1 plain c"
    assert cell in done.stdout
    assert name in done.stdout
    check_records(tmp_path, status)


def check_records(folder: Path, status: str) -> None:
    run = cli_json(folder, "runs", "show", "latest")
    assert run["status"] == "failed"
    (task,) = [task for task in run["tasks"] if task["task"] == "b"]
    home = folder / ".mlops" / "runs" / run["facts"]["id"]
    assert task["error"]["cell"] == 2
    executed = nbformat.read(home / task["notebook"], as_version=4)
    states = [cell.metadata.get("papermill", {}).get("status") for cell in executed.cells]
    assert "completed" in states
    assert states[-1] == "failed"
    report = (home / task["report"]).read_text()
    assert status in report
    assert "<script src=" not in report


def test_sys_exit_one_is_an_exit_too(tmp_path: Path) -> None:
    assert run_with(tmp_path, "import sys; sys.exit(1)").returncode == ExitCode.EXECUTION
    assert statuses(tmp_path)["b"] == "exited"


def test_cell_timeout(tmp_path: Path) -> None:
    settings = "[tool.mlops-nb.tasks.b]\ncell-timeout = 1.5\n"
    done = run_with(tmp_path, "import time; time.sleep(60)", settings)
    assert done.returncode == ExitCode.EXECUTION
    assert statuses(tmp_path)["b"] == "timed-out"
    check_records(tmp_path, "timed-out")


def wait_for(condition: object, seconds: float = 30.0) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def started(folder: Path) -> subprocess.Popen[str]:
    """Start a run whose b sleeps, and wait until it does."""
    chain(folder)
    assert cli(folder, "run").returncode == ExitCode.OK
    notebook(
        folder / "b.ipynb",
        write_text("'half'"),
        "import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(60)",
        upstream=["a"],
        params="depth = 1",
    )
    process = subprocess.Popen(
        [*CLI, "run"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    pid = folder / "pid"
    wait_for(lambda: pid.exists() and pid.read_text())
    return process


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_ctrl_c_cancels_cleanly(tmp_path: Path) -> None:
    process = started(tmp_path)
    kernel = int((tmp_path / "pid").read_text())
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == ExitCode.INTERRUPTED
    assert cli_json(tmp_path, "runs", "show")["status"] == "cancelled"
    assert statuses(tmp_path)["b"] == "cancelled"
    assert (tmp_path / "products/b.txt").read_text() == "a b1 plain"
    assert not is_alive(kernel)


def test_killed_runner_is_lost(tmp_path: Path) -> None:
    process = started(tmp_path)
    kernel = int((tmp_path / "pid").read_text())
    process.kill()
    process.communicate(timeout=30)
    assert cli_json(tmp_path, "runs", "show")["status"] == "lost"
    assert statuses(tmp_path)["b"] == "lost"
    assert (tmp_path / "products/b.txt").read_text() == "a b1 plain"
    wait_for(lambda: not is_alive(kernel))
