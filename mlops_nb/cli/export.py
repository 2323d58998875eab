"""``mlops-nb export``."""

from __future__ import annotations

from pathlib import Path

import click

from mlops_nb.cli import output
from mlops_nb.errors import ExitCode
from mlops_nb.model import FileState

__all__ = ["export"]

_SIGNS = {FileState.MISSING: "+", FileState.STALE: "~", FileState.LEFT_OVER: "-"}


@click.command()
@click.argument("target", required=False)
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
    target: str | None,
    out: Path | None,
    check: bool,
    show_diff: bool,
    group: str | None,
    as_json: bool,
) -> int:
    """Write the pipeline for a CI system, an orchestrator or a container.

    Without TARGET the targets are listed.

    \b
    Examples:
      mlops-nb export
      mlops-nb export github
      mlops-nb export gitlab --diff
      mlops-nb export argo --out deploy --group auto
      mlops-nb export github --check      in CI and as a pre-commit hook
    """
    from mlops_nb.api import export as api

    if target is None:
        found = api.targets()
        if as_json:
            output.print_json(found)
        else:
            rows = output.table("target", "for", "what is written")
            for one in found:
                rows.add_row(one.name, one.title, one.description)
            output.console().print(rows)
        return ExitCode.OK
    if check or show_diff:
        preview = api.preview_target(project, target, out=out, group=group)
        if as_json:
            output.print_json(
                {
                    "target": target,
                    "stale": preview.stale,
                    "diff": preview.diff,
                    "notes": preview.notes,
                }
            )
        elif preview.stale:
            click.echo(preview.diff, nl=False)
        else:
            click.echo(f"{target}: every file is as it would be written")
        return ExitCode.ERROR if check and preview.stale else ExitCode.OK
    written = api.write_target(project, target, out=out, group=group)
    changed = written.files
    if as_json:
        paths = {file.path: file.state is FileState.LEFT_OVER for file in changed}
        output.print_json(
            {
                "target": target,
                "written": [path for path, gone in paths.items() if not gone],
                "removed": [path for path, gone in paths.items() if gone],
                "notes": written.notes,
            }
        )
    else:
        for file in changed:
            click.echo(f"  {_SIGNS[file.state]} {file.path}")
        click.echo(
            f"{target}: {len(changed) or 'no'} file{'' if len(changed) == 1 else 's'} changed"
        )
        for note in written.notes:
            click.echo(f"  ! {note}", err=True)
    return ExitCode.OK
