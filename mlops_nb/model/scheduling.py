"""Schedules, their occurrences, and what became of each."""

from __future__ import annotations

from enum import Enum
from typing import Literal

from mlops_nb.model.base import Json, Record

__all__ = [
    "Attempted",
    "CronFields",
    "Notice",
    "NoticeKind",
    "Occurrence",
    "OccurrenceState",
    "Overlap",
    "Schedule",
    "ScheduleEntry",
    "ScheduleState",
    "SchedulerState",
    "SchedulerStatus",
    "Source",
    "SyncReport",
    "When",
]


class Overlap(Enum):
    """What happens to an occurrence that is due while an earlier one is not over."""

    SKIP = "skip"
    """It is recorded as skipped."""
    QUEUE = "queue"
    """It waits for the earlier one."""
    CANCEL = "cancel"
    """The earlier one is cancelled, then it starts."""
    ALLOW = "allow"
    """It starts beside the earlier one, up to `Schedule.max_running`."""


class Source(Enum):
    """Which notebooks and modules an occurrence runs."""

    LATEST = "latest"
    """Those that lie in the project when a task starts."""
    SNAPSHOT = "snapshot"
    """A copy of the project's sources, made when the first attempt starts."""
    COMMIT = "commit"
    """A Git commit, looked up when the first attempt starts."""


class OccurrenceState(Enum):
    """How an occurrence stands."""

    WAITING = "waiting"
    """It is due, or will be tried again, and nobody runs it."""
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed-out"
    CANCELLED = "cancelled"
    LOST = "lost"
    """Its run vanished without having said how it ended."""
    MISSED = "missed"
    """It could not start in time, and its schedule's policy leaves it out."""
    SKIPPED = "skipped"
    """An earlier one was still running, and its schedule's policy leaves it out."""

    @property
    def is_final(self) -> bool:
        """Whether it will not change any more."""
        return self not in (OccurrenceState.WAITING, OccurrenceState.RUNNING)

    @property
    def is_bad(self) -> bool:
        """Whether it ran and did not succeed."""
        return self in (OccurrenceState.FAILED, OccurrenceState.TIMED_OUT, OccurrenceState.LOST)


class Schedule(Record, frozen=True, kw_only=True):
    """What is run, when, and what happens when things go otherwise."""

    name: str
    when: str
    """A cron expression, ``every 15 minutes``, or words such as ``every weekday at 6``."""
    timezone: str = "UTC"
    """IANA name; cron expressions and words are meant in it."""
    tasks: tuple[str, ...] = ()
    """Tasks to bring up to date with what they need; the whole pipeline where empty."""
    parameters: dict[str, Json] = {}
    """Texts may hold ``{{ scheduled_at | date }}`` and its like."""
    force: bool = False
    """Run also what is up to date."""
    source: Source = Source.LATEST
    ref: str = "HEAD"
    """With ``commit``: the branch, tag or commit that is looked up."""
    missed: Literal["skip", "once", "all"] | int = "once"
    """What happens to occurrences that could not start within `grace`: all are left out, the newest
    one runs, all run, or the newest so many."""
    grace: float = 60.0
    """Seconds that an occurrence may start late before it counts as missed."""
    overlap: Overlap = Overlap.SKIP
    max_running: int = 0
    """Occurrences of this schedule at a time, with ``allow``; 0 for any number."""
    retries: int = 0
    """Further attempts after one that failed, timed out or got lost."""
    backoff: float = 60.0
    """Seconds before the first further attempt; doubles each time."""
    timeout: float | None = None
    """Seconds one attempt may take."""
    jitter: float = 0.0
    """Seconds by which starts are spread; the same for the same occurrence everywhere."""
    start: str = ""
    """ISO date or time before which nothing is due; in `timezone` unless it says otherwise."""
    end: str = ""
    """ISO date or time after which nothing is due; a date counts whole."""
    sla: float | None = None
    """Seconds after its time by which an occurrence has to have succeeded."""
    keep: int = 0
    """Runs of this schedule that are kept; 0 for all."""
    keep_days: float = 0.0
    """Days that runs of this schedule are kept; 0 for ever."""
    description: str = ""


class When(Record, frozen=True, kw_only=True):
    """One occurrence to come."""

    at: float
    """Seconds since the epoch."""
    local: str
    """ISO time in the schedule's time zone."""


class Attempted(Record, frozen=True, kw_only=True):
    """One attempt at an occurrence: one run."""

    number: int
    run: str
    state: OccurrenceState
    started: float
    ended: float | None = None
    exit_code: int | None = None
    error: str = ""


