from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlops_nb.api import models
from mlops_nb.cli.main import main
from mlops_nb.errors import ExitCode
from tests import faces_kit as kit

GATE = """
[tool.mlops-nb.gates.checks.good-enough]
kind = "metric"
metric = "roc_auc"
min = {least}
"""


class Line:
    """The command line on one project."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root = root
        self.capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main(["--project", str(self.root), *arguments])
        assert isinstance(stop.value.code, int)
        told = self.capsys.readouterr()
        return stop.value.code, told.out, told.err

    def json(self, *arguments: str, code: int = ExitCode.OK) -> Any:
        found, out, err = self(*arguments, "--json")
        assert found == code, err
        return json.loads(out)


@pytest.fixture
def line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Line:
    root = kit.make_project(tmp_path / "p", GATE.format(least=0.75))
    kit.register(root)
    capsys.readouterr()
    return Line(root, capsys)


def test_list_show_and_history(line: Line) -> None:
    code, out, _ = line("models", "list")
    assert code == ExitCode.OK
    assert "trips" in out and "roc_auc 0." in out and "registered" in out
    (version,) = line.json("models", "list")
    assert (version["model"], version["version"], version["status"]) == ("trips", 1, "registered")
    shown = line.json("models", "show")
    assert shown["details"]["version"]["digest"] == version["digest"]
    assert shown["gates"][0]["text"] == "has not been evaluated"
    _, out, _ = line("models", "show", "trips@1")
    assert "✗ good-enough (metric)  has not been evaluated" in out
    assert [row["kind"] for row in line.json("models", "history")] == ["registered"]
    code, _, err = line("models", "show", "9")
    assert code == ExitCode.REGISTRY
    assert "has no version 9" in err


def test_an_empty_project_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = Line(kit.make_project(tmp_path / "empty"), capsys)
    assert "mlops_nb.register_model" in empty("models", "list")[1]
    assert empty.json("models", "list") == []
    code, _, err = empty("models", "promote", "latest")
    assert code == ExitCode.REGISTRY
    assert "no model is registered yet" in err


def test_promote_refuses_gate_by_gate_then_promotes(line: Line) -> None:
    code, out, err = line("models", "promote", "1")
    assert code == ExitCode.REGISTRY
    assert "✗ good-enough (metric)  has not been evaluated" in out
    assert "gates stand against it" in err and "models check" in err
    refused = line.json("models", "promote", "1", code=ExitCode.REGISTRY)
    assert refused["promotion"] is None
    assert "has not been evaluated" in refused["error"]

    code, out, _ = line("models", "check")
    assert code == ExitCode.OK
    assert "✓ good-enough (metric)  roc_auc" in out
    done = line.json("models", "promote", "latest", "--reason", "first", "--actor", "ann")
    assert done["promotion"]["alias"] == "champion"
    assert done["promotion"]["entry"]["actor"] == "ann"
    assert [gate["ok"] for gate in done["gates"]] == [True]

    kit.register(line.root, number=1)
    code, out, _ = line("models", "promote", "2", "--check")
    assert code == ExitCode.OK
    assert "trips v2 is champion now, before it v1" in out
    code, out, _ = line("models", "rollback", "--reason", "wrong")
    assert code == ExitCode.OK
    assert "trips v1 is champion now, before it v2" in out
    code, _, err = line("models", "rollback")
    assert code == ExitCode.REGISTRY
    assert "no approved version was champion before v1" in err


def test_a_conflict_tells_who_won(line: Line) -> None:
    kit.register(line.root, number=1)
    models.check(str(line.root), 1)
    models.promote(str(line.root), 1, actor="ben", reason="mine")
    code, _, err = line("models", "promote", "2", "--expected", "0")
    assert code == ExitCode.REGISTRY
    assert "by ben" in err and '"mine"' in err


def test_forced_shows_for_ever_in_red(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    code, _, err = line("models", "promote", "1", "--force")
    assert code == ExitCode.REGISTRY
    assert "needs a reason" in err
    code, out, _ = line("models", "promote", "1", "--force", "--reason", "hotfix")
    assert code == ExitCode.OK
    assert "against good-enough: has not been evaluated" in out
    kit.register(line.root, number=1)
    line("models", "promote", "2", "--check")
    # A terminal in colour: the mark stays after the version has left the alias.
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "160")
    for command in ("list", "history"):
        _, out, _ = line("models", command)
        assert "\x1b[1;37;41m forced \x1b[0m" in out
    assert line.json("models", "show", "1")["details"]["version"]["forced"] is True


def test_check_exits_with_the_registrys_code(line: Line) -> None:
    settings = line.root / "pyproject.toml"
    settings.write_text(settings.read_text().replace("0.75", "0.99"))
    found = line.json("models", "check", code=ExitCode.REGISTRY)
    assert found["passed"] is False
    assert found["gates"][0]["reason"].endswith("is below 0.99")
    code, _, err = line("models", "check", "--gate", "good")
    assert code == ExitCode.REGISTRY
    assert 'no gate of "trips" is called "good"' in err


def test_people(line: Line) -> None:
    _, out, _ = line("models", "approve", "1", "--comment", "fine", "--actor", "ann")
    assert "ann approved trips v1" in out
    assert line.json("models", "approve", "1", "--actor", "ann")["kind"] == "approved"
    code, _, err = line("models", "reject", "1")
    assert code == ExitCode.USAGE
    assert "--comment" in err
    assert line.json("models", "reject", "1", "--comment", "no")["reason"] == "no"
    assert line.json("models", "list")[0]["status"] == "rejected"


def test_compare(line: Line) -> None:
    kit.register(line.root, noise=6.0, shift=1.5)
    code, out, _ = line("models", "compare", "1", "2")
    assert code == ExitCode.OK
    assert "roc_auc" in out and "differences on the same 1,000 rows" in out
    assert line.json("models", "compare", "1")["right"]["version"] == 2


def test_export_import_verify_and_gc(line: Line, tmp_path: Path) -> None:
    path = tmp_path / "out.zip"
    assert line.json("models", "export", "1", "-o", str(path)) == {"file": str(path)}
    other = Line(kit.make_project(tmp_path / "other"), line.capsys)
    code, out, _ = other("models", "import", str(path), "-m", "copy")
    assert code == ExitCode.OK
    assert "copy v1, from" in out
    code, _, err = other("models", "import", str(tmp_path / "none.zip"))
    assert code == ExitCode.REGISTRY
    assert "is missing" in err

    found = line.json("models", "verify")
    assert found["clean"] is True and found["report"]["versions"] == 1
    (model,) = (line.root / ".mlops" / "artifacts").rglob("model.skops")
    model.write_bytes(b"changed")
    code, out, _ = line("models", "verify")
    assert code == ExitCode.REGISTRY
    assert "✗ artifact" in out and "1 problems" in out

    kit.register(line.root, number=1)
    _, out, _ = line("models", "gc", "--keep", "1")
    assert "- trips v1" in out and "--yes removes them" in out
    assert line.json("models", "gc", "--keep", "1", "--yes")["dry_run"] is False
    assert [v["version"] for v in line.json("models", "list")] == [2]
