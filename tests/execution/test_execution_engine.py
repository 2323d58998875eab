"""Cold kernels: honest statuses, true notebooks, and several runs in one process."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest

from mlops_nb.errors import ExecutionError, NotebookError
from mlops_nb.execution.engine import run_notebook
from mlops_nb.execution.jobs import Cancellation, CellProgress, NotebookJob
from mlops_nb.execution.mending import BANNER_TAG
from tests.execution.kernel_kit import Ran, alive, run, write_notebook

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def endings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Ran]]:
    """One cold run of each kind, two at a time: the kernels' start is what takes the time."""
    folder = tmp_path_factory.mktemp("endings")
    cells = {
        "good": (
            "# %% md\n# Title",
            "import os; os.getcwd(), os.environ['EXTRA']",
            "print(a, b, c)",
        ),
        "raises": ("1 + 1", "# %% md\nhere", "def f():\n    return 1 / 0\nf()", "'never'"),
        "exit0": ("import sys; sys.exit(0)", "'never'"),
        "quit": ("quit", "'never'"),
        "leaves": ("import os; os._exit(3)", "'never'"),
        "aborts": ("import os; os.abort()",),
        "slow_cell": ("1", "while True: pass", "'never'"),
    }

    def one(name: str) -> Ran:
        return run(
            folder / name,
            *cells[name],
            name=name,
            parameters="a = 0\nb = (0,)\nc = {}",
            values={"a": 7, "b": (1, 2), "c": {1: "x"}},
            env={"EXTRA": "given"},
            cell_timeout=0.5 if name == "slow_cell" else None,
        )

    with ThreadPoolExecutor(2) as pool:
        yield dict(zip(cells, pool.map(one, cells), strict=True))


def test_success_keeps_types_folder_and_environment(endings: dict[str, Ran]) -> None:
    ran = endings["good"]
    assert ran.status == "SUCCEEDED"
    assert ran.error is None
    assert ran.outcome.kernel == "cold"
    assert f"('{ran.path.parent.parent}', 'given')" in ran.text(2)
    assert ran.text(3) == "7 (1, 2) {1: 'x'}\n"
    assert ran.states == ["completed"] * 4
    assert [cell.index for cell in ran.outcome.cells] == [0, 2, 3]
    assert ran.outcome.cells_total == 3
    assert ran.outcome.peak_mb is not None
    assert ran.outcome.peak_mb > 20
    assert all(cell.seconds >= 0 for cell in ran.outcome.cells)
    assert ran.nb.metadata.papermill["parameters"] == {"a": 7, "b": [1, 2], "c": {"1": "x"}}


def test_a_raising_cell_is_named_as_its_author_sees_it(endings: dict[str, Ran]) -> None:
    ran = endings["raises"]
    assert ran.status == "FAILED"
    assert ran.error is not None
    assert (ran.error.name, ran.error.message, ran.error.cell) == (
        "ZeroDivisionError",
        "division by zero",
        3,
    )
    assert ran.error.source == "def f():\n    return 1 / 0\nf()"
    assert "return 1 / 0" in ran.error.traceback
    assert "\x1b" not in ran.error.traceback
    assert ran.states == ["completed", "completed", "completed", "failed", "pending"]
    banners = [c for c in ran.nb.cells if BANNER_TAG in c.metadata.get("tags", [])]
    assert "ZeroDivisionError: division by zero" in banners[0].source
    assert ran.nb.cells[ran.nb.cells.index(banners[1]) + 1].source == ran.error.source


@pytest.mark.parametrize(
    ("name", "status", "message", "states"),
    [
        ("exit0", "EXITED", "sys.exit(0)", ["failed", "pending"]),
        ("quit", "EXITED", "exit or quit", ["failed", "pending"]),
        ("leaves", "DIED", "exit code 3", ["failed", "pending"]),
        ("aborts", "DIED", "signal 6 (SIGABRT)", ["failed"]),
        ("slow_cell", "TIMED_OUT", "longer than 0.5 s", ["completed", "failed", "pending"]),
    ],
)
def test_each_ending_has_its_own_status(
    endings: dict[str, Ran], name: str, status: str, message: str, states: list[str]
) -> None:
    ran = endings[name]
    assert ran.status == status
    assert ran.error is not None
    assert message in ran.error.message
    assert ran.states[2:] == states
    failed = next(c for c in ran.code if c.metadata.papermill.status == "failed")
    assert ran.error.source == failed.source
    errors = [o for o in failed.outputs if o.output_type == "error"]
    assert len(errors) == 1
    assert ran.nb.metadata.papermill["status"] == ran.outcome.status.value
    assert not list(ran.path.parent.glob(".*"))  # no half-written file


def test_a_timed_out_cell_shows_where_it_was(endings: dict[str, Ran]) -> None:
    error = endings["slow_cell"].error
    assert error is not None
    assert "while True: pass" in error.traceback
    assert error.cell == 2


