from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import pytest

from mlops_nb.errors import RunError
from mlops_nb.model import EventKind, RunFacts, RunStatus, TaskStatus
from mlops_nb.runs.fold import fold
from mlops_nb.runs.log import EventLog, EventReader
from mlops_nb.runs.store import RunStore, new_run_id


def facts(**changes: object) -> RunFacts:
    return msgspec.structs.replace(
        RunFacts(id="", pipeline="flights", started=time.time(), environment={"numpy": "2.4"}),
        **changes,
    )


def a_run(store: RunStore, *, fail: bool = False):
    writer = store.create(facts())
    writer.emit(
        EventKind.PLAN,
        items=[
            {"task": "load", "action": "skip", "why": "unchanged"},
            {"task": "train", "action": "run", "why": "source changed"},
        ],
    )
    writer.emit(EventKind.TASK_STARTED, "train", attempt=1, kernel="warm", cells=2)
    writer.emit(EventKind.TASK_CELL, "train", index=0, cells=2, seconds=0.5, peak_mb=100.0)
    writer.emit(EventKind.METRIC, "train", name="auc", value=0.7)
    writer.emit(EventKind.METRIC, "train", name="auc", value=0.8, step=2)
    if fail:
        writer.emit(
            EventKind.TASK_FINISHED,
            "train",
            status="failed",
            error={"name": "ValueError", "message": "no", "cell": 1},
        )
    return writer


def test_ids_sort_by_time_and_are_unique_among_threads_and_processes():
    mine = [new_run_id() for _ in range(500)]
    assert mine == sorted(mine)
    code = "from mlops_nb.runs.store import new_run_id\nprint(*(new_run_id() for _ in range(300)))"
    others = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    theirs = [one for other in others for one in other.communicate()[0].split()]
    assert len(theirs) == 900
    assert len({*mine, *theirs}) == 1400


def test_a_run_reads_back_while_it_goes_on_and_after(tmp_path):
    store = RunStore(tmp_path)
    assert store.list() == ()
    assert not tmp_path.joinpath("runs").exists()
    writer = a_run(store)
    running = store.get(writer.id)
    assert running.status is RunStatus.RUNNING
    assert running.facts.environment == {"numpy": "2.4"}
    load, train = running.tasks
    assert load.status is TaskStatus.SKIPPED
    assert (train.status, train.why, train.kernel) == (
        TaskStatus.RUNNING,
        "source changed",
        "warm",
    )
    assert (train.cells_done, train.cells_total, train.cells[0].peak_mb) == (1, 2, 100.0)
    writer.emit(EventKind.TASK_FINISHED, "train", status="succeeded", attempt=1)
    done = writer.finish(RunStatus.SUCCEEDED)
    assert done == store.get("latest") == writer.run()
    assert done.metrics == {"auc": 0.8}
    assert done.tasks[1].seconds >= 0
    assert done.tasks[1].cells[0].seconds == 0.5
    # The summary says what the events say.
    assert fold(store.events(done.id), facts=done.facts) == done
    with pytest.raises(RunError, match="has ended"):
        writer.emit(EventKind.NOTE, text="too late")


def test_find_takes_prefix_suffix_and_latest_and_names_what_it_cannot(tmp_path):
    store = RunStore(tmp_path)
    with pytest.raises(RunError, match="no run yet"):
        store.get("latest")
    first = store.create(facts(id="20260101-000000-aaaaaa"))
    second = store.create(facts(id="20260102-000000-aaaabb"))
    assert store.find("20260101") == first.id
    assert store.find("bb") == second.id == store.find("latest")
    with pytest.raises(RunError, match="any of 2 runs"):
        store.find("2026")
    with pytest.raises(RunError, match='did you mean "20260101-000000-aaaaaa"'):
        store.get("20260101-000000-aaaaax")
    with pytest.raises(RunError, match="cannot be recorded"):
        store.create(facts(id=first.id))
    assert len(store.list()) == 2


def test_list_filters_and_leaves_out_damaged_runs(tmp_path):
    store = RunStore(tmp_path)
    for number in range(4):
        writer = a_run(store, fail=number % 2 == 0)
        writer.finish(RunStatus.FAILED if number % 2 == 0 else RunStatus.SUCCEEDED)
    assert [run.id for run in store.list()] == store.ids()
    assert len(store.list(2)) == 2
    assert len(store.list(status=RunStatus.FAILED)) == 2
    assert len(store.list(1, task="train", pipeline="flights")) == 1
    assert store.list(pipeline="other") == ()
    (store.path("latest") / "run.json").write_text("{")
    (store.path("latest") / "summary.json").unlink()
    assert len(store.list()) == 3


