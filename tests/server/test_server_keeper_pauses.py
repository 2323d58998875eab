"""How long the server waits before it starts a scheduler again."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from mlops_nb.server import keeper


def test_a_scheduler_that_worked_for_long_is_started_again_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pipeline.yaml").write_text("tasks: []\n")
    clock, lives, pauses = 0.0, [0.0, 1.0, 1.0, 1000.0, 1.0], []

    def run(*_: object) -> int:
        nonlocal clock
        clock += lives.pop(0)
        return 1

    made = keeper.Keeper(str(tmp_path), [], logging.getLogger("test"))
    monkeypatch.setattr(made, "_run", run)
    monkeypatch.setattr(keeper.time, "monotonic", lambda: clock)

    def wait(pause: float) -> bool:
        pauses.append(pause)
        if not lives:
            made._closing.set()
        return True

    monkeypatch.setattr(made._closing, "wait", wait)
    made._keep("one", tmp_path)
    assert pauses == [1.0, 5.0, 30.0, 1.0, 5.0]
