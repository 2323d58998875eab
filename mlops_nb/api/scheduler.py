"""Runs the daemon of a project's schedules, and gives it the rest of the project."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

import msgspec

from mlops_nb.api.schedule_store import Where, opened
from mlops_nb.errors import MlopsNbError, MonitoringError, RunError
from mlops_nb.model import Message, NoticeKind, RunStatus, Severity
from mlops_nb.scheduling.daemon import Daemon
from mlops_nb.scheduling.health import HealthServer
from mlops_nb.scheduling.launcher import ProcessLauncher
from mlops_nb.scheduling.log import Log
from mlops_nb.scheduling.settings import SchedulerSettings
from mlops_nb.scheduling.verdict import verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops_nb.config import Project
    from mlops_nb.model import Notice, OccurrenceState
    from mlops_nb.monitoring.settings import NotifierSettings
    from mlops_nb.monitoring.store import Store
    from mlops_nb.protocols import Notifier

__all__ = ["ProjectHooks", "logs_folder", "run_daemon"]

_SEVERITY = {
    NoticeKind.FAILURE: Severity.CRITICAL,
    # As severe as what it ends: who heard of the failure hears of its end.
    NoticeKind.RECOVERY: Severity.CRITICAL,
    NoticeKind.SLA: Severity.WARNING,
    NoticeKind.MISSED: Severity.WARNING,
    NoticeKind.SKIPPED: Severity.WARNING,
    NoticeKind.STORE: Severity.CRITICAL,
}


def logs_folder(project: Project) -> str:
    """Return where the processes of scheduled runs leave what they print."""
    return str(project.state / "schedules")


def run_daemon(
    project: Where = None,
    *,
    host: str | None = None,
    port: int | None = None,
    embedded: bool = False,
    wait: bool = False,
    max_running: int | None = None,
    log_form: Literal["json", "text"] = "json",
    ready: Callable[[Daemon], None] | None = None,
) -> None:
    """Run the daemon until it is told to stop.

    Parameters
    ----------
    project
        A project, its folder or its specification.
    host, port
        Where it answers ``/healthz`` and ``/metrics``; the project's settings by default, port 0
        for nowhere.
    embedded
        Stand by while a stand-alone daemon works on the store.
    wait
        When stopped, wait for the runs that were started; by default they go on without it.
    max_running
        Occurrences at a time over all schedules; the project's setting by default.
    log_form
        ``json`` or ``text``.
    ready
        Called with the daemon before it starts; its ``stop`` ends it, from any thread.

    Raises
    ------
    ScheduleError
        The store cannot be opened, or the port is taken.
    """
    from mlops_nb.runs.store import new_run_id

    with opened(project) as (found, store):
        settings = found.section("scheduler", SchedulerSettings)
        if max_running is not None:
            settings = msgspec.structs.replace(settings, max_running=max_running)
        from pathlib import Path

        daemon = Daemon(
            store,
            ProcessLauncher(found.spec, Path(logs_folder(found))),
            settings,
            new_run=new_run_id,
            hooks=ProjectHooks(found),
            log=Log(log_form),
            embedded=embedded,
        )
        where = settings.port if port is None else port
        server = None
        if where:
            server = HealthServer(
                host or settings.host, where, daemon.health, lambda: daemon.metrics.text()
            )
            daemon.address = server.address
        try:
            if ready is not None:
                ready(daemon)
            daemon.run(wait=wait)
        finally:
            if server is not None:
                server.close()


class ProjectHooks:
    """The rest of the project, as the daemon needs it."""

    def __init__(self, project: Project) -> None:
        from mlops_nb.runs.store import RunStore

        self._project = project
        self._runs = RunStore(project.state)

    def outcome(self, run: str) -> tuple[OccurrenceState, str] | None:
        """Return how a run ended by its own record; ``None`` where there is none, or it goes on."""
        try:
            found = self._runs.get(run)
        except RunError:
            return None
        return None if found.status is RunStatus.RUNNING else verdict(found)

    def tell(self, notice: Notice) -> None:
        """Queue a message for the project's notifiers, and send it.

        Raises
        ------
        ConfigError
            A notifier's settings are wrong.
        """
        from mlops_nb.monitoring.notify import deliver, make_notifiers
        from mlops_nb.monitoring.settings import AlertSettings

        settings = self._project.section("alerts", AlertSettings)
        notifiers = make_notifiers(settings)
        severity = _SEVERITY[notice.kind]
        wanted = [one for one in settings.notify if severity.rank >= one.severity.rank]
        messages = [_message(self._project, notice, severity, one) for one in wanted]
        store = self._outbox()
        try:
            with store.transaction() as db:
                for message in messages:
                    store.put_message(db, message)
            deliver(store, notifiers, max_attempts=settings.max_attempts)
        except MonitoringError:
            # The outbox lies on the disk that fails: better told twice than not at all.
            for message in messages:
                _send(notifiers[message.notifier], message)

    def again(self) -> bool:
        """Send what could not be sent before; return whether something still waits."""
        from mlops_nb.monitoring.notify import deliver, make_notifiers
        from mlops_nb.monitoring.settings import AlertSettings

        settings = self._project.section("alerts", AlertSettings)
        if not settings.notify or not self._outbox().path.exists():
            return False
        done = deliver(self._outbox(), make_notifiers(settings), max_attempts=settings.max_attempts)
        with self._outbox().reading() as db:
            return bool(done.failed) or (
                db is not None and bool(self._outbox().messages(db, due=2.0**40, limit=1))
            )

    def forget(self, run: str) -> None:
        """Remove a run's record and what its process printed."""
        from pathlib import Path

        if run in self._runs.ids():
            self._runs.remove(run)
        with suppress(OSError):
            Path(logs_folder(self._project), f"{run}.log").unlink(missing_ok=True)

    def _outbox(self) -> Store:
        from mlops_nb.monitoring.store import Store

        return Store(self._project.state / "monitor.db")


def _message(
    project: Project, notice: Notice, severity: Severity, notifier: NotifierSettings
) -> Message:
    import time

    name = notice.schedule or "scheduler"
    text = f"{notice.text}\n\nProject {project.name} ({project.root}).\n"
    if notice.run:
        text += f"Run: mlops-nb runs show {notice.run}\n"
    if notice.schedule:
        text += f"History: mlops-nb schedule history {notice.schedule}\n"
    return Message(
        id=0,
        key=f"schedule:{notice.key}",
        notifier=notifier.name or notifier.kind,
        subject=f"[{severity.value}] {project.name}: schedule {name} {notice.kind.value}",
        text=text,
        payload={
            "key": f"schedule:{notice.key}",
            "change": notice.kind.value,
            "schedule": notice.schedule,
            "severity": severity.value,
            "run": notice.run,
            "host": os.uname().nodename if hasattr(os, "uname") else "",
            "text": notice.text,
        },
        due=time.time(),
    )


def _send(notifier: Notifier, message: Message) -> None:
    with suppress(MlopsNbError):
        notifier.send(message.subject, message.text, {**message.payload, "key": message.key})
