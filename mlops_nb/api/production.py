"""Production as it arrives: scores a window by its notebook, profiles, compares, measures, alerts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nb.api.measure import Columns, measure, read_baseline
from mlops_nb.api.scoring import Scorer
from mlops_nb.model import Alert, Metric, MonthResult, Record, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

    from mlops_nb.api.kernels import Kernels
    from mlops_nb.api.measure import Baseline
    from mlops_nb.config import Project
    from mlops_nb.model import ModelVersion
    from mlops_nb.registry.store import Registry

__all__ = ["Arrival", "Production"]

_METRICS = {"auc": "roc_auc", "log_loss": "log_loss", "brier": "brier"}
"""Monitoring's names of metrics, and the registry's for the same."""
_SCORE, _TARGET = "score", "late"


class Arrival(Record, frozen=True, kw_only=True):
    """A window that has arrived, and whether it calls for another model."""

    result: MonthResult
    alerts: tuple[Alert, ...] = ()
    """Active ones after this window."""
    alarming: bool = False
    """Whether an alert of drift, decay or concept is open that is worth a retraining."""
    cause: str = ""
    """The gravest alert, in words."""


class Production:
    """Scores windows with the model that is champion when they arrive.

    A context manager; it scores ahead what it was told to `expect`.
    """

    def __init__(
        self, project: Project, registry: Registry, notebook: Path, kernels: Kernels
    ) -> None:
        from mlops_nb.monitoring.monitor import Monitor
        from mlops_nb.monitoring.settings import MonitoringSettings

        self.project = project
        self.registry = registry
        self.settings = project.section("monitoring", MonitoringSettings)
        self.monitor = Monitor(project.state, settings=self.settings)
        self.folder = project.state / "demo"
        self.model = ""
        self._scorer = Scorer(notebook, self.folder / "score", kernels)
        self._known: set[str] = set()
        self._expected: dict[str, float] = {}
        self._baseline: Baseline | None = None

    def __enter__(self) -> Production:
        self._scorer.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._scorer.__exit__(kind, error, trace)

    def expect(self, windows: Sequence[str], version: ModelVersion) -> None:
        """Begin to score the windows that come next, as far as there are cores for it."""
        for window in windows[: self._scorer.ahead + 1]:
            self._scorer.expect(window, version, self.registry.fetch(version))

    def forget(self, model: str) -> None:
        """Drop what was monitored of a model, so that its history can be played again."""
        self.monitor.forget(model)

    def arrive(self, window: str, version: ModelVersion) -> Arrival:
        """Score a window, compare it with the model's reference, and measure what came true.

        Raises
        ------
        ExecutionError
            The scoring notebook did not succeed.
        """
        import pandas as pd

        from mlops_nb.monitoring.profile import Profile

        self.model = version.model
        made = self._scorer.score(window, version, self.registry.fetch(version))
        profile = Profile.read(made / "profile.bin")
        rows = pd.read_parquet(made / "scored.parquet", columns=[_SCORE, _TARGET])
        baseline = self._baseline_of(version)
        points = measure(window, profile, rows, Columns(score=_SCORE, label=_TARGET), baseline)
        self._expected = {name: baseline.expected[name] for name in _METRICS}
        found = self.monitor.record_window(
            version.model,
            window,
            profile,
            reference=baseline.reference,
            version=str(version.version),
            performance=points,
            expected=self._expected,
        )
        alerts = self.monitor.alerts(version.model)
        opened = tuple(a for a in alerts if a.opened == window and a.id not in self._known)
        self._known.update(alert.id for alert in alerts)
        grave = sorted(
            (a for a in alerts if a.severity.rank >= Severity.WARNING.rank),
            key=lambda a: (-a.severity.rank, a.aspect == "drift", -a.importance),
        )
        labelled = rows.dropna(subset=[_TARGET])
        result = MonthResult(
            month=window,
            version=version.version,
            rows=len(rows),
            labelled=len(labelled),
            late=float(labelled[_TARGET].mean()),
            predicted=float(labelled[_SCORE].mean()),
            metrics={
                _METRICS[p.metric]: Metric(value=p.value, low=p.low, high=p.high, n=p.count)
                for p in points
                if p.kind == "realised" and p.metric in _METRICS
            },
            estimated_late=next(
                (p.value for p in points if p.kind == "estimated" and p.metric == "positive_rate"),
                None,
            ),
            drifted=tuple(c.column for c in found.pinned.drifted) if found.pinned else (),
            columns=len(found.pinned.columns) if found.pinned else 0,
            opened=tuple(f"{alert.subject}: {alert.text}" for alert in opened),
            report=self._page_path(window).relative_to(self.project.root).as_posix(),
        )
        return Arrival(
            result=result,
            alerts=alerts,
            alarming=bool(grave),
            cause=f"{grave[0].subject}: {grave[0].text}" if grave else "",
        )

    def write_pages(self) -> dict[str, str]:
        """Write a page per window and the overview; return them by what they show.

        Raises
        ------
        MonitoringError
            A page cannot be written.
        """
        from mlops_nb.monitoring.report import (
            ModelView,
            render_overview,
            render_window,
            write_page,
        )

        history = self.monitor.history(self.model)
        status = self.monitor.status(self.model)
        points = self.monitor.performance(self.model)
        links = {item.window: self._page_path(item.window).name for item in history}
        for place, item in enumerate(history):
            view = ModelView(
                history=history[: place + 1],
                performance=tuple(p for p in points if p.window <= item.window),
                expected=self._expected,
                links=links,
            )
            write_page(render_window(view), self._page_path(item.window))
        overview = ModelView(
            history=history,
            alerts=self.monitor.alerts(self.model, active=False),
            performance=points,
            expected=self._expected,
            skills=status.skills,
            advice=status.advice,
            links=links,
        )
        path = write_page(render_overview([overview]), self.folder / "reports" / "index.html")
        return {"monitoring": path.relative_to(self.project.root).as_posix()}

    def _baseline_of(self, version: ModelVersion) -> Baseline:
        """Return what a version is held against; read once for all its windows."""
        from mlops_nb.monitoring.reference import Reference

        number = str(version.version)
        if self._baseline is None or self._baseline.version != number:
            artifact = self.registry.fetch(version)
            reference = Reference.load(artifact / "profiles", settings=self.settings.drift)
            self._baseline = read_baseline(artifact, reference, model=version.model, version=number)
        return self._baseline

    def _page_path(self, window: str) -> Path:
        return self.folder / "reports" / f"{window}.html"
