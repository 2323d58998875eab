"""Gives schedules the rest of the project: how runs ended, whom to tell, what to remove."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from mlops_nb.errors import MlopsNbError, MonitoringError, RunError
from mlops_nb.model import Message, NoticeKind, RunStatus, Severity
from mlops_nb.scheduling.verdict import verdict

if TYPE_CHECKING:
    from collections.abc import Collection

    from mlops_nb.config import Project
    from mlops_nb.model import Notice, OccurrenceState
    from mlops_nb.monitoring.settings import NotifierSettings
    from mlops_nb.monitoring.store import Store
    from mlops_nb.protocols import Notifier

__all__ = ["ProjectHooks", "logs_folder"]

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


class ProjectHooks:
    """The rest of the project, as its schedules need it."""

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
        wanted = [one for one in settings.notify if severity.rank >= Severity(one.severity).rank]
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
        return bool(done.waiting)

    def forget(self, run: str) -> None:
        """Remove a run's record and what its process printed."""
        from pathlib import Path

        if run in self._runs.ids():
            self._runs.remove(run)
        with suppress(OSError):
            Path(logs_folder(self._project), f"{run}.log").unlink(missing_ok=True)

    def forget_frozen(self, needed: Collection[str], days: float) -> int:
        """Remove frozen sources that nobody used for some days; return how many there were."""
        from mlops_nb.scheduling.freeze import remove_unused

        return remove_unused(self._project.state, needed, days=days)

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
