"""Runs of 20 notebooks against plain scripts and every peer: ``python -m benchmarks.execution``.

Each notebook imports pandas and scikit-learn and does about 50 ms of work. ``plain scripts`` is
``python task.py`` one after another, and every ratio is against it, wall time, measured in the
same round: the contenders take turns, so that the machine's drift hits all of them alike.
"""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks._peers import peer_environment
from benchmarks._results import Figure, figure, main
from benchmarks._workload import write_big_output, write_workload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PEERS = (
    "papermill==2.7.0",
    "ploomber==0.23.3",
    "ploomber-engine",
    "nbclient",
    "nbmake",
    "pytest",
    "ipykernel",
    "pandas",
    "scikit-learn",
)

_SLOW = (
    "papermill_cli",
    "papermill_api",
    "ploomber_serial",
    "ploomber_parallel",
    "nbclient",
    "nbmake",
)
_SLOW_ROUNDS = 2
"""Rounds that the slowest take part in: each takes a minute or so, and none comes near a goal."""

_API = """
import glob, papermill
for path in sorted(glob.glob("task*.ipynb")):
    papermill.execute_notebook(path, "out/api.ipynb", progress_bar=False)
"""
_NBCLIENT = """
import glob, nbformat
from nbclient import NotebookClient
for path in sorted(glob.glob("task*.ipynb")):
    book = nbformat.read(path, as_version=4)
    NotebookClient(book).execute()
    nbformat.write(book, "out/nbclient.ipynb")
"""
_ENGINE = """
import glob
from ploomber_engine import execute_notebook
for path in sorted(glob.glob("task*.ipynb")):
    execute_notebook(path, "out/engine.ipynb", progress_bar=False, verbose=False)
"""
_ONE_PROCESS = """
import glob, runpy
for path in sorted(glob.glob("task*.py")):
    runpy.run_path(path)
"""
_FLOOR = """
import glob, os, sys, time
import numpy, pandas, sklearn.linear_model
paths = sorted(glob.glob("task*.py"))
started = time.perf_counter()
running = set()
def reap():
    pid, status = os.wait()
    running.discard(pid)
    assert status == 0, status
for path in paths:
    if len(running) == 2:
        reap()
    pid = os.fork()
    if pid == 0:
        exec(compile(open(path).read(), path, "exec"), {"__name__": "__main__"})
        sys.stdout.flush()
        os._exit(0)
    running.add(pid)
while running:
    reap()
print(time.perf_counter() - started)
"""


