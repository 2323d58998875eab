"""Runs that were and are: looked at, started, stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nb.api import launch, past
from mlops_nb.api.runs import profile_run, write_report
from mlops_nb.api.screen import plan_view
from mlops_nb.config import find_project
from mlops_nb.errors import RunError, nearest
from mlops_nb.model import RunStatus
from mlops_nb.model.boards import Page
from mlops_nb.server.operations import looking_up
from mlops_nb.server.records import Started

if TYPE_CHECKING:
    from mlops_nb.model import RunProfile
    from mlops_nb.model.views import EventsView, LogView, RunDiff, RunList, RunSummary, RunView
    from mlops_nb.server.worker import Asked

__all__ = [
    "cancel",
    "diff",
    "events",
    "log",
    "profile",
    "remove",
    "report",
    "rerun",
    "resume",
    "run",
    "runs",
    "start",
]


def runs(asked: Asked) -> RunList:
    """Return a page of the history."""
    query = asked.query
    known = [status.value for status in RunStatus]
    if query.status and query.status not in known:
        raise RunError(f'no run is ever "{query.status}"', fix=nearest(query.status, known))
    return past.view_runs(
        asked.project,
        limit=query.limit,
        before=query.before,
        status=RunStatus(query.status) if query.status else None,
        task=query.task,
    )


def run(asked: Asked) -> RunView:
    """Return one run."""
    return past.view_run(asked.project, _found(asked))


def remove(asked: Asked) -> None:
    """Delete a run's records."""
    past.remove_run(asked.project, _found(asked))


def diff(asked: Asked) -> RunDiff:
    """Compare two runs."""
    return past.view_diff(asked.project, _found(asked), _found(asked, "other"))


def events(asked: Asked) -> EventsView:
    """Return events after a seq."""
    query = asked.query
    return past.run_events(asked.project, _found(asked), since=query.since, limit=query.limit)


def log(asked: Asked) -> LogView:
    """Return the end of a log."""
    with looking_up():
        return past.read_log(
            asked.project, asked.path["run"], asked.query.task, limit=asked.query.limit
        )


def profile(asked: Asked) -> RunProfile:
    """Return where time and memory went."""
    return profile_run(asked.project, _found(asked))


def report(asked: Asked) -> Page:
    """Write the run's pages."""
    page = write_report(asked.project, _found(asked))
    return Page(path=page.relative_to(find_project(asked.project).root).as_posix())


def start(asked: Asked) -> Started:
    """Start a run."""
    body = asked.body
    return _started(
        launch.launch(
            asked.project,
            targets=body.targets,
            start_from=body.start_from,
            parameters=body.parameters,
            force=body.force,
            jobs=body.jobs,
            keep_going=body.keep_going,
            timeout=body.timeout,
            cold=body.cold,
        )
    )


def cancel(asked: Asked) -> RunSummary:
    """Ask a run to stop."""
    return launch.cancel_run(asked.project, _found(asked))


def resume(asked: Asked) -> Started:
    """Go on with a run."""
    return _started(launch.launch_resume(asked.project, _found(asked)))


def rerun(asked: Asked) -> Started:
    """Run again what a run ran."""
    return _started(launch.launch_again(asked.project, _found(asked), force=asked.body.force))


def _found(asked: Asked, name: str = "run") -> str:
    with looking_up():
        return past.find_run(asked.project, asked.path[name]).id


def _started(launched: launch.Launched) -> Started:
    run_id, prepared = launched
    return Started(started=bool(run_id), run=run_id, plan=plan_view(prepared))
