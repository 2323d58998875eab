from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest
from runner_kit import chain, go, notebook, product_digests, project, statuses

from mlops_nb.execution.jobs import Cancellation
from mlops_nb.execution.kernels import Zygote
from mlops_nb.execution.runner import run_plan, status_of
from mlops_nb.model import Action, EventKind, RunFacts, RunStatus, TaskRun, TaskStatus
from mlops_nb.pipeline.load import load_pipeline
from mlops_nb.pipeline.plan import make_plan
from mlops_nb.runs.store import RunStore


@pytest.fixture(scope="module")
def zygote():
    # Once imported here, specifications load in this process, which takes milliseconds.
    import ploomber  # noqa: F401

    with Zygote() as warm:
        yield warm


def source_of(path: Path, tag: str) -> str:
    cells = json.loads(path.read_text())["cells"]
    return "".join(
        next(cell for cell in cells if tag in cell["metadata"].get("tags", []))["source"]
    )


def test_notebooks_and_functions_run_and_land_with_final_paths(tmp_path, zygote):
    where = chain(tmp_path / "p")
    first = go(where, zygote=zygote)
    assert first.status is RunStatus.SUCCEEDED
    assert statuses(first) == {"load": "succeeded", "fit": "succeeded", "count": "succeeded"}
    assert (where.root / "out/count.txt").read_text() == "6"
    assert (where.root / "out/model/weights").read_text() == "6"
    executed = where.root / "out/load.ipynb"
    assert f"'data': '{where.root}/out/data.csv'" in source_of(executed, "injected-parameters")
    assert "staging" not in executed.read_text()
    run_dir = RunStore(where.state).path(first.id)
    load = first.tasks[0]
    assert load.kernel == "warm"
    assert (load.cells_done, load.cells_total, load.attempt) == (3, 3, 1)
    assert (run_dir / load.notebook).read_text() == executed.read_text()
    assert not (run_dir / "staging").exists()
    assert not (run_dir / "jobs").exists()
    # Nothing to do; then a folder product is replaced as a whole, and only what changed runs.
    assert set(statuses(go(where)).values()) == {"skipped"}
    (where.root / "out/model/old").write_text("left from before")
    again = go(where, zygote=zygote)
    assert statuses(again) == {"load": "skipped", "fit": "succeeded", "count": "skipped"}
    assert sorted(path.name for path in (where.root / "out/model").iterdir()) == [
        "meta",
        "weights",
    ]


def test_what_comes_out_the_same_stops_the_wave(tmp_path, zygote):
    where = chain(tmp_path / "p", settings="[tool.mlops-nb]\nearly-cutoff = true\n")
    go(where, zygote=zygote, targets=("fit",))
    path = where.root / "nb/load.ipynb"
    path.write_text(path.read_text().replace("'a\\\\n' * rows", "rows * 'a\\\\n'"))
    run = go(where, zygote=zygote, targets=("fit",))
    load, fit, _ = run.tasks
    assert (load.status, load.why) == (TaskStatus.SUCCEEDED, "nb/load.ipynb changed")
    assert (fit.status, fit.why) == (
        TaskStatus.SKIPPED,
        "what it depends on came out the same",
    )


def all_endings(root: Path):
    cells = {
        "raises": "raise ValueError('no such ' + str(product))",
        "slow": "import time; time.sleep(60)",
        "killed": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        "exit0": "import sys; sys.exit(0)",
        "exit1": "import sys; sys.exit(1)",
        "forgets": "pass",
        "good": "open(product['x'], 'w').write('1')",
        "below": "open(product['x'], 'w').write('1')",
    }
    for name, source in cells.items():
        upstream = "['raises']" if name == "below" else "None"
        notebook(
            root / f"{name}.ipynb",
            f"upstream = {upstream}\nproduct = None",
            f"open(product['x'], 'w').write('half') if {name!r} != 'forgets' else None",
            source,
        )
    return project(
        root,
        *(
            f"source: {name}.ipynb\nproduct:\n  nb: out/{name}.ipynb\n  x: out/{name}.txt"
            for name in cells
        ),
        settings='[tool.mlops-nb.tasks."slow"]\ncell-timeout = 1.0\n',
    )


