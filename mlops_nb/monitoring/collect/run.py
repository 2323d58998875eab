"""Runs over data once and returns its columns and segments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from typing import Any

from mlops_nb.errors import MonitoringError
from mlops_nb.model import Record
from mlops_nb.monitoring.collect.csvfiles import Retype
from mlops_nb.monitoring.collect.others import Stock
from mlops_nb.monitoring.collect.sources import Piece, Work, read_memory, read_piece
from mlops_nb.monitoring.collect.table import Columns, Split, Table

__all__ = ["Plan", "Progress", "make_plan", "reporter", "run_memory", "run_pieces"]

Progress = Callable[[int, int | None], None]
"""Called with the rows done and, where they are known, all rows."""
Result = tuple[Columns, dict[tuple[str, str], Columns]]


class Plan(Record, frozen=True, kw_only=True):
    """What is wanted of the data."""

    columns: frozenset[str] | None = None
    splits: dict[str, frozenset[str] | None] = {}
    """Segment columns, each with the columns profiled by segment; ``None`` for all of them."""

    @property
    def read(self) -> frozenset[str] | None:
        """The columns that have to be read."""
        if self.columns is None:
            return None
        wanted = [names for names in self.splits.values() if names is not None]
        return self.columns.union(self.splits, *wanted)


def make_plan(
    segments: Sequence[str],
    predictions: str | None,
    score: str | None,
    label: str | None,
    columns: Iterable[str] | None,
) -> Plan:
    """Return what is wanted, by the arguments of `profile`."""
    together = frozenset(name for name in (predictions, score, label) if name is not None)
    splits: dict[str, frozenset[str] | None] = dict.fromkeys(segments)
    for name in (predictions, label):
        if name is not None:
            splits.setdefault(name, together)
    return Plan(columns=None if columns is None else frozenset(columns), splits=splits)


def reporter(progress: Progress | None, total: int | None) -> Callable[[float], None]:
    """Return a function that passes progress on."""
    if progress is None:
        return lambda rows: None
    return lambda rows: progress(round(rows), total)


def run_pieces(
    pieces: Iterable[Piece],
    plan: Plan,
    stock: Stock,
    report: Callable[[float], None] = lambda rows: None,
) -> Result:
    """Profile files.

    Parameters
    ----------
    pieces
        The files, or parts of them.
    plan
        What is wanted.
    stock
        Profiles columns of mixed Python objects.
    report
        Called with the rows done so far.

    Raises
    ------
    MonitoringError
        A file cannot be read, or a column is missing.
    """
    pieces = list(pieces)
    types: dict[str, dict[str, str]] = {}
    while True:
        try:
            work = (
                part
                for piece in pieces
                for part in read_piece(piece, plan.read, types, whole_rows=bool(plan.splits))
            )
            return _run(work, plan, stock, report, 1)
        except Retype as wish:
            known = types.setdefault(wish.path, {})
            if not wish.column or known.get(wish.column) == "string":
                raise MonitoringError(
                    f'the values of column "{wish.column}" cannot be read', where=wish.path
                ) from wish
            known[wish.column] = wish.kind


def run_memory(
    data: Any,
    plan: Plan,
    stock: Stock,
    report: Callable[[float], None] = lambda rows: None,
    threads: int = 1,
) -> Result:
    """Profile a table in memory, a dataset, or an iterator of tables; see `run_pieces`."""
    work = read_memory(data, plan.read, whole_rows=bool(plan.splits))
    return _run(work, plan, stock, report, threads)


def _run(
    work: Work, plan: Plan, stock: Stock, report: Callable[[float], None], threads: int
) -> Result:
    splits = [Split(name, wanted) for name, wanted in plan.splits.items()]
    done = 0.0
    with ExitStack() as stack:
        pool = None
        if threads > 1:
            from concurrent.futures import ThreadPoolExecutor

            pool = stack.enter_context(ThreadPoolExecutor(threads))
        table = Table(stock, splits, plan.columns, pool)
        for rows, batch in work:
            table.add(batch)
            done += rows
            report(done)
        return table.finish()
