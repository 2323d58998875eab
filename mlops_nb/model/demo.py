"""What the closed loop did: months as they arrived, and who became champion."""

from __future__ import annotations

from mlops_nb.model.base import Record
from mlops_nb.model.registry import GateResult, Metric

__all__ = ["DemoReport", "Handover", "MonthResult"]


class MonthResult(Record, frozen=True, kw_only=True):
    """One month of production: what was scored, what came true, what had changed."""

    month: str
    version: int
    """The champion that scored it."""
    rows: int
    labelled: int
    """Rows whose outcome is known by the month's end."""
    late: float
    """Share of the labelled rows that were late."""
    predicted: float
    """Mean score of the same rows."""
    metrics: dict[str, Metric] = {}
    estimated_late: float | None = None
    """The share that the label-free estimate expects."""
    drifted: tuple[str, ...] = ()
    """Columns that drifted from the champion's reference, the most severe first."""
    columns: int = 0
    """Columns that were compared."""
    opened: tuple[str, ...] = ()
    """Texts of the alerts that this month opened."""
    report: str = ""
    """The month's page, relative to the project."""


class Handover(Record, frozen=True, kw_only=True):
    """A challenger that was trained because of an alert, and what became of it."""

    month: str
    """After this month."""
    cause: str
    start: str
    end: str
    """The window that it was trained and judged on."""
    champion: int
    challenger: int
    gates: tuple[GateResult, ...] = ()
    promoted: bool
    reason: str


class DemoReport(Record, frozen=True, kw_only=True):
    """The whole loop."""

    key: str
    """Digest of all that the figures follow from."""
    model: str
    first: int
    """The first champion."""
    champion: int
    holdout: dict[str, dict[str, Metric]] = {}
    """The first champion's figures on its holdout, and those of the other candidates."""
    best: str = ""
    """Which candidate was registered."""
    gates: tuple[GateResult, ...] = ()
    """What the first champion passed."""
    months: tuple[MonthResult, ...] = ()
    handovers: tuple[Handover, ...] = ()
    pages: dict[str, str] = {}
    """Reports by what they show; paths relative to the project."""
    seconds: float = 0.0
