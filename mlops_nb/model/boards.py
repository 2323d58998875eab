"""Models, monitoring, exports and projects as a screen shows them."""

from __future__ import annotations

from enum import StrEnum

from mlops_nb.model.base import Record
from mlops_nb.model.export import ExportTarget
from mlops_nb.model.monitoring import (
    Alert,
    DriftState,
    Gap,
    MonitorStatus,
    PerformancePoint,
    Severity,
    Skill,
)
from mlops_nb.model.registry import GateResult, GateState, LedgerEntry, ModelVersion

__all__ = [
    "AddedTask",
    "AlertList",
    "Conversion",
    "ExportTargets",
    "Gates",
    "HeatCell",
    "HeatColumn",
    "HeatMap",
    "HeatWindow",
    "History",
    "Membership",
    "ModelList",
    "ModelSummary",
    "MonitorList",
    "Page",
    "ParametersCell",
    "PerformanceSeries",
    "ProjectCreated",
    "ProjectList",
    "ProjectView",
    "VersionList",
]


class ProjectView(Record, frozen=True, kw_only=True):
    """One project below the server's root."""

    path: str
    """POSIX path relative to the server's root; empty for the root itself."""
    name: str
    spec: str = "pipeline.yaml"
    """The specification's path relative to the project."""


class ProjectList(Record, frozen=True, kw_only=True):
    """The projects below the server's root."""

    projects: tuple[ProjectView, ...] = ()
    truncated: bool = False
    """Whether the search was ended by its limits."""


class ProjectCreated(Record, frozen=True, kw_only=True):
    """A project that was just made."""

    project: ProjectView
    files: tuple[str, ...] = ()
    """Relative to the project."""


class Membership(Record, frozen=True, kw_only=True):
    """What a file is to the project that it lies in."""

    path: str
    """As asked for: relative to the server's root."""
    project: ProjectView | None = None
    """``None`` where the file lies in no project."""
    role: str = "none"
    """``source`` of tasks, ``product`` of one, ``spec``, or ``none``."""
    tasks: tuple[str, ...] = ()
    """The tasks whose source or product it is."""


class AddedTask(Record, frozen=True, kw_only=True):
    """A notebook that became a task."""

    task: str
    spec: str
    """The file that was edited, relative to the project."""
    source: str
    products: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """What is left to do in the notebook, such as a missing ``parameters`` cell."""


class ParametersCell(StrEnum):
    """Where a converted notebook's parameters stand."""

    KEPT = "kept"
    """In the cell that was tagged already."""
    TAGGED = "tagged"
    """In a cell that was tagged for it: the first one with work, and all assignments of literals."""
    MADE = "made"
    """In a new cell above the notebook's code."""


class Conversion(Record, frozen=True, kw_only=True):
    """What makes a pipeline of a notebook: planned, or done."""

    project: ProjectView
    is_new: bool
    """Whether there was no project: its specification is made."""
    task: str
    source: str
    """The notebook, relative to the project."""
    spec_text: str
    """The specification as it will be, or is."""
    cell: ParametersCell
    position: int
    """Of the parameters cell in the notebook, from 0."""
    cell_text: str
    """That cell as it will be, or is."""
    parameters: tuple[str, ...] = ()
    """What a run can set."""
    done: bool = False
    """Whether it was written."""


class ModelSummary(Record, frozen=True, kw_only=True):
    """One model: who serves, who challenges, what came last."""

    model: str
    versions: int
    latest: ModelVersion
    champion: ModelVersion | None = None
    challenger: ModelVersion | None = None
    aliases: dict[str, int] = {}
    """The version that holds each alias."""


class ModelList(Record, frozen=True, kw_only=True):
    """All models of a project."""

    models: tuple[ModelSummary, ...] = ()


class VersionList(Record, frozen=True, kw_only=True):
    """The versions of a model, the newest first."""

    model: str
    versions: tuple[ModelVersion, ...] = ()


class Gates(Record, frozen=True, kw_only=True):
    """The gates of a version as they count now."""

    model: str
    version: int
    alias: str
    gates: tuple[GateState, ...] = ()
    results: tuple[GateResult, ...] = ()
    """The answers just given, where they were just asked."""
    ready: bool = False
    """Whether every gate counts as passed."""


class History(Record, frozen=True, kw_only=True):
    """The ledger's rows, oldest first."""

    model: str
    """Empty for all models."""
    entries: tuple[LedgerEntry, ...] = ()


class MonitorList(Record, frozen=True, kw_only=True):
    """How the monitored models stand."""

    models: tuple[MonitorStatus, ...] = ()


class HeatWindow(Record, frozen=True, kw_only=True):
    """One column of the heat map's picture: a window of data."""

    window: str
    version: str = ""
    rows: int = 0
    state: DriftState = DriftState.INSUFFICIENT
    severity: Severity = Severity.NONE
    drifted: int = 0
    """Columns that drifted."""
    recorded: float = 0.0
    """Seconds since the epoch."""


class HeatCell(Record, frozen=True, kw_only=True):
    """One column in one window."""

    state: DriftState
    severity: Severity
    score: float
    """The largest value over its threshold; 1 is the border."""
    text: str = ""


class HeatColumn(Record, frozen=True, kw_only=True):
    """One row of the heat map's picture: a column of the data."""

    column: str
    kind: str
    importance: float = 1.0
    cells: tuple[HeatCell | None, ...] = ()
    """One for each window in the windows' order; ``None`` where the column was not compared."""


class HeatMap(Record, frozen=True, kw_only=True):
    """Columns against windows."""

    model: str
    baseline: str
    """``pinned`` or ``trailing``."""
    windows: tuple[HeatWindow, ...] = ()
    columns: tuple[HeatColumn, ...] = ()
    """The most troubled first."""


class PerformanceSeries(Record, frozen=True, kw_only=True):
    """A model's performance over time, realised and estimated."""

    model: str
    metrics: tuple[str, ...] = ()
    points: tuple[PerformancePoint, ...] = ()
    gaps: tuple[Gap, ...] = ()
    skills: tuple[Skill, ...] = ()


class AlertList(Record, frozen=True, kw_only=True):
    """Alerts, the most severe first."""

    alerts: tuple[Alert, ...] = ()


class Page(Record, frozen=True, kw_only=True):
    """An HTML page that was written."""

    path: str
    """Relative to the project; get it from ``files``."""


class ExportTargets(Record, frozen=True, kw_only=True):
    """All targets."""

    targets: tuple[ExportTarget, ...] = ()
