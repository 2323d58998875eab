from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mlops_nb.cli.main import COMMANDS, main
from mlops_nb.errors import ExitCode
from mlops_nb.model import RunFacts, RunStatus
from mlops_nb.runs.store import RunStore
from tests.browser.lab_kit import write_notebook

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops_nb.model import Event


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    assert isinstance(stop.value.code, int)
    return stop.value.code


def test_unknown_command_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("rnu") == ExitCode.USAGE
    assert 'did you mean "run"?' in capsys.readouterr().err


def test_no_project_is_told_with_its_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("plan") == ExitCode.PROJECT
    told = capsys.readouterr()
    assert "mlops-nb init" in told.err
    assert told.out == ""


def test_init_then_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("init", str(tmp_path / "p"), "--json") == ExitCode.OK
    assert '"pipeline.yaml"' in capsys.readouterr().out


def test_convert_says_what_it_does_and_a_dry_run_does_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_notebook(tmp_path / "a.ipynb", "rows = 3", "rows")
    assert call("convert", "a.ipynb", "--dry-run") == ExitCode.OK
    told = capsys.readouterr().out
    assert "cell 1 becomes its parameters cell, a run can set rows" in told
    assert "source: a.ipynb" in told
    assert not (tmp_path / "pipeline.yaml").exists()
    assert call("convert", "a.ipynb") == ExitCode.OK
    assert "mlops-nb run" in capsys.readouterr().out
    assert call("plan") == ExitCode.OK
    assert call("convert", "a.ipynb", "--json") != ExitCode.OK
    assert "already" in capsys.readouterr().err


def test_a_reader_that_went_away_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    import io
    import os

    reader, writer = os.pipe()
    os.close(reader)
    # Unbuffered, so that nothing is left to be written when it is closed.
    with io.TextIOWrapper(io.FileIO(writer, "w"), write_through=True) as out:
        monkeypatch.setattr("sys.stdout", out)
        assert call("--help") == ExitCode.ERROR


@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_command_explains_itself_with_examples(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(command, "--help") == ExitCode.OK
    assert "Examples:" in capsys.readouterr().out


@pytest.mark.parametrize("group", ["models", "drift", "monitor"])
def test_every_command_of_a_group_does_so_too(
    group: str, capsys: pytest.CaptureFixture[str]
) -> None:
    import importlib

    module, attribute, _ = COMMANDS[group]
    commands = getattr(importlib.import_module(module), attribute).commands
    assert commands
    for command in commands:
        assert call(group, command, "--help") == ExitCode.OK
        told = capsys.readouterr().out
        assert "Examples:" in told, command
        assert "--json" in told, command


def test_watching_holds_on_to_one_run_and_needs_no_sound_pipeline(
    bare_project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = RunStore(bare_project / ".mlops")
    first = store.create(RunFacts(id="", pipeline="p", started=0.0))
    first.finish(RunStatus.FAILED)
    follow = RunStore.follow

    def and_another(self: RunStore, run: str, **options: int) -> Iterator[Event]:
        yield from follow(self, run, **options)
        self.create(RunFacts(id="", pipeline="p", started=1.0)).finish(RunStatus.SUCCEEDED)

    monkeypatch.setattr(RunStore, "follow", and_another)
    (bare_project / "pipeline.yaml").write_text("tasks: [")
    assert call("--project", str(bare_project), "watch") == ExitCode.OK
    told = capsys.readouterr().out
    assert f"run {first.id}" in told
    assert "failed" in told
    assert len(store.ids()) == 2
