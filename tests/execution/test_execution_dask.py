from __future__ import annotations

import os
import random
import signal
import threading
import time
from contextlib import suppress

import dask
import psutil
import pytest
from distributed import LocalCluster
from runner_kit import chain, go, notebook, product_digests, project, statuses
from test_execution_kill import (
    ROUNDS,
    assert_whole,
    diamond,
    left_behind,
    nothing_left_behind,
)

from mlops_nb.errors import ExecutionError
from mlops_nb.execution.executors.dask import DaskExecutor
from mlops_nb.execution.jobs import Cancellation
from mlops_nb.execution.resume import earlier_states, resume_plan
from mlops_nb.model import Attempt, EventKind, RunStatus, TaskStatus
from mlops_nb.pipeline.load import load_pipeline
from mlops_nb.protocols import Executor
from mlops_nb.runs.store import RunStore
from tests.processes_kit import living_children

pytestmark = pytest.mark.slow

KILLS = ROUNDS if "MLOPS_NB_STRESS_ROUNDS" in os.environ else 1
"""A killed worker takes seconds to come back: many only where many rounds are asked for."""


@pytest.fixture(scope="module")
def cluster():
    import ploomber  # noqa: F401

    executor = DaskExecutor(jobs=2)
    yield executor
    executor.close()


def test_a_cluster_makes_the_same_products_and_tells_the_same(tmp_path, cluster):
    assert isinstance(cluster, Executor)
    assert cluster.slots == 2.0
    here, there = chain(tmp_path / "here"), chain(tmp_path / "there")
    local = go(here, targets=("fit",))
    run = go(there, executor=cluster, targets=("fit",))
    assert run.status is RunStatus.SUCCEEDED
    assert product_digests(there) == product_digests(here)
    assert "staging" not in (there.root / "out/load.ipynb").read_text()

    def told(where, run) -> list[tuple[str, str, object]]:
        events = RunStore(where.state).events(run.id)
        return [(event.kind.value, event.task, event.data.get("index")) for event in events[1:]]

    assert told(there, run) == told(here, local)


def test_two_clusters_stand_side_by_side_and_show_nothing_to_the_network(cluster):
    other = DaskExecutor(jobs=1)  # a warning, of a port that is taken, is an error here
    servers = [one._cluster.scheduler.http_server for one in (cluster, other)]
    shown = {sock.getsockname()[0] for server in servers for sock in server._sockets.values()}
    other.close()
    assert shown <= {"127.0.0.1"}


def zygotes_of(pid: int) -> list[psutil.Process]:
    """The processes that a worker forks kernels from."""
    return living_children(pid, running="mlops_nb.execution.warm.forker")


def test_kernels_on_workers_are_warm_and_end_with_what_they_serve(tmp_path, cluster):
    where = chain(tmp_path / "p")
    away = DaskExecutor(address=cluster._client.scheduler.address, preload=("json",))
    run = go(where, executor=away, targets=("fit",))
    assert {task.kernel for task in run.tasks if task.attempt} == {"warm"}
    started = [one for pid in worker_pids(cluster).values() for one in zygotes_of(pid)]
    assert started
    away.close()
    assert psutil.wait_procs(started, timeout=20)[1] == [], "a run leaves nothing on a cluster"

    run = go(where, executor=cluster, targets=("fit",), force=True)
    assert {task.kernel for task in run.tasks if task.attempt} == {"warm"}
    worker, started = next(
        (pid, found) for pid in worker_pids(cluster).values() if (found := zygotes_of(pid))
    )
    os.kill(worker, signal.SIGKILL)
    assert psutil.wait_procs(started, timeout=20)[1] == [], "nor does a killed worker"


def fit_of(run):
    return next(task for task in run.tasks if task.task == "fit")


def test_a_notebook_goes_on_at_its_failed_cell_on_a_worker_too(tmp_path, cluster):
    settings = "[tool.mlops-nb]\ncheckpoint = true\n"
    where = chain(tmp_path / "p", body="raise ValueError('no')", settings=settings)
    notebook(where.root / "nb/fit.ipynb", *FIT, "n = 1 / 0", LAST)
    failed = go(where, executor=cluster, targets=("fit",))
    assert fit_of(failed).checkpoint.why == ""
    notebook(where.root / "nb/fit.ipynb", *FIT, "n = 2", LAST)
    store = RunStore(where.state)
    plan = resume_plan(where, load_pipeline(where), failed, store.events(failed.id))[1]
    states = earlier_states(failed, store.get, store.path(failed.id).parent)
    run = go(where, plan=plan, executor=cluster, earlier=states)
    assert fit_of(run).resumed.cell == 2
    assert (where.root / "count").read_text() == "x"
    assert (where.root / "out/model").read_text() == "2"