def test_every_ending_of_a_notebook_is_told_apart_and_harms_nothing(tmp_path, zygote):
    where = all_endings(tmp_path / "p")
    out = where.root / "out"
    out.mkdir()
    for name in ("raises", "slow", "killed", "exit0", "exit1", "forgets", "below"):
        (out / f"{name}.txt").write_text("the last good one")
    run = go(where, zygote=zygote, keep_going=True, jobs=4)
    assert statuses(run) == {
        "raises": "failed",
        "slow": "timed-out",
        "killed": "died",
        "exit0": "exited",
        "exit1": "exited",
        "forgets": "failed",
        "good": "succeeded",
        "below": "blocked",
    }
    assert run.status is RunStatus.FAILED
    tasks = {task.task: task for task in run.tasks}
    assert tasks["raises"].error.cell == 2
    assert tasks["raises"].error.message.startswith("no such {'nb': '")
    assert "staging" not in tasks["raises"].error.message
    assert "SIGKILL" in tasks["killed"].error.message
    assert 'without writing its product "out/forgets.txt"' in tasks["forgets"].error.message
    assert tasks["below"].error.message == '"raises" did not succeed'
    run_dir = RunStore(where.state).path(run.id)
    for name, task in tasks.items():
        if name == "good":
            assert (out / "good.txt").read_text() == "1"
            continue
        assert (out / f"{name}.txt").read_text() == "the last good one"
        assert not (out / f"{name}.ipynb").exists()
        if name != "below":
            # The executed notebook is kept in the run, with the paths a reader knows.
            assert "staging" not in (run_dir / task.notebook).read_text()
    # A record made from the events alone says the same.
    assert RunStore(where.state).get(run.id) == run


def test_every_ending_of_a_process_is_told_apart(tmp_path, zygote):
    where = project(
        tmp_path / "p",
        "source: tasks.raising\nname: raising\nproduct: out/raising.txt",
        "source: tasks.leaves\nname: leaves\nproduct: out/leaves.txt\nparams:\n  code: 3",
        settings="[tool.mlops-nb.tasks.leaves]\ntimeout = 60.0\n",
    )
    run = go(where, keep_going=True, jobs=2)
    assert statuses(run) == {"raising": "failed", "leaves": "exited"}
    tasks = {task.task: task for task in run.tasks}
    assert (tasks["raising"].error.name, tasks["raising"].error.message) == (
        "ValueError",
        "no such flights",
    )
    assert "exit code 3" in tasks["leaves"].error.message
    assert "about to leave" in tasks["leaves"].error.traceback
    assert tasks["leaves"].peak_mb > 10
    assert not list((where.root / "out").glob("*.txt"))


def flaky(root: Path, *, fails: int, settings: str):
    notebook(
        root / "flaky.ipynb",
        "upstream = None\nproduct = None\ncounter = ''",
        "from pathlib import Path\nn = int(Path(counter).read_text()) + 1\n"
        "Path(counter).write_text(str(n))",
        f"assert n > {fails}, f'try {{n}}'\nPath(product['x']).write_text(str(n))",
    )
    notebook(
        root / "other.ipynb",
        "upstream = None\nproduct = None",
        "import time; time.sleep(0.1)\nopen(product['x'], 'w').write('1')",
    )
    counter = root / "counter"
    where = project(
        root,
        "source: flaky.ipynb\nproduct:\n  nb: out/flaky.ipynb\n  x: out/flaky.txt\n"
        f"params:\n  counter: {counter}",
        "source: other.ipynb\nproduct:\n  nb: out/other.ipynb\n  x: out/other.txt",
        settings=settings,
    )
    counter.write_text("0")
    return where


