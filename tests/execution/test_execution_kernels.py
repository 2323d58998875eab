"""Warm kernels: endings, isolation, fallbacks, and nothing left behind."""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mlops_nb.errors import KernelError
from mlops_nb.execution.jobs import Cancellation, CellProgress
from mlops_nb.execution.kernels import Zygote
from mlops_nb.execution.lifeline import Lifeline
from tests.execution.kernel_kit import Ran, alive, descriptors, resident_kb, run

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    with Zygote(["numpy"]) as made:
        yield made


def until(condition: object, seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.parametrize(
    ("code", "status", "message"),
    [
        ("1/0", "FAILED", "division by zero"),
        ("import sys; sys.exit(0)", "EXITED", "sys.exit(0)"),
        ("import sys; sys.exit('why')", "EXITED", "sys.exit(why)"),
        ("exit", "EXITED", "exit or quit"),
        ("import os; os._exit(3)", "DIED", "exit code 3"),
        ("import os; os._exit(0)", "DIED", "exit code 0"),
        ("import os; os.abort()", "DIED", "SIGABRT"),
        ("import os; os.kill(os.getpid(), 9)", "DIED", "SIGKILL"),
        ("import ctypes; ctypes.string_at(0)", "DIED", "SIGSEGV"),
    ],
)
def test_each_ending_has_its_own_status(
    tmp_path: Path, zygote: Zygote, code: str, status: str, message: str
) -> None:
    ran = run(tmp_path, "'before'", code, "'never'", zygote=zygote)
    assert ran.outcome.kernel == "warm"
    assert ran.status == status
    assert ran.error is not None
    assert message in ran.error.message
    assert ran.error.cell == 1
    assert ran.states == ["completed", "failed", "pending"]


def test_memory_that_runs_out_is_a_failure_or_a_death(tmp_path: Path, zygote: Zygote) -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_AS, (3 * 2**30, 3 * 2**30))"
    ran = run(tmp_path, limit, "x = bytearray(8 * 2**30)", zygote=zygote)
    assert ran.status == "FAILED"
    assert ran.error is not None
    assert ran.error.name == "MemoryError"
    # Code that does not check, as most C does, is killed instead.
    crash = (
        "import ctypes\nlibc = ctypes.CDLL(None)\nlibc.malloc.restype = ctypes.c_void_p\n"
        "libc.memset.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t)\n"
        "libc.memset(libc.malloc(8 * 2**30), 1, 8 * 2**30)"
    )
    assert run(tmp_path, limit, crash, zygote=zygote).status == "DIED"
    assert run(tmp_path, "1", zygote=zygote).status == "SUCCEEDED"


@pytest.mark.parametrize(
    "loop",
    [
        "while True: pass",
        "import time; time.sleep(1000)",
        "import asyncio\nwhile True: await asyncio.sleep(0.01)",
        "import subprocess; subprocess.run(['sleep', '1000'])",
    ],
)
def test_an_endless_cell_is_interrupted(tmp_path: Path, zygote: Zygote, loop: str) -> None:
    ran = run(tmp_path, loop, "'never'", zygote=zygote, cell_timeout=1.0, grace=20.0)
    assert ran.status == "TIMED_OUT"
    assert ran.outcome.seconds < 15  # the grace was not needed
    assert ran.states == ["failed", "pending"]
    assert ran.error is not None
    assert "longer than 1 s" in ran.error.message
    assert ran.error.traceback  # where it was


def test_one_that_does_not_heed_the_interrupt_is_killed(tmp_path: Path, zygote: Zygote) -> None:
    deaf = "import time\nwhile True:\n    try: time.sleep(9)\n    except KeyboardInterrupt: pass"
    ran = run(tmp_path, deaf, zygote=zygote, timeout=0.5, grace=0.3)
    assert ran.status == "TIMED_OUT"
    assert ran.error is not None
    assert "the notebook took longer than 0.5 s" in ran.error.message


