"""Notebooks that fail, and go on at the cell that failed."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import nbformat
import pytest
from runner_kit import go, notebook, product_digests, project, statuses

from mlops_nb.execution.jobs import Cancellation
from mlops_nb.execution.kernels import Zygote
from mlops_nb.execution.resume import earlier_states, resume_plan
from mlops_nb.model import EventKind, Run, RunStatus
from mlops_nb.pipeline.load import load_pipeline
from mlops_nb.runs.store import RunStore

pytestmark = pytest.mark.slow

SETTINGS = '[tool.mlops-nb]\ntracking = "none"\ncheckpoint = true\n'
SPEC = "source: fit.ipynb\nproduct:\n  nb: out/fit.ipynb\n  x: out/x.txt\n  first: out/first.txt"
HEAD = "upstream = None\nproduct = None\nrows = 5"
LOADS = (
    "import os, random\nimport numpy as np, pandas as pd\nimport matplotlib.pyplot as plt\n"
    "random.seed(3); np.random.seed(4); os.environ['FLAG'] = 'on'\n"
    "pd.set_option('display.max_rows', 7); plt.rcParams['lines.linewidth'] = 5\n"
    "import helper, logging; logging.basicConfig(level=logging.INFO)",
    "from dataclasses import dataclass\n"
    "@dataclass\nclass Point:\n    x: int\n    def twice(self): return scale * self.x\n"
    "scale = 2\ndef add(y):\n    return helper.one() + y + offset\noffset = 1\n"
    "closure = (lambda k: lambda z: z + k + scale)(10)\npoint = Point(3)",
    "frame = pd.DataFrame({'a': range(rows), 'b': np.arange(rows) * 2.0})\n"
    "fig, ax = plt.subplots(); ax.plot(frame.a)\nboth = [frame, frame]; frame",
    "with open(product['first'], 'w') as file:\n    file.write('first')\n"
    "with open('count.txt', 'a') as file:\n    file.write('x')\nprint('early', random.random())",
)
ENDS = (
    "scale = 7\nprint(point.twice(), type(point) is Point, closure(1), add(1), os.environ['FLAG'])\n"
    "print(random.random(), np.random.rand(), both[0] is both[1], both[0] is frame)\n"
    "print(pd.get_option('display.max_rows'), plt.rcParams['lines.linewidth'], len(ax.lines))\n"
    "logging.info('told'); fig.savefig('fig.png'); plt.plot([1, 2])\n"
    "open(product['x'], 'w').write(str(frame.b.sum()) + ','.join(frame))",
    "sorted(Out), len(In), [name for name in dir() if not name.startswith('_i')]",
)
FAILS = "frame.drop(columns='a', inplace=True); both.clear(); scale = 0\nraise ValueError('no')"
FIXED = "fixed = 1"


@pytest.fixture(scope="module")
def zygote():
    import ploomber  # noqa: F401 - what forks from here has it

    with Zygote(("pandas", "matplotlib.pyplot")) as warm:
        warm.ready()
        yield warm


def fit(root: Path, middle: str, *, loads=LOADS, ends=ENDS, settings: str = "", head: str = HEAD):
    """One notebook whose cells before ``middle`` do the costly work."""
    notebook(root / "fit.ipynb", head, *loads, middle, *ends)
    (root / "helper.py").write_text("def one():\n    return 1\n")
    return project(root, SPEC, settings=SETTINGS + settings)


def small(root: Path, middle: str, *, first: str = "data = [1, 2]", last: str = "", **more):
    """As `fit`, with next to no work."""
    loads = (
        "open(product['first'], 'w').write('first')",
        f"open('count.txt', 'a').write('x')\n{first}",
    )
    ends = (f"{last}\nopen(product['x'], 'w').write(str(data))",)
    return fit(root, middle, loads=loads, ends=ends, **more)


def resume(where, **options) -> Run:
    store = RunStore(where.state)
    last = store.get("latest")
    _, plan = resume_plan(where, load_pipeline(where), last, store.events(last.id))
    states = earlier_states(last, store.get, store.path(last.id).parent)
    return go(where, plan=plan, earlier=states, **options)


def whole_because(run: Run) -> str:
    """Why a task ran from its first cell; it must have been told while it ran, too."""
    (task,) = run.tasks
    assert task.resumed is None
    return task.why.partition(" failed: ")[2]


def outputs(where) -> list:
    """What a reader sees: the code cells' outputs, without what differs from run to run."""
    nb = nbformat.read(where.root / "out/fit.ipynb", as_version=4)
    nbformat.validate(nb)
    return [
        (cell.execution_count, json.dumps(cell.outputs).replace(str(where.root), ""))
        for cell in nb.cells
        if cell.cell_type == "code"
    ]


