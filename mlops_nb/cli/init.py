"""``mlops-nb init``."""

from __future__ import annotations

import click

from mlops_nb.cli import output

__all__ = ["init"]


@click.command()
@click.argument("folder")
@click.option("--name", default="", help="The project's name; the folder's by default.")
@output.json_option
def init(folder: str, name: str, as_json: bool) -> None:
    """Start a project in FOLDER: three notebooks, a pipeline and tests that pass.

    \b
    Examples:
      mlops-nb init churn && cd churn && mlops-nb run
    """
    from mlops_nb.api.scaffold import init_project

    written = init_project(folder, name=name)
    if as_json:
        output.print_json(written)
        return
    console = output.console()
    for path in written:
        console.print(f"  [green]+[/green] {path}")
    console.print(f"\nnext: [bold]cd {folder} && mlops-nb run[/bold]")
