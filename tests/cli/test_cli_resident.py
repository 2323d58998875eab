"""Commands that are handed to the resident server: nobody can tell, but by the time they take."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from mlops_nb.config import find_project
from mlops_nb.execution.frames import dial
from mlops_nb.execution.servers import server_status
from mlops_nb.runs.store import RunStore
from tests.execution.runner_kit import notebook, project
from tests.processes_kit import has_ended, until

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-m", "mlops_nb"]
SAY = """\
import os, pathlib, stat, time
pathlib.Path(product["text"]).write_text(os.environ.get("GIVEN", ""))
print(os.getcwd())
if wait:
    pathlib.Path("begun").touch()
    time.sleep(wait)
if fail:
    raise ValueError("as asked")
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("handed") / "project"
    notebook(folder / "say.ipynb", "upstream = None\nproduct = None\nwait = 0\nfail = False", SAY)
    project(
        folder,
        "source: say.ipynb\nproduct:\n  nb: out/say.ipynb\n  text: out/said.txt",
        settings='[tool.mlops-nb]\ntracking = "none"\n',
    )
    (folder / "deep").mkdir()
    command(folder, "run")
    yield folder
    command(folder, "server", "stop")


@pytest.fixture
def served(root: Path) -> Path:
    command(root, "server", "start")
    (root / "begun").unlink(missing_ok=True)
    return root


def command(
    folder: Path, *words: str, env: dict[str, str] | None = None, given: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *words],
        cwd=folder,
        input=given,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=120,
    )


def handed(folder: Path) -> int:
    status = server_status(find_project(folder).state)
    assert status is not None
    return status.handed


def last_run(folder: Path) -> Any:
    return RunStore(find_project(folder).state).get("latest")


def begun(folder: Path, *words: str) -> tuple[subprocess.Popen[str], psutil.Process]:
    """Start a run that waits in its notebook; return the client, and the process that is the run."""
    (folder / "begun").unlink(missing_ok=True)
    client = subprocess.Popen(
        [*COMMAND, "run", "-p", "wait=60", "--force", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    until((folder / "begun").exists)
    run = psutil.Process(last_run(folder).facts.pid)
    assert run.pid != client.pid
    return client, run


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("run", "--force"), 0),
        (("run",), 0),
        (("run", "--json"), 0),
        (("plan",), 0),
        (("status", "--json"), 0),
        (("run", "--force", "-p", "fail=True"), 4),
        (("run", "nothing"), 3),
        (("run", "--no-such-option"), 2),
    ],
)
def test_a_command_says_and_ends_as_it_does_alone(
    served: Path, words: tuple[str, ...], code: int
) -> None:
    before = handed(served)
    there = command(served, *words)
    assert handed(served) == before + 1
    # What the server cannot take over is run by the caller itself.
    here = command(served, *words, env={"PYTHONPATH": "/nowhere"})
    assert (there.returncode, here.returncode) == (code, code)

    def plain(text: str) -> str:
        text = re.sub(r"\d{8}-\d{6}-\w{6}", "RUN", text)
        return re.sub(r'\d+(\.\d+)?(e-\d+)?( m?s)?\b|"[0-9a-f]{32,}"', "N", text)

    assert plain(there.stderr) == plain(here.stderr)
    if "--json" in words:
        assert json.loads(there.stdout).__class__ is json.loads(here.stdout).__class__
    else:
        assert plain(there.stdout) == plain(here.stdout)


def test_it_has_the_callers_folder_environment_and_umask(served: Path) -> None:
    (served / "deep" / "params.yaml").write_text("wait: 0\n")
    before, mask = handed(served), os.umask(0o077)
    try:
        words = ("run", "--force", "--params", "params.yaml")
        ran = command(served / "deep", *words, env={"GIVEN": "by the caller"})
    finally:
        os.umask(mask)
    assert ran.returncode == 0, ran.stderr
    assert handed(served) == before + 1
    said = served / "out" / "said.txt"
    assert said.read_text() == "by the caller"
    assert said.stat().st_mode & 0o777 == 0o600
    assert last_run(served).tasks[0].kernel == "warm"


@pytest.mark.parametrize(
    ("words", "env"),
    [
        (("run", "--cold", "--force"), {}),
        (("run", "--help"), {}),
        (("runs", "list"), {}),
        (("status",), {"PYTHONPATH": "/nowhere"}),
        (("status",), {"ENTRY_POINT": "pipeline.yaml", "LC_ALL": "C"}),
        (("run", "--params", "/dev/fd/0"), {}),
    ],
)
def test_what_the_server_cannot_be_or_need_not_be_is_run_here(
    served: Path, words: tuple[str, ...], env: dict[str, str]
) -> None:
    before = handed(served)
    assert command(served, *words, env=env, given="{wait: 0}").returncode == 0
    # One with other surroundings was offered, and refused.
    assert handed(served) == before + bool(env)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
