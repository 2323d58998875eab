"""What every move of an alias ends with: told to MLflow, or refused with who was first."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mlops_nb.errors import ConflictError
from mlops_nb.model import EntryKind, GateResult, LedgerEntry, Promotion
from mlops_nb.registry.mirror import settle

if TYPE_CHECKING:
    from mlops_nb.registry.ledger import Reader
    from mlops_nb.registry.store import Registry

__all__ = ["MOVES", "conflict", "done"]

MOVES = (EntryKind.PROMOTED, EntryKind.ROLLED_BACK, EntryKind.UNALIASED)


def conflict(reader: Reader, model: str, alias: str, expected: int, current: int) -> ConflictError:
    """Return what refuses a move that was decided when another version held the alias."""
    moves = reader.entries(model, alias=alias, kinds=MOVES)
    who = ""
    if moves:
        last = moves[-1]
        ago = max(0.0, time.time() - last.time)
        who = f", by {last.actor} {_ago(ago)} (row {last.seq}"
        who += f': "{last.reason}")' if last.reason else ")"
    is_now = f"it is v{current} now" if current else "nobody holds it now"
    was = f"v{expected} held it" if expected else "nobody held it"
    return ConflictError(
        f"{alias} was moved: this was decided when {was}, {is_now}{who}",
        where=f'model "{model}"',
        fix="ask the gates again against the new one",
    )


def _ago(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def done(registry: Registry, entry: LedgerEntry, gates: tuple[GateResult, ...] = ()) -> Promotion:
    """Tell MLflow of a row and return what the move came to."""
    error = settle(registry)
    return Promotion(
        entry=entry,
        model=entry.model,
        version=entry.version,
        alias=entry.alias,
        previous=entry.previous,
        gates=gates,
        mirrored=not error,
        mirror_error=error,
    )
