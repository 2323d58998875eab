"""Every endpoint, as data: the handlers, the workers and ``openapi.yaml`` are made from it."""

from __future__ import annotations

from typing import Any, NamedTuple

from mlops_nb.model import boards, views
from mlops_nb.model.comparison import Comparison
from mlops_nb.model.export import ExportPreview
from mlops_nb.model.monitoring import Alert, ColumnDrift, WindowResult
from mlops_nb.model.registry import LedgerEntry, Promotion, VersionDetails
from mlops_nb.model.runs import RunProfile
from mlops_nb.model.scheduling import Occurrence
from mlops_nb.server import records, requests, timetable

__all__ = ["PREFIX", "ROUTES", "Route"]

PREFIX = "/mlops-nb/v1"


class Route(NamedTuple):
    """One method of one path.

    ``name`` is the function that answers: of ``mlops_nb.server.operations.<area>``, run in a
    worker of the kind ``lane``. What only reads records has one that never waits for a plan, which
    may take Ploomber seconds; ``here`` is the server itself, ``job`` a worker of its own.
    """

    method: str
    path: str
    area: str
    name: str
    summary: str
    query: Any = requests.ProjectQuery
    body: Any = None
    answer: Any = None
    status: int = 200
    lane: str = "plan"
    writes: bool = False
    """Whether it changes anything; what does not is asked again where a worker died."""


def _get(path: str, area: str, name: str, summary: str, answer: Any, **more: Any) -> Route:
    return Route("GET", path, area, name, summary, answer=answer, **more)


def _post(path: str, area: str, name: str, summary: str, answer: Any, **more: Any) -> Route:
    more = {"body": requests.Nothing, "writes": True, **more}
    return Route("POST", path, area, name, summary, answer=answer, **more)


_VERSION = "/models/{model}/versions/{version}"

