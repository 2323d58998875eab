"""``mlops-nb run | plan | status``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich.text import Text

from mlops_nb.cli import output
from mlops_nb.errors import ExitCode
from mlops_nb.model import Action, RunStatus, TaskStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops_nb.api.execute import Outcome
    from mlops_nb.model import Json, Plan, Run

__all__ = ["plan", "run", "status"]


def selection(command: Callable[..., object]) -> Callable[..., object]:
    """The arguments and options that choose what a run does; shared by ``run`` and ``plan``."""
    for option in reversed(
        (
            click.argument("tasks", nargs=-1, metavar="[TASK]..."),
            click.option(
                "--from",
                "start_from",
                multiple=True,
                metavar="TASK",
                help="Run this task anew and everything below it; may be given again.",
            ),
            click.option(
                "-p",
                "parameters",
                multiple=True,
                metavar="NAME=VALUE",
                help="Set a parameter, typed as the notebook declares it; may be given again.",
            ),
            click.option(
                "--params",
                "params_file",
                type=click.Path(dir_okay=False),
                metavar="FILE",
                help="Parameters from a YAML or JSON file; -p wins over it.",
            ),
            click.option(
                "--params-from-env",
                is_flag=True,
                help="Parameters from variables PARAM_*, as exported pipelines set them.",
            ),
            click.option("--force", is_flag=True, help="Run also what is up to date."),
        )
    ):
        command = option(command)
    return command


def _parameters(
    project: str | None, pairs: tuple[str, ...], file: str | None, from_env: bool
) -> dict[str, Json]:
    """Read parameters: -p wins over the file, and the file over the environment."""
    given: dict[str, Json] = {}
    if from_env:
        from mlops_nb.api.export import parameters_from_environment

        given = parameters_from_environment(project)
    if pairs or file is not None:
        from mlops_nb.api.parameters import parse_parameters

        given |= parse_parameters(pairs, file)
    return given


@click.command()
@selection
@click.option("--jobs", "-j", type=click.IntRange(min=0), default=None, help="Tasks at a time.")
@click.option(
    "--keep-going", "-k", is_flag=True, help="Go on with what does not need a failed task."
)
@click.option("--timeout", type=float, default=None, metavar="SECONDS", help="For the whole run.")
@click.option("--cold", is_flag=True, help="Start every kernel afresh.")
@click.option("--executor", default=None, metavar="NAME", help="Where tasks run: local or dask.")
@click.option(
    "--address", default="", metavar="URL", help="The executor's cluster: tcp://host:8786."
)
@click.option("--cache", default=None, metavar="URL", help="Product cache: a folder or fsspec URL.")
@click.option("--run-id", default="", hidden=True, help="For whoever starts it detached.")
@click.option(
    "--schedule", default=None, metavar="NAME", help="Run what is due of a schedule, just once."
)
@click.option(
    "--occurrence",
    default="due",
    metavar="TIME",
    help="With --schedule: due, latest or an ISO time.",
)
@click.option(
    "--within",
    type=float,
    default=None,
    metavar="SECONDS",
    help="With --occurrence latest: how late it may be.",
)
@click.option("--claim", default=None, hidden=True)
@output.json_option
@click.pass_obj
def run(
    project: str | None,
    tasks: tuple[str, ...],
    start_from: tuple[str, ...],
    parameters: tuple[str, ...],
    params_file: str | None,
    params_from_env: bool,
    force: bool,
    jobs: int | None,
    keep_going: bool,
    timeout: float | None,
    cold: bool,
    executor: str | None,
    address: str,
    cache: str | None,
    run_id: str,
    schedule: str | None,
    occurrence: str,
    within: float | None,
    claim: str | None,
    as_json: bool,
) -> int:
    """Run the pipeline, or the part of it that is out of date.

    TASK names the tasks to bring up to date, with what they need; all by default.

    \b
    Examples:
      mlops-nb run
      mlops-nb run train -p max_depth=8 -p "columns=['a', 'b']"
      mlops-nb run --from features --jobs 4
      mlops-nb run --params nightly.yaml --keep-going
      mlops-nb run --schedule nightly      what is due of a schedule, for cron and CI
    """
    if schedule is not None:
        from mlops_nb.cli.scheduled import run_scheduled

        if tasks or start_from or parameters or params_file or force:
            raise click.UsageError("--schedule says what is run; leave out tasks and parameters")
        return run_scheduled(project, schedule, occurrence, within, claim, as_json)
    from mlops_nb.api import execute
    from mlops_nb.cli.live import view_for

    console = output.console(stderr=as_json)
    prepared = execute.prepare(
        project,
        targets=tasks,
        start_from=start_from,
        parameters=_parameters(project, parameters, params_file, params_from_env),
        force=force,
        cache=cache,
    )
    execute.require_tasks(prepared)
    if prepared.is_noop:
        if as_json:
            output.print_json({"run": None, "plan": prepared.plan})
        else:
            count = len(prepared.plan.items)
            console.print(f"[green]✓[/green] nothing to do: all {count} tasks are up to date")
            console.print("[dim]  mlops-nb run --force runs them all the same[/dim]")
        return ExitCode.OK
    with view_for(console, prepared.pipeline) as view:
        outcome = execute.run(
            prepared,
            listener=view,
            jobs=jobs,
            keep_going=keep_going,
            timeout=timeout,
            cold=cold,
            executor=executor,
            address=address,
            run_id=run_id,
        )
    if as_json:
        output.print_json({"run": outcome.run, "plan": prepared.plan})
    else:
        show_outcome(outcome)
    return exit_code(outcome.run)


def exit_code(run: Run) -> ExitCode:
    """Return what the process exits with for a run's status."""
    if run.status is RunStatus.SUCCEEDED:
        return ExitCode.OK
    return ExitCode.INTERRUPTED if run.status is RunStatus.CANCELLED else ExitCode.EXECUTION


