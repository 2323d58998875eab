"""What monitoring finds: drift of columns, alerts over time, performance with and without labels."""

from __future__ import annotations

from enum import Enum

from mlops_nb.model.base import Record

__all__ = [
    "Alert",
    "AlertState",
    "ColumnDrift",
    "DriftReport",
    "DriftState",
    "Finding",
    "Gap",
    "Message",
    "MonitorStatus",
    "Overlay",
    "PerformancePoint",
    "QuantileShift",
    "SegmentDrift",
    "Severity",
    "ShareShift",
    "Skill",
    "Transition",
    "WindowResult",
]


class DriftState(Enum):
    """How a column, or a whole window, compares with its reference."""

    OK = "ok"
    DRIFT = "drift"
    SCHEMA = "schema"
    """A column is missing, new or of another type."""
    INSUFFICIENT = "insufficient data"
    """Too few values on one side to decide anything."""


class Severity(Enum):
    """How much a finding matters."""

    NONE = "none"
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for none up to 3 for critical."""
        return list(Severity).index(self)


class Finding(Record, frozen=True, kw_only=True):
    """One test of one column: how large the change is, how large it may be, how likely by chance."""

    aspect: str
    """``distribution``, ``missing values``, ``infinities``, ``types``, ``new categories``, ``range``,
    ``distinct values``, ``new values``, ``schema`` or ``row volume``."""
    measure: str
    """What `value` is: ``ks``, ``wasserstein``, ``jensen-shannon``, ``rate change`` ..."""
    value: float
    threshold: float
    """The larger of `floor` and `natural`."""
    floor: float
    natural: float | None = None
    """Mean + 3 SD of the same measure between the reference's own windows; ``None`` for one window."""
    p_value: float | None = None
    """``None`` where the count is exact and nothing is tested, as for a missing column."""
    q_value: float | None = None
    """The p-value adjusted for the number of columns (Benjamini-Hochberg) and tests of the column."""
    drifted: bool = False
    text: str = ""
    """One sentence for people, with the old and the new value."""

    @property
    def ratio(self) -> float:
        """The value as a multiple of its threshold."""
        return self.value / self.threshold if self.threshold > 0 else 0.0


class Overlay(Record, frozen=True, kw_only=True):
    """Reference and current share of values between the same edges, for drawing."""

    edges: tuple[float, ...]
    reference: tuple[float, ...]
    current: tuple[float, ...]


class QuantileShift(Record, frozen=True, kw_only=True):
    """One quantile in the reference and now."""

    p: float
    reference: float
    current: float


class ShareShift(Record, frozen=True, kw_only=True):
    """One category's share of the values in the reference and now."""

    label: str
    reference: float
    current: float
    is_other: bool = False
    """True for everything that is not listed on its own."""


class ColumnDrift(Record, frozen=True, kw_only=True):
    """One column of one window against its reference."""

    column: str
    kind: str
    """``numeric``, ``categorical``, ``high cardinality``, ``datetime`` or ``empty``."""
    state: DriftState
    severity: Severity = Severity.NONE
    score: float = 0.0
    """The largest value over threshold among the findings; 1 is the border."""
    importance: float = 1.0
    """The model's feature importance, scaled so that the largest is 1."""
    findings: tuple[Finding, ...] = ()
    measures: dict[str, float] = {}
    """Further measures that decide nothing: ``psi``, ``mean``, ``reference mean`` ..."""
    reference_count: int = 0
    current_count: int = 0
    reference_null_rate: float = 0.0
    current_null_rate: float = 0.0
    overlay: Overlay | None = None
    quantiles: tuple[QuantileShift, ...] = ()
    shares: tuple[ShareShift, ...] = ()
    segments: tuple[str, ...] = ()
    """Where the change is: ``carrier=EV``, the strongest first."""
    since: str = ""
    """The first window of the unbroken row of drifted windows that this one ends."""
    text: str = ""
    """What changed, in one or two sentences."""

    @property
    def drifted(self) -> bool:
        """Whether the column drifted or broke its schema."""
        return self.state in (DriftState.DRIFT, DriftState.SCHEMA)


class SegmentDrift(Record, frozen=True, kw_only=True):
    """One segment of one window against the same segment of the reference."""

    column: str
    value: str
    rows: int
    reference_rows: int
    state: DriftState
    columns: tuple[ColumnDrift, ...] = ()

    @property
    def name(self) -> str:
        """``column=value``."""
        return f"{self.column}={self.value}"