def _command(folder: Path, *command: str, env: dict[str, str] | None = None) -> None:
    done = subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**_environment(), **(env or {})},
    )
    if done.returncode:
        sys.exit(
            f"{' '.join(command)} failed in {folder}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        )


def _environment() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PLOOMBER_STATS_ENABLED": "false", "PLOOMBER_VERSION_CHECK_DISABLED": "1"}


class _Bench:
    """Contenders that take turns in one folder."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder = folder
        self.count = count
        write_workload(folder, count)
        self.python = sys.executable
        self.ours = [str(Path(self.python).with_name("mlops-nb"))]  # as users call it
        self.notebooks = [f"task{number:03d}.ipynb" for number in range(count)]
        self.scripts = [f"task{number:03d}.py" for number in range(count)]
        # Two copies, because a pipeline that Ploomber built and one that we ran look alike.
        self.theirs = folder.with_name("theirs")
        write_workload(self.theirs, count)

    def plain_scripts(self) -> None:
        for script in self.scripts:
            _command(self.folder, self.python, script)

    def two_at_a_time(self) -> None:
        waiting = list(self.scripts)
        running: list[subprocess.Popen[bytes]] = []
        while waiting or running:
            while waiting and len(running) < 2:
                running.append(
                    subprocess.Popen(
                        [self.python, waiting.pop(0)],
                        cwd=self.folder,
                        env=_environment(),
                        stdout=subprocess.DEVNULL,
                    )
                )
            running = [process for process in running if process.poll() is None]
            time.sleep(0.002)

    def run_cold(self) -> None:
        _command(self.folder, *self.ours, "run", "--force")

    def floor(self) -> float:
        done = subprocess.run(
            [self.python, "-c", _FLOOR],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=True,
            env=_environment(),
        )
        return float(done.stdout.strip().splitlines()[-1])

    def peers(self, scripts: Path) -> dict[str, Callable[[], None]]:
        python = str(scripts / "python")
        path = {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}

        def papermill_cli() -> None:
            for name in self.notebooks:
                _command(self.theirs, str(scripts / "papermill"), name, "out/cli.ipynb", env=path)

        def code(text: str) -> Callable[[], None]:
            return lambda: _command(self.theirs, python, "-c", text, env=path)

        def ploomber(spec: str) -> Callable[[], None]:
            return lambda: _command(
                self.theirs,
                str(scripts / "ploomber"),
                "build",
                "--force",
                "--entry-point",
                spec,
                env=path,
            )

        text = (self.theirs / "pipeline.yaml").read_text()
        (self.theirs / "parallel.yaml").write_text("executor: parallel\n" + text)
        return {
            "papermill_cli": papermill_cli,
            "papermill_api": code(_API),
            "ploomber_serial": ploomber("pipeline.yaml"),
            "ploomber_parallel": ploomber("parallel.yaml"),
            "nbclient": code(_NBCLIENT),
            "nbmake": lambda: _command(
                self.theirs, python, "-m", "pytest", "-q", "--nbmake", *self.notebooks, env=path
            ),
            "ploomber_engine": code(_ENGINE),
            "scripts_in_one_process": lambda: _command(
                self.folder, self.python, "-c", _ONE_PROCESS
            ),
        }


def _timed(action: Callable[[], object]) -> tuple[float, float]:
    """Return wall seconds and the CPU seconds of every process that the action waited for."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    action()
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _median(values: list[float]) -> float:
    return statistics.median(values)


def measure(quick: bool) -> Iterator[Figure]:
    """Yield every figure of goals "Execution"."""
    count, rounds = (4, 1) if quick else (20, 5)
    scripts = peer_environment("execution", PEERS)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        bench = _Bench(Path(name) / "ours", count)
        yield from _races(bench, scripts, rounds)
        yield from _resident(bench, rounds)
        yield from _nothing_to_do(Path(name), quick)
        yield from _big(Path(name) / "big", quick)
        yield from _worst_case(Path(name) / "light", count, rounds)
        yield from _scheduling(quick)


def _races(bench: _Bench, scripts: Path, rounds: int) -> Iterator[Figure]:
    contenders: dict[str, Callable[[], object]] = {
        "scripts": bench.plain_scripts,
        "cold": bench.run_cold,
        "two": bench.two_at_a_time,
        **bench.peers(scripts),
    }
    bench.run_cold()  # the pipeline's specification is read once and kept: not a run's cost
    walls: dict[str, list[float]] = {name: [] for name in contenders}
    cpus: dict[str, list[float]] = {name: [] for name in contenders}
    for place in range(rounds):
        for name, action in contenders.items():
            if name in _SLOW and place >= _SLOW_ROUNDS:
                continue
            wall, cpu = _timed(action)
            walls[name].append(wall)
            cpus[name].append(cpu)

    def ratio(name: str, base: str = "scripts", table: dict[str, list[float]] = walls) -> float:
        # The rounds that both took part in.
        return _median([one / other for one, other in zip(table[name], table[base], strict=False)])

    yield figure("run_cold_over_scripts", ratio("cold"), "ratio", "<= 0.15", peer="plain scripts")
    yield figure(
        "run_cold_over_scripts_cpu", ratio("cold", table=cpus), "ratio", peer="plain scripts, CPU"
    )
    yield figure(
        "run_cold_over_scripts_j2", ratio("cold", "two"), "ratio", "<= 0.25", peer="scripts -j2"
    )
    yield figure(
        "run_over_ploomber",
        1 / ratio("cold", "ploomber_serial"),
        "times faster",
        ">= 12",
        peer="ploomber build",
    )
    yield figure("plain_scripts_seconds", _median(walls["scripts"]), "s")
    for name in contenders:
        if name not in ("scripts", "cold", "two"):
            runs = len(walls[name])
            yield figure(
                f"peer:{name}_over_scripts",
                ratio(name),
                "ratio",
                peer="plain scripts" if runs == rounds else f"plain scripts, {runs} runs",
            )


def _resident(bench: _Bench, rounds: int) -> Iterator[Figure]:
    _command(bench.folder, *bench.ours, "server", "start")
    try:
        bench.run_cold()
        walls, scripts, floors = [], [], []
        one, script = [], []
        for _ in range(rounds):
            scripts.append(_timed(bench.plain_scripts)[0])
            walls.append(_timed(bench.run_cold)[0])
            floors.append(bench.floor())
            single = [*bench.ours, "run", "--from", "task000"]
            one.append(_timed(partial(_command, bench.folder, *single))[0])
            script.append(_timed(partial(_command, bench.folder, bench.python, "task000.py"))[0])
    finally:
        _command(bench.folder, *bench.ours, "server", "stop")
    pairs = list(zip(walls, scripts, floors, one, script, strict=True))
    yield figure(
        "run_resident_over_scripts",
        _median([a / b for a, b, *_ in pairs]),
        "ratio",
        "<= 0.08",
        peer="plain scripts",
    )
    yield figure(
        "run_resident_over_floor",
        _median([a / c for a, _, c, *_ in pairs]),
        "ratio",
        "<= 1.3",
        peer="forked scripts, 2 workers",
    )
    yield figure(
        "floor_over_scripts",
        _median([c / b for _, b, c, *_ in pairs]),
        "ratio",
        peer="plain scripts",
    )
    yield figure(
        "one_notebook_over_script",
        _median([d / e for *_, d, e in pairs]),
        "ratio",
        "<= 0.15",
        peer="script",
    )


def _nothing_to_do(folder: Path, quick: bool) -> Iterator[Figure]:
    ours = [sys.executable, "-m", "mlops_nb"]
    times = 2 if quick else 7
    walls = [_timed(lambda: _command(folder, *ours, "--help"))[0] for _ in range(times)]
    yield figure("help_seconds", _median(walls), "s", "<= 0.3")
    for count, goal in ((20, "<= 0.4"), (200, "<= 1.0")):
        if quick and count > 20:
            continue
        project = folder / f"noop-{count}"
        write_workload(project, count, imports=False)
        _command(project, *ours, "run")
        walls = [_timed(partial(_command, project, *ours, "run"))[0] for _ in range(times)]
        yield figure(f"noop_{count}_seconds", _median(walls), "s", goal)


def _big(folder: Path, quick: bool) -> Iterator[Figure]:
    """Yield what large outputs cost, beside scripts that do and import the same.

    The goal is for the output: what a kernel's start costs has figures of its own. The others say
    how it is with that start, and beside a script that does nothing but print.
    """
    lines, megabytes = (2_000, 2) if quick else (100_000, 50)
    ours = [sys.executable, "-m", "mlops_nb"]
    for name, imports, resident, goal in (
        ("big_output_over_script", True, True, "<= 1.3"),
        ("big_output_cold_over_script", True, False, ""),
        ("big_output_bare_over_script", False, True, ""),
    ):
        project = folder / name
        write_big_output(project, lines=lines, megabytes=megabytes, imports=imports)
        if resident:
            _command(project, *ours, "server", "start")
        try:
            _command(project, *ours, "run")
            ratios = []
            for _ in range(1 if quick else 5):
                script = _timed(partial(_command, project, sys.executable, "-u", "big.py"))[0]
                run = partial(_command, project, *ours, "run", "--force")
                ratios.append(_timed(run)[0] / script)
        finally:
            if resident:
                _command(project, *ours, "server", "stop")
        peer = "python -u script" if imports else "python -u script, no imports"
        yield figure(name, _median(ratios), "ratio", goal, peer=peer)


def _worst_case(folder: Path, count: int, rounds: int) -> Iterator[Figure]:
    bench = _Bench(folder, count)
    shutil.rmtree(folder)
    write_workload(folder, count, imports=False)
    bench.run_cold()
    cold = [_timed(bench.run_cold)[0] / _timed(bench.two_at_a_time)[0] for _ in range(rounds)]
    yield figure(
        "light_cold_over_scripts_j2",
        _median(cold),
        "ratio",
        "<= 1.5",
        peer="scripts -j2, no imports",
    )
    _command(folder, *bench.ours, "server", "start")
    try:
        bench.run_cold()
        warm = [_timed(bench.run_cold)[0] / _timed(bench.two_at_a_time)[0] for _ in range(rounds)]
    finally:
        _command(folder, *bench.ours, "server", "stop")
    yield figure(
        "light_resident_over_scripts_j2",
        _median(warm),
        "ratio",
        "<= 1.2",
        peer="scripts -j2, no imports",
    )


def _scheduling(quick: bool) -> Iterator[Figure]:
    from benchmarks._graph import overhead_ms, plan_seconds

    count = 100 if quick else 1000
    yield figure("plan_1000_seconds", plan_seconds(count), "s", "<= 2")
    yield figure("overhead_ms_per_task", overhead_ms(count), "ms", "<= 5")


if __name__ == "__main__":
    sys.exit(
        main("execution", measure, ["papermill", "ploomber", "ipykernel", "pandas", "scikit-learn"])
    )
