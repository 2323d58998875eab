"""``mlops-nb schedule``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.text import Text

from mlops_nb.cli import output
from mlops_nb.cli.schedule_options import changes, options
from mlops_nb.cli.schedule_views import (
    history_table,
    moment,
    occurrence_line,
    schedules_table,
    show_schedule,
)
from mlops_nb.errors import ExitCode
from mlops_nb.model import FileState, OccurrenceState

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
    _mention_daemon(project)


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
    _mention_daemon(project)


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
@output.json_option
@click.pass_obj
def remove(project: str | None, name: str, as_json: bool) -> None:
    """Remove a schedule. What runs is left to end; its history stays.

    \b
    Examples:
      mlops-nb schedule remove nightly
    """
    from mlops_nb.api import schedules as api

    api.remove(project, name)
    if as_json:
        output.print_json({"removed": name})
    else:
        output.console().print(Text(f"✓ {name} is removed", style="green"))


@schedule.command("run-now")
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
    _mention_daemon(project, fix=f'mlops-nb run --schedule {name} --occurrence "{made.local}"')


@schedule.command()
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


@schedule.command()
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


@schedule.command("next")
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


@schedule.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--to",
    "target",
    required=True,
    type=click.Choice(
        ["cron", "systemd", "windows-task", "github", "gitlab", "kubernetes", "argo"]
    ),
    help="Whose definition to write.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder to write to; the project's by default."
)
@click.option(
    "--machine-tz", default=None, help="With cron: the machine's zone, if not this one's."
)
@click.option(
    "--check", is_flag=True, help="Write nothing; exit with 1 and a diff if files are stale."
)
@click.option("--print", "show", is_flag=True, help="Write nothing; print the files.")
@output.json_option
@click.pass_obj
def export(
    project: str | None,
    names: tuple[str, ...],
    target: str,
    out: Path | None,
    machine_tz: str | None,
    check: bool,
    show: bool,
    as_json: bool,
) -> int:
    """Write schedules for a scheduler that is there already; no daemon is needed then.

    Each entry calls "mlops-nb run --schedule NAME", which claims the occurrence: it runs once,
    whoever else tries.

    \b
    Examples:
      mlops-nb schedule export --to cron --print | crontab -
      mlops-nb schedule export nightly --to systemd --out ~/.config/systemd/user
      mlops-nb schedule export --to kubernetes --check
    """
    from mlops_nb.api import schedule_export as api

    if show:
        for text in api.render(project, target, names, machine_zone=machine_tz).values():
            click.echo(text, nl=False)
        return ExitCode.OK
    if check:
        found = api.preview(project, target, names, out=out, machine_zone=machine_tz)
        click.echo(found.diff, nl=False)
        return ExitCode.ERROR if found.stale else ExitCode.OK
    changed = api.write(project, target, names, out=out, machine_zone=machine_tz).files
    gone = [one.path for one in changed if one.state is FileState.LEFT_OVER]
    if as_json:
        new = [one.path for one in changed if one.path not in gone]
        output.print_json({"target": target, "written": new, "removed": gone})
        return ExitCode.OK
    for one in changed:
        click.echo(f"  {'-' if one.path in gone else '+'} {one.path}")
    click.echo(f"{target}: {len(changed) or 'no'} file{'' if len(changed) == 1 else 's'} changed")
    return ExitCode.OK


def _mention_daemon(project: str | None, fix: str = "mlops-nb scheduler") -> None:
    """Say so where nobody would run what is due."""
    from mlops_nb.api import schedules as api
    from mlops_nb.model import SchedulerState

    alive = [one for one in api.daemons(project) if one.state is not SchedulerState.GONE]
    if not alive:
        output.console().print(Text(f"  no daemon is running: {fix}", style="yellow"))
