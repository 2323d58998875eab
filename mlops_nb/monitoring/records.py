"""What is known of the monitored models of a project; reading it changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mlops_nb.errors import MonitoringError, nearest
from mlops_nb.model import AlertState, DriftState, MonitorStatus, Severity
from mlops_nb.monitoring.advice import advise
from mlops_nb.monitoring.alerts import replay
from mlops_nb.monitoring.folder import trailing_reference
from mlops_nb.monitoring.gap import skills
from mlops_nb.monitoring.settings import MonitoringSettings
from mlops_nb.monitoring.sightings import with_since
from mlops_nb.monitoring.store import Store

if TYPE_CHECKING:
    from mlops_nb.model import Alert, PerformancePoint, WindowResult
    from mlops_nb.monitoring.reference import Reference

__all__ = ["Records"]


class Records:
    """The windows, alerts and performance that were recorded.

    Parameters
    ----------
    state
        The project's state folder; ``monitor.db`` and ``profiles/`` lie in it.
    settings
        ``[tool.mlops-nb.monitoring]``.
    """

    def __init__(self, state: Path | str, *, settings: MonitoringSettings | None = None) -> None:
        self.state = Path(state)
        self.settings = settings or MonitoringSettings()
        self.store = Store(self.state / "monitor.db")

    def trailing(self, model: str, before: str) -> Reference | None:
        """Return the reference of the windows just before one; ``None`` for fewer than two."""
        if self.settings.trailing < 2:
            return None
        with self.store.reading() as db:
            if db is None:
                return None
            rows = self.store.windows(db, model, before=before, last=2 * self.settings.trailing)
        return trailing_reference(self.state, rows, self.settings)

    def models(self) -> tuple[str, ...]:
        """Return the names of the models that were ever monitored."""
        with self.store.reading() as db:
            return () if db is None else self.store.models(db)

    def history(self, model: str, *, last: int = 0) -> tuple[WindowResult, ...]:
        """Return a model's windows in their order; the latest `last` ones if asked."""
        with self.store.reading() as db:
            if db is None:
                return ()
            rows = self.store.windows(db, model, last=last)
            seen = self.store.sightings(db, model)
        return with_since([row.result for row in rows], seen)

    def recorded(self, model: str, window: str) -> WindowResult | None:
        """Return one window as it was recorded; ``None`` where it was not."""
        return next((r for r in self.history(model) if r.window == window), None)

    def expected(self, model: str, window: str) -> dict[str, float]:
        """Return the metrics that a window's realised ones are held against."""
        with self.store.reading() as db:
            row = None if db is None else self.store.window(db, model, window)
        return {} if row is None else dict(row.expected)

    def performance(self, model: str, *, version: str = "") -> tuple[PerformancePoint, ...]:
        """Return a model's performance over all windows."""
        with self.store.reading() as db:
            return () if db is None else self.store.points(db, model, version=version)

    def alerts(self, model: str, *, active: bool = True) -> tuple[Alert, ...]:
        """Return a model's alerts, the active ones or all there ever were."""
        with self.store.reading() as db:
            if db is None:
                return ()
            found, _ = replay(
                model,
                self.store.sightings(db, model),
                self.store.actions(db, model),
                settings=self.settings,
            )
        return tuple(alert for alert in found if alert.state.is_active or not active)

    def status(self, model: str) -> MonitorStatus:
        """Tell how a model stands after its latest window.

        Raises
        ------
        MonitoringError
            No window of it was ever recorded.
        """
        with self.store.reading() as db:
            rows = () if db is None else self.store.windows(db, model, last=1)
            if db is None or not rows:
                known = () if db is None else self.store.models(db)
                raise MonitoringError(
                    f'no window of "{model}" was recorded yet',
                    where="monitoring",
                    fix=nearest(model, known) or 'record one with "mlops-nb monitor run"',
                )
            latest = rows[-1]
            version = latest.result.version
            points = self.store.points(db, model, version=version)
            windows = self.store.count(db, model)
        alerts = self.alerts(model)
        known_windows = [p.window for p in points if p.kind == "realised"]
        shown = max(known_windows) if known_windows else latest.result.window
        judged = skills(points, latest.expected)
        pinned = latest.result.pinned
        return MonitorStatus(
            model=model,
            version=version,
            window=latest.result.window,
            windows=windows,
            state=pinned.state if pinned else DriftState.INSUFFICIENT,
            severity=max(
                (a.severity for a in alerts if a.state is AlertState.OPEN),
                key=lambda s: s.rank,
                default=Severity.NONE,
            ),
            alerts=alerts,
            performance=tuple(p for p in points if p.window == shown),
            skills=judged,
            advice=advise(latest.result, alerts, judged),
            recorded=latest.result.recorded,
        )
