"""The times of a schedule: ``mlops-nb schedule run-now | cancel | history | next``."""

from __future__ import annotations

import click
from rich.text import Text

from mlops_nb.cli import output
from mlops_nb.cli.schedule_views import history_table, mention_daemon, moment, occurrence_line
from mlops_nb.model import OccurrenceState

__all__ = ["cancel", "history", "next_", "run_now"]

_NAME = click.argument("name")


@click.command("run-now")
@_NAME
@output.json_option
@click.pass_obj
def run_now(project: str | None, name: str, as_json: bool) -> None:
    """Add an occurrence that is due at once; a daemon runs it.

    \b
    Examples:
      mlops-nb schedule run-now nightly
    """
    from mlops_nb.api import schedules as api

    made = api.run_now(project, name)
    if as_json:
        output.print_json(made)
        return
    output.console().print(Text(f"✓ due now: {occurrence_line(made)}", style="green"))
    mention_daemon(project, fix=f'mlops-nb run --schedule {name} --occurrence "{made.local}"')


@click.command()
@_NAME
@click.argument("time")
@output.json_option
@click.pass_obj
def cancel(project: str | None, name: str, time: str, as_json: bool) -> None:
    """Stop an occurrence that runs or waits. TIME is its time as the history shows it.

    \b
    Examples:
      mlops-nb schedule cancel nightly 2026-03-02T06:00:00+01:00
    """
    from mlops_nb.api import schedules as api

    made = api.cancel(project, name, api.moment_of(time))
    if as_json:
        output.print_json(made)
    else:
        output.console().print(Text(f"✓ told to stop: {occurrence_line(made)}", style="green"))


@click.command()
@click.argument("name", default="")
@click.option("--limit", "-n", default=20, show_default=True, type=click.IntRange(min=1))
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([state.value for state in OccurrenceState]),
    help="Only in this state; may be given again.",
)
@output.json_option
@click.pass_obj
def history(
    project: str | None, name: str, limit: int, states: tuple[str, ...], as_json: bool
) -> None:
    """Show what became of each occurrence, the newest first.

    \b
    Examples:
      mlops-nb schedule history nightly
      mlops-nb schedule history --state failed --state missed --json
    """
    from mlops_nb.api import schedules as api

    found = api.history(
        project, name, limit=limit, states=[OccurrenceState(state) for state in states]
    )
    if as_json:
        output.print_json(found)
        return
    console = output.console()
    if found:
        console.print(history_table(found))
    else:
        console.print("nothing has come due yet")


@click.command("next")
@_NAME
@click.option("--count", "-n", default=5, show_default=True, type=click.IntRange(1, 1000))
@output.json_option
@click.pass_obj
def next_(project: str | None, name: str, count: int, as_json: bool) -> None:
    """Show the next times of a schedule.

    \b
    Examples:
      mlops-nb schedule next nightly -n 10
    """
    from mlops_nb.api import schedules as api

    found = api.next_times(project, name, count=count)
    if as_json:
        output.print_json(found)
        return
    console = output.console()
    for one in found:
        console.print(moment(one))
    if not found:
        console.print("it will never be due")
