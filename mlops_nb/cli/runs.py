"""``mlops-nb runs list | show | diff | open``."""

from __future__ import annotations

import datetime

import click
from rich.text import Text

from mlops_nb.cli import output
from mlops_nb.model import RunStatus

__all__ = ["runs"]


@click.group()
def runs() -> None:
    """List, show and compare runs.

    \b
    Examples:
      mlops-nb runs list --status failed
      mlops-nb runs show latest
      mlops-nb runs diff 20260301-0600 latest
    """


@runs.command("list")
@click.option("--limit", "-n", default=20, show_default=True, type=click.IntRange(min=1))
@click.option("--status", type=click.Choice([status.value for status in RunStatus]), default=None)
@output.json_option
@click.pass_obj
def list_(project: str | None, limit: int, status: str | None, as_json: bool) -> None:
    """List runs, the newest first."""
    from mlops_nb.api import history

    found = history.list_runs(project, limit=limit, status=RunStatus(status) if status else None)
    if as_json:
        output.print_json(found)
        return
    console = output.console()
    if not found:
        console.print("no runs yet; [bold]mlops-nb run[/bold] makes the first")
        return
    rows = output.table(
        "run", "status", "started", "took", "trigger", "commit", "tasks", right=("took",)
    )
    for run in found:
        good = sum(task.status.is_good for task in run.tasks)
        rows.add_row(
            run.id,
            output.status_text(run.status),
            output.since(run.facts.started),
            output.seconds(run.ended - run.facts.started if run.ended else None),
            run.facts.trigger,
            run.facts.git_commit[:8] + ("+" if run.facts.git_diff else ""),
            f"{good}/{len(run.tasks)}",
        )
    console.print(rows)


@runs.command()
@click.argument("run_id", metavar="RUN", default="latest")
@output.json_option
@click.pass_obj
def show(project: str | None, run_id: str, as_json: bool) -> None:
    """Show one run: facts, tasks, metrics, errors. RUN is an id, its unique start, or latest."""
    from mlops_nb.api import history

    found = history.get_run(project, run_id)
    if as_json:
        output.print_json(found)
        return
    run, facts = found, found.facts
    console = output.console()
    console.print(Text.assemble((run.id, "bold"), "  "), output.status_text(run.status))
    started = datetime.datetime.fromtimestamp(facts.started).astimezone()
    details = {
        "started": f"{started:%Y-%m-%d %H:%M:%S %Z}, by {facts.user}@{facts.host} ({facts.trigger})",
        "took": output.seconds(run.ended - facts.started if run.ended else None),
        "commit": f"{facts.git_commit[:12]}{' with uncommitted changes' if facts.git_diff else ''}",
        "parameters": ", ".join(f"{name}={value!r}" for name, value in facts.parameters.items()),
        "MLflow run": facts.mlflow_run_id,
        "folder": str(history.run_folder(project, run.id)),
    }
    for name, value in details.items():
        if value:
            console.print(Text.assemble((f"  {name:<11}", "dim"), value))
    console.print()
    rows = output.table(
        "task", "status", "took", "kernel", "peak", "because", right=("took", "peak")
    )
    for task in run.tasks:
        rows.add_row(
            task.task,
            output.status_text(task.status),
            output.seconds(task.seconds),
            task.kernel,
            f"{task.peak_mb:,.0f} MiB" if task.peak_mb else "",
            Text(
                f"{task.error.name}: {task.error.message}".splitlines()[0]
                if task.error
                else task.why
            ),
        )
    console.print(rows)
    if run.metrics:
        console.print()
        metrics = output.table("metric", "value", right=("value",))
        for name, figure in sorted(run.metrics.items()):
            metrics.add_row(name, f"{figure:.6g}")
        console.print(metrics)


@runs.command()
@click.argument("run_id", metavar="RUN", default="latest")
@click.pass_obj
def report(project: str | None, run_id: str) -> None:
    """Write a run's HTML pages, of its good tasks too, and print where they are."""
    from mlops_nb.api.runs import write_report

    click.echo(write_report(project, run_id))


@runs.command()
@click.argument("left")
@click.argument("right", default="latest")
@output.json_option
@click.pass_obj
def diff(project: str | None, left: str, right: str, as_json: bool) -> None:
    """Compare two runs: parameters, code, data, environment, tasks and metrics."""
    from mlops_nb.api import history

    found = history.diff_runs(project, left, right)
    if as_json:
        output.print_json(found)
        return
    console = output.console()
    if not found:
        console.print("[green]✓[/green] no difference")
        return
    rows = output.table("what", "name", left, right)
    for change in found:
        rows.add_row(change.kind, change.name, Text(change.left), Text(change.right))
    console.print(rows)
