"""Records figures, prints them as a table, and keeps them in ``benchmarks/results.json``."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock
from rich.console import Console
from rich.table import Table

from mlops_nb.model import Record, decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["RESULTS", "Figure", "figure", "main"]

RESULTS = Path(__file__).with_name("results.json")


class Figure(Record, frozen=True, kw_only=True):
    """One measured figure."""

    name: str
    value: float
    unit: str
    goal: str = ""
    """Such as ``<= 0.15``; empty where the figure is only told."""
    peer: str = ""
    """What it was measured against."""
    module: str = ""
    machine: str = ""
    versions: dict[str, str] = {}
    quick: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; ``None`` without a goal."""
        if not self.goal:
            return None
        sign, bound = self.goal.split()
        return self.value <= float(bound) if sign == "<=" else self.value >= float(bound)


def figure(name: str, value: float, unit: str, goal: str = "", *, peer: str = "") -> Figure:
    """Return a figure; ``goal`` is ``<= NUMBER`` or ``>= NUMBER``."""
    return Figure(name=name, value=float(value), unit=unit, goal=goal, peer=peer)


def main(
    module: str,
    measure: Callable[[bool], Iterable[Figure]],
    packages: Sequence[str],
    argv: Sequence[str] | None = None,
) -> int:
    """Measure one module, print its table and replace its records.

    Parameters
    ----------
    module
        The benchmark's name.
    measure
        Called with whether to be quick; yields figures.
    packages
        Distributions whose versions matter for the figures.

    Returns
    -------
    int
        0 when every goal is met (always with ``--quick``, whose figures are no measurement), else 1.
    """
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{module}")
    parser.add_argument("--quick", action="store_true", help="a short run that only shows it works")
    quick = parser.parse_args(argv).quick
    _refuse_without_bytecode()
    facts = {
        "module": module,
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "versions": {name: version(name) for name in packages},
        "quick": quick,
    }
    fields = Figure.__struct_fields__
    figures = [
        Figure(**{**{name: getattr(item, name) for name in fields}, **facts})
        for item in measure(quick)
    ]
    _show(module, figures)
    _keep(module, figures)
    return 0 if quick or all(item.met is not False for item in figures) else 1


def _refuse_without_bytecode() -> None:
    # Without .pyc files imports take several times as long, and every ratio would be about that.
    import msgspec

    cached = Path(msgspec.__file__).parent / "__pycache__"
    if not any(cached.glob("*.pyc")):
        sys.exit("no compiled bytecode: run `python -m compileall .venv` first")


def _show(module: str, figures: list[Figure]) -> None:
    table = Table(title=f"benchmarks.{module}", title_justify="left", box=None)
    for name in ("figure", "value", "unit", "goal", "", "against"):
        table.add_column(name, justify="right" if name == "value" else "left")
    for item in figures:
        mark = {True: "[green]✓[/]", False: "[red]✗[/]", None: ""}[item.met]
        table.add_row(item.name, f"{item.value:,.4g}", item.unit, item.goal, mark, item.peer)
    Console().print(table)


def _keep(module: str, figures: list[Figure]) -> None:
    with FileLock(RESULTS.with_suffix(".lock")):
        kept = decode(RESULTS.read_bytes(), list[Figure]) if RESULTS.exists() else []
        kept = [item for item in kept if item.module != module] + figures
        kept.sort(key=lambda item: item.module)
        staged = RESULTS.with_suffix(".tmp")
        staged.write_bytes(encode(kept, indent=2) + b"\n")
        staged.replace(RESULTS)