@pytest.mark.parametrize("kernel", ["warm", "cold"])
def test_a_fixed_cell_goes_on_as_if_nothing_had_happened(tmp_path, zygote, kernel):
    options = {"zygote": zygote} if kernel == "warm" else {"cold": True}
    calm = fit(tmp_path / "calm", FIXED)
    assert go(calm, **options).status is RunStatus.SUCCEEDED
    where = fit(tmp_path / "wild", FAILS)
    failed = go(where, **options)
    (task,) = failed.tasks
    assert task.checkpoint is not None and task.checkpoint.why == ""
    assert task.checkpoint.cell == 5
    assert not list(where.state.glob("runs/*/staging"))

    fit(tmp_path / "wild", FIXED)
    run = resume(where, **options)
    (task,) = run.tasks
    assert run.status is RunStatus.SUCCEEDED, task.error
    assert task.resumed is not None
    assert (task.resumed.run, task.resumed.cell, task.resumed.skipped) == (failed.id, 5, 5)
    assert task.why == f"it never ran; resumed at cell 6 from run {failed.id}"
    assert [cell.index for cell in task.cells] == [5, 6, 7]
    assert (task.cells_done, task.cells_total) == (8, 8)
    assert (where.root / "count.txt").read_text() == "x"
    assert product_digests(where) == product_digests(calm)
    assert outputs(where) == outputs(calm)
    text = (where.root / "out/fit.ipynb").read_text()
    assert f"Resumed here. The cells above were run in run {failed.id}" in text
    assert "staging" not in text
    assert not list(where.state.glob("runs/*/staging"))
    assert not list(where.state.glob("runs/*/checkpoints"))


def test_a_notebook_goes_on_where_the_outside_world_was_mended(tmp_path, zygote):
    where = small(tmp_path / "p", "data.append(open('outside.txt').read())")
    assert go(where, zygote=zygote).tasks[0].error.name == "FileNotFoundError"
    (where.root / "outside.txt").write_text("here")
    run = resume(where, zygote=zygote)
    assert run.tasks[0].resumed.cell == 3
    assert (where.root / "out/x.txt").read_text() == "[1, 2, 'here']"
    assert (where.root / "out/first.txt").read_text() == "first"
    assert (where.root / "count.txt").read_text() == "x"


@pytest.mark.parametrize(
    ("end", "status"),
    [
        ("os._exit(7)", "died"),
        ("os.abort()", "died"),
        ("os.kill(os.getpid(), 9)", "died"),
        ("sys.exit(1)", "exited"),
        ("time.sleep(60)", "timed-out"),
    ],
)
@pytest.mark.parametrize("kernel", ["warm", "cold"])
def test_the_state_outlives_every_end_of_a_kernel(tmp_path, zygote, end, status, kernel):
    options = {"zygote": zygote} if kernel == "warm" else {"cold": True}
    more = "[tool.mlops-nb.tasks.fit]\ncell-timeout = 3\n"
    where = small(tmp_path / "p", f"import os, sys, time; data.append(3); {end}", settings=more)
    failed = go(where, **options)
    assert statuses(failed) == {"fit": status}
    assert failed.tasks[0].checkpoint.why == ""
    small(tmp_path / "p", "data.append(4)", settings=more)
    assert resume(where, **options).tasks[0].resumed.cell == 3
    assert (where.root / "out/x.txt").read_text() == "[1, 2, 4]"


def change_cell(root: Path) -> None:
    small(root, "data.append(3); import helper", first="data = [1, 2, 0]")


def change_parameter(root: Path) -> None:
    spec = SPEC + "\nparams:\n  rows: 6"
    project(root, spec, settings=SETTINGS)


def change_module(root: Path) -> None:
    (root / "helper.py").write_text("def one():\n    return 2\n")


def remove_cells(root: Path) -> None:
    notebook(root / "fit.ipynb", HEAD, "import helper")


def tamper(root: Path) -> None:
    (state,) = root.glob(".mlops/runs/*/checkpoints/fit/1/namespace")
    payload = b"cos\nsystem\n(S'touch owned'\ntR."
    state.write_bytes(state.read_bytes().partition(b"\n")[0] + b"\n" + payload)


