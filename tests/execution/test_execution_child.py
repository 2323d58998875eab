from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from mlops_nb.execution.attempt import failure
from mlops_nb.execution.child import ChildEnd, run_child
from mlops_nb.execution.forge import Forge
from mlops_nb.execution.jobs import Cancellation
from mlops_nb.execution.process import _judge
from mlops_nb.model import Attempt, Task, TaskKind, TaskPolicy, TaskStatus

pytestmark = pytest.mark.slow

MODULE = """
import os, signal, subprocess, sys, time


def main(arguments):
    what, note = arguments
    print("hello from", what, flush=True)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    open(note, "w").write(f"{os.getpid()} {child.pid}")
    if what == "leave":
        child.kill()
        child.wait()
        return 3
    if what == "exit":
        child.kill()
        child.wait()
        sys.exit(4)
    if what == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "stubborn":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    if what == "wait-for-all":
        child.kill()
        os.wait()
        try:
            os.wait()
        except ChildProcessError:
            return 0
    time.sleep(60)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def playground(tmp_path_factory):
    folder = tmp_path_factory.mktemp("modules")
    (folder / "playground.py").write_text(MODULE)
    return folder


@pytest.fixture(scope="module")
def forge(playground):
    with pytest.MonkeyPatch.context() as patch, Forge() as made:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(playground), *sys.path]))
        made.start()
        yield made


@pytest.fixture(params=["started", "forged"])
def call(tmp_path, playground, request, forge):
    def run(what: str, **options) -> tuple[ChildEnd, list[int]]:
        options = {"timeout": None, "cancel": Cancellation(), **options}
        note = tmp_path / "pids"
        if request.param == "forged":
            assert forge._is_ready()
            options["forge"] = forge
        end = run_child(
            "playground",
            [what, str(note)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(playground), *sys.path])},
            log=tmp_path / "logs" / "log",
            **options,
        )
        return end, [int(pid) for pid in note.read_text().split()]

    return run


def gone(pids: list[int]) -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if not any(alive(pid) for pid in pids):
            return True
        time.sleep(0.01)
    return False


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def strays(folder: Path) -> list[int]:
    """Processes that work below a folder."""
    found = []
    for process in psutil.process_iter(["pid", "cwd"]):
        if (process.info["cwd"] or "").startswith(str(folder)) and alive(process.pid):
            found.append(process.pid)
    return found


def test_an_exit_code_and_the_output_come_back(call, tmp_path):
    end, _ = call("leave")
    assert (end.code, end.timed_out, end.cancelled) == (3, False, False)
    assert end.peak_mb > 1
    assert (tmp_path / "logs" / "log").read_text() == "hello from leave\n"
    assert call("exit")[0].code == 4
    assert gone(strays(tmp_path))


def test_a_module_may_wait_for_all_its_children(call):
    assert call("wait-for-all")[0].code == 0


def test_what_a_dead_child_leaves_is_killed(call):
    end, pids = call("die")
    assert end.code == -signal.SIGKILL
    assert gone(pids)


def test_time_limit_interrupts_then_kills_the_whole_group(call):
    began = time.monotonic()
    end, pids = call("sleep", timeout=0.5)
    assert end.timed_out
    assert gone(pids)
    end, pids = call("stubborn", timeout=0.5, grace=0.2)
    assert (end.timed_out, end.code) == (True, -signal.SIGKILL)
    assert gone(pids)
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("make", [Cancellation, threading.Event])
def test_cancelling_ends_the_group(call, make):
    cancel = make()
    timer = threading.Timer(0.4, cancel.set)
    timer.start()
    end, pids = call("sleep", cancel=cancel)
    timer.join()
    assert (end.cancelled, end.timed_out) == (True, False)
    assert gone(pids)
    # One that was set before starts nothing.
    assert call("sleep", cancel=cancel)[0].cancelled


def test_a_worker_that_is_killed_with_its_forge_has_died(tmp_path, playground):
    with pytest.MonkeyPatch.context() as patch, Forge() as forge:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(playground), *sys.path]))
        forge.start()
        assert forge._is_ready()
        timer = threading.Timer(0.5, os.kill, (forge._process.pid, signal.SIGKILL))
        timer.start()
        options = {"cwd": tmp_path, "env": dict(os.environ), "timeout": None, "forge": forge}
        options |= {"log": tmp_path / "log", "cancel": Cancellation()}
        end = run_child("playground", ["sleep", str(tmp_path / "pids")], **options)
        assert end.code == -signal.SIGKILL
        assert gone(strays(tmp_path))
        # The next one is started without it.
        end = run_child("playground", ["leave", str(tmp_path / "pids")], **options)
        assert end.code == 3


@pytest.mark.parametrize("way", ["started", "forged"])
def test_a_killed_owner_takes_the_whole_group_along(tmp_path, playground, way):
    note = tmp_path / "pids"
    code = (
        "import os, pathlib, sys\n"
        "from mlops_nb.execution.child import run_child\n"
        "from mlops_nb.execution.jobs import Cancellation\n"
        "here = pathlib.Path(sys.argv[1])\n"
        "from mlops_nb.execution.forge import Forge\n"
        "forge = Forge()\n"
        "if sys.argv[2] == 'forged':\n"
        "    forge.start()\n"
        "    assert forge._is_ready()\n"
        "run_child('playground', ['stubborn', str(here / 'pids')], cwd=here, env=dict(os.environ),\n"
        "          log=here / 'log', timeout=None, cancel=Cancellation(), forge=forge)\n"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(playground), *sys.path])}
    owner = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), way], env=env)
    deadline = time.monotonic() + 20
    while (not note.exists() or " " not in note.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    pids = [int(pid) for pid in note.read_text().split()]
    assert all(alive(pid) for pid in pids)
    owner.kill()
    owner.wait()
    assert gone(pids)
    assert gone(strays(tmp_path))


def test_each_way_to_end_has_its_status():
    task = Task(name="t", kind=TaskKind.FUNCTION, source="", policy=TaskPolicy(timeout=2.0))
    attempt = Attempt(run="r", task=task, root="", run_dir="")
    for end, status, says in (
        (ChildEnd(code=0), TaskStatus.EXITED, "exit code 0 before"),
        (ChildEnd(code=-9), TaskStatus.DIED, "the task's process was killed by signal 9"),
        (ChildEnd(code=-9, timed_out=True), TaskStatus.TIMED_OUT, "longer than 2 s"),
        (ChildEnd(code=-2, cancelled=True), TaskStatus.CANCELLED, "cancelled"),
    ):
        found, error = _judge(attempt, None, end, "last words")
        assert found is status
        assert says in error.message
    assert failure("t", OSError("no disk")).error.message == "no disk"


def test_closing_a_forge_does_not_wait_for_its_imports(tmp_path, playground):
    forge = Forge()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", str(playground / "sleeper"))
        (playground / "sleeper").write_text("#!/bin/sh\nexec sleep 1000\n")
        (playground / "sleeper").chmod(0o755)
        forge.start()
    cancel, answers = Cancellation(), []
    waiting = [
        threading.Thread(target=lambda end=end: answers.append(forge._is_ready(end)))
        for end in (cancel, None)
    ]
    for thread in waiting:
        thread.start()
    cancel.set()
    waiting[0].join(60)
    assert answers == [False]
    forge.close()
    waiting[1].join(60)
    assert answers == [False, False]
    forge.start()
    assert forge._process is None