def test_cancelling_takes_the_kernels_children_too(tmp_path: Path, zygote: Zygote) -> None:
    cancel = Cancellation()
    code = (
        "import subprocess, os, time\nchild = subprocess.Popen(['sleep', '1000'])\n"
        "open('pids', 'w').write(f'{os.getpid()} {child.pid}')\ntime.sleep(1000)"
    )

    def on_cell(progress: CellProgress) -> None:
        threading.Timer(0.5, cancel.set).start()

    ran = run(tmp_path, code, zygote=zygote, cancel=cancel, on_cell=on_cell, grace=0.2)
    assert ran.status == "CANCELLED"
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert until(lambda: not any(alive(pid) for pid in pids))


def test_nothing_of_one_notebook_reaches_the_next(tmp_path: Path, zygote: Zygote) -> None:
    (tmp_path / "elsewhere").mkdir()
    change = (
        "import os, sys, random, signal, builtins, json, time, warnings\n"
        "import numpy as np\n"
        "os.chdir('elsewhere'); os.environ['LEAK'] = 'x'; os.environ['TZ'] = 'Asia/Tokyo'; time.tzset()\n"
        "os.umask(0o077); random.seed(1); np.random.seed(1); np.set_printoptions(precision=1)\n"
        "builtins.leak = json.leak = 1; sys.path.insert(0, 'leak'); sys.setrecursionlimit(500)\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); warnings.simplefilter('error')\n"
        "files = [open('/dev/null') for _ in range(50)]"
    )
    look = (
        "import os, sys, random, signal, builtins, json, time, warnings\n"
        "import numpy as np\n"
        "print(os.getcwd(), os.environ.get('LEAK'), time.tzname, hasattr(builtins, 'leak'), "
        "hasattr(json, 'leak'), 'leak' in sys.path, sys.getrecursionlimit(), "
        "signal.getsignal(signal.SIGTERM), np.get_printoptions()['precision'], os.umask(0o22), "
        "len(os.listdir('/proc/self/fd')), warnings.filters[0][0])",
        "print(random.random(), np.random.rand(), os.urandom(4))",
    )
    first = run(tmp_path, *look, zygote=zygote)
    assert run(tmp_path, change, zygote=zygote).status == "SUCCEEDED"
    second = run(tmp_path, *look, zygote=zygote)
    assert second.text(0) == first.text(0)
    assert second.text(1) != first.text(1)


def test_kernels_leave_as_an_interpreter_does(tmp_path: Path, zygote: Zygote) -> None:
    (tmp_path / "helper.py").write_text(
        "class Noisy:\n    def __del__(self): open('helper.del', 'w').close()\n"
        "kept = Noisy()\nlog = open('helper.log', 'w'); log.write('flushed')\n"
    )
    ran = run(
        tmp_path,
        "import atexit, threading, time, helper\n"
        "atexit.register(lambda: open('atexit', 'w').close())\n"
        "leaked = open('leaked', 'w'); _ = leaked.write('text')\n"
        "class Gone:\n    def __del__(self): open('notebook.del', 'w').close()\n"
        "gone = Gone(); cycle = [gone]; cycle.append(cycle)",
        "def late():\n    time.sleep(0.3); open('thread', 'w').close()\n"
        "threading.Thread(target=late).start()",
        "import multiprocessing as mp, tempfile\nfolder = tempfile.TemporaryDirectory(dir='.')\n"
        "q = mp.Queue(); q.put(1); q.get()",
        zygote=zygote,
    )
    assert ran.status == "SUCCEEDED"
    names = {path.name for path in tmp_path.iterdir()}
    assert {"atexit", "thread", "notebook.del", "helper.del"} <= names
    assert (tmp_path / "leaked").read_text() == "text"
    assert (tmp_path / "helper.log").read_text() == "flushed"
    assert not any(name.startswith("tmp") for name in names)