def test_one_with_a_closed_stream_is_run_here(served: Path, closed: str) -> None:
    line = f'exec "$@" {closed}'
    ran = subprocess.run(
        ["/bin/sh", "-c", line, "sh", *COMMAND, "status"],
        cwd=served,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert (closed == ">&-") != ("say" in ran.stdout)


def test_no_server_of_another_user_is_told_anything(
    served: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = find_project(served).state
    found = dial(state, 5)
    assert found is not None
    found.socket.close()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert dial(state, 5) is None


def test_one_that_says_nothing_does_not_keep_others_waiting(served: Path) -> None:
    mute = dial(find_project(served).state, 5)
    assert mute is not None
    with mute.socket:
        began = time.monotonic()
        assert command(served, "status").returncode == 0
        assert time.monotonic() - began < 8
    for junk in ([], None, {"ask": []}, {}):
        odd = dial(find_project(served).state, 5)
        assert odd is not None
        with odd.socket:
            odd.send(junk)
            with pytest.raises(EOFError):
                odd.receive()
    assert server_status(find_project(served).state) is not None


def test_a_command_that_is_killed_is_told_by_the_clients_end(served: Path) -> None:
    client, run = begun(served)
    status = server_status(find_project(served).state)
    assert status is not None
    assert status.commands == 1
    run.kill()
    text, _ = client.communicate(timeout=30)
    assert client.returncode == -signal.SIGKILL, text
    until(lambda: has_ended(run))


def test_a_server_that_is_asked_to_end_lets_its_commands_end_first(served: Path) -> None:
    client, run = begun(served)
    status = server_status(find_project(served).state)
    assert status is not None
    server = psutil.Process(status.pid)
    server.terminate()
    text, _ = client.communicate(timeout=30)
    assert client.returncode == 130, text
    assert last_run(served).status.value == "cancelled"
    until(lambda: has_ended(run) and has_ended(server))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_are_passed_on(served: Path, number: signal.Signals) -> None:
    client, run = begun(served)
    client.send_signal(number)
    text, _ = client.communicate(timeout=30)
    assert client.returncode == 130, text
    assert "cancelled" in text
    assert last_run(served).status.value == "cancelled"
    until(lambda: has_ended(run))


def test_a_stopped_command_stops_and_goes_on(served: Path) -> None:
    client, run = begun(served)
    client.send_signal(signal.SIGTSTP)
    until(lambda: run.status() == psutil.STATUS_STOPPED)
    client.send_signal(signal.SIGCONT)
    until(lambda: run.status() != psutil.STATUS_STOPPED)
    client.send_signal(signal.SIGINT)
    client.communicate(timeout=30)
    assert client.returncode == 130


def test_a_client_that_is_killed_ends_its_run(served: Path) -> None:
    client, run = begun(served)
    client.kill()
    client.communicate()
    until(lambda: has_ended(run))
    assert last_run(served).status.value == "cancelled"


def test_a_server_that_is_killed_takes_its_commands_along(served: Path) -> None:
    client, run = begun(served)
    status = server_status(find_project(served).state)
    assert status is not None
    kernels = psutil.Process(status.pid).children(recursive=True)
    os.kill(status.pid, signal.SIGKILL)
    text, _ = client.communicate(timeout=30)
    assert client.returncode == 1
    assert "the server that ran this command went away" in text
    until(lambda: has_ended(run))
    for kernel in kernels:
        until(lambda kernel=kernel: has_ended(kernel))
    assert command(served, "run").returncode == 0


def test_a_server_that_is_stopped_ends_its_commands_in_order(served: Path) -> None:
    client, run = begun(served)
    assert command(served, "server", "stop").returncode == 0
    client.communicate(timeout=30)
    assert client.returncode == 130
    assert last_run(served).status.value == "cancelled"
    until(lambda: has_ended(run))


def test_it_draws_on_the_callers_terminal(served: Path) -> None:
    before = handed(served)
    master, slave = pty.openpty()
    client = subprocess.Popen(
        [*COMMAND, "run", "--force"],
        cwd=served,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**os.environ, "TERM": "xterm-256color"},
    )
    os.close(slave)
    drawn = b""
    with contextlib.suppress(OSError):  # the terminal is gone with the command
        while piece := os.read(master, 65536):
            drawn += piece
    assert client.wait(30) == 0
    os.close(master)
    assert handed(served) == before + 1
    assert b"\x1b[" in drawn
    assert b"succeeded" in drawn


def test_all_that_a_run_imports_is_imported_before(served: Path) -> None:
    program = """
import sys
from mlops_nb.cli import main
from mlops_nb.cli.resident import prepare
from mlops_nb.execution.session import prepare as prepare_session
prepare_session(["mlops_nb.api.services"])
prepare()
known = set(sys.modules)
for words in (["run", "--force"], ["plan"], ["status"]):
    main._run(words)
print("new:", *[name for name in sys.modules if name not in known and name.startswith("mlops_nb.")])
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=served, capture_output=True, text=True, timeout=120
    )
    assert ran.stdout.splitlines()[-1] == "new:", ran.stdout + ran.stderr
