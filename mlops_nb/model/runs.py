"""What happened: events, and the records made from them."""

from __future__ import annotations

from enum import Enum

from mlops_nb.model.base import Json, Record

__all__ = [
    "CellRun",
    "Checkpoint",
    "ErrorInfo",
    "Event",
    "EventKind",
    "Resumed",
    "Run",
    "RunFacts",
    "RunProfile",
    "RunStatus",
    "TaskProfile",
    "TaskRun",
    "TaskStatus",
]


class RunStatus(Enum):
    """How a run stands."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"
    """The process that ran it is gone without having said how it ended."""


class TaskStatus(Enum):
    """How a task of a run stands."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    SKIPPED = "skipped"
    """Up to date: nothing to do."""
    RESTORED = "restored"
    """Its products came from the cache."""
    FAILED = "failed"
    """A cell, function or statement raised."""
    TIMED_OUT = "timed-out"
    DIED = "died"
    """Its kernel or process was killed or crashed."""
    EXITED = "exited"
    """It called ``sys.exit`` or left its process otherwise."""
    CANCELLED = "cancelled"
    BLOCKED = "blocked"
    """Something upstream did not succeed."""
    LOST = "lost"
    """It was running when the process that ran it vanished."""

    @property
    def is_final(self) -> bool:
        """Whether the task will not change any more in this run."""
        return self not in (TaskStatus.PENDING, TaskStatus.RUNNING)

    @property
    def is_good(self) -> bool:
        """Whether the task's products are current."""
        return self in (TaskStatus.SUCCEEDED, TaskStatus.SKIPPED, TaskStatus.RESTORED)


class EventKind(Enum):
    """What an event tells; ``data`` holds what the comment names."""

    RUN_STARTED = "run.started"  # the run's facts
    PLAN = "plan"  # items: task, action, why
    TASK_STARTED = "task.started"  # attempt, kernel, cells (their number)
    TASK_CELL = "task.cell"  # index, cells, seconds
    TASK_LOG = "task.log"  # text
    TASK_RETRY = "task.retry"  # attempt, delay, error
    TASK_FINISHED = "task.finished"  # a TaskRun without its cells' outputs
    METRIC = "metric"  # name, value, step
    NOTE = "note"  # text, level
    RUN_FINISHED = "run.finished"  # status, seconds


class Event(Record, frozen=True, kw_only=True):
    """One line of ``events.jsonl``."""

    seq: int
    """Counts from 1 without gaps within a run."""
    time: float
    """Seconds since the epoch, UTC."""
    kind: EventKind
    run: str
    task: str = ""
    data: dict[str, Json] = {}


class ErrorInfo(Record, frozen=True, kw_only=True):
    """Why a task did not succeed."""

    name: str
    """The exception's class, or the status where there was none."""
    message: str
    cell: int | None = None
    """Index of the failing cell in the notebook as its author sees it, from 0."""
    source: str = ""
    """The failing cell's source."""
    traceback: str = ""
    """Plain text, without colour codes."""


class CellRun(Record, frozen=True, kw_only=True):
    """One executed cell."""

    index: int
    seconds: float
    peak_mb: float | None = None
    """Largest resident set of the kernel while the cell ran, MiB; on some systems after the cell."""


class Checkpoint(Record, frozen=True, kw_only=True):
    """What was kept of a notebook's state when a cell failed, or why nothing was."""

    cell: int | None = None
    """Index of the failing cell in the notebook as its author sees it, from 0."""
    folder: str = ""
    """Where it is, relative to the run's folder; empty where nothing was kept."""
    digest: str = ""
    """SHA-256 of its index, which holds the digests of the other files."""
    size_mb: float = 0.0
    missing: tuple[str, ...] = ()
    """Names that could not be kept."""
    why: str = ""
    """Why nothing was kept."""

    @property
    def text(self) -> str:
        """What was kept, or why nothing was, as a line for people."""
        if self.why:
            return f"its state could not be kept: {self.why}"
        but = f" but for {', '.join(self.missing)}" if self.missing else ""
        return f"its state before the cell was kept{but} ({self.size_mb:,.1f} MiB)"