def test_what_a_notebook_left_open_is_free_when_it_has_ended(
    tmp_path: Path, zygote: Zygote
) -> None:
    """Its process may still give memory back: whoever comes next must not notice."""
    for number in range(3):
        ran = run(
            tmp_path,
            "import fcntl, os, socket, sqlite3",
            # What nobody closes, and what a limit that was lowered since would hide.
            "held = os.dup2(os.open('lock', os.O_CREAT | os.O_RDWR), 500)\n"
            "fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
            "import resource; most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
            "resource.setrlimit(resource.RLIMIT_NOFILE, (100, most))",
            "store = sqlite3.connect('store.db', isolation_level=None, timeout=0)\n"
            "store.execute('begin exclusive')\n"
            "store.execute('create table if not exists a (b)')\n"
            "written = open('written', 'w'); written.write('all of it')",
            "sock = socket.socket(); sock.bind(('127.0.0.1', 0)); sock.listen()\n"
            "filled = bytearray(os.urandom(1 << 20) * 300)\n"
            "print(os.getpid())",
            zygote=zygote,
        )
        assert ran.status == "SUCCEEDED", ran.outcome
        assert (tmp_path / "written").read_text() == "all of it"
        with (tmp_path / "lock").open("a+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        store = sqlite3.connect(tmp_path / "store.db", isolation_level=None, timeout=0)
        store.execute("begin exclusive")
        store.close()
        pid = int(ran.text(3))
        assert until(lambda pid=pid: not Path(f"/proc/{pid}").exists()), number


def test_what_a_notebook_began_in_the_background_outlives_the_zygote(tmp_path: Path) -> None:
    with Zygote() as brief:
        ran = run(
            tmp_path,
            "import os, mmap\n"
            "held = mmap.mmap(-1, 1 << 29); held.write(os.urandom(1 << 20) * 512)\n"
            "os.system('sleep 60 >/dev/null 2>&1 & echo $! >begun')",
            zygote=brief,
        )
    assert ran.status == "SUCCEEDED"
    begun = int((tmp_path / "begun").read_text())
    try:
        time.sleep(0.2)
        assert alive(begun)
    finally:
        os.kill(begun, signal.SIGKILL)


def test_what_a_dying_kernel_wrote_is_kept(tmp_path: Path, zygote: Zygote) -> None:
    code = (
        "import ctypes, faulthandler, time\nprint('said', flush=True)\n"
        "faulthandler.enable(); ctypes.string_at(0)"
    )
    text = run(tmp_path, code, zygote=zygote).text(0)
    assert "said" in text
    assert "Fatal Python error: Segmentation fault" in text


@pytest.mark.parametrize(
    ("cell", "job", "reason"),
    [
        ("1", {"cold": True}, "cold: asked for"),
        ("1", {"env": {"MKL_NUM_THREADS": "1"}}, "cold: MKL_NUM_THREADS differs"),
        ("%connect_info", {}, "cold: %connect_info needs a connection"),
        ("1", {"language": "r", "kernel": "python3"}, "cold: language r"),
        ("1", {"kernel": "own"}, 'cold: kernelspec "own" starts a program of its own'),
        ("1", {"kernel": "flagged"}, "cold: options -B"),
    ],
)
def test_what_cannot_be_forked_runs_cold_and_says_why(
    tmp_path: Path,
    zygote: Zygote,
    monkeypatch: pytest.MonkeyPatch,
    cell: str,
    job: dict[str, object],
    reason: str,
) -> None:
    from mlops_nb.execution.kernelspecs import find_kernelspec

    for name, argv in {
        "own": '["python", "-c", "from ipykernel.kernelapp import main; main()", "-f", '
        '"{connection_file}"]',
        "flagged": '["python", "-B", "-m", "ipykernel_launcher", "-f", "{connection_file}"]',
    }.items():
        spec = tmp_path / "jupyter" / "kernels" / name / "kernel.json"
        spec.parent.mkdir(parents=True)
        spec.write_text(f'{{"argv": {argv}, "language": "python", "display_name": "{name}"}}')
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setitem(zygote.environment, "JUPYTER_PATH", str(tmp_path / "jupyter"))
    find_kernelspec.cache_clear()
    try:
        ran = run(tmp_path, cell, zygote=zygote, **job)
    finally:
        find_kernelspec.cache_clear()
    assert ran.status == "SUCCEEDED"
    assert ran.outcome.kernel.startswith(reason)


def test_what_an_import_in_the_owner_sets_leaves_kernels_warm(
    tmp_path: Path, zygote: Zygote
) -> None:
    # The owner may import scikit-learn after the zygote was started; it sets these where unset.
    later = {"KMP_DUPLICATE_LIB_OK": "True", "KMP_INIT_AT_FORK": "FALSE"}
    assert run(tmp_path, "1", zygote=zygote, env=later).outcome.kernel == "warm"
    other = run(tmp_path, "1", zygote=zygote, env={"KMP_INIT_AT_FORK": "TRUE"})
    assert other.outcome.kernel.startswith("cold: KMP_INIT_AT_FORK differs")


def test_a_file_that_hides_a_preloaded_package_is_heard(tmp_path: Path, zygote: Zygote) -> None:
    (tmp_path / "numpy.py").write_text("mine = 'this one'")
    ran = run(tmp_path, "import numpy; print(numpy.mine)", zygote=zygote)
    assert ran.outcome.kernel == "cold: numpy.py in its folder hides the installed numpy"
    assert ran.text(0) == "this one\n"


def test_packages_that_are_not_safe_are_left_out_and_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = {
        "talks": "print('hello')",
        "threads": "import threading, time\n"
        "threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()",
        "spawns": "import subprocess\np = subprocess.Popen(['sleep', '3'])",
        "pulls": "import polars",
        "broken": "1/0",
        "fine": "import os\nos.environ['FINE_WAS_HERE'] = 'yes'\nvalue = 42",
    }
    for name, text in packages.items():
        (tmp_path / "lib" / name).mkdir(parents=True)
        (tmp_path / "lib" / name / "__init__.py").write_text(text)
    paths = f"{tmp_path / 'lib'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    monkeypatch.setenv("PYTHONPATH", paths)
    memory = tmp_path / "state" / "preload.json"
    with Zygote(sorted(packages), memory=memory) as made:
        report = made.ready()
        assert {name: why.split()[0] for name, why in made.unsafe.items()} == {
            "talks": "prints",
            "threads": "starts",
            "spawns": "starts",
            "pulls": "imports",
        }
        assert report.failed == {"broken": "ZeroDivisionError: division by zero"}
        assert "fine" in report.modules
        ran = run(
            tmp_path,
            "import sys, os; 'fine' in sys.modules, 'talks' in sys.modules, os.environ['FINE_WAS_HERE']",
            "import talks",
            zygote=made,
        )
        assert ran.outcome.kernel == "warm"
        assert ran.text(0) == "(True, False, 'yes')"
        assert ran.text(1) == "hello\n"
    with Zygote(sorted(packages), memory=memory) as again:
        pid = again.pid
        assert again.ready().pid == pid  # no second start was needed
        assert set(again.unsafe) == {"talks", "threads", "spawns", "pulls"}


def test_a_killed_zygote_takes_its_kernels_along_and_the_next_start_cold(tmp_path: Path) -> None:
    with Zygote() as made:
        made.ready()
        code = "import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(1000)"
        done: list[Ran] = []
        thread = threading.Thread(target=lambda: done.append(run(tmp_path, code, zygote=made)))
        thread.start()
        assert until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
        assert made.pid is not None
        os.kill(made.pid, signal.SIGKILL)
        thread.join(10)
        assert done[0].status == "DIED"
        assert until(lambda: not alive(int((tmp_path / "pid").read_text())))
        after = run(tmp_path, "1", zygote=made, name="after")
        assert after.status == "SUCCEEDED"
        assert after.outcome.kernel.startswith("cold: the zygote is gone")


@pytest.mark.parametrize("cold", [False, True])
def test_a_cells_peak_is_its_own(tmp_path: Path, zygote: Zygote, cold: bool) -> None:
    cells = ("1", "x = bytearray(200 * 2**20); del x", "1")
    ran = run(tmp_path, *cells, zygote=zygote, cold=cold)
    before, large, after = (cell.peak_mb or 0.0 for cell in ran.outcome.cells)
    assert large > before + 150
    assert large > after + 150
    assert ran.outcome.peak_mb is not None
    assert ran.outcome.peak_mb >= large


def test_where_nothing_can_be_forked_the_record_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlops_nb.execution.choice.supported", lambda: "platform darwin")
    ran = run(tmp_path, "1")
    assert (ran.status, ran.outcome.kernel) == ("SUCCEEDED", "cold: platform darwin")


@pytest.mark.parametrize("cold", [False, True])
def test_a_killed_owner_leaves_no_process(tmp_path: Path, cold: bool) -> None:
    code = textwrap.dedent("""
        import sys, threading
        from pathlib import Path
        from tests.execution.kernel_kit import run
        from mlops_nb.execution.kernels import Zygote
        folder, cold = Path(sys.argv[1]), sys.argv[2] == "True"
        with Zygote() as made:
            (folder / "zygote").write_text(str(made.pid))
            run(folder, "import os, time, subprocess\\nc = subprocess.Popen(['sleep', '1000'])\\n"
                "open('pids', 'w').write(f'{os.getpid()} {c.pid}')\\ntime.sleep(1000)", zygote=made,
                cold=cold)
    """)
    owner = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(cold)])
    pids = tmp_path / "pids"
    assert until(lambda: pids.exists() and len(pids.read_text().split()) == 2, 60)
    owner.kill()
    owner.wait()
    left = [int(pid) for pid in pids.read_text().split()]
    left.append(int((tmp_path / "zygote").read_text()))
    assert until(lambda: not any(alive(pid) for pid in left))