def test_a_task_is_tried_again_after_a_growing_delay(tmp_path, zygote):
    where = flaky(
        tmp_path / "p",
        fails=2,
        settings="[tool.mlops-nb.tasks.flaky]\nretries = 2\nbackoff = 0.1\n",
    )
    run = go(where, zygote=zygote)
    assert statuses(run) == {"flaky": "succeeded", "other": "succeeded"}
    assert run.tasks[0].attempt == 3
    assert run.tasks[0].error is None
    events = RunStore(where.state).events(run.id)
    retries = [event for event in events if event.kind is EventKind.TASK_RETRY]
    assert [event.data["delay"] for event in retries] == [0.1, 0.2]
    assert [event.data["error"]["message"] for event in retries] == ["try 1", "try 2"]
    starts = [
        event.time
        for event in events
        if event.kind is EventKind.TASK_STARTED and event.task == "flaky"
    ]
    assert starts[1] - starts[0] >= 0.1
    assert starts[2] - starts[1] >= 0.2
    # Each attempt's notebook and error can still be read.
    notebooks = RunStore(where.state).path(run.id) / "notebooks"
    for name, error in (("flaky.attempt-1", "try 1"), ("flaky.attempt-2", "try 2")):
        assert error in (notebooks / f"{name}.ipynb").read_text()
    assert "try 2" not in (notebooks / "flaky.ipynb").read_text()


def test_without_keep_going_nothing_more_starts_after_a_failure(tmp_path, zygote):
    where = flaky(tmp_path / "p", fails=9, settings="")
    stopped = go(where, zygote=zygote, jobs=1)
    assert statuses(stopped) == {"flaky": "failed", "other": "cancelled"}
    assert 'after "flaky" had failed' in stopped.tasks[1].error.message
    assert stopped.status is RunStatus.FAILED
    went_on = go(where, zygote=zygote, jobs=1, keep_going=True)
    assert statuses(went_on) == {"flaky": "failed", "other": "succeeded"}


def sleeper(root: Path, *, seconds: float = 60.0):
    notebook(
        root / "sleeper.ipynb",
        "upstream = None\nproduct = None",
        "open(product['x'], 'w').write('half')",
        f"import time; time.sleep({seconds})",
    )
    notebook(root / "next.ipynb", "upstream = ['sleeper']\nproduct = None", "1 + 1")
    return project(
        root,
        "source: sleeper.ipynb\nproduct:\n  nb: out/sleeper.ipynb\n  x: out/sleeper.txt",
        "source: next.ipynb\nproduct: out/next.ipynb",
    )


@pytest.mark.parametrize("make", [Cancellation, threading.Event])
def test_a_cancelled_run_ends_soon_and_says_so(tmp_path, zygote, make):
    where = sleeper(tmp_path / "p")
    cancel = make()
    timer = threading.Timer(0.8, cancel.set)
    timer.start()
    began = time.monotonic()
    run = go(where, zygote=zygote, cancel=cancel)
    timer.join()
    assert time.monotonic() - began < 30
    assert statuses(run) == {"sleeper": "cancelled", "next": "cancelled"}
    assert run.status is RunStatus.CANCELLED
    assert not (where.root / "out/sleeper.txt").exists()
    assert not (RunStore(where.state).path(run.id) / "staging").exists()


def test_a_run_has_a_time_limit(tmp_path, zygote):
    where = sleeper(tmp_path / "p")
    run = go(where, zygote=zygote, timeout=0.8)
    assert statuses(run) == {"sleeper": "timed-out", "next": "cancelled"}
    assert run.tasks[0].error.message == "the run's 0.8 s were over"
    assert run.status is RunStatus.FAILED
    executed = (RunStore(where.state).path(run.id) / run.tasks[0].notebook).read_text()
    assert "Time ran out" in executed
    assert "cancelled" not in executed


