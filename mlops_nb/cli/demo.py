"""``mlops-nb demo``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich.rule import Rule
from rich.text import Text

from mlops_nb.cli import output

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from rich.console import Console

    from mlops_nb.api.production import Arrival
    from mlops_nb.cli.live import View
    from mlops_nb.model import DemoReport, GateResult, Handover, Metric, MonthResult, Pipeline

__all__ = ["HEADER", "Stage", "demo", "month_line", "show_gates", "show_summary"]

_TITLES = {
    "Pipeline": "Pipeline: notebooks, in the order of their data",
    "Gates": "Gates: may this version be champion?",
    "Production": "Production: months arrive, one by one",
}
_MONTH = "{:<8} {:>3} {:>7} {:>7} {:>9}  {:<19} {:>8}  {}"
HEADER = Text(
    _MONTH.format("month", "v", "flights", "late", "predicted", "AUC", "drifted", ""), style="bold"
)
"""The heading of the months' table."""


@click.command()
@click.option("--force", is_flag=True, help="Play again also where nothing has changed.")
@output.json_option
@click.pass_obj
def demo(project: str | None, force: bool, as_json: bool) -> None:
    """Watch the closed loop on real flights.

    Trains on January to March, asks the gates, promotes; scores April to December month by month
    as if each arrived; watches drift and decay; retrains when an alert opens, and lets the
    challenger take over if it proves better on the same flights.

    \b
    Examples:
      mlops-nb demo
      mlops-nb demo --json      the figures, for machines
    """
    from mlops_nb.api.demo import run_demo

    console = output.console(stderr=as_json)
    report, played = run_demo(project, audience=Stage(console), force=force)
    if as_json:
        output.print_json(report)
        return
    if not played:
        console.print(
            "[green]✓[/green] nothing to do: the demo was played, and nothing has changed since\n"
        )
    show_summary(console, report)


class Stage:
    """Shows the demo's steps on a terminal, or as plain lines."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def view(self, pipeline: Pipeline) -> AbstractContextManager[View]:
        """Return what shows a run of the pipeline."""
        from mlops_nb.cli.live import view_for

        return view_for(self.console, pipeline)

    def step(self, title: str, record: object = None) -> None:
        """Show what begins, or what it came to."""
        from mlops_nb.api.production import Arrival
        from mlops_nb.model import GateResult, Handover, ModelVersion

        if record is None:
            self.rule(_TITLES.get(title, title))
            if title == "Production":
                self.console.print(HEADER)
        elif isinstance(record, Arrival):
            self._month(record)
        elif isinstance(record, Handover):
            self.handover(record)
        elif isinstance(record, ModelVersion):
            self.console.print(
                f"[green]✓[/green] [bold]{record.model} v{record.version}[/bold] is champion"
            )
        elif title == "Gates" and isinstance(record, tuple):
            show_gates(self.console, [item for item in record if isinstance(item, GateResult)])
        elif title == "Holdout" and isinstance(record, dict):
            show_holdout(self.console, record)
        elif title == "Retrain" and isinstance(record, tuple):
            self.rule(f"Retrain: {record[0]} to {record[1]}, the months before")
        elif title == "Pipeline" and hasattr(record, "is_noop"):
            self._pipeline(record.is_noop)

    def _pipeline(self, is_noop: bool) -> None:
        if is_noop:
            self.console.print("[green]✓[/green] every task is up to date")

    def rule(self, title: str) -> None:
        """Show a heading."""
        self.console.print()
        self.console.print(Rule(Text(title, style="bold"), align="left", style="dim"))

    def _month(self, arrival: Arrival) -> None:
        self.console.print(month_line(arrival.result))
        for text in arrival.result.opened:
            self.console.print(Text(f"         ⚠ {text}", style="yellow"))

    def handover(self, done: Handover) -> None:
        """Show what became of a challenger."""
        if done.promoted:
            self.console.print(
                f"[green]✓[/green] challenger [bold]v{done.challenger}[/bold] takes over from "
                f"v{done.champion}: every gate passed"
            )
        else:
            self.console.print(
                f"[red]✗[/red] challenger v{done.challenger} is refused, v{done.champion} stays"
            )


def month_line(month: MonthResult) -> Text:
    """Return a month as one line of the table."""
    auc = month.metrics.get("roc_auc")
    drifted = f"{len(month.drifted)} of {month.columns}"
    names = ", ".join(month.drifted[:2]) + (" ..." if len(month.drifted) > 2 else "")
    text = _MONTH.format(
        month.month,
        f"v{month.version}",
        f"{month.rows:,}",
        f"{month.late:.1%}",
        f"{month.predicted:.1%}",
        _interval(auc),
        drifted,
        names,
    )
    return Text(text, style="bold" if month.opened else "")


def _interval(metric: Metric | None) -> str:
    if metric is None:
        return ""
    if metric.low is None or metric.high is None:
        return f"{metric.value:.3f}"
    return f"{metric.value:.3f} ({metric.low:.3f}–{metric.high:.3f})"


def show_gates(console: Console, results: list[GateResult]) -> None:
    """Print gates one by one, with the reason of each."""
    rows = output.table("gate", "", "because")
    for result in results:
        mark = (
            Text("✓ passed", style="green") if result.passed else Text("✗ failed", style="bold red")
        )
        rows.add_row(result.gate, mark, Text(result.reason))
    console.print(rows)


def show_holdout(console: Console, figures: dict[str, dict[str, Metric]]) -> None:
    """Print each candidate's figures on the holdout, with their intervals."""
    console.print()
    names = list(next(iter(figures.values())))
    rows = output.table("on the holdout", *names)
    for candidate, found in figures.items():
        rows.add_row(candidate, *(_interval(found.get(name)) for name in names))
    console.print(rows)


def show_summary(console: Console, report: DemoReport) -> None:
    """Print what the loop came to, and what to type next."""
    flagged = [month.month for month in report.months if month.opened]
    best, base = report.holdout.get(report.best, {}), report.holdout.get("baseline", {})
    console.print()
    console.print(Rule(Text("What happened", style="bold"), align="left", style="dim"))
    rows = output.table("", "")
    rows.show_header = False
    rows.add_row(
        "first champion",
        f"v{report.first} ({report.best}): AUC {_interval(best.get('roc_auc'))} on its holdout, "
        f"carrier and hour rates {_interval(base.get('roc_auc'))}",
    )
    rows.add_row("months flagged", ", ".join(flagged) or "none")
    for done in report.handovers:
        fate = "took over" if done.promoted else "was refused"
        rows.add_row(
            f"after {done.month}", f"v{done.challenger} ({done.start} to {done.end}) {fate}"
        )
    rows.add_row("champion now", Text(f"{report.model} v{report.champion}", style="bold green"))
    rows.add_row("reports", "\n".join(report.pages.values()))
    rows.add_row("took", output.seconds(report.seconds))
    console.print(rows)
    console.print()
    console.print(Text("Next", style="bold"))
    for command, what in (
        ("make lab", "the same project in JupyterLab"),
        ("mlops-nb status", "which tasks are up to date, and why"),
        ("mlops-nb runs list", "every run, with its parameters and commit"),
        ("mlops-nb models history", "who was promoted, why, on what evidence"),
        ('mlops-nb models rollback --reason "late in May"', "the champion before, in one step"),
        ("mlops-nb monitor status", "drift, alerts and performance now"),
    ):
        console.print(Text.assemble("  ", (f"{command:<50}", "cyan"), (what, "dim")))