class Resumed(Record, frozen=True, kw_only=True):
    """Where a task went on with what an earlier run, or an earlier attempt, had computed."""

    run: str
    cell: int
    """Index of the first cell that was run, from 0, in the notebook as its author sees it."""
    skipped: int
    """Code cells that were not run again."""

    @property
    def text(self) -> str:
        """Where it went on, as a line for people."""
        return f"resumed at cell {self.cell + 1} from run {self.run}"


class TaskRun(Record, frozen=True, kw_only=True):
    """One task of a run."""

    task: str
    status: TaskStatus = TaskStatus.PENDING
    why: str = ""
    """The plan's reasons as text."""
    attempt: int = 0
    """1 for the first; 0 where none was made."""
    started: float | None = None
    ended: float | None = None
    kernel: str = ""
    """``warm``, or ``cold`` with the reason: ``cold: language R``."""
    error: ErrorInfo | None = None
    notebook: str = ""
    """The executed notebook, relative to the run's folder."""
    report: str = ""
    """The HTML report, relative to the run's folder."""
    peak_mb: float | None = None
    cells: tuple[CellRun, ...] = ()
    cells_total: int = 0
    cells_done: int = 0
    fingerprint: str = ""
    checkpoint: Checkpoint | None = None
    """Of a failed notebook whose task asks for one."""
    resumed: Resumed | None = None

    @property
    def seconds(self) -> float | None:
        """Seconds between start and end; ``None`` where one is missing."""
        if self.started is None or self.ended is None:
            return None
        return self.ended - self.started


class RunFacts(Record, frozen=True, kw_only=True):
    """What is frozen when a run starts: ``run.json``."""

    id: str
    pipeline: str
    started: float
    trigger: str = "manual"
    parameters: dict[str, Json] = {}
    """Parameters given for this run, over those of the specification."""
    resolved: dict[str, Json] = {}
    """Every parameter's value: by name, or ``task.name`` where tasks disagree."""
    targets: tuple[str, ...] = ()
    start_from: tuple[str, ...] = ()
    """Tasks to run anew with everything below them."""
    force: bool = False
    """Whether what was up to date was to run too."""
    command: tuple[str, ...] = ()
    user: str = ""
    host: str = ""
    boot_id: str = ""
    pid: int = 0
    pid_started: float = 0.0
    """When the owning process started, so that a reused process id is not taken for it."""
    pids: str = ""
    """Names where the process id counts, as containers of one machine have numbers of their own."""
    git_commit: str = ""
    git_branch: str = ""
    git_diff: str = ""
    """SHA-256 of the uncommitted changes; empty for a clean tree."""
    python: str = ""
    platform: str = ""
    environment: dict[str, str] = {}
    """Installed distributions and their versions."""
    input_digests: dict[str, str] = {}
    mlflow_run_id: str = ""
    resumed_from: str = ""


class Run(Record, frozen=True, kw_only=True):
    """A run as its events tell it."""

    facts: RunFacts
    status: RunStatus
    tasks: tuple[TaskRun, ...] = ()
    ended: float | None = None
    metrics: dict[str, float] = {}
    last_seq: int = 0

    @property
    def id(self) -> str:
        """The run's id; ids sort by time."""
        return self.facts.id


class TaskProfile(Record, frozen=True, kw_only=True):
    """What one task cost."""

    task: str
    status: TaskStatus
    seconds: float
    """Of all its tries together, with the pauses between them."""
    share: float
    """Of the seconds of all tasks together, 0 to 1."""
    waited: float
    """Seconds between the moment its upstream was done and the start of its first try."""
    overhead: float
    """Seconds of the last try outside cells: the kernel's start, reading, writing; 0 without cells."""
    peak_mb: float | None = None
    critical: bool = False
    """Whether it stands on the critical path."""
    cells: tuple[CellRun, ...] = ()
    """The slowest first."""


class RunProfile(Record, frozen=True, kw_only=True):
    """Where a run's time and memory went."""

    run: str
    seconds: float
    """From the run's start to its end."""
    work: float
    """Seconds of all tasks together."""
    critical_path: tuple[str, ...]
    """The chain of dependent tasks that took longest, from its first to its last."""
    critical_seconds: float
    """Seconds of that chain: no number of cores makes the run shorter."""
    peak_mb: float | None = None
    """Of the task that used the most, MiB."""
    tasks: tuple[TaskProfile, ...] = ()
    """The longest first."""
