"""``mlops-nb schedule export``."""

from __future__ import annotations

from pathlib import Path

import click

from mlops_nb.cli import output
from mlops_nb.errors import ExitCode
from mlops_nb.model import FileState

__all__ = ["export"]


@click.command()
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
