"""Occurrences that may overlap run at the same time, each in a root of its own; the later one's products stay."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlops_nb.api import schedules as api
from mlops_nb.api.execute import prepare, run
from mlops_nb.api.history import get_run, list_runs
from mlops_nb.api.standing import status
from mlops_nb.config import find_project
from mlops_nb.errors import ExecutionError, ScheduleError
from mlops_nb.execution import apart as module
from mlops_nb.execution.apart import Apart
from mlops_nb.execution.recovery import recover
from mlops_nb.model import Action, Occurrence, OccurrenceState, Overlap, Schedule, Source
from mlops_nb.pipeline.load import load_pipeline
from mlops_nb.scheduling.linking import link_apart, link_rest
from mlops_nb.scheduling.settings import check_schedule

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

TASKS = """
import os, time
from pathlib import Path

MEET = Path({meet!r})


def first(product, day):
    day = str(day)
    Path(product).write_text(day)
    Path(product).with_name("beside.txt").write_text(day)
    (MEET / f"{{day}}.here").touch()
    while not (MEET / f"{{day}}.go").exists():
        time.sleep(0.05)


def second(product, upstream, word):
    Path(product).write_text(Path(upstream["first"]).read_text() + word + Path("data/in.txt").read_text())
"""
PIPELINE = """
tasks:
  - source: tasks.first
    product: products/first.txt
    params: {day: none}
  - source: tasks.second
    product: products/second.txt
    params: {word: "-"}