class Occurrence(Record, frozen=True, kw_only=True):
    """One time at which a schedule was due, and what became of it."""

    id: int = 0
    """The store's own number."""
    schedule: str
    at: float
    """The logical time, seconds since the epoch; with the schedule's name it is the key."""
    local: str = ""
    """The logical time in the schedule's zone, ISO."""
    state: OccurrenceState = OccurrenceState.WAITING
    manual: bool = False
    """Asked for by ``run-now``."""
    due: float = 0.0
    """When it may start: with jitter, or the time of the next attempt."""
    attempt: int = 0
    """Attempts begun so far."""
    run: str = ""
    """The latest attempt's run."""
    started: float | None = None
    """Of the first attempt."""
    ended: float | None = None
    owner: str = ""
    """Host and process that claimed it last."""
    fence: int = 0
    """Counts the claims; a claimant with an older number may record nothing."""
    why: str = ""
    """Why it was left out, or what the last attempt failed with."""
    parameters: dict[str, Json] = {}
    """As rendered for its logical time; fixed across retries."""
    frozen: str = ""
    """The commit, or the snapshot's digest, that it runs; empty for ``latest``."""
    attempts: tuple[Attempted, ...] = ()


class ScheduleState(Record, frozen=True, kw_only=True):
    """A schedule and how it stands."""

    schedule: Schedule
    words: str
    """`Schedule.when` in words."""
    paused: bool = False
    paused_by: str = ""
    next_at: float | None = None
    """The next occurrence, seconds since the epoch; ``None`` where none will come."""
    next_local: str = ""
    origin: Literal["store", "project"] = "store"
    """``project`` where it came from ``[tool.mlops-nb.schedules]``."""
    last: Occurrence | None = None
    """The latest occurrence that came to its turn."""
    running: int = 0
    waiting: int = 0


class SyncReport(Record, frozen=True, kw_only=True):
    """What bringing the store in line with ``[tool.mlops-nb.schedules]`` changed; names."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()


class SchedulerState(Enum):
    """What a daemon does."""

    ACTIVE = "active"
    STANDBY = "standby"
    """An embedded one, while a stand-alone one is there."""
    STOPPING = "stopping"
    GONE = "gone"


class SchedulerStatus(Record, frozen=True, kw_only=True):
    """One daemon that works on the store."""

    id: str
    host: str
    pid: int
    embedded: bool
    state: SchedulerState
    started: float
    seen: float
    """Its last sign of life, seconds since the epoch."""
    address: str = ""
    """Where it answers ``/healthz`` and ``/metrics``."""


class NoticeKind(Enum):
    """What people are told of."""

    FAILURE = "failure"
    """An occurrence failed, and no further attempt will be made."""
    RECOVERY = "recovery"
    """The first success after a failure."""
    SLA = "sla"
    """An occurrence did not succeed in its time."""
    MISSED = "missed"
    """Occurrences were left out because nothing could start them."""
    SKIPPED = "skipped"
    """An occurrence was left out because an earlier one was not over; told once for each of these."""
    STORE = "store"
    """The store of schedules could not be written for a while."""


class Notice(Record, frozen=True, kw_only=True):
    """One thing that people are told, once."""

    key: str
    """The same for the same thing, however often it is told."""
    kind: NoticeKind
    schedule: str
    at: float
    """The occurrence's logical time."""
    text: str
    run: str = ""
    time: float = 0.0


class CronFields(Record, frozen=True, kw_only=True):
    """Five fields of plain numbers, empty for every value, that cover every time of a schedule."""

    minutes: tuple[int, ...] = ()
    hours: tuple[int, ...] = ()
    days: tuple[int, ...] = ()
    months: tuple[int, ...] = ()
    weekdays: tuple[int, ...] = ()
    """0 is Sunday."""
    timezone: str = "UTC"
    own: str = ""
    """The schedule's own expression, where it says the same in this zone."""
    exact: bool = True
    """False where they name times at which the schedule is not due."""
    within: float | None = None
    """Seconds after a due time in which `text` names no other; ``None`` where it never does."""

    @property
    def text(self) -> str:
        """The fields as a cron expression."""
        if self.own:
            return self.own
        parts = (self.minutes, self.hours, self.days, self.months, self.weekdays)
        return " ".join(",".join(str(one) for one in part) or "*" for part in parts)


class ScheduleEntry(Record, frozen=True, kw_only=True):
    """A schedule as an exporter needs it."""

    name: str
    id: str
    """The name made safe, at most 40 characters; no other schedule of the project has it."""
    short_id: str
    """The same with at most 20 characters."""
    words: str
    fields: CronFields
    """In the schedule's own zone."""
    utc: CronFields
    machine: CronFields
    """In the zone of the machine that it is exported for."""
    timeout: float | None = None
    in_project: bool = False
    """Whether ``[tool.mlops-nb.schedules]`` holds it, so that a fresh checkout knows it."""