def test_a_lifeline_that_is_cut_ends_nothing() -> None:
    with subprocess.Popen(["sleep", "1000"], start_new_session=True) as sleeper:
        lifeline = Lifeline(sleeper.pid)
        lifeline.cut()
        lifeline.cut()
        assert sleeper.poll() is None
        sleeper.kill()


@pytest.mark.parametrize("way", ["cancel", "timeout", "close"])
def test_nobody_has_to_wait_for_imports_that_take_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    (tmp_path / "endless.py").write_text("import time\ntime.sleep(1000)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    made, cancel, done = Zygote(["endless"]), Cancellation(), threading.Event()
    ended: list[Ran] = []

    def body() -> None:
        limit = 0.5 if way == "timeout" else None
        ended.append(run(tmp_path, "1", zygote=made, cancel=cancel, timeout=limit))
        done.set()

    made.start()
    pid = made.pid
    thread = threading.Thread(target=body)
    thread.start()
    try:
        if way == "timeout":
            assert done.wait(60)
        cancel.set()
        if way == "cancel":
            assert done.wait(60)
    finally:
        made.close()  # needs no lock that a waiting thread holds
    thread.join(60)
    assert ended[0].status == ("TIMED_OUT" if way == "timeout" else "CANCELLED")
    assert made.pid is None
    assert pid is not None
    assert not alive(pid)
    with pytest.raises(KernelError, match="was closed"):
        made.ready()


def test_limits_of_the_owner_hold_in_its_kernels(tmp_path: Path, zygote: Zygote) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    ask = "import resource, os; resource.getrlimit(resource.RLIMIT_CORE)[0], len(os.sched_getaffinity(0))"
    cores = os.sched_getaffinity(0)
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (4096, hard))
        os.sched_setaffinity(0, {min(cores)})
        assert run(tmp_path, ask, zygote=zygote).text(0) == "(4096, 1)"
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
        os.sched_setaffinity(0, cores)


