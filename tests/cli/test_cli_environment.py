from __future__ import annotations

import json
import subprocess
import sys
from zipfile import ZipFile

import pytest

from mlops_nb.cli.main import main


def run(*arguments):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    return stop.value.code


def test_an_environment_is_made_of_what_a_conda_file_asks_for(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    package = tmp_path / "own-1.0-py3-none-any.whl"
    with ZipFile(package, "w") as wheel:
        wheel.writestr("own.py", "answer = 42\n")
        info = "own-1.0.dist-info"
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: own\nVersion: 1.0\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    (tmp_path / "environment.yml").write_text(
        f"name: team\ndependencies:\n  - python={version}\n  - nodejs\n"
        f"  - pip:\n    - {package.as_uri()}\n"
    )
    assert run("environment", "--into", "made", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"environment": "made", "left_out": ["nodejs"]}
    there = [str(tmp_path / "made/bin/python"), "-c", "import own; print(own.answer)"]
    assert subprocess.run(there, capture_output=True, text=True).stdout == "42\n"
    assert run("environment", "--into", "made") != 0
    assert "exists already" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run("environment", "nothing.yml") != 0
    assert "nothing.yml" in capsys.readouterr().err
    assert not (tmp_path / ".venv").exists()