FIT = ("upstream = ['load']\nproduct = None", "open('count', 'a').write('x')")
LAST = "open(product['model'], 'w').write(str(n))"


def slow(root, seconds: float):
    notebook(
        root / "slow.ipynb",
        "upstream = None\nproduct = None",
        "import os, time\nopen(product['x'] + '.half', 'w').write('half')\n"
        f"open('started', 'a').write('x')\ntime.sleep({seconds})",
        "open(product['x'], 'w').write('done')",
    )
    return project(root, "source: slow.ipynb\nproduct:\n  nb: out/slow.ipynb\n  x: out/slow.txt")


def worker_pids(cluster: DaskExecutor) -> dict[str, int]:
    return cluster._client.run(os.getpid, on_error="ignore")


def busy_worker(cluster: DaskExecutor, started) -> int:
    deadline = time.monotonic() + 30
    while not started.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    (address,) = [where for where, tasks in cluster._client.processing().items() if tasks]
    return worker_pids(cluster)[address]


def test_a_killed_workers_task_is_done_by_another(tmp_path, cluster):
    where = slow(tmp_path / "p", 1.5)
    killed = []

    def kill() -> None:
        pid = busy_worker(cluster, where.root / "started")
        os.kill(pid, signal.SIGKILL)
        killed.append(pid)

    thread = threading.Thread(target=kill)
    thread.start()
    run = go(where, executor=cluster)
    thread.join()
    assert killed
    assert statuses(run) == {"slow": "succeeded"}
    assert (where.root / "started").read_text() == "xx"
    assert product_digests(where).keys() == {"slow.txt", "slow.txt.half"}


def test_a_cluster_of_this_machine_replaces_workers_that_were_given_up(tmp_path):
    where = slow(tmp_path / "p", 0.1)
    # As on a busy machine, where a dead worker is not back in time.
    with dask.config.set({"distributed.deploy.lost-worker-timeout": "0s"}):
        own = DaskExecutor(jobs=1)
        try:
            (pid,) = worker_pids(own).values()
            os.kill(pid, signal.SIGKILL)
            deadline = time.monotonic() + 30
            while own._cluster.workers and time.monotonic() < deadline:
                time.sleep(0.02)
            assert not own._cluster.workers
            run = go(where, executor=own)
        finally:
            own.close()
    assert statuses(run) == {"slow": "succeeded"}


@pytest.mark.stress
@pytest.mark.timeout(300 + 60 * KILLS)
def test_workers_killed_at_any_moment_harm_no_product(tmp_path, cluster):
    calm, wild = diamond(tmp_path / "calm"), diamond(tmp_path / "wild")
    began = time.monotonic()
    assert go(calm, executor=cluster).status is RunStatus.SUCCEEDED
    usual = time.monotonic() - began
    killed: list[psutil.Process] = []
    for round_ in range(4 * KILLS + 10):
        if len(killed) == KILLS:
            break
        rng = random.Random(round_)
        over, before = threading.Event(), len(killed)
        family: list[psutil.Process] = []

        def kill(rng=rng, over=over, family=family, usual=usual) -> None:
            time.sleep(rng.uniform(0, usual))
            workers = worker_pids(cluster)
            with suppress(psutil.NoSuchProcess):
                victim = psutil.Process(rng.choice(sorted(workers.values())))
                family += victim.children(recursive=True)
                if not over.is_set():
                    victim.kill()
                    killed.append(victim)

        thread = threading.Thread(target=kill)
        thread.start()
        began = time.monotonic()
        run = go(wild, executor=cluster, force=True, keep_going=True)
        over.set()
        # The first run was slow: its workers imported everything.
        usual += (time.monotonic() - began - usual) / 4
        thread.join()
        if len(killed) > before:
            assert psutil.wait_procs(family, timeout=20)[1] == []
        assert nothing_left_behind(wild.root), left_behind(wild.root)
        assert_whole(wild.root)
        if run.status is not RunStatus.SUCCEEDED:
            events = RunStore(wild.state).events(run.id)
            plan = resume_plan(wild, load_pipeline(wild), run, events)[1]
            assert go(wild, plan=plan, executor=cluster).status is RunStatus.SUCCEEDED
        assert product_digests(wild) == product_digests(calm)
    assert len(killed) == KILLS