def test_events_from_many_threads_are_gapless_and_whole(tmp_path):
    writer = RunStore(tmp_path).create(facts())

    def shout(name: str) -> None:
        for _ in range(200):
            writer.emit(EventKind.TASK_LOG, name, text="x" * 300)

    threads = [threading.Thread(target=shout, args=(f"t{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events = RunStore(tmp_path).events(writer.id)
    assert [event.seq for event in events] == list(range(1, 1602))
    assert [event.seq for event in RunStore(tmp_path).events(writer.id, since=1600)] == [1601]


def test_a_torn_last_line_is_passed_over_and_cut_off_by_the_next_writer(tmp_path):
    path = tmp_path / "events.jsonl"
    log = EventLog(path, "r")
    log.emit(EventKind.NOTE, text="whole")
    log.close()
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"seq":2,"time":1.0,"ki')
    reader = EventReader(path)
    assert [event.data["text"] for event in reader.read()] == ["whole"]
    log = EventLog(path, "r")
    assert path.read_bytes() == whole
    assert log.emit(EventKind.NOTE, text="next").seq == 2
    assert [event.seq for event in reader.read()] == [2]
    log.close()
    path.write_bytes(b"nonsense\n" + whole)
    with pytest.raises(RunError, match="line 1"):
        EventReader(path).read()


def test_a_full_disk_leaves_no_torn_line(tmp_path):
    code = (
        "import resource, signal, sys, pathlib\n"
        "from mlops_nb.runs.log import EventLog\n"
        "from mlops_nb.model import EventKind\n"
        "from mlops_nb.errors import RunError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "log = EventLog(pathlib.Path(sys.argv[1]), 'r')\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        "    while True: log.emit(EventKind.NOTE, text='x' * 90)\n"
        "except RunError as error: print(error)\n"
    )
    path = tmp_path / "events.jsonl"
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert "cannot be written" in done.stdout
    assert path.read_bytes().endswith(b"}\n")
    assert [event.seq for event in EventReader(path).read()][-1] >= 5


OWNER = """
import sys, time, pathlib
from mlops_nb.runs.store import RunStore
from mlops_nb.model import EventKind, RunFacts, RunStatus
writer = RunStore(pathlib.Path(sys.argv[1])).create(RunFacts(id="", pipeline="p", started=time.time()))
writer.emit(EventKind.PLAN, items=[{"task": "a", "action": "run"}, {"task": "b", "action": "run"}])
writer.emit(EventKind.TASK_STARTED, "a")
print(writer.id, flush=True)
for line in sys.stdin:
    if line == "end\\n":
        writer.finish(RunStatus.SUCCEEDED)
    else:
        writer.emit(EventKind.NOTE, text=line.strip())
"""


def owner(folder: Path) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def test_a_run_whose_process_was_killed_is_lost(tmp_path):
    process, run = owner(tmp_path)
    store = RunStore(tmp_path)
    with process:
        assert store.get(run).status is RunStatus.RUNNING
        with pytest.raises(RunError, match="still running"):
            store.remove(run)
        process.send_signal(signal.SIGKILL)
        # Not waited for yet: a zombie runs nothing.
        deadline = time.monotonic() + 5
        while store.get(run).status is RunStatus.RUNNING and time.monotonic() < deadline:
            time.sleep(0.02)
        lost = store.get(run)
    assert lost.status is RunStatus.LOST
    assert [task.status for task in lost.tasks] == [TaskStatus.LOST, TaskStatus.PENDING]
    assert [event.seq for event in store.follow(run)] == [1, 2, 3]
    store.remove(run)
    assert store.ids() == []
    assert list(store.folder.iterdir()) == []


def test_a_run_of_an_earlier_boot_or_a_reused_pid_is_lost_and_one_out_of_sight_is_believed(
    tmp_path,
):
    store = RunStore(tmp_path)
    run = store.create(facts()).id
    path = store.path(run) / "run.json"
    real = store.facts(run)
    for changes, status in (
        ({"boot_id": "another"}, RunStatus.LOST),
        ({"pid_started": real.pid_started - 10}, RunStatus.LOST),
        ({"host": "elsewhere", "pid": 1}, RunStatus.RUNNING),
    ):
        path.write_bytes(msgspec.json.encode(msgspec.structs.replace(real, **changes)))
        assert store.get(run).status is status


def test_a_run_in_another_container_goes_on_as_long_as_it_holds_the_project(tmp_path):
    store = RunStore(tmp_path)
    run = store.create(facts()).id
    path = store.path(run) / "run.json"
    # Its number means nothing here, where it may be another process's.
    there = msgspec.structs.replace(store.facts(run), pids="pid:[1]")
    path.write_bytes(msgspec.json.encode(there))
    lock = tmp_path / "lock.json"
    lock.write_text(f'{{"run": "{run}"}}')
    assert store.get(run).status is RunStatus.RUNNING
    with pytest.raises(RunError, match="still running"):
        store.remove(run)
    for left in ('{"run": "another"}', "{half"):
        lock.write_text(left)
        assert store.get(run).status is RunStatus.LOST
    lock.unlink()
    assert [event.seq for event in store.follow(run)] == [1]
    store.remove(run)


def test_follow_sees_another_process_at_once_and_ends_with_it(tmp_path):
    process, run = owner(tmp_path)
    seen = []
    with process:
        assert process.stdin is not None
        for event in RunStore(tmp_path).follow(run):
            seen.append(event)
            if event.kind is EventKind.TASK_STARTED:
                process.stdin.write("hello\n")
                process.stdin.flush()
                sent = time.time()
            if event.kind is EventKind.NOTE:
                assert time.time() - sent < 2
                process.stdin.write("end\n")
                process.stdin.close()
    assert seen[-1].kind is EventKind.RUN_FINISHED
    assert [event.seq for event in seen] == [1, 2, 3, 4, 5]


def test_amended_facts_are_kept(tmp_path):
    writer = RunStore(tmp_path).create(facts())
    writer.amend(mlflow_run_id="abc")
    writer.finish(RunStatus.SUCCEEDED)
    assert RunStore(tmp_path).get().facts.mlflow_run_id == "abc"


def test_a_thousand_runs_list_fast(tmp_path):
    store = RunStore(tmp_path)
    writer = a_run(store)
    writer.finish(RunStatus.SUCCEEDED)
    whole = {path.name: path.read_bytes() for path in writer.folder.iterdir()}
    for number in range(999):
        folder = store.folder / f"20250101-000000-{number:06}"
        folder.mkdir()
        for name, data in whole.items():
            (folder / name).write_bytes(data)
    before = time.process_time()
    assert len(store.list()) == 1000
    assert time.process_time() - before < 1.0