def test_a_product_written_in_place_counts_with_a_warning(tmp_path, zygote):
    root = tmp_path / "p"
    notebook(
        root / "a.ipynb",
        "upstream = None\nproduct = None",
        "import os; os.makedirs('out', exist_ok=True)\nopen('out/a.txt', 'w').write('here')",
        "open(os.path.join(os.path.dirname(product['x']), 'beside.txt'), 'w').write('too')",
    )
    where = project(root, "source: a.ipynb\nproduct:\n  nb: out/a.ipynb\n  x: out/a.txt")
    run = go(where, zygote=zygote)
    assert statuses(run) == {"a": "succeeded"}
    assert product_digests(where).keys() == {"a.txt", "beside.txt"}
    notes = [
        event for event in RunStore(where.state).events(run.id) if event.kind is EventKind.NOTE
    ]
    assert [note.data["level"] for note in notes] == ["warning"]
    # The second time nothing writes it, and that is noticed.
    source = (root / "a.ipynb").read_text()
    (root / "a.ipynb").write_text(source.replace("open('out/a.txt', 'w').write('here')", "pass"))
    assert statuses(go(where, zygote=zygote)) == {"a": "failed"}


class Instant:
    """An executor whose tasks are done at once."""

    slots = 2.0
    memory_mb = 1e6

    def run(self, attempt, *, tell, cancel):
        for path in attempt.products.values():
            Path(path).write_text(attempt.task.name)
        return TaskRun(task=attempt.task.name, status=TaskStatus.SUCCEEDED, started=1, ended=1)

    def close(self):
        raise AssertionError("the caller's to close")


def test_a_task_costs_the_runner_little(tmp_path, zygote):
    tasks = [
        f"source: tasks.make\nname: t{n}\nproduct: out/t{n}.txt"
        + (f"\nupstream: [t{(n - 1) // 3}]" if n else "")
        for n in range(60)
    ]
    where = project(tmp_path / "p", *tasks)
    where.spec.write_text("meta:\n  extract_upstream: false\n" + where.spec.read_text())
    pipeline = load_pipeline(where)
    plan = make_plan(where, pipeline)
    writer = RunStore(where.state).create(RunFacts(id="", pipeline="p", started=time.time()))
    before = time.process_time()
    runs = run_plan(
        where,
        pipeline,
        plan,
        sink=writer,
        run_dir=writer.folder,
        run_id=writer.id,
        executor=Instant(),
    )
    spent = time.process_time() - before
    writer.close()
    assert status_of(runs) is RunStatus.SUCCEEDED
    assert len(make_plan(where, pipeline).of(Action.SKIP)) == 60
    assert spent / 60 < 0.015  # measured 4 ms; the benchmark holds it to 5


def test_hooks_of_notebooks_and_of_the_pipeline_are_called(tmp_path, zygote):
    root = tmp_path / "p"
    notebook(root / "a.ipynb", "upstream = None\nproduct = None", "1 + 1")
    where = project(
        root,
        "source: a.ipynb\nproduct: out/a.ipynb\non_finish: hooks.finished",
    )
    where.spec.write_text("on_finish: hooks.all_done\n" + where.spec.read_text())
    (root / "hooks.py").write_text(
        "from pathlib import Path\n"
        "def finished(product):\n"
        "    assert Path(str(product)).exists()\n"
        "    Path('finished').write_text('x')\n"
        "def all_done():\n"
        "    Path('all_done').write_text('x')\n"
        "    raise ValueError('the last word')\n"
    )
    run = go(where, zygote=zygote)
    assert statuses(run) == {"a": "succeeded"}
    assert (root / "finished").exists()
    assert (root / "all_done").exists()
    (note,) = [e for e in RunStore(where.state).events(run.id) if e.kind is EventKind.NOTE]
    assert note.data["level"] == "error"
    assert "the last word" in note.data["text"]
    # Nothing ran: no hook is called.
    (root / "all_done").unlink()
    assert statuses(go(where, zygote=zygote)) == {"a": "skipped"}
    assert not (root / "all_done").exists()


def test_what_another_run_made_meanwhile_is_not_made_again(tmp_path, zygote):
    where = chain(tmp_path / "p")
    pipeline = load_pipeline(where)
    stale = make_plan(where, pipeline, targets=("load",))
    assert stale["load"].action is Action.RUN
    go(where, zygote=zygote, targets=("load",))
    run = go(where, zygote=zygote, plan=stale)
    assert statuses(run)["load"] == "skipped"
    assert run.tasks[0].why == "made by another run since it was planned"
