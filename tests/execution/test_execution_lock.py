from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
from runner_kit import project

from mlops_nb.errors import RunError
from mlops_nb.execution.lock import lock_holder, project_lock

HOLD = """
import sys, time
from mlops_nb.config import find_project
from mlops_nb.execution.lock import project_lock
with project_lock(find_project(sys.argv[1]), "run-of-another"):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def holder_of(where, seconds: float) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(where.root), str(seconds)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


@pytest.fixture
def where(tmp_path):
    return project(tmp_path / "p", "source: tasks.make\nproduct: a")


def test_the_second_run_is_told_who_holds_the_project(where):
    with holder_of(where, 60) as other:
        assert lock_holder(where).run == "run-of-another"
        with (
            pytest.raises(RunError, match=f"run-of-another is going on.*process {other.pid} on"),
            project_lock(where, "mine"),
        ):
            raise AssertionError("two at once")
        # A killed holder holds nothing.
        other.kill()
        other.wait()
        assert lock_holder(where) is None
        with project_lock(where, "mine", wait=5):
            assert lock_holder(where).owner.pid == os.getpid()
    assert lock_holder(where) is None


def test_the_second_run_may_wait(where):
    with holder_of(where, 0.5):
        began = time.monotonic()
        with project_lock(where, "mine", wait=None):
            assert time.monotonic() - began < 10
            # The same run may ask again, another of the same process not.
            with project_lock(where, "mine"):
                pass
            with pytest.raises(RunError, match="mine is going on"), project_lock(where, "other"):
                pass
        with project_lock(where, "other"):
            pass


def test_a_state_folder_that_cannot_be_written_is_one_clear_error(where):
    (where.root / ".mlops").write_text("a file in the way")
    with (
        pytest.raises(RunError, match=r"state cannot be written.*make the folder writable"),
        project_lock(where, "mine"),
    ):
        pass
