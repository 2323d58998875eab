"""What changed decides what runs: each change re-runs exactly its task and what lies below."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mlops_nb.errors import ExitCode
from tests.e2e.helpers import actions, chain, cli, notebook, statuses, write_text

CHANGES: dict[str, tuple[Callable[[Path], object], set[str], str]] = {
    "a cell": (
        lambda folder: notebook(folder / "a.ipynb", write_text("'A'")),
        {"a", "b", "c"},
        "a.ipynb changed",
    ),
    "an imported module": (
        lambda folder: (folder / "words.py").write_text("WORD = 'fine'\n"),
        {"b", "c"},
        "words.py changed",
    ),
    "a declared input": (
        lambda folder: (folder / "rates.csv").write_text("2\n"),
        {"c"},
        "rates.csv changed",
    ),
    "a product edited by hand": (
        lambda folder: (folder / "products/b.txt").write_text("mine"),
        {"b", "c"},
        "products/b.txt",
    ),
    "clocks only": (
        lambda folder: [os.utime(path, (1e9, 1e9)) for path in folder.rglob("*") if path.is_file()],
        set(),
        "",
    ),
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    chain(folder, '[tool.mlops-nb.tasks.c]\ninputs = ["rates.csv"]\n')
    (folder / "rates.csv").write_text("1\n")
    assert cli(folder, "run").returncode == ExitCode.OK
    return folder


@pytest.mark.parametrize("change", CHANGES)
def test_change_reruns_its_task_and_descendants(built: Path, change: str) -> None:
    cli(built, "run")
    make, expected, reason = CHANGES[change]
    make(built)
    planned = actions(built)
    assert {name for name, action in planned.items() if action == "run"} == expected
    assert reason in cli(built, "plan").stdout
    done = cli(built, "run")
    assert done.returncode == ExitCode.OK, done.stdout + done.stderr
    assert "nothing to do" in cli(built, "run").stdout
    if expected:
        good = {name for name, status in statuses(built).items() if status == "succeeded"}
        assert good == expected


def test_parameter_reruns_and_is_typed(built: Path) -> None:
    cli(built, "run")
    assert actions(built, "-p", "depth=3")["b"] == "run"
    assert actions(built, "-p", "depth=3")["a"] == "skip"
    assert "depth 1 → 3" in cli(built, "plan", "-p", "depth=3").stdout
    assert cli(built, "run", "-p", "depth=3").returncode == ExitCode.OK
    assert (built / "products/c.txt").read_text().split()[1] == "b3"
    assert cli(built, "run", "-p", "depth=3").stdout.startswith("✓ nothing to do")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("-p", "dept=3"), 'did you mean "depth"?'),
        (("-p", "depth=deep"), "depth"),
        (("-p", "depth"), "NAME=VALUE"),
        (("--params", "no-such.yaml"), "no-such.yaml"),
        (("bb",), 'did you mean "b"?'),
    ],
)
def test_bad_requests_are_refused_before_anything_runs(
    built: Path, arguments: tuple[str, ...], told: str
) -> None:
    before = sorted(path.name for path in (built / ".mlops/runs").iterdir())
    done = cli(built, "run", *arguments)
    assert done.returncode == ExitCode.PROJECT
    assert told in done.stderr
    assert sorted(path.name for path in (built / ".mlops/runs").iterdir()) == before


def test_target_and_from(built: Path) -> None:
    cli(built, "run")
    assert {name for name, what in actions(built, "--from", "b").items() if what == "run"} == {
        "b",
        "c",
    }
    assert {name for name, what in actions(built, "a", "--force").items() if what == "run"} == {"a"}


def test_removed_product_comes_back_from_the_cache(built: Path) -> None:
    cli(built, "run")
    before = (built / "products/b.txt").read_text()
    (built / "products/b.txt").unlink()
    assert actions(built) == {"a": "skip", "b": "restore", "c": "skip"}
    assert cli(built, "run").returncode == ExitCode.OK
    assert statuses(built)["b"] == "restored"
    assert (built / "products/b.txt").read_text() == before