def tamper_with_index(root: Path) -> None:
    (index,) = root.glob(".mlops/runs/*/checkpoints/fit/1/index.json")
    index.write_bytes(index.read_bytes() + b" ")


def delete(root: Path) -> None:
    import shutil

    (state,) = root.glob(".mlops/runs/*/checkpoints")
    shutil.rmtree(state)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (change_cell, "cell 3 was edited"),
        (change_parameter, "parameter rows 5 → 6"),
        (change_module, "helper.py changed"),
        (remove_cells, "cell 2 was edited"),
        (tamper, "namespace was changed since"),
        (tamper_with_index, "its index was changed since"),
        (delete, "it was deleted"),
    ],
)
def test_what_changed_since_runs_the_whole_notebook_and_is_said(tmp_path, zygote, change, why):
    first = "import helper; data = [1, 2]"
    where = small(tmp_path / "p", "raise ValueError('no')", first=first)
    failed = go(where, zygote=zygote)
    assert failed.tasks[0].checkpoint.why == ""
    if change is not change_cell and change is not remove_cells:
        small(tmp_path / "p", "data.append(3)", first=first)
    change(where.root)
    run = resume(where, zygote=zygote)
    assert whole_because(run) == why
    notes = [
        e.data["text"] for e in RunStore(where.state).events(run.id) if e.kind is EventKind.NOTE
    ]
    assert any(note.endswith(why) for note in notes)
    if change is not remove_cells:
        assert run.status is RunStatus.SUCCEEDED
        assert (where.root / "count.txt").read_text() == "xx"
    assert not (where.root / "owned").exists()


def test_what_cannot_be_kept_is_named_and_missed_only_where_it_is_used(tmp_path, zygote):
    first = (
        "import sqlite3, threading\nfrom concurrent.futures import ThreadPoolExecutor\n"
        "data = [1]; db = sqlite3.connect(':memory:'); lines = (n for n in data)\n"
        "with ThreadPoolExecutor() as pool: pass\ndef query(): return db.total_changes"
    )
    where = small(tmp_path / "p", "raise ValueError('no')", first=first)
    checkpoint = go(where, zygote=zygote).tasks[0].checkpoint
    assert checkpoint.missing == ("db", "lines", "pool")
    assert checkpoint.text.startswith("its state before the cell was kept but for db, lines, pool")
    small(tmp_path / "p", "lines = list(lines)", first=first)
    why = whole_because(resume(where, zygote=zygote))
    assert why == (
        "\"db\" could not be kept (Connection: cannot pickle 'sqlite3.Connection' object), "
        "and query() uses it"
    )

    first = first.replace("def query(): return db.total_changes", "")
    where = small(tmp_path / "q", "raise ValueError('no')", first=first)
    go(where, zygote=zygote)
    small(tmp_path / "q", "lines = list(lines)", first=first)
    why = whole_because(resume(where, zygote=zygote))
    assert why == '"lines" could not be kept (generator: cannot pickle \'generator\' object), ' \
                  "and cell 4 may use it"  # fmt: skip
    where = small(tmp_path / "r", "raise ValueError('no')", first=first)
    go(where, zygote=zygote)
    small(tmp_path / "r", "data.append(5)", first=first)
    assert resume(where, zygote=zygote).tasks[0].resumed.cell == 3
    assert (where.root / "out/x.txt").read_text() == "[1, 5]"


@pytest.mark.parametrize(
    ("middle", "more", "why"),
    [
        (
            "open(product['first'], 'a').write('more')\nraise ValueError('no')",
            "",
            "the cell had begun to change out/first.txt, which an earlier one wrote",
        ),
        ("raise ValueError('no')", "checkpoint-mb = 0.001\n", "it takes more than 0 MiB"),
    ],
)
def test_where_nothing_can_be_kept_it_is_said(tmp_path, zygote, middle, more, why):
    where = small(tmp_path / "p", middle, settings=more)
    failed = go(where, zygote=zygote)
    assert failed.tasks[0].checkpoint.why == why
    assert not list(where.state.glob("runs/*/checkpoints/*/*/*"))
    small(tmp_path / "p", "data.append(3)", settings=more)
    assert whole_because(resume(where, zygote=zygote)) == why
    assert (where.root / "out/first.txt").read_text() == "first"


def test_a_failure_in_the_first_cell_keeps_nothing(tmp_path, zygote):
    where = small(tmp_path / "p", "pass", head=HEAD + "\nraise ValueError('no')")
    assert go(where, zygote=zygote).tasks[0].checkpoint.why == "it failed before its second cell"


