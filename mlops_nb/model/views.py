"""Pipelines and runs as a screen shows them: several records joined, with what it would compute."""

from __future__ import annotations

from mlops_nb.model.base import Json, Record
from mlops_nb.model.runs import CellRun, ErrorInfo, Event, RunFacts, RunStatus, TaskStatus
from mlops_nb.model.tasks import Action, Reason, TaskKind

__all__ = [
    "EventsView",
    "GroupView",
    "LastRun",
    "LogView",
    "ParameterView",
    "PipelineView",
    "PlanItemView",
    "PlanView",
    "ProductView",
    "RunChange",
    "RunDiff",
    "RunList",
    "RunSummary",
    "RunTaskView",
    "RunView",
    "TaskPair",
    "TaskView",
]


class ProductView(Record, frozen=True, kw_only=True):
    """One thing that a task makes, and whether it is there."""

    path: str
    """POSIX path relative to the project (absolute where it lies outside), or a relation's name."""
    key: str = ""
    """The name under ``product:`` in the specification; empty where there is just one."""
    is_file: bool = True
    is_notebook: bool = False
    """True for the executed notebook (or its page) of a notebook task."""
    exists: bool = False
    size: int = 0
    """Bytes; 0 for folders and what is not there."""


class LastRun(Record, frozen=True, kw_only=True):
    """The last run in which a task did something. Paths are relative to the project."""

    run: str
    status: TaskStatus
    started: float | None = None
    """Seconds since the epoch."""
    ended: float | None = None
    seconds: float | None = None
    error: ErrorInfo | None = None
    notebook: str = ""
    """The executed notebook; empty where there is none."""
    report: str = ""
    """The HTML page; empty where none was written."""
    log: str = ""
    """What the task's process printed; empty where nothing was kept."""
    cells_total: int = 0
    cells_done: int = 0


class TaskView(Record, frozen=True, kw_only=True):
    """One node of the graph: what it is, what a run would do with it, how it went last."""

    name: str
    kind: TaskKind
    source: str
    """Path relative to the project, or a function's dotted path."""
    source_is_file: bool = True
    """Whether `source` can be opened."""
    upstream: tuple[str, ...] = ()
    products: tuple[ProductView, ...] = ()
    parameters: tuple[str, ...] = ()
    """Names of its parameters."""
    group: str = ""
    """The grid it belongs to; empty where it stands alone."""
    kernel: str = ""
    language: str = "python"
    tags: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    """Declared files outside the pipeline."""
    action: Action
    """What a run would do with it now."""
    why: str = ""
    """The reasons as one line."""
    reasons: tuple[Reason, ...] = ()
    last: LastRun | None = None
    """``None`` where it never ran."""
    expected_seconds: float | None = None
    """The median of its last good durations; ``None`` where it never ended well."""
    critical: bool = False
    """Whether it stands on the critical path by these durations."""


class GroupView(Record, frozen=True, kw_only=True):
    """A grid: tasks made from one notebook with different parameters."""

    name: str
    tasks: tuple[str, ...]


class ParameterView(Record, frozen=True, kw_only=True):
    """One field of the parameter form."""

    name: str
    """What to send as the key in ``parameters``: ``max_depth``, or ``train.max_depth`` where tasks
    hold different values."""
    type: str = "Any"
    """The annotation: ``int``, ``str | None``, ``list[int]`` ..."""
    control: str = "json"
    """How to ask for it: ``integer``, ``number``, ``boolean``, ``text``, ``choice``, ``list``,
    ``mapping`` or ``json``."""
    optional: bool = False
    """Whether ``null`` is allowed."""
    choices: tuple[Json, ...] = ()
    """For ``choice``."""
    value: Json = None
    """What a run without overrides uses; `null` also where it is not known (see `known`)."""
    known: bool = True
    """False where the default is an expression that only the notebook's run can tell."""
    help: str = ""
    """The comment on the assignment's line."""
    tasks: tuple[str, ...] = ()
    """The tasks that it reaches."""


class PlanItemView(Record, frozen=True, kw_only=True):
    """What a run would do with one task, and why."""

    task: str
    action: Action
    why: str = ""
    reasons: tuple[Reason, ...] = ()
    expected_seconds: float | None = None


class PlanView(Record, frozen=True, kw_only=True):
    """What a run would do."""

    items: tuple[PlanItemView, ...] = ()
    counts: dict[str, int] = {}
    """Tasks by action: ``run``, ``skip``, ``restore``."""
    is_noop: bool = False
    """Whether everything is up to date."""
    expected_seconds: float | None = None
    """Seconds of the tasks to run one after another; ``None`` where one of them never ran."""