"""


@pytest.fixture
def meet(tmp_path: Path) -> Path:
    place = tmp_path / "meet"
    place.mkdir()
    return place


@pytest.fixture(autouse=True)
def _nothing_goes_on() -> Iterator[None]:
    yield
    for process in PROCESSES:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    PROCESSES.clear()


@pytest.fixture
def project(tmp_path: Path, meet: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "flights"
    (root / "data").mkdir(parents=True)
    (root / "data" / "in.txt").write_text("data")
    (root / "pipeline.yaml").write_text(PIPELINE)
    (root / "tasks.py").write_text(TASKS.format(meet=str(meet)))
    (root / "pyproject.toml").write_text('[tool.mlops-nb]\ntracking = "none"\n')
    monkeypatch.chdir(root)
    return root


def add(root: Path, **fields: object) -> None:
    draft = {
        "name": "s",
        "when": "0 2 1 1 *",
        "overlap": Overlap.ALLOW,
        "source": Source.SNAPSHOT,
        "parameters": {"day": "{{ scheduled_at | epoch }}"},
    }
    api.add(root, Schedule(**(draft | fields)))  # type: ignore[arg-type]


PROCESSES: list[subprocess.Popen[bytes]] = []


class Started:
    """An occurrence whose run is in its first task."""

    def __init__(self, root: Path, meet: Path) -> None:
        self.root, self.meet = root, meet
        self.at = api.run_now(root, "s").at
        self.day = str(int(self.at))
        command = [sys.executable, "-m", "mlops_nb", "run", "--schedule", "s", "--occurrence"]
        self.log = meet / f"{self.day}.log"
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [*command, self.occurrence.local],
                cwd=root, stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip
        PROCESSES.append(self.process)
        wait(lambda: (meet / f"{self.day}.here").exists(), self)

    @property
    def occurrence(self) -> Occurrence:
        (found,) = [one for one in api.history(self.root, "s") if one.at == self.at]
        return found

    def end(self) -> Occurrence:
        (self.meet / f"{self.day}.go").touch()
        assert self.process.wait(300) == 0, self.log.read_text()
        return self.occurrence


def wait(done: Callable[[], object], one: Started) -> None:
    deadline = time.monotonic() + 300
    while not done():
        assert one.process.poll() is None, one.log.read_text()
        assert time.monotonic() < deadline, one.log.read_text()
        time.sleep(0.05)


def products(root: Path) -> dict[str, str]:
    folder = root / "products"
    return (
        {path.name: path.read_text() for path in folder.glob("[a-z]*")} if folder.is_dir() else {}
    )


def made(one: Started) -> dict[str, str]:
    return {"first.txt": one.day, "beside.txt": one.day, "second.txt": f"{one.day}-data"}


def pair(root: Path, meet: Path) -> tuple[Started, Started]:
    earlier = Started(root, meet)
    time.sleep(1.1)  # their times tell them apart by the second
    later = Started(root, meet)
    # Both wait in their first task, in processes of their own: they run at once.
    assert [one.occurrence.state for one in (earlier, later)] == [OccurrenceState.RUNNING] * 2
    assert earlier.process.poll() is later.process.poll() is None
    return earlier, later


def test_two_occurrences_run_at_once_and_the_later_ones_products_stay(
    project: Path, meet: Path
) -> None:
    add(project)
    earlier, later = pair(project, meet)
    assert products(project) == {}
    assert later.end().state is OccurrenceState.SUCCEEDED
    assert products(project) == made(later)
    over = earlier.end()
    assert over.state is OccurrenceState.SUCCEEDED
    assert f"those of run {later.occurrence.run} are later" in over.why
    assert products(project) == made(later)

    # Ending in their order, each brings its own home.
    earlier, later = pair(project, meet)
    assert earlier.end().why == ""
    assert products(project) == made(earlier)
    assert later.end().why == ""
    assert products(project) == made(later)

    runs = [get_run(str(project), one.id) for one in list_runs(str(project))]
    assert len(runs) == 4
    spans = sorted((one.facts.started, one.ended or 0.0) for one in runs)
    assert spans[0][1] > spans[1][0]
    assert spans[2][1] > spans[3][0]
    assert all(one.facts.pipeline == "flights" for one in runs)
    assert not any((project / ".mlops" / "apart").iterdir())
    assert not (project / "products").is_symlink()
    # A run by hand with the same parameters has nothing left to do: state and cache are shared.
    day = {"day": later.day}
    assert set(prepare(project, parameters=day).plan.of(Action.SKIP)) == {"first", "second"}
    back = prepare(project, parameters={"day": earlier.day})
    assert set(back.plan.of(Action.RESTORE)) == {"first", "second"}


def test_a_run_by_hand_that_began_later_keeps_its_products(project: Path, meet: Path) -> None:
    add(project)
    one = Started(project, meet)
    (meet / "hand.go").touch()
    done = run(prepare(project, parameters={"day": "hand"}))
    over = one.end()
    assert f"those of run {done.run.id} are later" in over.why
    assert products(project) == {
        "first.txt": "hand",
        "beside.txt": "hand",
        "second.txt": "hand-data",
    }


def test_a_killed_one_leaves_the_project_as_it_was(project: Path, meet: Path) -> None:
    add(project)
    (meet / "hand.go").touch()
    run(prepare(project, parameters={"day": "hand"}))
    before = products(project)
    one = Started(project, meet)
    folder = project / ".mlops" / "apart"
    assert [path.name for path in folder.iterdir()] == [one.occurrence.run]
    # Others look at the project meanwhile and leave a run that lives alone.
    assert {state.action for state in status(project)} == {Action.RUN}
    assert (folder / one.occurrence.run / "flights" / "tasks.py").is_file()
    os.killpg(one.process.pid, signal.SIGKILL)
    one.process.wait()
    status(project)
    assert list(folder.iterdir()) == []
    assert products(project) == before


def test_a_failed_one_brings_nothing_home(project: Path, meet: Path) -> None:
    tasks = project / "tasks.py"
    tasks.write_text(tasks.read_text() + "    raise ValueError('no flights')\n")
    add(project)
    one = Started(project, meet)
    (meet / f"{one.day}.go").touch()
    assert one.process.wait(300) != 0
    assert one.occurrence.state is OccurrenceState.FAILED
    assert products(project) == {}


def test_a_commit_is_run_beside_an_edit(project: Path, meet: Path) -> None:
    (project / ".gitignore").write_text("data/\nproducts/\n.mlops/\n")
    git = ["git", "-c", "user.email=a@b", "-c", "user.name=n"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *words], cwd=project, check=True)
    add(project, source=Source.COMMIT)
    one = Started(project, meet)
    (project / "tasks.py").write_text("raise RuntimeError('edited')\n")
    assert one.end().state is OccurrenceState.SUCCEEDED
    assert products(project) == made(one)


def test_a_death_while_products_come_home_is_finished_by_the_next_command(
    project: Path, meet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (meet / "hand.go").touch()
    (meet / "apart.go").touch()
    run(prepare(project, parameters={"day": "hand"}))
    found = find_project(project)
    moves: list[object] = []

    def dies(some: list[object]) -> None:
        # The first product is in place, the others are not.
        moves.extend(some)
        real([some[0]])
        raise OSError("the power is gone")

    real = module.commit.land
    with Apart(found, "20260101-000000-aaaaaa") as apart:
        for name in ("tasks.py", "pipeline.yaml", "pyproject.toml"):
            (apart.root / name).write_bytes((project / name).read_bytes())
        link_rest(project, found.state, apart.root, ())
        place = apart.place(find_project(apart.root))
        pipeline = load_pipeline(place)
        files = [product.path for task in pipeline.tasks for product in task.products]
        link_apart(project, apart.root, files)
        apart.take_base(place, pipeline.tasks)
        assert status(place)[0].action is Action.RUN
        run(prepare(place, parameters={"day": "apart"}), run_id="20260101-000000-aaaaaa")
        assert products(project)["first.txt"] == "hand"
        monkeypatch.setattr(module.commit, "land", dies)
        with pytest.raises(ExecutionError, match="the power is gone"):
            apart.land(place, pipeline.tasks, lambda _: False)
    monkeypatch.setattr(module.commit, "land", real)
    assert len(set(products(project).values()) & {"hand", "hand-data"}) > 0
    assert sorted(recover(found)) == ["first", "second"]
    assert products(project) == {
        "first.txt": "apart", "beside.txt": "apart", "second.txt": "apart-data",
    }  # fmt: skip
    skipped = prepare(project, parameters={"day": "apart"}).plan.of(Action.SKIP)
    assert set(skipped) == {"first", "second"}
    assert list((found.state / "apart").iterdir()) == []


def test_products_that_two_runs_would_share_are_refused(project: Path, meet: Path) -> None:
    outside = json.dumps(str(meet / "out.txt"))
    path = project / "pipeline.yaml"
    path.write_text(PIPELINE.replace("products/second.txt", outside))
    add(project)
    at = api.run_now(project, "s")
    command = [sys.executable, "-m", "mlops_nb", "run", "--schedule", "s", "--occurrence", at.local]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "lies outside of the project" in done.stderr
    assert "--overlap queue" in done.stderr


def test_latest_sources_cannot_overlap() -> None:
    draft = Schedule(name="s", when="@daily", overlap=Overlap.ALLOW)
    with pytest.raises(ScheduleError, match="needs frozen sources") as caught:
        check_schedule(draft)
    assert "--source snapshot" in caught.value.fix
