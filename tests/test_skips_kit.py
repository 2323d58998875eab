from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SKIPS = """
import pytest

@pytest.mark.skipif(True, reason="no cron here")
def test_marked(): ...

def test_asks():
    pytest.skip("no browser here")

@pytest.mark.xfail(strict=True)
def test_known():
    assert 0

def test_good(): ...
"""


@pytest.mark.parametrize("ci", [True, False])
def test_a_skip_fails_in_ci_and_nowhere_else(tmp_path: Path, ci: bool) -> None:
    (tmp_path / "test_some.py").write_text(SKIPS)
    (tmp_path / "test_module.py").write_text(
        "import pytest\npytest.importorskip('no_such_package')\n"
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    words = [
        "-m",
        "pytest",
        "-q",
        "-rxs",
        "-p",
        "tests.skips_kit",
        "--continue-on-collection-errors",
    ]
    root = Path(__file__).parents[1]
    env = {key: value for key, value in os.environ.items() if key != "CI"}
    env |= {"PYTHONPATH": str(root), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        [sys.executable, *words, str(tmp_path)],
        cwd=tmp_path,
        env=env | ({"CI": "true"} if ci else {}),
        capture_output=True,
        text=True,
        check=False,
    )
    if ci:
        assert done.returncode == 1, done.stdout
        for why in ("no cron here", "no browser here", "could not import 'no_such_package'"):
            assert f"skipped, which CI does not allow: Skipped: {why}" in done.stdout
        assert "1 passed, 1 xfailed" in done.stdout
        assert "skipped in" not in done.stdout
    else:
        assert done.returncode == 0, done.stdout
        assert "1 passed, 3 skipped, 1 xfailed" in done.stdout
