"""``mlops-nb resume | watch | cache | server``."""

from __future__ import annotations

import click
from rich.text import Text

from mlops_nb.cli import output
from mlops_nb.errors import ExitCode, MlopsNbError

__all__ = ["cache", "resume", "server", "watch"]

_RUN = click.argument("run_id", metavar="[RUN]", default="latest")


@click.command()
@_RUN
@click.option("--jobs", "-j", type=click.IntRange(min=0), default=None, help="Tasks at a time.")
@click.option(
    "--keep-going", "-k", is_flag=True, help="Go on with what does not need a failed task."
)
@click.option("--cold", is_flag=True, help="Start every kernel afresh.")
@click.option("--run-id", "new_id", default="", hidden=True, help="For whoever starts it detached.")
@click.option(
    "--whole", is_flag=True, help="Run failed notebooks from their first cell, kept state or not."
)
@click.option("--executor", default=None, metavar="NAME", help="Where tasks run: local or dask.")
@click.option(
    "--address", default="", metavar="URL", help="The executor's cluster: tcp://host:8786."
)
@click.option("--timeout", type=float, default=None, metavar="SECONDS", help="For the whole run.")
@click.option("--cache", default=None, metavar="URL", help="Product cache: a folder or fsspec URL.")
@output.json_option
@click.pass_obj
def resume(
    project: str | None,
    run_id: str,
    jobs: int | None,
    keep_going: bool,
    cold: bool,
    new_id: str,
    whole: bool,
    executor: str | None,
    address: str,
    timeout: float | None,
    cache: str | None,
    as_json: bool,
) -> int:
    """Go on with a run that failed, was cancelled or got lost: only what is missing runs.

    A notebook whose task has "checkpoint = true" goes on at the cell that failed, if nothing that
    the cells before it depend on has changed; where it cannot, the run says why.

    \b
    Examples:
      mlops-nb resume
      mlops-nb resume 20260301-0600 --keep-going
      mlops-nb resume latest --whole
    """
    from mlops_nb.api import execute
    from mlops_nb.api.runs import prepare_resume
    from mlops_nb.cli.live import view_for
    from mlops_nb.cli.run import exit_code, show_outcome

    prepared = prepare_resume(project, run_id, whole=whole, cache=cache)
    console = output.console(stderr=as_json)
    if prepared.is_noop:
        if as_json:
            output.print_json({"run": None, "plan": prepared.plan})
        else:
            console.print("[green]✓[/green] nothing is missing: all tasks are up to date")
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
            trigger="resume",
            run_id=new_id,
        )
    if as_json:
        output.print_json({"run": outcome.run, "plan": prepared.plan})
    else:
        show_outcome(outcome)
    return exit_code(outcome.run)


@click.command()
@_RUN
@output.json_option
@click.pass_obj
def watch(project: str | None, run_id: str, as_json: bool) -> None:
    """Watch a run of another process until it ends; Ctrl-C leaves it running.

    \b
    Examples:
      mlops-nb watch
      mlops-nb watch latest --json     one event a line
    """
    from mlops_nb.api.history import get_run
    from mlops_nb.api.runs import current_pipeline
    from mlops_nb.api.runs import watch as follow
    from mlops_nb.cli.live import LineView, View, view_for
    from mlops_nb.model import encode

    run_id = get_run(project, run_id).id  # another one may be the latest when this one ends
    if as_json:
        for event in follow(project, run_id):
            click.echo(encode(event).decode())
        return
    console = output.console()
    try:
        view: View = view_for(console, current_pipeline(project))
    except MlopsNbError:  # somebody works on it; the run goes on as it was
        view = LineView(console)
    with view:
        for event in follow(project, run_id):
            view(event)
    run = get_run(project, run_id)
    console.print(output.status_text(run.status), Text(f"run {run.id}"))


