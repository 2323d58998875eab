"""``mlops-nb scheduler``."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Literal

import click
from rich.text import Text

from mlops_nb.cli import output
from mlops_nb.errors import ExitCode

if TYPE_CHECKING:
    from mlops_nb.scheduling.daemon import Daemon

__all__ = ["scheduler"]


@click.command()
@click.option("--port", type=int, default=None, help="Answer /healthz and /metrics on this port.")
@click.option("--host", default=None, help="And on this address; 127.0.0.1 by default.")
@click.option("--max-running", type=int, default=None, help="Occurrences at a time; 4.")
@click.option(
    "--wait", is_flag=True, help="When stopped, wait for its runs; else they go on without it."
)
@click.option(
    "--log", "form", type=click.Choice(["json", "text"]), default=None, help="Form of the log."
)
@click.option("--status", "only_status", is_flag=True, help="List the daemons and exit.")
@output.json_option
@click.pass_obj
def scheduler(
    project: str | None,
    port: int | None,
    host: str | None,
    max_running: int | None,
    wait: bool,
    form: Literal["json", "text"] | None,
    only_status: bool,
    as_json: bool,
) -> int:
    """Run what the schedules ask for, until SIGTERM or Ctrl-C.

    It may be killed at any time: runs go on without it, and the next daemon knows of them. Any
    number of daemons may work on one store; on several machines that is PostgreSQL
    (MLOPS_NB_SCHEDULE_STORE=postgresql://…).

    \b
    Examples:
      mlops-nb scheduler --port 9300
      mlops-nb scheduler --log json --wait
      mlops-nb scheduler --status
    """
    if only_status:
        return _status(project, as_json)
    from mlops_nb.api.scheduler import run_daemon

    def ready(daemon: Daemon) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: daemon.stop())

    run_daemon(
        project,
        host=host,
        port=port,
        wait=wait,
        max_running=max_running,
        log_form=form or ("text" if sys.stderr.isatty() else "json"),
        ready=ready,
    )
    return ExitCode.OK


def _status(project: str | None, as_json: bool) -> int:
    from mlops_nb.api.schedules import daemons

    found = daemons(project)
    if as_json:
        output.print_json(found)
        return ExitCode.OK
    console = output.console()
    if not found:
        console.print("no daemon has worked on these schedules")
        return ExitCode.OK
    rows = output.table("daemon", "state", "where", "started", "seen", "address")
    for one in found:
        rows.add_row(
            one.id[:8] + (" (in Jupyter)" if one.embedded else ""),
            Text(one.state.value),
            f"{one.host}:{one.pid}",
            output.since(one.started),
            output.since(one.seen),
            one.address,
        )
    console.print(rows)
    return ExitCode.OK
