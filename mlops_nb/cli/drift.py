"""``mlops-nb drift check``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich.text import Text

from mlops_nb.cli import output
from mlops_nb.cli.profile import progress_bar
from mlops_nb.errors import ExitCode

if TYPE_CHECKING:
    from rich.console import Console

    from mlops_nb.model import DriftReport

__all__ = ["drift", "show_report"]


@click.group()
def drift() -> None:
    """Compare data with a reference.

    \b
    Examples:
      mlops-nb drift check january.parquet february.parquet
      mlops-nb drift check products/register/reference today.csv --page drift.html
    """


@drift.command()
@click.argument("reference", type=click.Path(exists=True))
@click.argument("current", type=click.Path(exists=True))
@click.option(
    "--segment", "segments", multiple=True, metavar="COLUMN", help="Compare by its values as well."
)
@click.option(
    "--ignore", multiple=True, metavar="COLUMN", help="Leave a column out; may be given again."
)
@click.option(
    "--fail-on",
    type=click.Choice(["info", "warning", "critical"]),
    default="warning",
    show_default=True,
    help="The least severity that is called drift.",
)
@click.option("--page", default=None, metavar="FILE.html", help="Write the report as a page.")
@click.option("--all", "all_columns", is_flag=True, help="Show the columns that are alike, too.")
@output.processes_option
@output.json_option
@click.pass_obj
def check(
    project: str | None,
    reference: str,
    current: str,
    segments: tuple[str, ...],
    ignore: tuple[str, ...],
    fail_on: str,
    page: str | None,
    all_columns: bool,
    jobs: int,
    as_json: bool,
) -> int:
    """Compare CURRENT with REFERENCE; exits with 10 where the data drifted.

    Both are data files (Parquet, CSV, Arrow), folders of them, or whylogs profiles (.bin). A
    REFERENCE may also be the folder of a reference of several windows, or of a model's artifact:
    it knows what change is natural, which one window does not. A new column has the severity info.
    Too few rows to decide are said to be so, and exit with 0.

    \b
    Examples:
      mlops-nb drift check january.parquet february.parquet
      mlops-nb drift check products/register/reference today.csv --ignore flight_id
      mlops-nb drift check ref.bin now.bin --fail-on critical --json
    """
    from mlops_nb.api.profiles import check_drift

    with progress_bar(quiet=as_json) as progress:
        found = check_drift(
            project,
            reference,
            current,
            segments=segments,
            ignore=ignore,
            fail_on=fail_on,
            page=page,
            processes=jobs,
            progress=progress,
        )
    if as_json:
        output.print_json(found)
    else:
        console = output.console()
        show_report(console, found.report, all_columns=all_columns)
        if found.page:
            console.print(Text(f"page: {found.page}", style="dim"))
    return ExitCode.DRIFT if found.drifted else ExitCode.OK


def show_report(console: Console, report: DriftReport, *, all_columns: bool = False) -> None:
    """Print the columns that drifted, the most severe first, and how all of them stand."""
    drifted = report.drifted
    names = {column.column for column in drifted}
    shown = [*drifted]
    if all_columns:
        shown += [column for column in report.columns if column.column not in names]
    if shown:
        rows = output.table(
            "column", "state", "severity", "score", "what changed", right=("score",)
        )
        for column in shown:
            rows.add_row(
                Text(column.column),
                output.status_text(column.state.value),
                output.status_text(column.severity.value),
                f"{column.score:.2f}",
                Text(column.text),
            )
        console.print(rows)
        console.print()
    if report.volume is not None and report.volume.drifted:
        console.print(Text(f"! row volume: {report.volume.text}", style="yellow"))
    for note in report.notes:
        console.print(Text(f"  {note}", style="dim"))
    console.print(
        output.status_text(report.state.value),
        Text(
            f"{len(drifted)} of {len(report.columns)} columns changed; {report.rows:,} rows "
            f"against {report.reference_rows:,} of {len(report.reference_windows)} "
            f"reference window{'s' if len(report.reference_windows) != 1 else ''}"
        ),
    )
