"""Kills whatever takes part in a run, at random moments, and looks at what is left."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from runner_kit import go, notebook, product_digests, project, statuses

from mlops_nb.config import find_project
from mlops_nb.errors import MlopsNbError
from mlops_nb.execution.cache import ProductCache
from mlops_nb.execution.kernels import Zygote
from mlops_nb.execution.recovery import recover
from mlops_nb.execution.resume import resume_plan
from mlops_nb.model import Action, RunStatus, TaskStatus
from mlops_nb.pipeline.load import load_pipeline
from mlops_nb.runs.store import RunStore
from tests.processes_kit import living_children

pytestmark = pytest.mark.slow

ROUNDS = int(os.environ.get("MLOPS_NB_STRESS_ROUNDS", "4"))
"""Kills that have to meet each target while a run goes on."""
MARK = "MLOPS_NB_STRESS_MARK"


@pytest.fixture(scope="module")
def zygote():
    import ploomber  # noqa: F401

    with Zygote() as warm:
        yield warm


def diamond(root: Path):
    """Four notebooks; each writes two files and a folder that tell of one version."""
    write = (
        "import pathlib, time\n"
        "text = str(version) * 20_000\n"
        "pathlib.Path(product['a']).write_text(text)\n"
        "folder = pathlib.Path(product['folder'])\nfolder.mkdir()\n"
        "for n in range(5):\n"
        "    (folder / f'{version}-{n}').write_text(text)\n"
        "    time.sleep(0.01)\n"
        "pathlib.Path(product['b']).write_text(text)"
    )
    tasks = {"top": [], "left": ["top"], "right": ["top"], "end": ["left", "right"]}
    for name, above in tasks.items():
        read = (
            "\n".join(f"assert open(upstream['{up}']['b']).read()" for up in above)
            or "# nothing above"
        )
        notebook(
            root / f"{name}.ipynb",
            f"upstream = {above or None}\nproduct = None\nversion = 1",
            read,
            write,
        )
    return project(
        root,
        *(
            f"source: {name}.ipynb\nproduct:\n  nb: out/{name}/nb.ipynb\n  a: out/{name}/a\n"
            f"  b: out/{name}/b\n  folder: out/{name}/folder"
            for name in tasks
        ),
    )


def child_that_runs(root: Path, version: int, ready: int, *, cached: bool) -> None:
    """Run a project in a forked process, as the command line would."""
    os.environ[MARK] = str(root)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    where = find_project(root, env={})
    cache = ProductCache.of(where) if cached else None
    with Zygote() as warm:
        warm.ready()
        os.write(ready, b"!")
        run = go(
            where,
            params={"version": version},
            zygote=warm,
            keep_going=True,
            jobs=2,
            cache=cache,
        )
    os._exit(0 if run.status is RunStatus.SUCCEEDED else 4)


def fork_run(root: Path, version: int, *, cached: bool = False) -> int:
    listen, ready = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            child_that_runs(root, version, ready, cached=cached)
        finally:
            os._exit(99)
    os.close(ready)
    assert os.read(listen, 1) == b"!"
    os.close(listen)
    return child


def left_behind(root: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                continue
            if process.environ().get(MARK) == str(root) or process.cwd().startswith(str(root)):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def nothing_left_behind(root: Path) -> bool:
    deadline = time.monotonic() + 15
    while left_behind(root):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def assert_whole(root: Path) -> None:
    """Every task's products are of one version and complete, or not there at all."""
    for folder in (root / "out").glob("*"):
        found = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
        assert found in (set(), {"nb.ipynb", "a", "b", "folder"}), found
        if found:
            text = (folder / "a").read_text()
            assert len(text) >= 20_000
            assert (folder / "b").read_text() == text
            inner = sorted((folder / "folder").iterdir())
            assert [path.name for path in inner] == [
                f"{text[: len(text) // 20_000]}-{n}" for n in range(5)
            ]
            assert {path.read_text() for path in inner} == {text}
        assert not [path for path in folder.iterdir() if ".mlops-" in path.name]