class DriftReport(Record, frozen=True, kw_only=True):
    """A window compared with a reference."""

    window: str = ""
    """The window's label; labels sort by time: ``2013-07`` or ``2013-07-01``."""
    model: str = ""
    version: str = ""
    baseline: str = "pinned"
    """``pinned`` for the model version's own reference, ``trailing`` for the windows just before."""
    rows: int = 0
    reference_rows: int = 0
    reference_windows: tuple[str, ...] = ()
    state: DriftState = DriftState.OK
    severity: Severity = Severity.NONE
    drift_share: float = 0.0
    """Share of the columns that drifted, weighted by importance."""
    columns: tuple[ColumnDrift, ...] = ()
    segments: tuple[SegmentDrift, ...] = ()
    volume: Finding | None = None
    notes: tuple[str, ...] = ()
    alpha: float = 0.01

    def __getitem__(self, name: str) -> ColumnDrift:
        for column in self.columns:
            if column.column == name:
                return column
        raise KeyError(name)

    @property
    def drifted(self) -> tuple[ColumnDrift, ...]:
        """The columns that drifted or broke their schema, the most severe first."""
        found = [column for column in self.columns if column.drifted]
        return tuple(sorted(found, key=lambda c: (-c.severity.rank, -c.score * c.importance)))


class AlertState(Enum):
    """How an alert stands."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    SNOOZED = "snoozed"
    CLOSED = "closed"

    @property
    def is_active(self) -> bool:
        """Whether its cause persists."""
        return self is not AlertState.CLOSED


class Alert(Record, frozen=True, kw_only=True):
    """A finding that lasted long enough to bother someone."""

    id: str
    """``model/subject/aspect@first window``: the same however often a window is run again."""
    model: str
    subject: str
    """The column, metric or ``rows``."""
    aspect: str
    """``drift``, ``schema``, ``volume``, ``performance`` or ``concept``."""
    state: AlertState
    severity: Severity
    since: str
    """The first bad window of the row."""
    opened: str
    """The window that opened it."""
    last: str
    """The latest window in which its cause was seen."""
    closed: str = ""
    windows: int = 0
    """Bad windows so far."""
    text: str = ""
    importance: float = 1.0
    actor: str = ""
    """Who acknowledged or snoozed it."""
    reason: str = ""
    snoozed_until: str = ""
    """The first window in which it speaks again, or spoke again where the state is ``open``."""


class Transition(Record, frozen=True, kw_only=True):
    """What a window did to an alert."""

    alert: Alert
    change: str
    """``opened``, ``escalated``, ``closed``, ``withdrawn`` (a corrected window took it away), or
    ``reminded`` with the window its snooze ended in."""

    @property
    def key(self) -> str:
        """The same for the same change, however often it is computed."""
        return f"{self.alert.id}:{self.change}:{self.alert.severity.value}"


class PerformancePoint(Record, frozen=True, kw_only=True):
    """One metric of one window."""

    window: str
    metric: str
    """``auc``, ``log_loss``, ``brier``, ``accuracy``, ``positive_rate``, ``calibration_error``, ``mae`` ..."""
    value: float
    low: float | None = None
    high: float | None = None
    count: int = 0
    """Rows that the value rests on."""
    kind: str = "realised"
    """``realised`` from labels, or ``estimated`` without them."""
    method: str = ""
    """How value and interval were made."""
    level: float = 0.95
    """The interval's confidence."""
    coverage: float = 1.0
    """Share of the window's rows whose label has arrived."""
    note: str = ""


class Gap(Record, frozen=True, kw_only=True):
    """Realised performance of one window against what was expected of it."""

    window: str
    metric: str
    aspect: str = "concept"
    """``concept``: expected by the label-free estimate; ``performance``: by the reference."""
    realised: float
    expected: float
    difference: float
    """Realised minus expected."""
    threshold: float
    drifted: bool
    text: str = ""


class Skill(Record, frozen=True, kw_only=True):
    """How good the label-free estimate has been where labels came later."""

    metric: str
    windows: int
    error: float
    """Mean absolute difference between estimate and realised value."""
    constant_error: float
    """The same for guessing the reference's value every time."""
    weak: bool
    text: str = ""


class WindowResult(Record, frozen=True, kw_only=True):
    """Everything known of one monitored window."""

    model: str
    window: str
    version: str = ""
    rows: int = 0
    reports: tuple[DriftReport, ...] = ()
    """One per baseline, the pinned one first."""
    performance: tuple[PerformancePoint, ...] = ()
    gaps: tuple[Gap, ...] = ()
    recorded: float = 0.0
    """Seconds since the epoch, UTC."""

    @property
    def pinned(self) -> DriftReport | None:
        """The comparison with the model version's own reference."""
        return self.reports[0] if self.reports else None


class MonitorStatus(Record, frozen=True, kw_only=True):
    """How a monitored model stands after its latest window."""

    model: str
    version: str = ""
    window: str = ""
    windows: int = 0
    state: DriftState = DriftState.OK
    severity: Severity = Severity.NONE
    alerts: tuple[Alert, ...] = ()
    """The active ones, the most severe first."""
    performance: tuple[PerformancePoint, ...] = ()
    """Of the latest window that has any."""
    skills: tuple[Skill, ...] = ()
    advice: tuple[str, ...] = ()
    recorded: float = 0.0


class Message(Record, frozen=True, kw_only=True):
    """One notification waiting for, or done with, its delivery."""

    id: int
    key: str
    notifier: str
    subject: str
    text: str
    payload: dict[str, str] = {}
    attempts: int = 0
    due: float = 0.0
    """Seconds since the epoch at which the next attempt is made."""
    delivered: float | None = None
    error: str = ""