def test_cancelling_ends_the_kernel_and_its_children(tmp_path: Path) -> None:
    cancel = Cancellation()

    def on_cell(progress: CellProgress) -> None:
        if progress.index == 1 and progress.seconds is None:
            threading.Timer(0.3, cancel.set).start()

    code = (
        "import subprocess, os\nchild = subprocess.Popen(['sleep', '1000'])\n"
        "open('pids', 'w').write(f'{os.getpid()} {child.pid}')",
        "while True:\n    try:\n        import time; time.sleep(100)\n    except KeyboardInterrupt: pass",
    )
    started = time.monotonic()
    ran = run(tmp_path, *code, cancel=cancel, on_cell=on_cell, grace=0.3)
    assert time.monotonic() - started < 20
    assert ran.status == "CANCELLED"
    assert ran.states == ["completed", "failed"]
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert not any(alive(pid) for pid in pids)


def test_cancelled_before_the_start_runs_nothing(tmp_path: Path) -> None:
    cancel = threading.Event()
    cancel.set()
    ran = run(tmp_path, "open('ran', 'w')", cancel=cancel)
    assert ran.status == "CANCELLED"
    assert ran.states == ["pending"]
    assert not (tmp_path / "ran").exists()


def test_an_unknown_kernel_is_a_failure_with_advice(tmp_path: Path) -> None:
    ran = run(tmp_path, "1", kernel="nosuch")
    assert ran.status == "FAILED"
    assert ran.error is not None
    assert ran.error.name == "KernelError"
    assert "jupyter kernelspec list" in ran.error.message
    assert ran.states == ["pending"]


def test_an_unreadable_notebook_is_an_error_of_the_project(tmp_path: Path) -> None:
    (tmp_path / "broken.ipynb").write_text("{")
    job = NotebookJob(
        task="t", notebook=str(tmp_path / "broken.ipynb"), output=str(tmp_path / "o.ipynb")
    )
    with pytest.raises(NotebookError, match=r"broken\.ipynb"):
        run_notebook(job)


def test_an_output_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    source = write_notebook(tmp_path / "nb.ipynb", "1")
    (tmp_path / "file").write_text("")
    job = NotebookJob(task="t", notebook=str(source), output=str(tmp_path / "file" / "o.ipynb"))
    with pytest.raises(ExecutionError, match="cannot be written"):
        run_notebook(job)


def test_progress_is_told_in_order(tmp_path: Path) -> None:
    seen: list[CellProgress] = []
    cancel = Cancellation()
    run(
        tmp_path,
        "1",
        "# %% md\ntext",
        "2",
        parameters="a = 1",
        values={"a": 2},
        on_cell=seen.append,
        cancel=cancel,
    )
    begun = [(p.index, p.done, p.total) for p in seen if p.seconds is None]
    ended = [(p.index, p.done) for p in seen if p.seconds is not None]
    assert begun == [(0, 0, 3), (1, 1, 3), (3, 2, 3)]
    assert ended == [(0, 1), (1, 2), (3, 3)]


def test_braces_in_paths_and_old_banners_do_no_harm(tmp_path: Path) -> None:
    folder = tmp_path / "a {b} c"
    first = run(folder, "1/0")
    again = run_notebook(
        NotebookJob(task="t", notebook=str(first.path), output=str(folder / "{x}.ipynb"))
    )
    assert again.error is not None
    assert again.error.cell == 0
    nb = nbformat.read(folder / "{x}.ipynb", as_version=4)
    assert sum(BANNER_TAG in c.metadata.get("tags", []) for c in nb.cells) == 2


def test_papermill_finds_the_engine_by_its_entry_point(tmp_path: Path) -> None:
    """Papermill's own function uses the engine, and makes its own banners and errors."""
    source = write_notebook(tmp_path / "nb.ipynb", "import os; os._exit(2)", "2")
    code = (
        "import sys\n"
        "from mlops_nb.light import import_papermill\n"
        "registry = import_papermill().papermill_engines\n"
        "from mlops_nb.execution.papermill_engine import MlopsEngine\n"
        "registry.register('mlops-nb', MlopsEngine)\n"
        "from papermill.execute import execute_notebook\n"
        "try:\n"
        "    execute_notebook(sys.argv[1], sys.argv[2], engine_name='mlops-nb', "
        "progress_bar=False)\n"
        "except RuntimeError as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    out = tmp_path / "out.ipynb"
    done = subprocess.run(
        [sys.executable, "-c", code, str(source), str(out)], capture_output=True, text=True
    )
    assert "DeadKernelError" in done.stdout, done.stderr
    assert "exit code 2" in done.stdout
    states = [c["metadata"]["papermill"]["status"] for c in json.loads(out.read_text())["cells"]]
    assert states == ["failed", "pending"]
    text = Path("pyproject.toml").read_text()
    assert 'mlops-nb = "mlops_nb.execution.papermill_engine:MlopsEngine"' in text