class RunSummary(Record, frozen=True, kw_only=True):
    """One run as a line of the history."""

    id: str
    status: RunStatus
    trigger: str = "manual"
    started: float
    """Seconds since the epoch."""
    ended: float | None = None
    seconds: float | None = None
    """``None`` while it goes on, and where nobody saw its end."""
    parameters: dict[str, Json] = {}
    """Those that were given for this run."""
    metrics: dict[str, float] = {}
    targets: tuple[str, ...] = ()
    user: str = ""
    host: str = ""
    git_commit: str = ""
    dirty: bool = False
    """Whether there were uncommitted changes."""
    counts: dict[str, int] = {}
    """Tasks by status."""
    tasks: int = 0
    failed: tuple[str, ...] = ()
    """Tasks that failed, timed out, died or exited."""
    resumed_from: str = ""
    last_seq: int = 0


class RunList(Record, frozen=True, kw_only=True):
    """A page of the history, the newest first."""

    runs: tuple[RunSummary, ...] = ()
    active: tuple[str, ...] = ()
    """Ids of the runs that go on now, on this page or not."""
    total: int = 0
    """Runs that are kept."""
    before: str = ""
    """Give it as ``before`` to get the next page; empty on the last."""


class RunTaskView(Record, frozen=True, kw_only=True):
    """One task of a run. Paths are relative to the project."""

    task: str
    status: TaskStatus
    why: str = ""
    attempt: int = 0
    started: float | None = None
    ended: float | None = None
    seconds: float | None = None
    kernel: str = ""
    """``warm``, or ``cold`` with the reason."""
    error: ErrorInfo | None = None
    peak_mb: float | None = None
    cells: tuple[CellRun, ...] = ()
    cells_total: int = 0
    cells_done: int = 0
    notebook: str = ""
    report: str = ""
    log: str = ""


class RunView(Record, frozen=True, kw_only=True):
    """One run with its tasks and cells. Paths are relative to the project."""

    summary: RunSummary
    facts: RunFacts
    """Without ``environment`` and ``input_digests``, which only a comparison needs."""
    tasks: tuple[RunTaskView, ...] = ()
    folder: str
    report: str = ""
    """The run's own page; empty where it is not written."""
    log: str = ""
    """What the run's process printed; only for runs that were started here."""


class RunChange(Record, frozen=True, kw_only=True):
    """One difference between two runs."""

    kind: str
    """``parameter``, ``code``, ``input``, ``environment``, ``task`` or ``metric``."""
    name: str
    left: str
    right: str


class TaskPair(Record, frozen=True, kw_only=True):
    """One task of both runs."""

    task: str
    left: TaskStatus | None = None
    right: TaskStatus | None = None
    left_seconds: float | None = None
    right_seconds: float | None = None


class RunDiff(Record, frozen=True, kw_only=True):
    """Two runs side by side."""

    left: RunSummary
    right: RunSummary
    changes: tuple[RunChange, ...] = ()
    tasks: tuple[TaskPair, ...] = ()


class EventsView(Record, frozen=True, kw_only=True):
    """A run's events after a ``seq``."""

    run: str
    status: RunStatus
    events: tuple[Event, ...] = ()
    last_seq: int = 0
    """Of the last event of the run, listed here or not."""


class LogView(Record, frozen=True, kw_only=True):
    """The end of what a task, or the run's own process, printed."""

    run: str
    task: str = ""
    text: str = ""
    size: int = 0
    """Bytes of the whole log."""
    truncated: bool = False
    """Whether the beginning was left out."""


class PipelineView(Record, frozen=True, kw_only=True):
    """The whole pipeline as a screen shows it."""

    project: str
    """Path relative to the server's root; empty for the root itself."""
    name: str
    spec: str
    """The specification's path relative to the project."""
    tasks: tuple[TaskView, ...] = ()
    """In an order in which they can run."""
    groups: tuple[GroupView, ...] = ()
    parameters: tuple[ParameterView, ...] = ()
    plan: dict[str, int] = {}
    """Tasks by what a run would do: ``run``, ``skip``, ``restore``."""
    critical_path: tuple[str, ...] = ()
    critical_seconds: float | None = None
    """Seconds of that path by expected durations; ``None`` before anything ran."""
    expected_seconds: float | None = None
    """Seconds of all tasks that a run would run; ``None`` where one of them never ran."""
    active: tuple[str, ...] = ()
    """Ids of the runs that go on now."""
    last: RunSummary | None = None
    """The latest run."""
