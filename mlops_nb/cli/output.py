"""What the commands print: tables and colour on a terminal, plain lines when piped, JSON on request."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mlops_nb.model import RunStatus, TaskStatus, encode

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "MARKS",
    "console",
    "json_option",
    "print_json",
    "processes_option",
    "seconds",
    "since",
    "size",
    "status_text",
    "table",
]

MARKS: dict[str, tuple[str, str]] = {
    "pending": ("·", "dim"),
    "running": ("▶", "bold cyan"),
    "succeeded": ("✓", "green"),
    "skipped": ("=", "dim"),
    "restored": ("↺", "blue"),
    "failed": ("✗", "bold red"),
    "timed-out": ("⏱", "bold red"),
    "died": ("☠", "bold red"),
    "exited": ("⏏", "bold red"),
    "cancelled": ("⊘", "yellow"),
    "blocked": ("⋯", "yellow"),
    "lost": ("?", "bold magenta"),
    "waiting": ("·", "dim"),
    "missed": ("∅", "yellow"),
    "run": ("▶", "cyan"),
    "skip": ("=", "dim"),
    "restore": ("↺", "blue"),
    "registered": ("·", "dim"),
    "approved": ("✓", "green"),
    "rejected": ("✗", "bold red"),
    "rolled-back": ("↩", "yellow"),
    "deleted": ("⌫", "dim"),
    "passed": ("✓", "green"),
    "ok": ("✓", "green"),
    "drift": ("≠", "bold red"),
    "schema": ("⚠", "bold red"),
    "insufficient data": ("?", "yellow"),
    "none": ("·", "dim"),
    "info": ("i", "blue"),
    "warning": ("!", "yellow"),
    "critical": ("‼", "bold red"),
    "open": ("●", "bold red"),
    "acknowledged": ("◐", "yellow"),
    "snoozed": ("◌", "blue"),
    "closed": ("○", "dim"),
}
"""Sign and style of each state; the state is always written out beside them."""


def console(*, stderr: bool = False) -> Console:
    """Return a console that follows the stream: colour and width only on a terminal."""
    made = Console(stderr=stderr, highlight=False)
    if not made.is_terminal:
        made = Console(stderr=stderr, highlight=False, width=160, soft_wrap=True)
    return made


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
processes_option = click.option(
    "--jobs",
    "-j",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="Processes that profile data; 0 for all cores.",
)


def print_json(value: object) -> None:
    """Print records as indented JSON."""
    click.echo(encode(value, indent=2).decode())


def table(*columns: str, right: Sequence[str] = ()) -> Table:
    """Return an empty table in the house style; ``right`` names the columns of numbers."""
    made = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for name in columns:
        made.add_column(name, justify="right" if name in right else "left", overflow="fold")
    return made


def status_text(status: TaskStatus | RunStatus | str) -> Text:
    """Return a state as sign and word."""
    word = status if isinstance(status, str) else status.value
    sign, style = MARKS[word]
    return Text(f"{sign} {word}", style=style)


def seconds(value: float | None) -> str:
    """Return a duration for people: ``0.4 s``, ``12 s``, ``3 min 05 s``."""
    if value is None:
        return ""
    if value < 10:
        return f"{value:.1f} s"
    if value < 90:
        return f"{value:.0f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def size(count: int) -> str:
    """Return a number of bytes for people: ``800 B``, ``1.5 KiB``, ``2,048.0 MiB``."""
    if count < 2**10:
        return f"{count} B"
    return f"{count / 2**10:.1f} KiB" if count < 2**20 else f"{count / 2**20:,.1f} MiB"


def since(moment: float | None) -> str:
    """Return how long ago a moment was: ``just now``, ``5 min ago``, ``3 d ago``."""
    if moment is None:
        return ""
    passed = time.time() - moment
    if passed < 60:
        return "just now"
    for unit, size in (("min", 60), ("h", 3600), ("d", 86400)):
        count = passed / size
        if (unit == "min" and count < 60) or (unit == "h" and count < 24) or unit == "d":
            return f"{count:.0f} {unit} ago"
    return ""
