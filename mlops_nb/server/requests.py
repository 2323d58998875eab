"""What a request may carry: queries and bodies, checked before anything is done."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from mlops_nb.model.base import Json, Record

__all__ = [
    "AddTask",
    "AlertAck",
    "AlertSnooze",
    "AlertsQuery",
    "Approve",
    "Check",
    "ColumnQuery",
    "CompareQuery",
    "ConversionQuery",
    "ConvertNotebook",
    "EventsQuery",
    "ExportQuery",
    "GatesQuery",
    "HeatMapQuery",
    "InitProject",
    "JobQuery",
    "LogQuery",
    "MembershipQuery",
    "NextQuery",
    "Nothing",
    "PlanRequest",
    "ProjectQuery",
    "Promote",
    "Reject",
    "Rerun",
    "Rollback",
    "RunRequest",
    "RunsQuery",
    "WriteExport",
]

Name = Annotated[str, Meta(min_length=1, max_length=500)]
Text = Annotated[str, Meta(max_length=20_000)]
Names = Annotated[tuple[Name, ...], Meta(max_length=5_000)]


class ProjectQuery(Record, frozen=True, kw_only=True):
    """Which project."""

    project: Annotated[str, Meta(max_length=4_000)] = ""
    """The project's path relative to the server's root; empty for the root itself."""


class MembershipQuery(Record, frozen=True, kw_only=True):
    """Which file."""

    path: Annotated[str, Meta(min_length=1, max_length=4_000)]
    """Relative to the server's root."""


class ConversionQuery(Record, frozen=True, kw_only=True):
    """Which notebook would become a pipeline."""

    path: Annotated[str, Meta(min_length=1, max_length=4_000)]
    """Relative to the server's root."""
    name: Annotated[str, Meta(max_length=500)] = ""
    """The task's name; made from the file's where empty."""


class RunsQuery(ProjectQuery, frozen=True, kw_only=True):
    """Which page of the history."""

    limit: Annotated[int, Meta(ge=1, le=500)] = 50
    before: Annotated[str, Meta(max_length=100)] = ""
    """Only runs older than this id."""
    status: Annotated[str, Meta(max_length=100)] = ""
    """Only runs of this status."""
    task: Annotated[str, Meta(max_length=500)] = ""
    """Only runs with this task."""


class EventsQuery(ProjectQuery, frozen=True, kw_only=True):
    """Which events."""

    since: Annotated[int, Meta(ge=0)] = 0
    """Only events with a greater ``seq``."""
    limit: Annotated[int, Meta(ge=1, le=100_000)] = 10_000


class LogQuery(ProjectQuery, frozen=True, kw_only=True):
    """Which log."""

    task: Annotated[str, Meta(max_length=500)] = ""
    """The run's own process where empty."""
    limit: Annotated[int, Meta(ge=1, le=5_000_000)] = 200_000
    """Bytes from the end."""


class GatesQuery(ProjectQuery, frozen=True, kw_only=True):
    """Against whose holder gates are counted."""

    alias: Annotated[str, Meta(max_length=500)] = "champion"


class CompareQuery(ProjectQuery, frozen=True, kw_only=True):
    """Which two versions: numbers, aliases or ``latest``."""

    left: Name = "champion"
    right: Name = "latest"


class HeatMapQuery(ProjectQuery, frozen=True, kw_only=True):
    """Which part of the heat map."""

    last: Annotated[int, Meta(ge=0, le=10_000)] = 0
    """The latest windows only; 0 for all."""
    baseline: Annotated[str, Meta(max_length=100)] = "pinned"
    """``pinned`` or ``trailing``."""


class ColumnQuery(ProjectQuery, frozen=True, kw_only=True):
    """Which column of which window."""

    window: Name
    column: Name
    baseline: Annotated[str, Meta(max_length=100)] = "pinned"


class AlertsQuery(ProjectQuery, frozen=True, kw_only=True):
    """Which alerts."""

    model: Annotated[str, Meta(max_length=500)] = ""
    """All models where empty."""
    active: bool = True
    """Only those whose cause persists."""


class ExportQuery(ProjectQuery, frozen=True, kw_only=True):
    """How the export groups tasks."""

    group: Annotated[str, Meta(max_length=100)] = ""
    """``none``, ``auto`` or ``by-level``; the project's setting where empty."""


class JobQuery(ProjectQuery, frozen=True, kw_only=True):
    """Which jobs."""


