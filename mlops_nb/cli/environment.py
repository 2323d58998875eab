"""``mlops-nb environment``."""

from __future__ import annotations

from pathlib import Path

import click

from mlops_nb.cli import output

__all__ = ["environment"]


@click.command()
@click.argument("source", type=click.Path(path_type=Path), default=Path("environment.yml"))
@click.option(
    "--into",
    type=click.Path(path_type=Path),
    default=Path(".venv"),
    show_default=True,
    help="Folder of the environment that is made.",
)
@output.json_option
def environment(source: Path, into: Path, as_json: bool) -> None:
    """Make a virtual environment from a conda environment's SOURCE.

    The other way, from the project to conda, is `mlops-nb export conda`.

    \b
    Examples:
      mlops-nb environment
      mlops-nb environment team/environment.yml --into .venv-team
    """
    from mlops_nb.api.environment import environment_from

    with output.console(stderr=True).status(f"installing what {source} asks for"):
        left_out = environment_from(source, into)
    if as_json:
        output.print_json({"environment": str(into), "left_out": list(left_out)})
        return
    click.echo(f"✓ {into} holds what {source} asks for")
    for name in left_out:
        click.echo(f"  ! PyPI has no {name}: it was left out", err=True)
