"""What ``mlops-nb schedule`` prints."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.text import Text

from mlops_nb.cli import output
from mlops_nb.model import Schedule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.table import Table

    from mlops_nb.model import Occurrence, ScheduleState, When

__all__ = [
    "history_table",
    "mention_daemon",
    "moment",
    "occurrence_line",
    "schedules_table",
    "show_schedule",
]


def schedules_table(found: Sequence[ScheduleState]) -> Table:
    """Return schedules as a table."""
    rows = output.table("schedule", "when", "what", "next", "last")
    for one in found:
        plan = one.schedule
        rows.add_row(
            Text(plan.name, style="bold"),
            Text(one.words),
            Text(", ".join(plan.tasks) or "whole pipeline"),
            Text(f"paused by {one.paused_by}", style="yellow") if one.paused else _next(one),
            _last(one),
        )
    return rows


def history_table(found: Sequence[Occurrence]) -> Table:
    """Return occurrences as a table."""
    rows = output.table(
        "schedule", "occurrence", "state", "took", "tries", "run", "why", right=("took", "tries")
    )
    for one in found:
        took = one.ended - one.started if one.ended and one.started else None
        rows.add_row(
            one.schedule,
            one.local + (" (run-now)" if one.manual else ""),
            output.status_text(one.state.value),
            output.seconds(took),
            str(one.attempt or ""),
            one.run,
            Text(one.why),
        )
    return rows


def show_schedule(console: Console, state: ScheduleState) -> None:
    """Print a schedule with what differs from the defaults."""
    plan = state.schedule
    console.print(Text.assemble((plan.name, "bold"), f"  {state.words}"))
    if plan.description:
        console.print(Text(f"  {plan.description}"))
    plain = Schedule(name=plan.name, when=plan.when)
    details = {
        "runs": ", ".join(plan.tasks) or "the whole pipeline",
        "state": f"paused by {state.paused_by}" if state.paused else "active",
        "kept in": "pyproject.toml" if state.origin == "project" else "the store",
        "when": plan.when,
    }
    shown = ("name", "when", "timezone", "tasks", "description")
    for field in plan.__struct_fields__:
        value = getattr(plan, field)
        if field not in shown and value != getattr(plain, field):
            details[field.replace("_", "-")] = _plain(value)
    if state.last is not None:
        details["last"] = occurrence_line(state.last)
    for name, text in details.items():
        console.print(Text.assemble((f"  {name:<12} ", "dim"), text))


def occurrence_line(one: Occurrence) -> str:
    """Return an occurrence on one line."""
    why = f", {one.why}" if one.why else ""
    run = f", run {one.run}" if one.run else ""
    return f"{one.local} {one.state.value}{run}{why}"


def moment(one: When) -> str:
    """Return a time to come, and how far it is."""
    return f"{one.local}  {until(one.at)}"


def until(at: float) -> str:
    """Return how far a moment lies ahead: ``in 5 min``."""
    left = at - time.time()
    return (
        f"in {output.seconds(left)}"
        if 0 < left < 86_400
        else f"in {left / 86_400:.0f} d"
        if left > 0
        else ""
    )


def _next(one: ScheduleState) -> Text:
    if one.next_at is None:
        return Text("never", style="dim")
    return Text.assemble(one.next_local, (f"  {until(one.next_at)}", "dim"))


def _last(one: ScheduleState) -> Text:
    running = Text(f"  {one.running} running", style="cyan") if one.running else Text("")
    if one.last is None:
        return Text("never", style="dim").append(running)
    ended = f" {output.since(one.last.ended)}" if one.last.ended else ""
    return Text.assemble(output.status_text(one.last.state.value), (ended, "dim"), running)


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}={one}" for name, one in value.items())
    return str(getattr(value, "value", value))


def mention_daemon(project: str | None, fix: str = "mlops-nb scheduler") -> None:
    """Say so where nobody would run what is due."""
    from mlops_nb.api import schedules as api
    from mlops_nb.model import SchedulerState

    alive = [one for one in api.daemons(project) if one.state is not SchedulerState.GONE]
    if not alive:
        output.console().print(Text(f"  no daemon is running: {fix}", style="yellow"))
