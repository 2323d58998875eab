"""A run as it is shown: the live tree on a real terminal, plain lines elsewhere."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
from pathlib import Path

from rich.console import Console

from mlops_nb.cli.live import LineView, TreeView, view_for
from mlops_nb.model import Event, EventKind, Pipeline, Task, TaskKind
from tests.e2e.helpers import CLI, chain


def pipeline(*edges: tuple[str, tuple[str, ...]]) -> Pipeline:
    tasks = [
        Task(name=name, kind=TaskKind.NOTEBOOK, source=f"{name}.ipynb", upstream=upstream)
        for name, upstream in edges
    ]
    return Pipeline(name="p", root="/p", spec="pipeline.yaml", tasks=tuple(tasks))


DIAMOND = pipeline(("a", ()), ("b", ("a",)), ("c", ("a",)), ("d", ("b", "c")))


def event(kind: EventKind, task: str = "", **data: object) -> Event:
    return Event(seq=1, time=100.0, kind=kind, run="r", task=task, data=data)


def shown(view: TreeView) -> str:
    out = io.StringIO()
    Console(file=out, width=100).print(view.render())
    return out.getvalue()


def test_tree_hangs_each_task_below_its_deepest_upstream() -> None:
    lines = shown(TreeView(Console(), DIAMOND)).splitlines()
    assert [line.split("·")[0].rstrip() for line in lines] == ["a", "├─ b", "│  └─ d", "└─ c"]


def test_tree_follows_the_events() -> None:
    view = TreeView(Console(), DIAMOND)
    view(event(EventKind.PLAN, items=[{"task": "a", "why": "never ran"}]))
    view(event(EventKind.TASK_STARTED, "a", attempt=1, cells=4))
    view(event(EventKind.TASK_CELL, "a", index=1, done=2, cells=4))
    assert "2/4" in shown(view)
    error = {"name": "ValueError", "message": "no rows"}
    view(event(EventKind.TASK_FINISHED, "a", status="failed", error=error))
    assert "ValueError: no rows" in shown(view)


def test_a_task_that_is_not_to_run_does_not_wait() -> None:
    view = TreeView(Console(), DIAMOND)
    items = [{"task": "a", "action": "skip", "why": "not selected"}, {"task": "b", "action": "run"}]
    view(event(EventKind.PLAN, items=items))
    first, second = shown(view).splitlines()[:2]
    assert "= skipped" in first
    assert "· pending" in second


def test_long_reasons_never_push_names_off_a_narrow_screen() -> None:
    view = TreeView(Console(), DIAMOND)
    view(event(EventKind.PLAN, items=[{"task": "b", "why": "because of this and that " * 20}]))
    lines = shown(view).splitlines()
    assert lines[1].startswith("├─ b")
    assert "· pending" in lines[1]
    assert lines[1].rstrip().endswith("…")


def test_tree_of_many_tasks_fits_the_screen_and_keeps_what_moves() -> None:
    many = pipeline(*((f"t{number:03d}", ()) for number in range(300)))
    view = TreeView(Console(height=20), many)
    view(event(EventKind.TASK_STARTED, "t250", attempt=1))
    text = shown(view)
    assert len(text.splitlines()) <= 20
    assert "t250" in text
    assert "more tasks" in text


def test_lines_tell_retries_and_ends_without_colour() -> None:
    out = io.StringIO()
    view = view_for(Console(file=out, width=100), DIAMOND)
    assert isinstance(view, LineView)
    view(event(EventKind.TASK_RETRY, "a", attempt=1, delay=2.0))
    view(event(EventKind.TASK_FINISHED, "a", status="succeeded", started=98.0, ended=100.0))
    assert out.getvalue().splitlines() == [
        "· pending    a  again in 2.0 s",
        "✓ succeeded  a  2.0 s",
    ]


def test_run_on_a_real_terminal(tmp_path: Path) -> None:
    chain(tmp_path)
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [*CLI, "run"],
        cwd=tmp_path,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"},
    )
    os.close(slave)
    said = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:  # the other end has gone: Linux says so by an error
            break
        if not piece:
            break
        said += piece
    os.close(master)
    assert process.wait(timeout=60) == 0, said.decode()
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", said.decode())
    assert "└─ b" in plain
    assert "3 succeeded" in plain
