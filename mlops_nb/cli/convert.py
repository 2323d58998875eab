"""``mlops-nb convert``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mlops_nb.cli import output

if TYPE_CHECKING:
    from mlops_nb.model.boards import Conversion

__all__ = ["convert"]


@click.command()
@click.argument("notebook")
@click.option("--name", default="", help="The task's name; the file's by default.")
@click.option("--dry-run", is_flag=True, help="Say what would be written, and write nothing.")
@output.json_option
def convert(notebook: str, name: str, dry_run: bool, as_json: bool) -> None:
    """Make NOTEBOOK a pipeline of one task, or a task of the project that it lies in.

    It gets a parameters cell unless it has one, and stays whole: further notebooks become further
    tasks.

    \b
    Examples:
      mlops-nb convert analysis.ipynb --dry-run
      mlops-nb convert analysis.ipynb && mlops-nb run
    """
    from mlops_nb.api.converting import convert as convert_notebook

    done = convert_notebook(notebook, name=name, write=not dry_run)
    if as_json:
        output.print_json(done)
        return
    console = output.console()
    for line in _lines(done):
        console.print(f"  [green]+[/green] {line}", highlight=False)
    if dry_run:
        console.print(f"\n{done.spec_text}", markup=False, highlight=False)
        return
    console.print("\nnext: [bold]mlops-nb run[/bold]")


def _lines(done: Conversion) -> list[str]:
    place = done.position + 1
    cell = {
        "kept": "keeps its parameters cell",
        "tagged": f"cell {place} becomes its parameters cell",
        "made": f"gets a parameters cell, cell {place}",
    }[done.cell.value]
    spec = done.project.spec
    named = f", a run can set {', '.join(done.parameters)}" if done.parameters else ""
    return [
        f"{spec}: {'made, ' if done.is_new else ''}with task {done.task}",
        f"{done.source}: {cell}{named}",
    ]
