"""The monitor of a project: records windows, keeps alerts, retrains and sends messages."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from mlops_nb.errors import MonitoringError, nearest
from mlops_nb.model import PerformancePoint, Transition, WindowResult
from mlops_nb.monitoring import journal
from mlops_nb.monitoring.alerts import replay
from mlops_nb.monitoring.answers import Answers
from mlops_nb.monitoring.folder import check_names, profile_path
from mlops_nb.monitoring.gap import gaps
from mlops_nb.monitoring.outbox import claim_retraining, queue_changes
from mlops_nb.monitoring.settings import AlertSettings, MonitoringSettings
from mlops_nb.monitoring.sightings import Sighting, bad_windows, observe, with_since
from mlops_nb.monitoring.store import StoredWindow

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping, Sequence

    from mlops_nb.model import DriftReport
    from mlops_nb.monitoring.notify import Delivery
    from mlops_nb.monitoring.profile import Profile
    from mlops_nb.monitoring.reference import Reference

__all__ = ["Monitor"]


class Monitor(Answers):
    """Everything that is known of the monitored models of one project, and what is done about it.

    Parameters
    ----------
    state
        The project's state folder; ``monitor.db`` and ``profiles/`` lie in it.
    settings, alerts
        ``[tool.mlops-nb.monitoring]`` and ``[tool.mlops-nb.alerts]``.
    retrain
        What ``retrain = true`` calls, with the model and the reason, once everything is written
        and at most once per cool-down. Where it raises, the alert asks again after the cool-down.
    """

    def __init__(
        self,
        state: Path | str,
        *,
        settings: MonitoringSettings | None = None,
        alerts: AlertSettings | None = None,
        retrain: Callable[[str, str], None] | None = None,
    ) -> None:
        super().__init__(state, settings=settings)
        self.alert_settings = alerts or AlertSettings()
        # Without anyone to call, nothing is claimed: a later process with a callback gets its turn.
        if retrain is None:
            self.alert_settings = msgspec.structs.replace(self.alert_settings, retrain=False)
        self._retrain = retrain

    def record_window(
        self,
        model: str,
        window: str,
        profile: Profile,
        *,
        reference: Reference,
        version: str = "",
        performance: Sequence[PerformancePoint] = (),
        expected: Mapping[str, float] | None = None,
        importance: Mapping[str, float] | None = None,
    ) -> WindowResult:
        """Compare a window with its references, and keep what was found.

        Recording a window again replaces it: the same call gives the same state. Performance that
        was known of the same version stays.

        Parameters
        ----------
        model
            The monitored model's name.
        window
            The window's label; labels sort by time, as ``2013-07`` or ``2013-07-01`` do.
        profile
            The window's profile; kept under ``profiles/``.
        reference
            The model version's own reference. A trailing one of the latest windows without a
            schema fault stands beside it where there are at least two.
        version
            The model version.
        performance
            Realised and estimated points of this window that are known already; points without
            a window's label of their own are not accepted.
        expected
            The metrics to hold realised ones against; the reference's by default.
        importance
            Feature importances; the reference's by default.

        Raises
        ------
        MonitoringError
            A label is empty, a point is of another window, or the state cannot be written.
        """
        from mlops_nb.monitoring.drift import compare

        check_names(model, window, performance)
        path = profile_path(self.state, model, window)
        settings = self.settings.drift

        def report(base: Reference, name: str) -> DriftReport:
            return compare(
                profile,
                base,
                window=window,
                model=model,
                version=version,
                baseline=name,
                importance=importance if importance is not None else reference.importance,
                settings=settings,
            )

        reports = [report(reference, "pinned")]
        trailing = self.trailing(model, window)
        if trailing is not None:
            reports.append(report(trailing, "trailing"))
        with self.store.transaction() as db:
            # What another version did in this window is no longer its performance.
            self.store.drop_points(db, model, window, version=version)
            self.store.put_points(db, model, version, performance)
            points = self.store.points(db, model, window=window)
            wanted = dict(expected if expected is not None else reference.metrics)
            row = StoredWindow(
                result=WindowResult(
                    model=model,
                    window=window,
                    version=version,
                    rows=profile.rows,
                    reports=tuple(reports),
                    recorded=time.time(),
                ),
                sighting=Sighting(window=window),
                expected=wanted,
                profile=path.relative_to(self.state).as_posix(),
            )
            settled = self._settle(db, row, points)
            # Last, and while no one else may write: file and row are of the same recording.
            profile.write(path)
        return self._act(settled)

    def record_performance(
        self, model: str, window: str, performance: Sequence[PerformancePoint]
    ) -> WindowResult:
        """Add what became known of a window's performance, when its labels arrive late.

        Raises
        ------
        MonitoringError
            The window was never recorded.
        """
        check_names(model, window, performance)
        with self.store.transaction() as db:
            row = self.store.window(db, model, window)
            if row is None:
                known = [w.result.window for w in self.store.windows(db, model)]
                raise MonitoringError(
                    f'window "{window}" was never recorded', where=model, fix=nearest(window, known)
                )
            self.store.put_points(db, model, row.result.version, performance)
            points = self.store.points(db, model, window=window)
            settled = self._settle(db, row, points)
        return self._act(settled)

    def _settle(
        self, db: sqlite3.Connection, row: StoredWindow, points: Sequence[PerformancePoint]
    ) -> _Settled:
        """Write a window with its performance, replay the alerts, queue what is new to tell."""
        result = row.result
        found = gaps(points, row.expected, self.settings)
        sighting = observe(result.window, result.pinned, found, version=result.version)
        result = msgspec.structs.replace(result, performance=tuple(points), gaps=found)
        row = msgspec.structs.replace(row, result=result, sighting=sighting)
        self.store.put_window(db, row)
        seen = self.store.sightings(db, result.model)
        (result,) = with_since([result], seen)
        alerts, changes = replay(
            result.model, seen, self.store.actions(db, result.model), settings=self.settings
        )
        bad = bad_windows(seen)
        told = queue_changes(
            self.store,
            db,
            model=result.model,
            alerts=alerts,
            changes=changes,
            bad=bad,
            latest=max((o.window for o in seen), default=result.window),
            settings=self.alert_settings,
        )
        claim = claim_retraining(
            self.store, db, model=result.model, alerts=alerts, bad=bad, settings=self.alert_settings
        )
        return _Settled(result, told, claim)

    def _act(self, settled: _Settled) -> WindowResult:
        """Tell the journal, and retrain where that was claimed, after all is safely written."""
        result = settled.result
        changes = [journal.of_transition(window, change) for window, change in settled.told]
        self._note(journal.of_window(result), *changes)
        number, reason = settled.claim
        if number and self._retrain is not None:
            self._note(journal.of_retraining("started", result, reason))
            self._retrain(result.model, reason)
            with self.store.transaction() as db:
                self.store.finish_retraining(db, number)
            self._note(journal.of_retraining("finished", result, reason))
        return result

    def _note(self, *lines: journal.JournalLine) -> None:
        journal.append(self.state / "monitor.jsonl", lines)

    def deliver(self, env: Mapping[str, str] | None = None) -> Delivery:
        """Send what waits in the outbox; see `mlops_nb.monitoring.notify`.

        Raises
        ------
        ConfigError
            A notifier's settings are wrong.
        """
        from mlops_nb.monitoring.notify import deliver, make_notifiers

        done = deliver(
            self.store,
            make_notifiers(self.alert_settings, env),
            max_attempts=self.alert_settings.max_attempts,
        )
        if done.sent or done.failed or done.given_up:
            self._note(journal.of_delivery(done))
        return done

    def waiting(self) -> int:
        """Return how many messages the configured notifiers have yet to send."""
        settings = self.alert_settings
        names = [one.name or one.kind for one in settings.notify]
        with self.store.reading() as db:
            return 0 if db is None else self.store.undelivered(db, names, settings.max_attempts)[0]

    def forget(self, model: str) -> None:
        """Drop all windows, points and actions of a model; profiles are overwritten when it returns.

        Raises
        ------
        MonitoringError
            The state cannot be written.
        """
        with self.store.transaction() as db:
            self.store.forget(db, model)


class _Settled(NamedTuple):
    """What a transaction leaves to be done after it."""

    result: WindowResult
    told: list[tuple[str, Transition]]
    claim: tuple[int, str]