@click.group()
def cache() -> None:
    """List and clean the cache of products.

    A run that adds to a cache in a folder brings it down to "cache-size-mb". One behind a URL is
    shared with other machines, and no run takes from it what they may need: clean it by
    "cache gc", say each night, or by a life-cycle rule of its bucket.

    \b
    Examples:
      mlops-nb cache ls
      mlops-nb cache gc --limit-mb 500
      mlops-nb cache gc --cache s3://bucket/cache --limit-mb 200000
    """


@cache.command("ls")
@click.option("--cache", "url", default="", metavar="URL", help="Another cache than the project's.")
@output.json_option
@click.pass_obj
def cache_ls(project: str | None, url: str, as_json: bool) -> None:
    """List what the cache holds, the last used first."""
    from mlops_nb.api.runs import cache_entries

    found = cache_entries(project, url)
    if as_json:
        output.print_json(found)
        return
    rows = output.table("task", "fingerprint", "size", "used", "run", right=("size",))
    for entry in found:
        rows.add_row(
            entry.task,
            entry.fingerprint[:12],
            output.size(entry.size),
            output.since(entry.used),
            entry.run,
        )
    output.console().print(rows if found else "the cache is empty")


@cache.command("gc")
@click.option("--cache", "url", default="", metavar="URL", help="Another cache than the project's.")
@click.option(
    "--limit-mb", type=float, default=None, help="MiB to keep; the project's setting by default."
)
@output.json_option
@click.pass_obj
def cache_gc(project: str | None, url: str, limit_mb: float | None, as_json: bool) -> None:
    """Drop what was not used for longest until the cache fits.

    Behind a URL the oldest goes first: object stores do not tell when something was last read.
    """
    from mlops_nb.api.runs import collect_cache

    done = collect_cache(project, url, limit_mb=limit_mb)
    if as_json:
        output.print_json(done)
        return
    output.console().print(
        f"dropped {done.entries} entries, freed {output.size(done.freed)}, "
        f"kept {output.size(done.kept)}"
    )


@click.group()
def server() -> None:
    """Keep warm kernels ready between runs; the server ends by itself when idle.

    Commands in the project's folder (run, plan, status) are then over sooner, too.

    \b
    Examples:
      mlops-nb server start --idle 3600
      mlops-nb server status
      mlops-nb server stop
    """


@server.command("start")
@click.option(
    "--idle", type=float, default=None, metavar="SECONDS", help="End after so long without a run."
)
@output.json_option
@click.pass_obj
def server_start(project: str | None, idle: float | None, as_json: bool) -> None:
    """Start the project's server, if it does not run already."""
    from mlops_nb.api.runs import start_server

    status = start_server(project, idle=idle, commands="mlops_nb.cli.resident")
    if as_json:
        output.print_json(status)
        return
    output.console().print(
        f"[green]✓[/green] ready (process {status.pid}), {len(status.preloaded)} modules preloaded, "
        f"ends after {output.seconds(status.idle)} without a run"
    )


@server.command("status")
@output.json_option
@click.pass_obj
def server_status(project: str | None, as_json: bool) -> None:
    """Say whether the project's server runs, and what it holds."""
    from mlops_nb.api.runs import server_status as ask

    status = ask(project)
    if as_json:
        output.print_json(status)
        return
    console = output.console()
    if status is None:
        console.print("no server runs; [bold]mlops-nb server start[/bold] starts one")
        return
    console.print(
        f"process {status.pid}, started {output.since(status.started)}, {status.served} runs served, "
        f"{status.sessions} connected; {status.handed} commands, {status.commands} of them now"
    )
    if not status.is_current:
        console.print(
            "packages have changed since, so runs do not use it; "
            "[bold]mlops-nb server start[/bold] replaces it"
        )
    for name, reason in status.unsafe.items():
        console.print(Text(f"  not preloaded: {name} ({reason})", style="dim"))


@server.command("stop")
@click.pass_obj
def server_stop(project: str | None) -> None:
    """Stop the project's server."""
    from mlops_nb.api.runs import stop_server

    stopped = stop_server(project)
    output.console().print("stopped" if stopped else "no server runs")