def resume(where, zygote):
    """Go on with the last run until it has succeeded, as the command line would."""
    recover(where, wait=20)
    store = RunStore(where.state)
    last = store.get("latest")
    if last.status is RunStatus.SUCCEEDED:
        return last
    plan = resume_plan(where, load_pipeline(where), last, store.events(last.id))[1]
    return go(where, plan=plan, params=last.facts.parameters, zygote=zygote, wait=20)


def targets(runner: psutil.Process, target: str) -> list[psutil.Process]:
    """The living processes of a run that a kill may be meant for."""
    if target == "runner":
        return [runner]
    zygotes = living_children(runner, running="mlops_nb.execution.warm.forker")
    if target == "zygote":
        return zygotes
    return [kernel for zygote in zygotes for kernel in living_children(zygote)]


def kill_one(
    runner: psutil.Process,
    target: str,
    rng: random.Random,
    usual: float,
    *,
    since: Callable[[], object] | None = None,
) -> bool:
    """Kill a target at a random moment; return False where the run was over sooner.

    The moment is counted from what `since` finds, or from now: on a busy machine a run's
    first moments alone may outlast what a whole run usually takes.
    """
    while since and not since() and runner.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.001)
    time.sleep(rng.uniform(0, usual))
    while runner.status() != psutil.STATUS_ZOMBIE:
        with suppress(psutil.NoSuchProcess):  # it ended while it was looked at
            found = targets(runner, target)
            if found and (target != "zygote" or not since or since()):
                victim = rng.choice(found)
                if victim.is_running() and victim.status() != psutil.STATUS_ZOMBIE:
                    victim.kill()
                    return True
        time.sleep(0.001)
    return False


@pytest.mark.stress
@pytest.mark.timeout(300 + 60 * ROUNDS)
@pytest.mark.parametrize("target", ["runner", "kernel", "zygote"])
def test_a_kill_at_any_moment_harms_no_product_and_resume_ends_as_if_undisturbed(
    tmp_path, zygote, target
):
    calm = diamond(tmp_path / "calm")
    wanted = {}
    usual = 60.0
    for version in range(2, 4):
        began = time.monotonic()
        assert go(calm, params={"version": version}, zygote=zygote).status is RunStatus.SUCCEEDED
        usual = min(usual, time.monotonic() - began)
        wanted[version] = product_digests(calm)
    where = diamond(tmp_path / "wild")
    store = RunStore(where.state)
    met: set[str] = set()
    kills = round_ = 0
    harm = "lost" if target == "runner" else "died"
    while kills < ROUNDS or harm not in met:
        assert round_ < 4 * ROUNDS + 10, f"{kills} of {round_} kills met their target, and {met}"
        rng = random.Random(f"{target} {round_}")
        version = 2 + round_ % 2
        round_ += 1
        # What is restored is soon there: such a run is killed sooner.
        cached = target == "runner" and rng.random() < 0.5
        before = set(store.ids())
        runner = psutil.Process(fork_run(where.root, version, cached=cached))
        family = runner.children(recursive=True)
        begun = {
            "runner": lambda before=before: set(store.ids()) - before,
            "zygote": lambda runner=runner: targets(runner, "kernel"),
            "kernel": lambda runner=runner: targets(runner, "kernel"),
        }[target]
        # Half of the kills may come in a run's first moments, in which there is no kernel.
        since = begun if target == "kernel" or round_ % 2 == 0 else None
        began = time.monotonic()
        hit = kill_one(runner, target, rng, (0.3 if cached else 0.8) * usual, since=since)
        if not hit and not cached:  # it was over sooner than was thought
            usual = min(usual, time.monotonic() - began)
        code = os.waitstatus_to_exitcode(os.waitpid(runner.pid, 0)[1])
        assert code in ((0, -signal.SIGKILL) if target == "runner" else (0, 4)), code
        assert nothing_left_behind(where.root), left_behind(where.root)
        assert psutil.wait_procs(family, timeout=15)[1] == []
        last = store.get("latest") if store.ids() else None
        if last is None or last.facts.parameters != {"version": version}:
            continue  # killed before there was a run
        kills += hit
        assert last.status is not RunStatus.RUNNING
        met |= {last.status.value, *statuses(last).values()}
        recover(where, wait=20)
        assert_whole(where.root)
        resumed = resume(where, zygote)
        assert resumed.status is RunStatus.SUCCEEDED, statuses(resumed)
        assert product_digests(where) == wanted[version], f"round {round_}"
        assert not list(where.state.glob("runs/*/staging"))


