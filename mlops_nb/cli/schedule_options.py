"""The options that describe a schedule, shared by ``schedule add`` and ``schedule edit``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mlops_nb.model import Overlap, Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops_nb.model import Json

__all__ = ["changes", "options"]

_SECONDS = "SECONDS"


class _Missed(click.ParamType[object]):
    """``skip``, ``once``, ``all`` or a number."""

    name = "skip|once|all|N"

    def convert(self, value: object, param: object, ctx: object) -> str | int:
        text = str(value)
        if text in ("skip", "once", "all"):
            return text
        if text.isdecimal():
            return int(text)
        raise click.BadParameter(f'"{text}" is none of skip, once, all and a number')


def options(command: Callable[..., object]) -> Callable[..., object]:
    """Add the options of a schedule to a command; what is not given stays ``None``."""
    for option in reversed(
        (
            click.option(
                "--tz", "timezone", help='IANA time zone, "Europe/Berlin"; UTC by default.'
            ),
            click.option("--task", "tasks", multiple=True, help="A task, with what it needs."),
            click.option("--notebook", "notebooks", multiple=True, help="A task by its notebook."),
            click.option(
                "-p", "parameters", multiple=True, metavar="NAME=VALUE", help="A parameter."
            ),
            click.option("--force/--no-force", default=None, help="Run also what is up to date."),
            click.option(
                "--source",
                type=click.Choice([one.value for one in Source]),
                help="Run the latest notebooks, a snapshot of them, or a Git commit.",
            ),
            click.option("--ref", help="With --source commit: branch, tag or commit; HEAD."),
            click.option(
                "--missed",
                type=_Missed(),
                help="What could not start in time: leave out, run once, all, or up to N.",
            ),
            click.option("--grace", type=float, metavar=_SECONDS, help="What is in time; 60."),
            click.option(
                "--overlap",
                type=click.Choice([one.value for one in Overlap]),
                help="While an earlier one runs: skip, queue, cancel it, or allow both (not of latest sources).",
            ),
            click.option(
                "--max-running", type=int, help="With --overlap allow: at a time; any number."
            ),
            click.option("--retries", type=int, help="Further attempts after a failure; 0."),
            click.option("--backoff", type=float, metavar=_SECONDS, help="Before the first; 60."),
            click.option("--timeout", type=float, metavar=_SECONDS, help="Of one attempt."),
            click.option("--jitter", type=float, metavar=_SECONDS, help="Spread starts by up to."),
            click.option("--start", metavar="DATE", help="Nothing is due before."),
            click.option("--end", metavar="DATE", help="Nothing is due after."),
            click.option("--sla", type=float, metavar=_SECONDS, help="To have succeeded by."),
            click.option("--keep", type=int, metavar="N", help="Runs to keep; all."),
            click.option("--keep-days", type=float, metavar="DAYS", help="Days to keep runs."),
            click.option("--description", help="What it is for."),
        )
    ):
        command = option(command)
    return command


def changes(project: str | None, given: dict[str, Json]) -> dict[str, Json]:
    """Return the fields of a schedule that were given on the command line."""
    from mlops_nb.api.parameters import parse_parameters
    from mlops_nb.api.schedules import tasks_of

    found = {name: value for name, value in given.items() if value not in (None, ())}
    tasks = (*found.pop("tasks", ()), *tasks_of(project, found.pop("notebooks", ())))
    if tasks:
        found["tasks"] = list(dict.fromkeys(tasks))
    if "parameters" in found:
        found["parameters"] = parse_parameters(found["parameters"])
    return found
