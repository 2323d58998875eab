"""``mlops-nb schedule``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich.text import Text

from mlops_nb.cli import output
from mlops_nb.cli.schedule_export import export
from mlops_nb.cli.schedule_options import changes, options
from mlops_nb.cli.schedule_times import cancel, history, next_, run_now
from mlops_nb.cli.schedule_views import mention_daemon, moment, schedules_table, show_schedule

if TYPE_CHECKING:
    from mlops_nb.model import Json

__all__ = ["schedule"]

_NAME = click.argument("name")


@click.group()
def schedule() -> None:
    """Run the pipeline at its times: each occurrence once, whatever dies in between.

    \b
    Examples:
      mlops-nb schedule add nightly "0 6 * * mon-fri" --tz Europe/Berlin
      mlops-nb schedule add report "every weekday at 6:30" --task report -p "day={{ scheduled_at | date }}"
      mlops-nb schedule list
      mlops-nb scheduler                     the daemon that runs them
      mlops-nb schedule export --to cron     or without a daemon
    """


@schedule.command()
@_NAME
@click.argument("when")
@options
@output.json_option
@click.pass_obj
def add(project: str | None, /, name: str, when: str, as_json: bool, **given: Json) -> None:
    """Add a schedule. WHEN is a cron expression, an interval or words.

    Parameters may use the occurrence's time: {{ scheduled_at | date }}, | month, | iso,
    {{ scheduled_at | shift(days=-1) | date }}.

    \b
    Examples:
      mlops-nb schedule add nightly "0 6 * * mon-fri" --tz Europe/Berlin
      mlops-nb schedule add often "every 15 minutes" --overlap queue --missed skip
      mlops-nb schedule add month-end "on the last day of the month at 22" --source commit
      mlops-nb schedule add report "every weekday at 6" --notebook notebooks/report.ipynb \\
          -p "day={{ scheduled_at | shift(days=-1) | date }}" --retries 3 --timeout 3600
    """
    from mlops_nb.api import schedules as api
    from mlops_nb.model import Schedule

    draft = api.with_changes(Schedule(name=name, when=when), changes(project, given))
    made = api.add(project, draft)
    if as_json:
        output.print_json(made)
        return
    console = output.console()
    console.print(Text.assemble(("✓ ", "green"), (name, "bold"), f": {made.words}"))
    if made.next_at is not None:
        console.print(Text(f"  first at {made.next_local}", style="dim"))
    else:
        console.print(Text("  it will never be due", style="yellow"))
    mention_daemon(project)


@schedule.command()
@_NAME
@click.option("--when", default=None, help="A cron expression, an interval or words.")
@click.option(
    "--unset",
    multiple=True,
    metavar="OPTION",
    help="Take an option back, as in a new schedule: timeout, sla, tasks, parameters…",
)
@options
@output.json_option
@click.pass_obj
def edit(
    project: str | None,
    /,
    name: str,
    when: str | None,
    unset: tuple[str, ...],
    as_json: bool,
    **given: Json,
) -> None:
    """Change a schedule; what is not given stays as it is.

    \b
    Examples:
      mlops-nb schedule edit nightly --when "every weekday at 7" --retries 2
      mlops-nb schedule edit nightly -p day=2026-03-01      in place of all its parameters
      mlops-nb schedule edit nightly --unset timeout --unset tasks
    """
    from mlops_nb.api import schedules as api

    wanted = changes(project, given) | ({"when": when} if when is not None else {})
    if not wanted and not unset:
        raise click.UsageError("say what to change, for example --when or --retries")
    fields = [one.strip("-").replace("-", "_") for one in unset]
    made = api.edit(project, name, unset=fields, **wanted)
    if as_json:
        output.print_json(made)
    else:
        show_schedule(output.console(), made)


@schedule.command("list")
@output.json_option
@click.pass_obj
def list_(project: str | None, as_json: bool) -> None:
    """List the schedules: when, next time, how the last one went.

    \b
    Examples:
      mlops-nb schedule list --json
    """
    from mlops_nb.api import schedules as api

    found = api.list_schedules(project)
    if as_json:
        output.print_json(found)
        return
    console = output.console()
    if not found:
        console.print('no schedules; [bold]mlops-nb schedule add nightly "every day at 6"[/bold]')
        return
    console.print(schedules_table(found))
    mention_daemon(project)


@schedule.command()
@_NAME
@output.json_option
@click.pass_obj
def show(project: str | None, name: str, as_json: bool) -> None:
    """Show a schedule, its policies and its next times.

    \b
    Examples:
      mlops-nb schedule show nightly
    """
    from mlops_nb.api import schedules as api

    found = api.show(project, name)
    if as_json:
        output.print_json(found)
        return
    console = output.console()
    show_schedule(console, found)
    for one in api.next_times(project, name, count=3):
        console.print(Text(f"  next         {moment(one)}", style="dim"))


@schedule.command()
@_NAME
@output.json_option
@click.pass_obj
def pause(project: str | None, name: str, as_json: bool) -> None:
    """Let nothing of a schedule come due or start until it is resumed; what runs goes on.

    \b
    Examples:
      mlops-nb schedule pause nightly
    """
    from mlops_nb.api import schedules as api

    made = api.pause(project, name)
    if as_json:
        output.print_json(made)
    else:
        output.console().print(Text(f"⏸ {name} is paused"))


@schedule.command()
@_NAME
@output.json_option
@click.pass_obj
def resume(project: str | None, name: str, as_json: bool) -> None:
    """End a pause; the times that lie in it are not made up for.

    \b
    Examples:
      mlops-nb schedule resume nightly
    """
    from mlops_nb.api import schedules as api

    made = api.resume(project, name)
    if as_json:
        output.print_json(made)
    else:
        output.console().print(Text(f"▶ {name} goes on; next at {made.next_local or 'no time'}"))


@schedule.command()
@_NAME
@click.option("--keep-runs", is_flag=True, help="Never remove the runs that it has started.")
@output.json_option
@click.pass_obj
def remove(project: str | None, name: str, keep_runs: bool, as_json: bool) -> None:
    """Remove a schedule. What runs is left to end; its history stays.

    History and runs go after the days of history-days (90).

    \b
    Examples:
      mlops-nb schedule remove nightly
      mlops-nb schedule remove nightly --keep-runs
    """
    from mlops_nb.api import schedules as api

    api.remove(project, name, keep_runs=keep_runs)
    if as_json:
        output.print_json({"removed": name})
    else:
        output.console().print(Text(f"✓ {name} is removed", style="green"))


@schedule.command()
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@output.json_option
@click.pass_obj
def sync(project: str | None, dry_run: bool, as_json: bool) -> None:
    """Bring the store in line with [tool.mlops-nb.schedules] in pyproject.toml.

    \b
    Examples:
      mlops-nb schedule sync --dry-run
    """
    from mlops_nb.api import schedules as api

    report = api.sync(project, dry_run=dry_run)
    if as_json:
        output.print_json(report)
        return
    console = output.console()
    for sign, names, style in (
        ("+", report.added, "green"),
        ("~", report.changed, "yellow"),
        ("-", report.removed, "red"),
        ("=", report.unchanged, "dim"),
    ):
        for one in names:
            console.print(Text(f"{sign} {one}", style=style))
    if not (report.added or report.changed or report.removed):
        console.print("[green]✓[/green] nothing to change")


for _one in (run_now, cancel, history, next_, export):
    schedule.add_command(_one)
