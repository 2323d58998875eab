"""``mlops-nb monitor``: the group, and the commands on windows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich.text import Text

from mlops_nb.cli import output
from mlops_nb.cli.alerts import ack, alerts, deliver, show_alerts, show_delivery, snooze
from mlops_nb.cli.drift import show_report
from mlops_nb.cli.metrics import dashboard, rules, serve
from mlops_nb.cli.profile import progress_bar
from mlops_nb.cli.promotion import model_option
from mlops_nb.errors import ExitCode
from mlops_nb.model import AlertState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Console

    from mlops_nb.api.monitor import Recorded
    from mlops_nb.api.retrain import Retrained
    from mlops_nb.model import MonitorStatus, PerformancePoint, WindowResult

__all__ = ["monitor"]


@click.group()
def monitor() -> None:
    """Watch a model: its data against its reference, and its performance.

    Windows have labels that sort by time, such as 2013-07 or 2013-07-01. MODEL may be left out
    where there is one only.

    \b
    Examples:
      mlops-nb monitor run --window 2013-07 --data july.parquet --score score --label late
      mlops-nb monitor status
      mlops-nb monitor ack "flights/temp/drift@2013-07" --reason "heat wave"
    """


for command in (alerts, ack, snooze, deliver, serve, rules, dashboard):
    monitor.add_command(command)


def _window_options(command: Callable[..., object]) -> Callable[..., object]:
    """The options that say how windows are read; shared by ``run`` and ``backfill``."""
    for option in reversed(
        (
            click.option("--score", default="", metavar="COLUMN", help="A classifier's score."),
            click.option(
                "--predicted",
                default="",
                metavar="COLUMN",
                help="The label that it gave; without --score a regressor's prediction.",
            ),
            click.option("--label", default="", metavar="COLUMN", help="What came true."),
            click.option(
                "--version",
                default="",
                help="The model version that scored the data; by default the one that the window "
                "has already, else the champion.",
            ),
            click.option(
                "--reference",
                type=click.Path(exists=True),
                default=None,
                help="Compare with this reference, profile or data file, without the registry.",
            ),
            click.option(
                "--ignore",
                multiple=True,
                metavar="COLUMN",
                help="Leave a column out; may be given again.",
            ),
            output.processes_option,
        )
    ):
        command = option(command)
    return command


@monitor.command()
@click.argument("model", default="")
@click.option("--window", required=True, help="The window's label.")
@click.option(
    "--data",
    required=True,
    type=click.Path(exists=True),
    help="Its rows (Parquet, CSV, Arrow), or a profile of them.",
)
@_window_options
@click.option("--no-retrain", is_flag=True, help="Do not retrain, whatever the settings say.")
@output.json_option
@click.pass_obj
def run(
    project: str | None,
    model: str,
    window: str,
    data: str,
    score: str,
    predicted: str,
    label: str,
    version: str,
    reference: str | None,
    ignore: tuple[str, ...],
    jobs: int,
    no_retrain: bool,
    as_json: bool,
) -> int:
    """Record one window: compare it with the reference, measure, alert; exits with 10 on drift.

    Run it again when more labels have arrived: the window is replaced.

    \b
    Examples:
      mlops-nb monitor run --window 2013-07 --data july.parquet
      mlops-nb monitor run flights --window 2013-07 --data july.parquet --score score --label late
    """
    from mlops_nb.api import monitor as api

    with progress_bar(quiet=as_json) as progress:
        found = api.record(
            project,
            model,
            window=window,
            data=data,
            columns=api.Columns(score=score, predicted=predicted, label=label),
            version=version,
            reference=reference,
            ignore=ignore,
            processes=jobs,
            progress=progress,
            retrain=not no_retrain,
        )
    if as_json:
        output.print_json(found)
    else:
        _show_recorded(output.console(), found)
    return ExitCode.DRIFT if found.drifted else ExitCode.OK


def _show_recorded(console: Console, found: Recorded) -> None:
    result = found.result
    version = f" v{result.version}" if result.version else ""
    console.print(Text(f"{result.model}{version}, window {result.window}", style="bold"))
    for report in result.reports:
        console.print()
        console.print(Text(f"against the {report.baseline} reference", style="dim"))
        show_report(console, report)
    if result.performance:
        console.print()
        _show_performance(console, result.performance)
    for gap in result.gaps:
        if gap.drifted:
            console.print(Text(f"! {gap.text}", style="red"))
    if found.alerts:
        console.print()
        show_alerts(console, found.alerts)
    show_delivery(console, found.delivery)
    if found.retrained is not None:
        _show_retrained(console, found.retrained)


def _show_performance(console: Console, points: Sequence[PerformancePoint]) -> None:
    rows = output.table("metric", "", "value", "interval", "rows", "labelled", right=("value",))
    for point in sorted(points, key=lambda p: (p.metric, p.kind)):
        interval = "" if point.low is None else f"{point.low:.4f} to {point.high:.4f}"
        rows.add_row(
            point.metric,
            Text(point.kind, style="dim" if point.kind == "estimated" else ""),
            f"{point.value:.4f}",
            interval,
            f"{point.count:,}",
            f"{point.coverage:.0%}" if point.kind == "realised" else Text(point.note, style="dim"),
        )
    console.print(rows)


def _show_retrained(console: Console, done: Retrained) -> None:
    console.print()
    console.print(Text(f"retrained: {done.reason}", style="bold"))
    if done.challenger:
        passed = sum(gate.passed for gate in done.gates)
        console.print(
            Text(f"  {done.model} v{done.challenger}, {passed} of {len(done.gates)} gates passed")
        )
        console.print(
            Text(f"  mlops-nb models promote {done.model}@{done.challenger}", style="dim")
        )
    if done.error:
        console.print(Text(f"  ✗ {done.error}", style="red"))


@monitor.command()
@click.argument("files", nargs=-1, required=True, metavar="[WINDOW=]FILE...")
@model_option
@_window_options
@output.json_option
@click.pass_obj
def backfill(
    project: str | None,
    files: tuple[str, ...],
    model: str,
    score: str,
    predicted: str,
    label: str,
    version: str,
    reference: str | None,
    ignore: tuple[str, ...],
    jobs: int,
    as_json: bool,
) -> None:
    """Record many windows in their order; a file's name without its suffix is its window.

    Nothing is retrained, and what there is to tell waits for "mlops-nb monitor deliver".

    \b
    Examples:
      mlops-nb monitor backfill 2013-04.parquet 2013-05.parquet --score score --label late
      mlops-nb monitor backfill -m flights 2013-04=old/april.bin
    """
    from mlops_nb.api import monitor as api

    console = output.console(stderr=as_json)

    def tell(result: WindowResult) -> None:
        changed = len(result.pinned.drifted) if result.pinned else 0
        console.print(
            f"{result.window}  ",
            output.status_text(result.pinned.state.value if result.pinned else "none"),
            Text(f"{changed} column{'s' if changed != 1 else ''} changed, {result.rows:,} rows"),
        )

    found = api.backfill(
        project,
        model,
        data=api.name_windows(files),
        columns=api.Columns(score=score, predicted=predicted, label=label),
        version=version,
        reference=reference,
        ignore=ignore,
        processes=jobs,
        progress=tell,
    )
    if as_json:
        output.print_json(found)


@monitor.command()
@click.argument("model", default="")
@output.json_option
@click.pass_obj
def status(project: str | None, model: str, as_json: bool) -> None:
    """Show how models stand after their latest windows, and what to do next.

    \b
    Examples:
      mlops-nb monitor status
      mlops-nb monitor status flights --json
    """
    from mlops_nb.api import monitor as api

    found = api.status(project, model)
    if as_json:
        output.print_json(found)
        return
    console = output.console()
    if not found:
        console.print("nothing is monitored yet; [bold]mlops-nb monitor run[/bold] begins")
    for standing in found:
        _show_status(console, standing)


def _show_status(console: Console, standing: MonitorStatus) -> None:
    version = f" v{standing.version}" if standing.version else ""
    console.print(
        Text(f"{standing.model}{version}", style="bold"),
        output.status_text(standing.state.value),
        Text(
            f"window {standing.window}, the latest of {standing.windows}, "
            f"recorded {output.since(standing.recorded)}",
            style="dim",
        ),
    )
    if standing.performance:
        _show_performance(console, standing.performance)
    if standing.alerts:
        console.print()
        show_alerts(console, standing.alerts)
    for skill in standing.skills:
        if skill.weak:
            console.print(Text(f"! {skill.text}", style="yellow"))
    for advice in standing.advice:
        console.print(Text(f"→ {advice}"))
    waiting = [alert for alert in standing.alerts if alert.state is AlertState.OPEN]
    if waiting:
        console.print(Text(f'  mlops-nb monitor ack "{waiting[0].id}"', style="dim"))
    console.print()


@monitor.command()
@click.argument("model", default="")
@click.option("--window", default="", help="Whose page is named; the latest window's by default.")
@click.option("--output", "-o", "folder", default=None, metavar="FOLDER", help="Where to.")
@output.json_option
@click.pass_obj
def report(project: str | None, model: str, window: str, folder: str | None, as_json: bool) -> None:
    """Write a page for each window, and print the path of one. Pages need no server.

    \b
    Examples:
      mlops-nb monitor report
      mlops-nb monitor report flights --window 2013-07 -o pages/
    """
    from mlops_nb.api.pages import write_pages

    path = write_pages(project, model, window=window, folder=folder)
    if as_json:
        output.print_json({"page": str(path)})
    else:
        click.echo(path)