def show_outcome(outcome: Outcome) -> None:
    """Print how a run ended: one line, and for each failed task its cell, error and report."""
    console = output.console()
    run = outcome.run
    quiet = (TaskStatus.BLOCKED, TaskStatus.CANCELLED)
    failed = [task for task in run.tasks if task.error is not None and task.status not in quiet]
    for task in failed:
        assert task.error is not None  # noqa: S101
        error = task.error
        place = f"{task.task}, cell {error.cell + 1}" if error.cell is not None else task.task
        console.print()
        console.print(Text(f"✗ {place}: {task.status.value}", style="bold red"))
        for line in error.source.strip().splitlines():
            console.print(Text(f"    {line}", style="dim"))
        console.print(Text(f"  {error.name}: {error.message}".rstrip(": "), style="red"))
        if task.notebook:
            console.print(Text(f"  notebook: {outcome.folder / task.notebook}", style="dim"))
        if task.checkpoint is not None:
            console.print(Text(f"  {task.checkpoint.text}", style="dim"))
        if task.report:
            console.print(Text(f"  report:   {outcome.folder / task.report}", style="dim"))
    took = output.seconds((run.ended or run.facts.started) - run.facts.started)
    counts = {
        status: sum(1 for task in run.tasks if task.status is status)
        for status in {t.status for t in run.tasks}
    }
    summary = ", ".join(
        f"{count} {status.value}"
        for status, count in sorted(counts.items(), key=lambda item: item[0].value)
    )
    console.print()
    console.print(output.status_text(run.status), Text(f"run {run.id} in {took}: {summary}"))
    if run.status is not RunStatus.SUCCEEDED:
        console.print(
            Text(f"  mlops-nb runs show {run.id} · mlops-nb resume {run.id}", style="dim")
        )


@click.command()
@selection
@click.option("--cache", default=None, metavar="URL", help="Product cache: a folder or fsspec URL.")
@click.option(
    "--key",
    is_flag=True,
    help="Print one digest of all that the tasks' results depend on: a key for a CI system's cache.",
)
@output.json_option
@click.pass_obj
def plan(
    project: str | None,
    tasks: tuple[str, ...],
    start_from: tuple[str, ...],
    parameters: tuple[str, ...],
    params_file: str | None,
    params_from_env: bool,
    force: bool,
    cache: str | None,
    key: bool,
    as_json: bool,
) -> None:
    """Say what a run would do with each task, and why. Nothing is run.

    \b
    Examples:
      mlops-nb plan
      mlops-nb plan train -p max_depth=8 --json
      mlops-nb plan train --key      the tasks above it have run
    """
    from mlops_nb.api import execute

    given = _parameters(project, parameters, params_file, params_from_env)
    if key:
        from mlops_nb.api import cachekey

        if start_from or force or cache is not None:
            raise click.UsageError("--key takes tasks and parameters only")
        digest = cachekey.cache_key(project, targets=tasks, parameters=given)
        output.print_json({"key": digest}) if as_json else click.echo(digest)
        return
    prepared = execute.prepare(
        project,
        targets=tasks,
        start_from=start_from,
        parameters=given,
        force=force,
        cache=cache,
    )
    if as_json:
        output.print_json(prepared.plan)
        return
    show_plan(prepared.plan)


def show_plan(plan: Plan) -> None:
    """Print a plan as a table and a line that sums it up."""
    console = output.console()
    rows = output.table("task", "will", "because")
    for item in plan.items:
        rows.add_row(item.task, output.status_text(item.action.value), Text(item.why))
    console.print(rows)
    console.print()
    parts = [
        f"{len(plan.of(action))} to {word}"
        for action, word in (
            (Action.RUN, "run"),
            (Action.RESTORE, "restore"),
            (Action.SKIP, "skip"),
        )
        if plan.of(action)
    ]
    console.print(Text(", ".join(parts) or "the pipeline has no tasks", style="dim"))


@click.command()
@output.json_option
@click.pass_obj
def status(project: str | None, as_json: bool) -> None:
    """Show each task: up to date or not and why, when it last ran and how long it took.

    \b
    Examples:
      mlops-nb status
      mlops-nb status --json
    """
    from mlops_nb.api import standing

    rows = standing.status(project)
    if as_json:
        output.print_json(rows)
        return
    console = output.console()
    shown = output.table("task", "kind", "state", "because", "last run", "took", right=("took",))
    for row in rows:
        shown.add_row(
            row.task,
            row.kind.value,
            output.status_text(row.action.value),
            Text(row.why),
            Text.assemble(
                output.status_text(row.last_status)
                if row.last_status
                else Text("never", style="dim"),
                f" {output.since(row.last_ended)}",
            ),
            output.seconds(row.last_seconds),
        )
    console.print(shown)
