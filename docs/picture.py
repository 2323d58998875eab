"""Draws ``docs/images/demo.svg`` from the last ``mlops-nb demo``: its events and its report, shown
by the very code that shows them on a terminal.

Run it from the project after ``make run``: ``.venv/bin/python docs/picture.py``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console

from mlops_nb.api import execute
from mlops_nb.cli.demo import HEADER, Stage, month_line, show_gates, show_summary
from mlops_nb.cli.live import TreeView
from mlops_nb.model import DemoReport, RunStatus, decode
from mlops_nb.runs.store import RunStore


def main(target: Path) -> None:
    """Draw the picture."""
    prepared = execute.prepare()
    state = prepared.project.state
    report = decode((state / "demo.json").read_bytes(), DemoReport)
    store = RunStore(state)
    whole = [run for run in store.list(status=RunStatus.SUCCEEDED) if len(run.tasks) == 7]
    run = next(run for run in reversed(whole) if all(task.attempt for task in run.tasks))
    console = Console(record=True, width=112, force_terminal=True, highlight=False, file=sys.stderr)
    console.print("[bold green]$[/] make run")
    stage = Stage(console)
    stage.rule("Pipeline: notebooks, in the order of their data")
    tree = TreeView(console, prepared.pipeline)
    for event in store.events(run.id):
        tree(event)
    console.print(tree.render())
    stage.rule("Production: months arrive, one by one")
    console.print(HEADER)
    handovers = {done.month: done for done in report.handovers}
    for month in report.months:
        console.print(month_line(month))
        if month.month in handovers:
            done = handovers[month.month]
            console.print(f"[dim]  retrained on {done.start} to {done.end}; the gates:[/]")
            show_gates(console, list(done.gates)[:3])
            stage.handover(done)
    show_summary(console, report)
    target.parent.mkdir(parents=True, exist_ok=True)
    console.save_svg(str(target), title="mlops-nb")


if __name__ == "__main__":
    main(Path(__file__).parent / "images" / "demo.svg")
