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
        turns = api.run_due(
            project,
            name,
            occurrence=occurrence,
            within=within,
            view=lambda pipeline: view_for(console, pipeline),
        )
    else:
        number, run, fence = _claim(claim)
        turns = (
            api.run_claimed(
                project, number, run, fence, view=lambda pipeline: view_for(console, pipeline)
            ),
        )
    if as_json:
        output.print_json(
            [
                {
                    "occurrence": turn.occurrence,
                    "run": turn.outcome.run if turn.outcome else None,
                    "nothing": turn.nothing,
                }
                for turn in turns
            ]
        )
    return max(_code(turn, show=not as_json) for turn in turns)


def _code(turn: Turn, *, show: bool) -> int:
    if turn.outcome is None:
        if show:
            output.console().print(Text(f"= nothing to do: {turn.nothing}", style="dim"))
        return ExitCode.OK
    if show:
        show_outcome(turn.outcome)
    return exit_code(turn.outcome.run)


def _claim(text: str) -> tuple[int, str, int]:
    number, _, rest = text.partition(":")
    run, _, fence = rest.rpartition(":")
    if not number.isdigit() or not fence.isdigit() or not run:
        raise click.UsageError("--claim is for the scheduler's own use")
    return int(number), run, int(fence)
