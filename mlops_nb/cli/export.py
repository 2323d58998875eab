"""``mlops-nb export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlops_nb.cli import output
from mlops_nb.errors import ExitCode
from mlops_nb.model import FileState

if TYPE_CHECKING:
    from mlops_nb.model import ExportPreview, Json

__all__ = ["export"]

_SIGNS = {FileState.MISSING: "+", FileState.STALE: "~", FileState.LEFT_OVER: "-"}


@click.command()
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder to write to; the project's by default."
)
@click.option(
    "--check", is_flag=True, help="Write nothing; exit with 1 and a diff if files are stale."
)
@click.option("--diff", "show_diff", is_flag=True, help="Write nothing; show what would change.")
@click.option(
    "--group", type=click.Choice(["none", "auto", "by-level"]), help="How tasks share jobs."
)
@output.json_option
@click.pass_obj
def export(
    project: str | None,
    targets: tuple[str, ...],
    out: Path | None,
    check: bool,
    show_diff: bool,
    group: str | None,
    as_json: bool,
) -> int:
    """Write the pipeline for CI systems, orchestrators or containers.

    Without TARGET the targets are listed.

    \b
    Examples:
      mlops-nb export
      mlops-nb export github
      mlops-nb export gitlab --diff
      mlops-nb export argo --out deploy --group auto
      mlops-nb export github docker --check      in CI and as a pre-commit hook
    """
    from mlops_nb.api import export as api

    if not targets:
        _list(as_json)
        return ExitCode.OK
    stale = False
    told: list[Json] = []
    for target in targets:
        if check or show_diff:
            found = api.preview_target(project, target, out=out, group=group)
            stale = stale or found.stale
            told.append({"stale": found.stale, "diff": found.diff})
        else:
            found = api.write_target(project, target, out=out, group=group)
            gone = [file.path for file in found.files if file.state is FileState.LEFT_OVER]
            new = [file.path for file in found.files if file.path not in gone]
            told.append({"written": new, "removed": gone})
        told[-1] = {"target": target, **told[-1], "notes": found.notes}
        if not as_json:
            _show(found, written=not (check or show_diff))
    if as_json:
        output.print_json(told[0] if len(told) == 1 else told)
    else:
        for note in dict.fromkeys(note for one in told for note in one["notes"]):
            click.echo(f"  ! {note}", err=True)
    return ExitCode.ERROR if check and stale else ExitCode.OK


def _list(as_json: bool) -> None:
    from mlops_nb.api import export as api

    found = api.targets()
    if as_json:
        output.print_json(found)
        return
    rows = output.table("target", "for", "what is written")
    for one in found:
        rows.add_row(one.name, one.title, one.description)
    output.console().print(rows)


def _show(found: ExportPreview, *, written: bool) -> None:
    """Print what was written, or would be."""
    if written:
        for file in found.files:
            click.echo(f"  {_SIGNS[file.state]} {file.path}")
        count = len(found.files)
        click.echo(f"{found.target}: {count or 'no'} file{'' if count == 1 else 's'} changed")
    elif found.stale:
        click.echo(found.diff, nl=False)
    else:
        click.echo(f"{found.target}: every file is as it would be written")
