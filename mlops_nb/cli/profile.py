"""``mlops-nb profile``: of data files, or of a run's time."""

from __future__ import annotations

import datetime
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from rich.text import Text

from mlops_nb.cli import output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mlops_nb.api.profiles import ColumnFacts, ProfileFacts
    from mlops_nb.model import RunProfile

__all__ = ["profile", "progress_bar"]


@click.command()
@click.argument("what", nargs=-1, metavar="[FILE]... | [RUN]")
@click.option(
    "--data",
    multiple=True,
    metavar="FILE",
    help="A data file, where its name could be mistaken for a run; may be given again.",
)
@click.option("--output", "-o", "out", default=None, metavar="FILE.bin", help="Write the profile.")
@click.option(
    "--segment", "segments", multiple=True, metavar="COLUMN", help="Profile by its values as well."
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="COLUMN",
    help="Only this one; may be given again.",
)
@click.option("--score", default="", metavar="COLUMN", help="The model's score.")
@click.option("--predicted", default="", metavar="COLUMN", help="The label that the model gave.")
@click.option("--label", default="", metavar="COLUMN", help="The true label.")
@output.processes_option
@click.option(
    "--dask", default="", metavar="ADDRESS", help="Profile on the workers of this Dask scheduler."
)
@click.option(
    "--cells", default=3, show_default=True, help="Of a run: slowest cells to show of each task."
)
@output.json_option
@click.pass_obj
def profile(
    project: str | None,
    what: tuple[str, ...],
    data: tuple[str, ...],
    out: str | None,
    segments: tuple[str, ...],
    columns: tuple[str, ...],
    score: str,
    predicted: str,
    label: str,
    jobs: int,
    dask: str,
    cells: int,
    as_json: bool,
) -> None:
    """Profile data FILEs: counts, nulls, distributions. Or show where a RUN's time went.

    Data files are Parquet, CSV or Arrow, folders of them, or profiles (.bin) to be merged; what is
    written with -o is a whylogs profile. What is no file names a run: an id, its unique start, or
    latest, which is also shown when nothing is named (its critical path is marked ●).

    \b
    Examples:
      mlops-nb profile flights.parquet
      mlops-nb profile 2013-*.parquet -o q1.bin --segment carrier
      mlops-nb profile s3-mount/flights/ --dask tcp://scheduler:8786
      mlops-nb profile                          time and memory of the latest run
      mlops-nb profile 20260301-0600 --cells 10
    """
    from mlops_nb.api import profiles

    if not data and not any(profiles.names_data(text) for text in what):
        if len(what) > 1:
            raise click.UsageError("name one run, or data files that exist")
        from mlops_nb.api.runs import profile_run

        found = profile_run(project, what[0] if what else "latest")
        if as_json:
            output.print_json(found)
        else:
            _show_run(found, cells)
        return
    with progress_bar(quiet=as_json) as progress:
        made = profiles.profile_files(
            (*what, *data),
            out=out,
            segments=segments,
            predictions=predicted,
            score=score,
            label=label,
            columns=columns,
            processes=jobs,
            dask=dask,
            progress=progress,
        )
    facts = profiles.describe(made, file=out or "")
    if as_json:
        output.print_json(facts)
    else:
        _show_data(facts)


@contextmanager
def progress_bar(*, quiet: bool = False) -> Iterator[Callable[[int, int | None], None] | None]:
    """Show rows done on a terminal, on standard error; nothing elsewhere."""
    console = output.console(stderr=True)
    if quiet or not console.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    with Progress(
        TextColumn("profiling"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} rows"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    ) as bar:
        task = bar.add_task("rows", total=None)
        # Finished it is hidden: what follows, a retraining perhaps, is not profiling.
        yield lambda done, total: bar.update(
            task, completed=done, total=total, visible=total is None or done < total
        )


def _show_data(facts: ProfileFacts) -> None:
    console = output.console()
    right = ("missing", "distinct", "least", "median", "mean", "greatest")
    rows = output.table("column", "kind", *right, "most frequent", right=right)
    for column in facts.columns:
        share = column.nulls / column.count if column.count else 0.0
        rows.add_row(
            Text(column.name),
            column.kind,
            Text(f"{share:.1%}" if column.nulls else "", style="yellow" if share > 0.05 else ""),
            f"{column.distinct:,.0f}" if column.distinct else "",
            _value(column, column.minimum),
            _value(column, column.median),
            _value(column, column.mean),
            _value(column, column.maximum),
            Text(", ".join(f"{name[:20]} {count:,.0f}" for name, count in column.top.items())),
        )
    console.print(rows)
    console.print()
    segments = f", {len(facts.segments)} segments" if facts.segments else ""
    written = f", written to {facts.file}" if facts.file else ""
    console.print(Text(f"{facts.rows:,} rows, {len(facts.columns)} columns{segments}{written}"))


def _value(column: ColumnFacts, value: float | None) -> str:
    if value is None:
        return ""
    if column.kind == "datetime":
        moment = datetime.datetime.fromtimestamp(0, datetime.UTC) + datetime.timedelta(
            seconds=value
        )
        return f"{moment:%Y-%m-%d %H:%M}"
    return f"{value:.5g}"


def _show_run(found: RunProfile, cells: int) -> None:
    console = output.console()
    rows = output.table(
        "task", "took", "share", "waited", "overhead", "peak", "slowest cells",
        right=("took", "share", "waited", "overhead", "peak"),
    )  # fmt: skip
    for task in found.tasks:
        slow = ", ".join(
            f"[{c.index + 1}] {output.seconds(c.seconds)}"
            + (f" {c.peak_mb:,.0f} MiB" if c.peak_mb else "")
            for c in task.cells[:cells]
        )
        rows.add_row(
            Text(
                ("● " if task.critical else "  ") + task.task, style="bold" if task.critical else ""
            ),
            output.seconds(task.seconds),
            f"{task.share:.0%}",
            output.seconds(task.waited),
            output.seconds(task.overhead),
            f"{task.peak_mb:,.0f} MiB" if task.peak_mb else "",
            Text(slow),
        )
    console.print(rows)
    console.print()
    path = " → ".join(found.critical_path)
    console.print(Text(f"critical path: {path} ({output.seconds(found.critical_seconds)})"))
    console.print(
        Text(
            f"run {found.run}: {output.seconds(found.seconds)} for {output.seconds(found.work)} of work"
        )
    )
