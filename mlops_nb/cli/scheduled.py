"""``mlops-nb run --schedule``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich.text import Text

from mlops_nb.cli import output
from mlops_nb.cli.run import exit_code, show_outcome
from mlops_nb.errors import ExitCode

if TYPE_CHECKING:
    from mlops_nb.api.scheduled import Turn

__all__ = ["run_scheduled"]


def run_scheduled(
    project: str | None,
    name: str,
    occurrence: str,
    within: float | None,
    claim: str | None,
    as_json: bool,
) -> int:
    """Run an occurrence and show it like any other run; return the exit code."""
    from mlops_nb.api import scheduled as api
    from mlops_nb.cli.live import view_for

    console = output.console(stderr=as_json)
    if claim is None:
        turn = api.run_due(
            project,
            name,
            occurrence=occurrence,
            within=within,
            view=lambda pipeline: view_for(console, pipeline),
        )
    else:
        number, run, fence = _claim(claim)
        turn = api.run_claimed(
            project, number, run, fence, view=lambda pipeline: view_for(console, pipeline)
        )
    return _show(turn, as_json)


def _show(turn: Turn, as_json: bool) -> int:
    if as_json:
        run = turn.outcome.run if turn.outcome else None
        output.print_json({"occurrence": turn.occurrence, "run": run, "nothing": turn.nothing})
    elif turn.outcome is None:
        output.console().print(Text(f"= nothing to do: {turn.nothing}", style="dim"))
    else:
        show_outcome(turn.outcome)
    return ExitCode.OK if turn.outcome is None else exit_code(turn.outcome.run)


def _claim(text: str) -> tuple[int, str, int]:
    number, _, rest = text.partition(":")
    run, _, fence = rest.rpartition(":")
    if not number.isdigit() or not fence.isdigit() or not run:
        raise click.UsageError("--claim is for the scheduler's own use")
    return int(number), run, int(fence)
