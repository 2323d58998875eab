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
from tests.e2e.helpers import CLI, SETTINGS, chain, cli, cli_json, notebook, statuses, write_text

FAILURES = {
    "failed": ("1 / 0", "ZeroDivisionError"),
    "died": ("import os; os.kill(os.getpid(), 9)", ""),
    "exited": ("import sys; sys.exit(0)", "SystemExit"),
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chain that was built once; whatever befalls b later, its last good products stay."""
    folder = chain(tmp_path_factory.mktemp("built"))
    assert cli(folder, "run").returncode == ExitCode.OK
    return folder


def break_b(folder: Path, cell: str) -> None:
    """Put a cell behind one that writes half a product; the parameters stay as they were."""
    half = write_text("'half'")
    params = "depth = 1  # how deep"
    notebook(folder / "b.ipynb", half, cell, upstream=["a"], params=params)


def run_with(folder: Path, cell: str, settings: str = "") -> subprocess.CompletedProcess[str]:
    """Break b and run again."""
    (folder / "pyproject.toml").write_text(SETTINGS + settings)
    break_b(folder, cell)
    return cli(folder, "run")


@pytest.mark.parametrize("status", FAILURES)
def test_failure_is_honest_and_leaves_the_last_good_products(built: Path, status: str) -> None:
    cell, name = FAILURES[status]
    done = run_with(built, cell)
    assert done.returncode == ExitCode.EXECUTION
    assert statuses(built) == {"a": "skipped", "b": status, "c": "blocked"}
    assert (built / "products/b.txt").read_text() == "a b1 plain"
    assert (built / "products/c.txt").read_text() == "a b1 plain c"
    assert cell in done.stdout
    assert name in done.stdout
    check_records(built, status)


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


def test_sys_exit_one_is_an_exit_too(built: Path) -> None:
    assert run_with(built, "import sys; sys.exit(1)").returncode == ExitCode.EXECUTION
    assert statuses(built)["b"] == "exited"


def test_cell_timeout(built: Path) -> None:
    settings = "[tool.mlops-nb.tasks.b]\ncell-timeout = 1.5\n"
    done = run_with(built, "import time; time.sleep(60)", settings)
    assert done.returncode == ExitCode.EXECUTION
    assert statuses(built)["b"] == "timed-out"
    check_records(built, "timed-out")


def wait_for(condition: object, seconds: float = 30.0) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def started(folder: Path) -> subprocess.Popen[str]:
    """Start a run whose b sleeps, and wait until it does."""
    pid = folder / "pid"
    pid.unlink(missing_ok=True)
    (folder / "pyproject.toml").write_text(SETTINGS)
    break_b(folder, "import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(60)")
    process = subprocess.Popen(
        [*CLI, "run"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    wait_for(lambda: pid.exists() and pid.read_text())
    return process


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_ctrl_c_cancels_cleanly(built: Path) -> None:
    process = started(built)
    kernel = int((built / "pid").read_text())
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == ExitCode.INTERRUPTED
    assert cli_json(built, "runs", "show")["status"] == "cancelled"
    assert statuses(built)["b"] == "cancelled"
    assert (built / "products/b.txt").read_text() == "a b1 plain"
    assert not is_alive(kernel)


def test_killed_runner_is_lost(built: Path) -> None:
    process = started(built)
    kernel = int((built / "pid").read_text())
    process.kill()
    process.communicate(timeout=30)
    assert cli_json(built, "runs", "show")["status"] == "lost"
    assert statuses(built)["b"] == "lost"
    assert (built / "products/b.txt").read_text() == "a b1 plain"
    wait_for(lambda: not is_alive(kernel))
