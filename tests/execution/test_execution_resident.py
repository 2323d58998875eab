"""The resident server: one a project, quick, and gone without a trace."""

from __future__ import annotations

import datetime as dt
import os
import signal
import socket
import stat
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mlops_nb.errors import KernelError, NotebookError, ParameterError
from mlops_nb.execution import frames as wire
from mlops_nb.execution.engine import run_notebook
from mlops_nb.execution.jobs import Cancellation, CellProgress, NotebookJob
from mlops_nb.execution.resident import Resident, connect_server
from mlops_nb.execution.servers import server_status, start_server, stop_server
from mlops_nb.execution.values import from_json, to_json
from mlops_nb.model import decode
from mlops_nb.pages import NotebookPage
from tests.execution.kernel_kit import Ran, alive, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.slow


def until(condition: Callable[[], object], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    # Longer than the address of a Unix socket may be.
    folder = tmp_path_factory.mktemp("server") / ("deep" * 30) / ".mlops"
    status = start_server(
        folder, ["decimal", "numpy"], idle=300, services=["mlops_nb.api.services"]
    )
    assert status.pid != os.getpid()
    yield folder
    assert stop_server(folder)
    assert until(lambda: not alive(status.pid))
    assert sorted(p.name for p in folder.rglob("*")) == []


@pytest.fixture
def server(state: Path) -> Iterator[Resident]:
    connection = connect_server(state)
    assert connection is not None
    with connection:
        yield connection


def test_there_is_one_and_only_its_user_can_reach_it(state: Path) -> None:
    first = server_status(state)
    assert first is not None
    assert first.preloaded == ("decimal", "numpy")
    again = start_server(state)
    assert again.pid == first.pid
    mode = (state / wire.SOCKET).stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


def test_jobs_run_warm_in_the_clients_surroundings(
    tmp_path: Path, server: Resident, monkeypatch: pytest.MonkeyPatch
) -> None:
    values: dict[str, Any] = {
        "a": (1, (2,)),
        "b": {1: "x", None: [float("inf")]},
        "c": Path("p") / "q",
        "d": dt.date(2013, 1, 2),
        "e": {1, 2},
    }
    seen: list[CellProgress] = []
    ran = run(
        tmp_path,
        "a, b, e",
        "c, d",
        "import os, sys; os.getcwd(), os.environ['GIVEN'], 'numpy' in sys.modules",
        parameters="a = ()\nb = {}\nc: 'Path' = None\nd: 'date' = None\ne = set()",
        values=values,
        zygote=server,
        on_cell=seen.append,
        env={"GIVEN": "yes"},
    )
    assert ran.status == "SUCCEEDED"
    assert ran.outcome.kernel == "warm"
    assert ran.text(2) == "((1, (2,)), {1: 'x', None: [inf]}, {1, 2})"
    assert eval(ran.text(4)) == (str(tmp_path), "yes", True)
    assert [p.index for p in seen if p.seconds is not None] == [0, 1, 2, 3]
    assert ran.outcome.cells[0].index == 0


def test_a_server_does_what_else_it_was_started_for(tmp_path: Path, server: Resident) -> None:
    ran = run(tmp_path, "print('shown')", zygote=server)
    target = tmp_path / "pages" / "a.json"
    assert server.call("page", {"notebook": str(ran.path), "target": str(target)})
    assert "shown" in decode(target.read_bytes(), NotebookPage).body
    (tmp_path / "file").write_text("")
    value = {"notebook": str(ran.path), "target": str(tmp_path / "file" / "a.json")}
    assert not server.call("page", value)
    assert not server.call("nothing of that name", {})
    assert run(tmp_path, "1", zygote=server).status == "SUCCEEDED"


def test_values_come_back_as_they_went() -> None:
    values = [
        {"$type": "tuple", "value": []},
        [float("-inf"), frozenset({(1,)}), {"k": {(1, 2): None}}],
        dt.datetime(2013, 1, 2, 3, tzinfo=dt.UTC),
        dt.time(1, 2),
        True,
    ]
    assert from_json(to_json(values)) == values
    assert from_json(to_json(float("nan"))) != from_json(to_json(float("nan")))
    with pytest.raises(ParameterError, match="object"):
        to_json({"a": object()})


def test_errors_cross_the_border(tmp_path: Path, server: Resident) -> None:
    ran = run(tmp_path, "1/0", zygote=server)
    assert ran.status == "FAILED"
    assert ran.error is not None
    assert ran.error.name == "ZeroDivisionError"
    (tmp_path / "bad.ipynb").write_text("{")
    job = NotebookJob(
        task="t", notebook=str(tmp_path / "bad.ipynb"), output=str(tmp_path / "o.ipynb")
    )
    with pytest.raises(NotebookError, match=r"bad\.ipynb"):
        run_notebook(job, zygote=server)


@pytest.mark.parametrize("kind", [Cancellation, threading.Event])
def test_a_job_can_be_cancelled_and_others_go_on(
    tmp_path: Path, server: Resident, kind: type[threading.Event]
) -> None:
    cancel = kind()
    slow = "import time\nopen('began', 'w').close()\ntime.sleep(1000)"
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(run, tmp_path / "1", slow, zygote=server, cancel=cancel)
        other = pool.submit(run, tmp_path / "2", "1 + 1", zygote=server)
        assert other.result().status == "SUCCEEDED"
        assert until((tmp_path / "1" / "began").exists)
        cancel.set()
        assert first.result().status == "CANCELLED"


def test_a_job_that_the_runs_time_ends_is_told_from_a_cancelled_one(
    tmp_path: Path, server: Resident
) -> None:
    cancel, limit = Cancellation(), "the run's 5 s were over"
    slow = "import time\nopen('began', 'w').close()\ntime.sleep(1000)"
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(run, tmp_path, slow, zygote=server, cancel=cancel)
        assert until((tmp_path / "began").exists)
        cancel.set(limit)
        ran = job.result()
    assert ran.status == "TIMED_OUT"
    assert ran.error is not None
    assert ran.error.message == limit
    assert "Time ran out" in ran.nb.cells[0].source


def test_cold_jobs_and_other_environments_work_too(
    tmp_path: Path, state: Path, server: Resident, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(tmp_path, "1", zygote=server, cold=True).outcome.kernel == "cold: asked for"
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    other = connect_server(state, ["decimal"])
    assert other is not None
    with other:
        ran = run(tmp_path, "import os; os.environ['OMP_NUM_THREADS']", zygote=other)
    assert (ran.outcome.kernel, ran.text(0)) == ("warm", "'1'")


def test_a_client_that_dies_takes_its_kernels_along(tmp_path: Path, state: Path) -> None:
    code = textwrap.dedent("""
        import sys
        from pathlib import Path
        from mlops_nb.execution.resident import connect_server
        from tests.execution.kernel_kit import run
        with connect_server(Path(sys.argv[1])) as server:
            run(Path(sys.argv[2]), "import os, time\\nopen('pid', 'w').write(str(os.getpid()))\\n"
                "time.sleep(1000)", zygote=server)
    """)
    client = subprocess.Popen([sys.executable, "-c", code, str(state), str(tmp_path)])
    pid = tmp_path / "pid"
    assert until(lambda: pid.exists() and pid.read_text(), 30)
    client.kill()
    client.wait()
    assert until(lambda: not alive(int(pid.read_text())))

    def idle() -> bool:
        status = server_status(state)
        return status is not None and status.sessions == 0

    assert until(idle)


def test_one_zygote_serves_whoever_wants_no_more_than_it_has(tmp_path: Path, state: Path) -> None:
    def imported(*preload: str) -> tuple[int, str]:
        connection = connect_server(state, preload)
        assert connection is not None
        code = "import os, sys; os.getppid(), [n in sys.modules for n in ('numpy', 'fractions')]"
        with connection:
            pid, names = eval(run(tmp_path, code, zygote=connection).text(0))
        return pid, names

    first, _ = imported("numpy")
    assert imported("decimal") == (first, [True, False])
    more, names = imported("fractions")
    assert more != first
    assert names == [True, True]  # and what the first one had
    assert imported("numpy", "fractions") == (more, [True, True])


def test_an_older_servers_kernels_are_not_used(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("resident", "servers"):
        monkeypatch.setattr(f"mlops_nb.execution.{module}.server_key", lambda: "another")
    assert connect_server(state) is None
    status = server_status(state)
    assert status is not None
    assert not status.is_current


def test_an_older_server_is_replaced_unless_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = start_server(tmp_path)
    connection = connect_server(tmp_path)
    assert connection is not None
    for module in ("resident", "servers"):
        monkeypatch.setattr(f"mlops_nb.execution.{module}.server_key", lambda: "another")
    try:
        with connection, pytest.raises(KernelError, match="runs notebooks still"):
            start_server(tmp_path)
        assert until(lambda: not server_status(tmp_path).sessions)  # type: ignore[union-attr]
        second = start_server(tmp_path)
        assert second.pid != first.pid
        assert not alive(first.pid)
        monkeypatch.undo()
        assert second.is_current
    finally:
        stop_server(tmp_path)


def test_strange_words_do_no_harm(state: Path) -> None:
    for words in (b"", b"\x01", b"\xff" * 100, b"\x02\x00\x00\x00{}", b"\x04\x00\x00\x00nope"):
        with wire.at(state) as address, socket.socket(socket.AF_UNIX) as sock:
            sock.connect(address)
            sock.sendall(words)
    assert server_status(state) is not None


def test_a_dead_servers_socket_is_replaced_and_an_idle_server_ends(tmp_path: Path) -> None:
    first = start_server(tmp_path, idle=300)
    os.kill(first.pid, signal.SIGKILL)
    assert until(lambda: not alive(first.pid))
    assert (tmp_path / wire.SOCKET).exists()
    assert server_status(tmp_path) is None
    assert connect_server(tmp_path) is None
    assert not stop_server(tmp_path)
    second = start_server(tmp_path, idle=1.0)
    assert second.pid != first.pid
    assert until(lambda: not alive(second.pid), 15)
    assert list(tmp_path.iterdir()) == []


def test_stopping_ends_what_runs_and_a_client_hears_of_it(tmp_path: Path) -> None:
    state = tmp_path / "state"
    start_server(state)
    server = connect_server(state)
    assert server is not None
    slow = "import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(1000)"
    failures: list[BaseException] = []

    def go() -> Ran | None:
        try:
            return run(tmp_path, slow, zygote=server)
        except KernelError as error:
            failures.append(error)
            return None

    with ThreadPoolExecutor(1) as pool, server:
        running = pool.submit(go)
        pid = tmp_path / "pid"
        assert until(lambda: pid.exists() and pid.read_text())
        assert stop_server(state)
        assert running.result() is None
        later = run(tmp_path, "1 + 1", zygote=server, name="later")
        assert later.text(0) == "2"
        assert later.outcome.kernel == "cold: the server went away"
    assert "went away" in str(failures[0])
    assert until(lambda: not alive(int(pid.read_text())))
    assert list(state.iterdir()) == []
    with pytest.raises(KernelError):
        server.run(NotebookJob(task="t", notebook="x", output="y"))


def test_a_server_that_cannot_start_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    (tmp_path / "ipykernel").mkdir()
    (tmp_path / "ipykernel" / "__init__.py").write_text("raise ImportError('no kernel here')")
    with pytest.raises(KernelError, match="did not start"):
        start_server(tmp_path / "state")
    assert server_status(tmp_path / "state") is None