def test_without_the_setting_nothing_is_kept_and_nothing_said(tmp_path, zygote):
    where = small(tmp_path / "p", "raise ValueError('no')")
    (where.root / "pyproject.toml").write_text('[tool.mlops-nb]\ntracking = "none"\n')
    from mlops_nb.config import find_project

    where = find_project(where.root, env={})
    assert go(where, zygote=zygote).tasks[0].checkpoint is None
    assert not list(where.state.glob("runs/*/checkpoints"))
    run = resume(where, zygote=zygote)
    assert run.tasks[0].why == "it never ran"


def test_a_resumed_run_that_fails_later_is_resumed_again(tmp_path, zygote):
    where = small(tmp_path / "p", "raise ValueError('no')", last="raise KeyError('later')")
    first = go(where, zygote=zygote)
    small(tmp_path / "p", "data.append(3)", last="raise KeyError('later')")
    second = resume(where, zygote=zygote)
    assert second.tasks[0].error.cell == 4
    assert second.tasks[0].resumed.run == first.id
    assert len(list(where.state.glob("runs/*/checkpoints/fit/*"))) == 1, "the last one only"
    small(tmp_path / "p", "data.append(3)", last="data.append(4)")
    third = resume(where, zygote=zygote)
    assert (third.tasks[0].resumed.run, third.tasks[0].resumed.cell) == (second.id, 4)
    assert (where.root / "out/x.txt").read_text() == "[1, 2, 3, 4]"
    assert (where.root / "out/first.txt").read_text() == "first"
    assert (where.root / "count.txt").read_text() == "x"
    assert not list(where.state.glob("runs/*/staging"))


def test_a_retry_goes_on_at_the_failed_cell(tmp_path, zygote):
    more = "[tool.mlops-nb.tasks.fit]\nretries = 2\nbackoff = 0.01\n"
    flaky = "import os\nopen('tries', 'a').write('x')\nassert os.path.getsize('tries') > 2\ndata.append(3)"
    where = small(tmp_path / "p", flaky, settings=more)
    run = go(where, zygote=zygote)
    assert run.status is RunStatus.SUCCEEDED
    assert (run.tasks[0].attempt, run.tasks[0].resumed.run) == (3, run.id)
    assert (where.root / "count.txt").read_text() == "x"
    assert (where.root / "out/x.txt").read_text() == "[1, 2, 3]"


def test_ctrl_c_does_not_wait_for_a_state(tmp_path, zygote):
    where = small(tmp_path / "p", "import time; open('now', 'w'); time.sleep(60)")
    cancel = Cancellation()

    def stop() -> None:
        while not (where.root / "now").exists():
            time.sleep(0.01)
        cancel.set()

    thread = threading.Thread(target=stop)
    thread.start()
    run = go(where, zygote=zygote, cancel=cancel)
    thread.join()
    assert statuses(run) == {"fit": "cancelled"}
    assert run.tasks[0].checkpoint.why == "cancelled"
    small(tmp_path / "p", "data.append(3)")
    assert whole_because(resume(where, zygote=zygote)) == "cancelled"


def test_magics_widgets_and_large_outputs_come_along(tmp_path, zygote):
    first = (
        "%matplotlib inline\n%config InlineBackend.figure_format = 'svg'\nimport ipywidgets\n"
        "import matplotlib.pyplot as plt\ndata = [1]\nprint('y' * 3_000_000)\n"
        "slider = ipywidgets.IntSlider(value=4); slider"
    )
    more = "max-output-mb = 1\n"
    last = "plt.plot([1, 2]); plt.show()"
    where = small(tmp_path / "p", "1 / 0", first=first, last=last, settings=more)
    assert go(where, zygote=zygote).tasks[0].checkpoint.missing == ("_", "_4", "slider")
    small(tmp_path / "p", "data.append(2)", first=first, last=last, settings=more)
    run = resume(where, zygote=zygote)
    assert run.tasks[0].resumed is not None, run.tasks[0].why
    folder = RunStore(where.state).path(run.id)
    nb = nbformat.read(folder / "notebooks/fit.ipynb", as_version=4)
    kinds = [
        kind for cell in nb.cells for out in cell.get("outputs", ()) for kind in out.get("data", ())
    ]
    assert "image/svg+xml" in kinds
    assert "IntSlider" in json.dumps(nb.metadata.widgets)
    large = (folder / "notebooks/fit.ipynb.outputs").iterdir()
    assert max(path.stat().st_size for path in large) >= 3_000_000
