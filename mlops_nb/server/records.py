"""What the API says beside the model's records: itself, its errors, its jobs."""

from __future__ import annotations

from enum import Enum

from mlops_nb.model.base import Json, Record
from mlops_nb.model.boards import Gates
from mlops_nb.model.registry import VerifyReport
from mlops_nb.model.views import PlanView

__all__ = [
    "About",
    "ErrorBody",
    "ErrorView",
    "JobList",
    "JobState",
    "JobView",
    "PanelEvent",
    "PanelEventKind",
    "Started",
]


class About(Record, frozen=True, kw_only=True):
    """What answers here."""

    version: str
    """Of the package."""
    api: int = 1
    """The path's version number."""
    root: str
    """The name of the server's root folder, for display."""
    events: str
    """Schema id of the events on Jupyter's event bus."""


class ErrorView(Record, frozen=True, kw_only=True):
    """What is wrong, where, and how to mend it."""

    kind: str
    """The error's class: ``ParameterError``, ``ConflictError`` ..., or ``BadRequest``, ``NotFound``,
    ``Unavailable`` where the request itself is at fault or the server cannot answer."""
    message: str
    where: str = ""
    fix: str = ""


class ErrorBody(Record, frozen=True, kw_only=True):
    """The body of every answer that is no success."""

    error: ErrorView


class Started(Record, frozen=True, kw_only=True):
    """A run that was started, or the reason why none was needed."""

    started: bool
    """False where everything is up to date: there is no run then."""
    run: str = ""
    """The run's id; its first event follows within seconds."""
    plan: PlanView = PlanView()


class JobState(Enum):
    """How a job stands."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class JobView(Record, frozen=True, kw_only=True):
    """Work that takes longer than a request should."""

    id: str
    kind: str
    """``check`` or ``verify``."""
    project: str
    subject: str = ""
    """``model vN`` for ``check``."""
    state: JobState = JobState.RUNNING
    started: float
    """Seconds since the epoch."""
    ended: float | None = None
    gates: Gates | None = None
    """What ``check`` found."""
    verified: VerifyReport | None = None
    """What ``verify`` found."""
    error: ErrorView | None = None


class JobList(Record, frozen=True, kw_only=True):
    """The jobs of this server since it started, the newest first."""

    jobs: tuple[JobView, ...] = ()


class PanelEventKind(Enum):
    """What a `PanelEvent` tells; the first ones are those of ``events.jsonl``, ``data`` as there."""

    RUN_STARTED = "run.started"
    """``data`` holds the run's facts."""
    PLAN = "plan"
    """``items``: task, action, why."""
    TASK_STARTED = "task.started"
    """``attempt``, ``kernel``, ``cells`` (their number)."""
    TASK_CELL = "task.cell"
    """``index``, ``cells``, ``seconds``; without ``seconds`` the cell has only begun."""
    TASK_LOG = "task.log"
    """``text``."""
    TASK_RETRY = "task.retry"
    """``attempt``, ``delay``, ``error``."""
    TASK_FINISHED = "task.finished"
    """A task's record: ``status``, ``error``, ``notebook`` ..."""
    METRIC = "metric"
    """``name``, ``value``, ``step``."""
    NOTE = "note"
    """``text``, ``level``."""
    RUN_FINISHED = "run.finished"
    """``status``, ``seconds``."""
    RUN_LOST = "run.lost"
    """The run's process is gone without a last word."""
    RUN_SETTLED = "run.settled"
    """A run that has finished has also written its pages; another may start."""
    RUN_REFUSED = "run.refused"
    """A run that was started came to nothing before its first event; ``message``, ``where``, ``fix``."""
    PIPELINE_CHANGED = "pipeline.changed"
    """The specification, the settings or a source was saved; ``paths``. Get the pipeline again."""
    MODELS_CHANGED = "models.changed"
    """A version was judged, approved, promoted ...; ``model``, ``version``."""
    ALERTS_CHANGED = "alerts.changed"
    """An alert was acknowledged or snoozed; ``model``."""
    SCHEDULES_CHANGED = "schedules.changed"
    """A schedule was added, changed or removed; ``schedule``."""
    JOB_FINISHED = "job.finished"
    """``job``, ``state``."""


class PanelEvent(Record, frozen=True, kw_only=True):
    """What is told on Jupyter's event bus."""

    project: str
    """The project's path relative to the server's root."""
    run: str = ""
    """The run's id; empty for what belongs to no run."""
    seq: int
    """Counts from 1 without gaps within a run, and within the server's life for what belongs to no
    run; 0 for what is said of a run and not by it (``run.lost``, ``run.settled``, ``run.refused``)."""
    time: float
    kind: PanelEventKind
    task: str = ""
    data: dict[str, Json] = {}