def test_the_look_for_what_is_left_behind_finds_a_runs_processes(tmp_path):
    where = diamond(tmp_path / "p")
    runner = psutil.Process(fork_run(where.root, 2))
    kernels: list[psutil.Process] = []
    try:
        deadline = time.monotonic() + 20
        while not (kernels := targets(runner, "kernel")) and time.monotonic() < deadline:
            time.sleep(0.001)
        kernels[0].suspend()
        found = left_behind(where.root)
        assert {*kernels[:1], *targets(runner, "zygote")} <= set(found)
    finally:
        for kernel in kernels:
            kernel.resume()
        os.waitpid(runner.pid, 0)
    assert nothing_left_behind(where.root)


def test_resume_goes_on_with_what_is_missing(tmp_path, zygote):
    where = diamond(tmp_path / "p")
    source = where.root / "right.ipynb"
    good = source.read_text()
    source.write_text(good.replace("import pathlib, time", "raise ValueError('no')"))
    store = RunStore(where.state)
    failed = go(where, params={"version": 2}, zygote=zygote, jobs=1, keep_going=True)
    assert statuses(failed) == {
        "top": "succeeded",
        "left": "succeeded",
        "right": "failed",
        "end": "blocked",
    }
    source.write_text(good)
    resumed = resume(where, zygote)
    assert statuses(resumed) == {
        "top": "skipped",
        "left": "skipped",
        "right": "succeeded",
        "end": "succeeded",
    }
    assert (where.root / "out/end/a").read_text() == "2" * 20_000
    events = store.events(resumed.id)
    with pytest.raises(MlopsNbError, match="has succeeded, nothing is missing"):
        resume_plan(where, load_pipeline(where), store.get("latest"), events)


def test_resume_forces_again_what_was_forced_and_not_done(tmp_path, zygote):
    where = diamond(tmp_path / "p")
    go(where, zygote=zygote)
    source = where.root / "left.ipynb"
    good = source.read_text()
    source.write_text(good.replace("import pathlib, time", "raise ValueError('no')"))
    failed = go(where, zygote=zygote, force=True, jobs=1, keep_going=True)
    source.write_text(good)
    store = RunStore(where.state)
    assert store.get("latest").tasks[1].status is TaskStatus.FAILED
    # All is as it was before, yet the run was to make everything anew.
    plan = resume_plan(where, load_pipeline(where), failed, store.events(failed.id))[1]
    assert plan.of(Action.SKIP) == ("top", "right")
    assert plan["left"].why == f"forced in run {failed.id}, and not finished there"
    assert plan["end"].action is Action.RUN
    assert set(statuses(resume(where, zygote)).values()) == {"skipped", "succeeded"}


def test_two_interrupts_end_a_run_at_once_and_leave_nothing(tmp_path, zygote):
    where = diamond(tmp_path / "p")
    hang = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(60)"
    for name in ("left", "right"):
        path = where.root / f"{name}.ipynb"
        path.write_text(path.read_text().replace("import pathlib, time", hang))
    runner = fork_run(where.root, 2)
    store = RunStore(where.state)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if store.ids() and "running" in list(statuses(store.get("latest")).values())[1:]:
            break
        time.sleep(0.02)
    began = time.monotonic()
    os.kill(runner, signal.SIGINT)
    time.sleep(0.3)
    os.kill(runner, signal.SIGINT)
    assert os.waitstatus_to_exitcode(os.waitpid(runner, 0)[1]) == 4
    assert time.monotonic() - began < 30
    run = store.get("latest")
    assert run.status is RunStatus.CANCELLED
    assert statuses(run)["top"] == "succeeded"
    assert {statuses(run)[name] for name in ("left", "right", "end")} == {"cancelled"}
    assert nothing_left_behind(where.root)
    recover(where)
    assert_whole(where.root)
