"""``mlops-nb export``."""

from __future__ import annotations

from pathlib import Path

import click

from mlops_nb.cli import output
from mlops_nb.errors import ExitCode

__all__ = ["export"]


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
        names = api.targets()
        if as_json:
            output.print_json(names)
        else:
            click.echo("\n".join(names))
        return ExitCode.OK
    if check or show_diff:
        changes = api.diff_target(project, target, out=out, group=group)
        if as_json:
            output.print_json({"target": target, "stale": bool(changes), "diff": changes})
        elif changes:
            click.echo(changes, nl=False)
        else:
            click.echo(f"{target}: every file is as it would be written")
        return ExitCode.ERROR if check and changes else ExitCode.OK
    written = api.write_target(project, target, out=out, group=group)
    if as_json:
        output.print_json({"target": target, "written": written})
    else:
        for path in written:
            click.echo(f"  + {path}")
        click.echo(
            f"{target}: {len(written)} files written" if written else f"{target}: nothing changed"
        )
    return ExitCode.OK
