"""A graph of many notebooks: what planning it costs, and what a task costs beside its own work."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks._workload import SETTINGS, write_notebook
from mlops_nb.config import find_project
from mlops_nb.execution.runner import run_plan, status_of
from mlops_nb.model import Action, RunFacts, RunStatus, TaskRun, TaskStatus
from mlops_nb.pipeline.load import load_pipeline
from mlops_nb.pipeline.plan import make_plan
from mlops_nb.runs.store import RunStore

if TYPE_CHECKING:
    from mlops_nb.model import Attempt

__all__ = ["overhead_ms", "plan_seconds"]

_WIDTH = 100
_ROUNDS = 5


class _Writes:
    """An executor that runs no cell and only writes the products: what is left is what we cost."""

    slots = 2.0
    memory_mb = 1e6
    shares_files = True

    def run(self, attempt: Attempt, **_: Any) -> TaskRun:
        for path in attempt.products.values():
            Path(path).write_text(attempt.task.name)
        source = Path(attempt.root) / attempt.task.source
        executed = Path(attempt.run_dir) / attempt.notebook
        executed.parent.mkdir(exist_ok=True)
        executed.write_bytes(source.read_bytes())
        return TaskRun(task=attempt.task.name, status=TaskStatus.SUCCEEDED, attempt=attempt.number)

    def close(self) -> None:
        pass


def _write_graph(folder: Path, count: int) -> None:
    """Write notebooks in layers, each of which reads two of the layer before."""
    tasks = []
    for number in range(count):
        above = (
            [f"task{number - _WIDTH:04d}", f"task{number - number % _WIDTH - 1:04d}"]
            if number >= _WIDTH
            else []
        )
        wanted = sorted(set(above)) or None
        write_notebook(
            folder / f"task{number:04d}.ipynb",
            f"upstream = {wanted!r}\nproduct = None\nseed = {number}",
            'open(product["data"], "w").write(str(seed))',
        )
        tasks.append(
            f"  - source: task{number:04d}.ipynb\n    product:\n"
            f"      nb: out/task{number:04d}.ipynb\n      data: out/task{number:04d}.txt\n"
        )
    (folder / "pipeline.yaml").write_text("tasks:\n" + "".join(tasks))
    (folder / "pyproject.toml").write_text(SETTINGS)


def plan_seconds(count: int) -> float:
    """Return the seconds of ``mlops-nb plan``, whole process, all up to date: median of five."""
    return _measure(count)[0]


def overhead_ms(count: int) -> float:
    """Return the milliseconds a task of a run whose tasks only write their products.

    They are planned, staged, committed, recorded and told of as any other.
    """
    return _measure(count)[1]


@cache
def _measure(count: int) -> tuple[float, float]:
    with tempfile.TemporaryDirectory(prefix="graph-") as name:
        folder = Path(name)
        _write_graph(folder, count)
        project = find_project(folder)
        pipeline = load_pipeline(project)
        started = time.perf_counter()
        plan = make_plan(project, pipeline)
        writer = RunStore(project.state).create(
            RunFacts(id="", pipeline=pipeline.name, started=time.time())
        )
        tasks = run_plan(
            project,
            pipeline,
            plan,
            sink=writer,
            run_dir=writer.folder,
            run_id=writer.id,
            executor=_Writes(),
        )
        done = writer.finish(status_of(tasks))
        milliseconds = (time.perf_counter() - started) / count * 1000
        if done.status is not RunStatus.SUCCEEDED or len(plan.of(Action.RUN)) != count:
            sys.exit(f"the graph of {count} tasks did not run: {done.status}")
        walls = []
        for _ in range(_ROUNDS):
            started = time.perf_counter()
            shown = subprocess.run(
                [sys.executable, "-m", "mlops_nb", "plan"],
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
            )
            walls.append(time.perf_counter() - started)
            if shown.returncode:
                sys.exit(f"mlops-nb plan failed:\n{shown.stderr[-3000:]}")
        return statistics.median(walls), milliseconds