class NextQuery(ProjectQuery, frozen=True, kw_only=True):
    """How many times to tell."""

    count: Annotated[int, Meta(ge=1, le=500)] = 10


class Body(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The root of every body: what it does not know is refused."""


class Nothing(Body, frozen=True, kw_only=True):
    """A body without any field; it may be left out."""


class InitProject(Body, frozen=True, kw_only=True):
    """Where to start a project."""

    path: Annotated[str, Meta(min_length=1, max_length=4_000)]
    """A folder relative to the server's root that does not exist yet or is empty."""
    name: Annotated[str, Meta(max_length=500)] = ""
    """The folder's name where empty."""


class ConvertNotebook(Body, frozen=True, kw_only=True):
    """Which notebook becomes a pipeline."""

    path: Annotated[str, Meta(min_length=1, max_length=4_000)]
    """Relative to the server's root."""
    name: Annotated[str, Meta(max_length=500)] = ""
    """The task's name; made from the file's where empty."""


class AddTask(Body, frozen=True, kw_only=True):
    """Which notebook becomes a task."""

    source: Name
    """The notebook, relative to the project."""
    name: Annotated[str, Meta(max_length=500)] = ""
    """The task's name; made from the file's where empty."""
    products: Annotated[dict[Name, Name], Meta(max_length=100)] = {}
    """Further products by key, relative to the project; the executed notebook is always one."""
    notebook_product: Annotated[str, Meta(max_length=4_000)] = ""
    """Where the executed notebook goes; ``products/<name>.ipynb`` where empty."""
    upstream: Names = ()
    """Tasks that it needs."""


class PlanRequest(Body, frozen=True, kw_only=True):
    """What to run.

    All: nothing set. To here: ``targets: [task]``. From here: ``start_from: [task]``. This one
    anew, with what it lacks above it: both.
    """

    targets: Names = ()
    """Tasks to bring up to date with what they need; all where empty."""
    start_from: Names = ()
    """Tasks to run anew together with everything below them."""
    parameters: Annotated[dict[Name, Json], Meta(max_length=5_000)] = {}
    """Values over those of the pipeline, keyed as the form's names. Text is read by the
    parameter's type, as on the command line."""
    force: bool = False
    """Run also what is up to date."""


class RunRequest(PlanRequest, frozen=True, kw_only=True):
    """What to run, and how."""

    jobs: Annotated[int, Meta(ge=0, le=1_000)] | None = None
    """Tasks at a time; the project's setting where ``null``."""
    keep_going: bool = False
    """Go on with what does not need a failed task."""
    timeout: Annotated[float, Meta(gt=0, le=10_000_000)] | None = None
    """Seconds the whole run may take."""
    cold: bool = False
    """Start every kernel afresh."""


class Rerun(Body, frozen=True, kw_only=True):
    """How to run a run's targets again with its parameters."""

    force: bool = False
    """Run also what is up to date."""


class Check(Body, frozen=True, kw_only=True):
    """Which gates to ask."""

    only: Names = ()
    """All that guard the model where empty."""
    alias: Name = "champion"
    """Whose holder it is compared with."""


class Approve(Body, frozen=True, kw_only=True):
    """An approval."""

    role: Annotated[str, Meta(max_length=500)] = ""
    comment: Text = ""


class Reject(Body, frozen=True, kw_only=True):
    """A rejection."""

    comment: Annotated[str, Meta(min_length=1, max_length=20_000)]
    """Why."""


class Promote(Body, frozen=True, kw_only=True):
    """A promotion."""

    alias: Name = "champion"
    expected: Annotated[int, Meta(ge=0)] | None = None
    """The version that must hold the alias now, 0 for nobody: what the screen showed when the
    person decided."""
    reason: Text = ""
    force: bool = False
    """Promote against gates; needs a reason, and shows for ever."""


class Rollback(Body, frozen=True, kw_only=True):
    """A rollback to the last approved holder."""

    alias: Name = "champion"
    expected: Annotated[int, Meta(ge=0)] | None = None
    reason: Text = ""


class AlertAck(Body, frozen=True, kw_only=True):
    """Which alert someone looks after."""

    alert: Name
    """The alert's id."""
    reason: Text = ""


class AlertSnooze(AlertAck, frozen=True, kw_only=True):
    """Which alert is silent, until when."""

    until: Name
    """The first window in which it speaks again."""


class WriteExport(Body, frozen=True, kw_only=True):
    """How to write an export."""

    group: Annotated[str, Meta(max_length=100)] = ""