def test_a_cancelled_run_ends_on_the_workers_too(tmp_path, cluster):
    where = slow(tmp_path / "p", 60)
    cancel = Cancellation()

    def stop() -> None:
        busy_worker(cluster, where.root / "started")
        cancel.set()

    thread = threading.Thread(target=stop)
    thread.start()
    began = time.monotonic()
    run = go(where, executor=cluster, cancel=cancel)
    thread.join()
    assert statuses(run) == {"slow": "cancelled"}
    assert time.monotonic() - began < 30
    assert not (where.root / "out").exists() or not product_digests(where)


def test_a_task_that_the_runs_time_ends_on_a_worker_is_told_from_a_cancelled_one(tmp_path, cluster):
    where = slow(tmp_path / "p", 60)
    cancel, limit = Cancellation(), "the run's 5 s were over"
    product = str(tmp_path / "run" / "x")
    attempt = Attempt(
        run="r",
        task=load_pipeline(where).tasks[0],
        root=str(where.root),
        run_dir=str(tmp_path / "run"),
        notebook="notebooks/slow.ipynb",
        parameters={"upstream": None, "product": {"x": product}},
        products={"x": product},
    )

    def stop() -> None:
        busy_worker(cluster, where.root / "started")
        cancel.set(limit)

    thread = threading.Thread(target=stop)
    thread.start()
    run = cluster.run(attempt, tell=lambda *_, **__: None, cancel=cancel)
    thread.join()
    assert (run.status, run.error.message) == (TaskStatus.TIMED_OUT, limit)
    executed = (tmp_path / "run" / run.notebook).read_text()
    assert "Time ran out" in executed
    assert "cancelled" not in executed


@pytest.mark.parametrize("way", ["cancel", "timeout"])
def test_a_run_ends_whose_task_no_worker_takes(tmp_path, way):
    where, cancel = slow(tmp_path / "p", 60), Cancellation()
    with LocalCluster(
        n_workers=0, processes=False, dashboard_address=":0", silence_logs="ERROR"
    ) as nobody:
        away = DaskExecutor(address=nobody.scheduler_address)
        timer = threading.Timer(1.0, cancel.set)
        if way == "cancel":
            timer.start()
        run = go(where, executor=away, cancel=cancel, timeout=1.0 if way == "timeout" else None)
        away.close()
    assert statuses(run)["slow"] in ("cancelled", "timed-out")
    assert not (where.root / "started").exists()


def test_files_travel_to_workers_that_do_not_see_the_project(tmp_path, cluster):
    where = chain(tmp_path / "p", body="import os\nn = len(open(upstream['load']['data']).read())\n"
                  "print('cwd is', os.getcwd())")  # fmt: skip
    (where.root / "secret.csv").write_text("travels")
    store = where.root / "store"
    store.mkdir()
    (store / "of-another-run").write_text("stays")
    away = DaskExecutor(
        address=cluster._client.scheduler.address,
        store=str(store),
        project=where,
        pipeline=load_pipeline(where),
    )
    try:
        run = go(where, executor=away, targets=("fit",))
    finally:
        away.close()
    assert statuses(run)["fit"] == "succeeded"
    other = chain(tmp_path / "other")
    go(other, targets=("fit",))
    assert product_digests(where) == product_digests(other)
    executed = (where.root / "out/fit.ipynb").read_text()
    assert f"cwd is {where.root}" in executed
    assert "mlops-nb-" not in executed
    contents = [path.read_text(errors="replace") for path in store.rglob("*") if path.is_file()]
    assert "travels" in contents
    assert contents.count("stays") == 1
    cells = [
        event.data["index"]
        for event in RunStore(where.state).events(run.id)
        if event.kind is EventKind.TASK_CELL and event.task == "fit"
    ]
    assert cells


def test_a_failing_notebook_fails_there_as_here(tmp_path, cluster):
    where = chain(tmp_path / "p", body="raise ValueError('no ' + product['model'])")
    run = go(where, executor=cluster, targets=("fit",))
    assert statuses(run)["fit"] == "failed"
    (error,) = [task.error for task in run.tasks if task.error]
    assert (error.name, error.message) == ("ValueError", f"no {where.root}/out/model")
    run_dir = RunStore(where.state).path(run.id)
    assert (run_dir / "notebooks" / "fit.ipynb").exists()


def test_a_cluster_that_is_not_there_is_one_clear_error(monkeypatch):
    monkeypatch.setattr("mlops_nb.execution.executors.dask._CONNECT", "1s")
    # Nobody listens on the discard port.
    with pytest.raises(ExecutionError, match=r"tcp://127\.0\.0\.1:9: .*cannot be reached"):
        DaskExecutor(address="tcp://127.0.0.1:9")