def test_200_notebooks_leave_no_trace_in_owner_or_zygote(tmp_path: Path, zygote: Zygote) -> None:
    code = "import numpy as np\nx = np.ones(10**6); fs = [open('/dev/null') for _ in range(20)]\nx.sum()"

    def some(count: int) -> None:
        with ThreadPoolExecutor(2) as pool:
            runs = pool.map(
                lambda n: run(tmp_path / str(n % 2), code, zygote=zygote, name=f"n{n}"),
                range(count),
            )
            assert all(ran.status == "SUCCEEDED" for ran in runs)

    some(20)
    pid = zygote.ready().pid
    assert until(lambda: not Path(f"/proc/{pid}/task/{pid}/children").read_text().strip())
    before = (descriptors(), descriptors(pid), resident_kb(), resident_kb(pid))
    threads = threading.active_count()
    some(180)
    assert until(lambda: descriptors(pid) <= before[1])  # it lets go a moment after us
    after = (descriptors(), descriptors(pid), resident_kb(), resident_kb(pid))
    assert after[0] == before[0]
    assert after[2] - before[2] < 8 * 1024
    assert after[3] - before[3] < 2 * 1024
    assert threading.active_count() == threads
    assert until(lambda: not Path(f"/proc/{pid}/task/{pid}/children").read_text().strip())


def test_a_closed_zygote_says_so() -> None:
    made = Zygote(python="/nonexistent/python")
    with pytest.raises(KernelError, match="cannot be started"):
        made.start()
    made.close()
    with pytest.raises(KernelError, match="was closed"):
        made.ready()