ROUTES: tuple[Route, ...] = (
    # The server and its projects.
    _get("/about", "server", "about", "What answers here.", records.About, query=None, lane="here"),
    _get(
        "/projects", "server", "projects", "The projects below the server's root.",
        boards.ProjectList, query=None, lane="here",
    ),
    _post(
        "/projects", "projects", "init", "Start a project of three notebooks.",
        boards.ProjectCreated, query=None, body=requests.InitProject, status=201,
    ),
    _get(
        "/conversion", "projects", "conversion",
        "What would make a pipeline of a notebook; nothing is written.",
        boards.Conversion, query=requests.ConversionQuery,
    ),
    _post(
        "/conversion", "projects", "convert",
        "Make a notebook a pipeline of one task, or a task of its project.",
        boards.Conversion, query=None, body=requests.ConvertNotebook, status=201,
    ),
    _get(
        "/membership", "projects", "membership", "What a file is to the project it lies in.",
        boards.Membership, query=requests.MembershipQuery,
    ),
    _get(
        "/files/{path}", "server", "file",
        "A page, notebook, log or source of the project, as it is; scripts in it are sandboxed.",
        None, lane="here",
    ),
    _get(
        "/jobs", "server", "jobs", "Long work of this server, the newest first.",
        records.JobList, lane="here",
    ),
    _get("/jobs/{job}", "server", "job", "One job.", records.JobView, lane="here"),
    # The pipeline.
    _get(
        "/pipeline", "pipeline", "pipeline",
        "The graph: tasks, what would run and why, last runs, parameters, critical path.",
        views.PipelineView,
    ),
    _post(
        "/pipeline/plan", "pipeline", "plan", "What a run with these parameters would do.",
        views.PlanView, body=requests.PlanRequest, writes=False,
    ),
    _post(
        "/pipeline/tasks", "pipeline", "add_task", "Make a notebook a task of the pipeline.",
        boards.AddedTask, body=requests.AddTask, status=201,
    ),
    # Runs.
    _get(
        "/runs", "runs", "runs", "The history, the newest first.", views.RunList,
        query=requests.RunsQuery, lane="records"
    ),
    _post(
        "/runs", "runs", "start", "Start a run; it goes on without browser and server.",
        records.Started, body=requests.RunRequest, status=202,
    ),
    _get("/runs/{run}", "runs", "run", "One run with its tasks and cells.", views.RunView, lane="records"),
    Route("DELETE", "/runs/{run}", "runs", "remove", "Delete a run's records.", status=204, writes=True, lane="records"),
    _get(
        "/runs/{run}/diff/{other}", "runs", "diff", "What differs between two runs.", views.RunDiff, lane="records"
    ),
    _get(
        "/runs/{run}/events", "runs", "events", "The run's events after a seq.",
        views.EventsView, query=requests.EventsQuery, lane="records"
    ),
    _get(
        "/runs/{run}/log", "runs", "log", "The end of what a task or the run printed.",
        views.LogView, query=requests.LogQuery, lane="records"
    ),
    _get(
        "/runs/{run}/profile", "runs", "profile", "Where the run's time and memory went.",
        RunProfile,
    ),
    _post(
        "/runs/{run}/report", "runs", "report", "Write the run's HTML pages, of good tasks too.",
        boards.Page,
    ),
    _post(
        "/runs/{run}/cancel", "runs", "cancel", "Ask the run to stop; it ends as cancelled.",
        views.RunSummary, status=202, lane="records"
    ),
    _post(
        "/runs/{run}/resume", "runs", "resume", "Run what the run still lacks.",
        records.Started, status=202,
    ),
    _post(
        "/runs/{run}/rerun", "runs", "rerun", "Run its targets again with its parameters.",
        records.Started, body=requests.Rerun, status=202,
    ),
    # Models.
    _get(
        "/models", "models", "models", "Each model with its champion and challenger.",
        boards.ModelList, lane="models",
    ),
    _post(
        "/models-verify", "models", "verify", "Check that ledger, MLflow and artifacts agree.",
        records.JobView, status=202, lane="job", writes=False,
    ),
    _get(
        "/models/{model}/versions", "models", "versions", "A model's versions, newest first.",
        boards.VersionList, lane="models",
    ),
    _get(
        _VERSION, "models", "version", "All that is known of a version.",
        VersionDetails, lane="models",
    ),
    _get(
        f"{_VERSION}/gates", "models", "gates", "How the version's gates count now.",
        boards.Gates, query=requests.GatesQuery, lane="models",
    ),
    _post(
        f"{_VERSION}/check", "models", "check", "Ask the gates, and keep their answers.",
        records.JobView, body=requests.Check, status=202, lane="job",
    ),
    _post(
        f"{_VERSION}/approve", "models", "approve", "Record that a person approves.",
        LedgerEntry, body=requests.Approve, lane="models",
    ),
    _post(
        f"{_VERSION}/reject", "models", "reject", "Record that a person rejects.",
        LedgerEntry, body=requests.Reject, lane="models",
    ),
    _post(
        f"{_VERSION}/promote", "models", "promote", "Give an alias to the version.",
        Promotion, body=requests.Promote, lane="models",
    ),
    _post(
        "/models/{model}/rollback", "models", "rollback",
        "Give an alias back to the last approved version that held it.",
        Promotion, body=requests.Rollback, lane="models",
    ),
    _get(
        "/models/{model}/history", "models", "history", "The ledger's rows of the model.",
        boards.History, lane="models",
    ),
    _get(
        "/models/{model}/compare", "models", "compare", "Two versions side by side.",
        Comparison, query=requests.CompareQuery, lane="models",
    ),
    # Monitoring.
    _get(
        "/monitoring", "monitoring", "monitors", "How the monitored models stand.",
        boards.MonitorList, lane="monitoring",
    ),
    _get(
        "/monitoring/{model}/heatmap", "monitoring", "heatmap", "Columns against windows.",
        boards.HeatMap, query=requests.HeatMapQuery, lane="monitoring",
    ),
    _get(
        "/monitoring/{model}/windows/{window}", "monitoring", "window",
        "Everything known of one window.", WindowResult, lane="monitoring",
    ),
    _get(
        "/monitoring/{model}/column", "monitoring", "column",
        "One column of one window with overlay, quantiles and shares.",
        ColumnDrift, query=requests.ColumnQuery, lane="monitoring",
    ),
    _get(
        "/monitoring/{model}/performance", "monitoring", "performance",
        "Performance over time, realised and estimated.",
        boards.PerformanceSeries, lane="monitoring",
    ),
    _post(
        "/monitoring/{model}/report", "monitoring", "pages", "Write the model's pages.",
        boards.Page, lane="monitoring",
    ),
    _get(
        "/alerts", "monitoring", "alerts", "Alerts, the most severe first.",
        boards.AlertList, query=requests.AlertsQuery, lane="monitoring",
    ),
    _post(
        "/alerts/acknowledge", "monitoring", "acknowledge", "Note that someone looks after it.",
        Alert, body=requests.AlertAck, lane="monitoring",
    ),
    _post(
        "/alerts/snooze", "monitoring", "snooze", "Silence it until a window.",
        Alert, body=requests.AlertSnooze, lane="monitoring",
    ),
    # Export.
    _get("/export", "export", "targets", "What the pipeline can be exported to.", boards.ExportTargets),
    _get(
        "/export/{target}", "export", "preview", "The files, and how they differ from those on disk.",
        ExportPreview, query=requests.ExportQuery,
    ),
    _post(
        "/export/{target}", "export", "write", "Write the files that differ.",
        ExportPreview, body=requests.WriteExport,
    ),
    # Schedules.
    _get("/schedules", "schedules", "schedules", "All schedules.", timetable.ScheduleList, lane="records"),
    _post(
        "/schedules", "schedules", "add", "Add a schedule.", timetable.ScheduleView,
        body=timetable.AddSchedule, status=201,
    ),
    _post(
        "/schedules-preview", "schedules", "preview", "When a schedule would be due.",
        timetable.ScheduleTimes, body=timetable.PreviewSchedule, writes=False, lane="records"
    ),
    Route(
        "DELETE", "/schedules/{schedule}", "schedules", "remove", "Remove a schedule.",
        status=204, writes=True, lane="records"
    ),
    _post(
        "/schedules/{schedule}/edit", "schedules", "edit", "Change some of it.",
        timetable.ScheduleView, body=timetable.EditSchedule,
    ),
    _post(
        "/schedules/{schedule}/cancel", "schedules", "cancel",
        "Stop an occurrence that runs, or end one that waits.",
        Occurrence, body=timetable.CancelOccurrence, status=202, lane="records"
    ),
    _get(
        "/schedules-calendar", "schedules", "calendar", "The times of all between two moments.",
        timetable.CalendarView, query=timetable.CalendarQuery, lane="records"
    ),
    _post("/schedules/{schedule}/pause", "schedules", "pause", "Pause it.", timetable.ScheduleView, lane="records"),
    _post("/schedules/{schedule}/resume", "schedules", "resume", "Go on.", timetable.ScheduleView, lane="records"),
    _post(
        "/schedules/{schedule}/run-now", "schedules", "run_now", "Have it run once now.",
        Occurrence, status=202, lane="records"
    ),
    _get(
        "/schedules/{schedule}/next", "schedules", "next_times", "Its coming times.",
        timetable.ScheduleTimes, query=requests.NextQuery, lane="records"
    ),
    _get(
        "/schedules/{schedule}/history", "schedules", "history", "What became of its times.",
        timetable.OccurrenceList, query=timetable.OccurrencesQuery, lane="records"
    ),
)  # fmt: skip
