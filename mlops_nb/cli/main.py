"""The ``mlops-nb`` command: finds the subcommand, and turns errors into text and exit codes."""

from __future__ import annotations

import gc
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from mlops_nb import __version__
from mlops_nb.errors import ExitCode, MlopsNbError, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_OBJECTS = 20_000
"""New objects after which garbage is collected; Python's default is 700."""

COMMANDS: dict[str, tuple[str, str, str]] = {
    "run": ("mlops_nb.cli.run", "run", "Run the pipeline, or the part of it that is out of date."),
    "plan": ("mlops_nb.cli.run", "plan", "Say what a run would do, and why."),
    "status": ("mlops_nb.cli.run", "status", "Show each task, its state and its last run."),
    "resume": ("mlops_nb.cli.more", "resume", "Go on with a run that did not end well."),
    "watch": ("mlops_nb.cli.more", "watch", "Watch a run of another process."),
    "runs": ("mlops_nb.cli.runs", "runs", "List, show and compare runs."),
    "models": ("mlops_nb.cli.models", "models", "Judge, promote and roll back models."),
    "drift": ("mlops_nb.cli.drift", "drift", "Compare data with a reference."),
    "monitor": ("mlops_nb.cli.monitor", "monitor", "Watch a model's data and performance."),
    "profile": ("mlops_nb.cli.profile", "profile", "Profile data files, or a run's time."),
    "cache": ("mlops_nb.cli.more", "cache", "List and clean the cache of products."),
    "server": ("mlops_nb.cli.more", "server", "Keep warm kernels ready between runs."),
    "schedule": ("mlops_nb.cli.schedule", "schedule", "Run the pipeline at its times."),
    "scheduler": ("mlops_nb.cli.scheduler", "scheduler", "The daemon that runs the schedules."),
    "export": ("mlops_nb.cli.export", "export", "Write the pipeline for CI or an orchestrator."),
    "environment": (
        "mlops_nb.cli.environment",
        "environment",
        "Make an environment from a conda one.",
    ),
    "init": ("mlops_nb.cli.init", "init", "Start a project that passes its own tests."),
    "convert": ("mlops_nb.cli.convert", "convert", "Make a pipeline of a notebook."),
    "demo": ("mlops_nb.cli.demo", "demo", "Watch the closed loop on real flights."),
}
"""Subcommands by name: module, attribute, one line of help. Modules load when they are used."""


class LazyGroup(click.Group):
    """A group whose subcommands are imported only when they run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of a user's day."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one subcommand."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)  # noqa: S101
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest command where there is none of that name."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(f'no command "{args[0]}"; {nearest(args[0], COMMANDS)}', ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mlops-nb")
@click.option(
    "--project",
    metavar="FOLDER",
    default=None,
    help="The project's folder or its pipeline.yaml; by default the one you stand in.",
)
@click.pass_context
def cli(ctx: click.Context, project: str | None) -> None:
    """From notebook to production without leaving the notebook.

    \b
    Examples:
      mlops-nb demo                       the closed loop, on real flights
      mlops-nb init my-project            a project of your own
      mlops-nb plan                       what would run, and why
      mlops-nb run                        run what is out of date
      mlops-nb run train -p max_depth=8   one task and what it needs
      mlops-nb runs show latest           what happened
      mlops-nb models promote latest      the new champion, if its gates pass
      mlops-nb monitor status             whether it still does its work
    """
    ctx.obj = project


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line and exit with a code that tells the phase that failed."""
    # A command makes few cycles of garbage, and many objects while it imports.
    gc.set_threshold(_OBJECTS, *gc.get_threshold()[1:])
    code = _run(sys.argv[1:] if argv is None else list(argv))
    gc.freeze()  # all goes with the process: to look through it once more would take 30 ms
    sys.exit(code)


def _run(argv: list[str]) -> int:
    try:
        # Where the reader (head, less) has gone, click ends with 1: what the exit code was to tell,
        # such as drift, must not look like success.
        result: Any = cli.main(args=argv, prog_name="mlops-nb", standalone_mode=False)
    except MlopsNbError as error:
        _show(error)
        return int(error.exit_code)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.show()
        return int(ExitCode.USAGE)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return int(ExitCode.INTERRUPTED)
    return int(result) if isinstance(result, int) else int(ExitCode.OK)


def _show(error: MlopsNbError) -> None:
    if error.where:
        click.echo(click.style(error.where, bold=True), err=True)
    click.echo(click.style("error: ", fg="red", bold=True) + error.message, err=True)
    if error.fix:
        click.echo(click.style("  fix: ", fg="cyan", bold=True) + error.fix, err=True)
