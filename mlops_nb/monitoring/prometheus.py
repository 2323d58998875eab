"""Exposes what is monitored to Prometheus: over HTTP, as a textfile, or pushed.

Label sets are bounded: models, the `max_columns` most important columns, four states, four
severities, the metrics of `mlops_nb.monitoring.performance`. Values are read from the stores at
every scrape, so nothing is remembered here and nothing goes stale.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_nb.errors import MonitoringError
from mlops_nb.files import write_whole
from mlops_nb.model import DriftState, RunStatus, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from wsgiref.simple_server import WSGIServer

    from prometheus_client.core import GaugeMetricFamily
    from prometheus_client.registry import CollectorRegistry

    from mlops_nb.model import ColumnDrift, DriftReport, PerformancePoint, Run
    from mlops_nb.monitoring.monitor import Monitor

__all__ = ["Exporter", "exposition", "push", "serve", "write_textfile"]


@dataclass(frozen=True)
class Exporter:
    """A collector in the sense of ``prometheus_client``.

    Parameters
    ----------
    monitor
        The project's monitor.
    runs
        Returns the project's runs, any order; none by default.
    max_columns
        Columns, and tasks, with series of their own.
    """

    monitor: Monitor
    runs: Callable[[], Sequence[Run]] = field(default=lambda: ())
    max_columns: int = 100

    def registry(self) -> CollectorRegistry:
        """Return a registry that holds this exporter and nothing of the process."""
        from prometheus_client.registry import CollectorRegistry

        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return registry

    def describe(self) -> list[GaugeMetricFamily]:
        """Return nothing: names are fixed, and collecting just to learn them would read the stores."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Read the stores and yield every metric."""
        yield from self._windows()
        yield from self._alerts()
        yield from self._runs()

    def _windows(self) -> Iterator[GaugeMetricFamily]:
        ratio = _gauge(
            "column_drift_score",
            "Largest change over its threshold; 1 is the border",
            "model",
            "column",
        )
        value = _gauge(
            "column_drift_value", "The measure behind the score", "model", "column", "measure"
        )
        threshold = _gauge(
            "column_drift_threshold", "What the measure may reach", "model", "column", "measure"
        )
        state = _gauge("column_state", "1 for the state a column is in", "model", "column", "state")
        nulls = _gauge("column_null_ratio", "Share of missing values", "model", "column")
        hidden = _gauge("columns_not_exported", "Columns beyond the limit of series", "model")
        rows = _gauge("window_rows", "Rows of the latest window", "model")
        overall = _gauge(
            "window_state", "1 for the state the latest window is in", "model", "state"
        )
        share = _gauge(
            "window_drift_ratio", "Share of the columns that drifted, by importance", "model"
        )
        recorded = _gauge(
            "window_recorded_timestamp_seconds", "When the latest window was recorded", "model"
        )
        metric = _gauge(
            "performance", "A metric of the latest window that has it", "model", "metric", "kind"
        )
        low = _gauge("performance_low", "Lower end of its interval", "model", "metric", "kind")
        high = _gauge("performance_high", "Upper end of its interval", "model", "metric", "kind")
        for model in self.monitor.models():
            history = self.monitor.history(model, last=1)
            if not history:  # forgotten since its name was read
                continue
            latest = history[-1]
            rows.add_metric([model], latest.rows)
            recorded.add_metric([model], latest.recorded)
            for (name, kind), point in _latest(
                self.monitor.performance(model, version=latest.version)
            ).items():
                metric.add_metric([model, name, kind], point.value)
                if point.low is not None and point.high is not None:
                    low.add_metric([model, name, kind], point.low)
                    high.add_metric([model, name, kind], point.high)
            report = latest.pinned
            if report is None:
                continue
            share.add_metric([model], report.drift_share)
            for one in DriftState:
                overall.add_metric([model, one.value], float(one is report.state))
            shown = _most_important(report, self.max_columns)
            hidden.add_metric([model], len(report.columns) - len(shown))
            for column in shown:
                labels = [model, column.column]
                ratio.add_metric(labels, column.score)
                nulls.add_metric(labels, column.current_null_rate)
                for one in DriftState:
                    state.add_metric([*labels, one.value], float(one is column.state))
                if column.findings:
                    first = max(column.findings, key=lambda f: (f.drifted, f.ratio))
                    labels = [*labels, f"{first.aspect}: {first.measure}"]
                    value.add_metric(labels, first.value)
                    threshold.add_metric(labels, first.threshold)
        yield from (ratio, value, threshold, state, nulls, hidden, rows, overall, share)
        yield from (recorded, metric, low, high)

    def _alerts(self) -> Iterator[GaugeMetricFamily]:
        active = _gauge(
            "alert_active",
            "1 for each alert whose cause persists",
            "model",
            "subject",
            "aspect",
            "severity",
            "state",
        )
        count = _gauge("alerts", "Active alerts", "model", "severity")
        waiting = _gauge("notifications_waiting", "Notifications not delivered yet")
        lost = _gauge("notifications_given_up", "Notifications that failed too often")
        for model in self.monitor.models():
            alerts = self.monitor.alerts(model)
            for alert in alerts[: self.max_columns]:
                active.add_metric(
                    [model, alert.subject, alert.aspect, alert.severity.value, alert.state.value], 1
                )
            for severity in Severity:
                found = sum(alert.severity is severity for alert in alerts)
                count.add_metric([model, severity.value], found)
        settings = self.monitor.alert_settings
        with self.monitor.store.reading() as db:
            queued, given_up = (
                (0, 0)
                if db is None
                else self.monitor.store.undelivered(
                    db, [one.name or one.kind for one in settings.notify], settings.max_attempts
                )
            )
        waiting.add_metric([], queued)
        lost.add_metric([], given_up)
        yield from (active, count, waiting, lost)

    def _runs(self) -> Iterator[GaugeMetricFamily]:
        runs = _gauge("runs", "Runs that are kept, by how they ended", "pipeline", "status")
        status = _gauge(
            "run_last_status", "1 for the status of the latest finished run", "pipeline", "status"
        )
        seconds = _gauge("run_last_duration_seconds", "How long it took", "pipeline")
        ended = _gauge("run_last_end_timestamp_seconds", "When it ended", "pipeline")
        success = _gauge(
            "run_last_success_timestamp_seconds", "When a run last succeeded", "pipeline"
        )
        tasks = _gauge("task_last_duration_seconds", "How long its tasks took", "pipeline", "task")
        by_pipeline: dict[str, list[Run]] = {}
        for run in self.runs():
            by_pipeline.setdefault(run.facts.pipeline, []).append(run)
        for pipeline, mine in sorted(by_pipeline.items()):
            for one in RunStatus:
                runs.add_metric([pipeline, one.value], sum(run.status is one for run in mine))
            done = sorted((r for r in mine if r.status is not RunStatus.RUNNING), key=_end)
            if not done:
                continue
            last = done[-1]
            for one in RunStatus:
                status.add_metric([pipeline, one.value], float(one is last.status))
            seconds.add_metric([pipeline], _end(last) - last.facts.started)
            ended.add_metric([pipeline], _end(last))
            good = [_end(run) for run in done if run.status is RunStatus.SUCCEEDED]
            if good:
                success.add_metric([pipeline], good[-1])
            for task in last.tasks[: self.max_columns]:
                if task.seconds is not None:
                    tasks.add_metric([pipeline, task.task], task.seconds)
        yield from (runs, status, seconds, ended, success, tasks)


def exposition(exporter: Exporter, *, openmetrics: bool = True) -> str:
    """Return the metrics as text, in the OpenMetrics format or Prometheus' older one."""
    from prometheus_client import exposition as plain
    from prometheus_client.openmetrics import exposition as modern

    write: Callable[[CollectorRegistry], bytes]
    write = modern.generate_latest if openmetrics else plain.generate_latest
    return write(exporter.registry()).decode()


def serve(
    exporter: Exporter, *, host: str = "127.0.0.1", port: int = 9187
) -> tuple[WSGIServer, Any]:
    """Serve ``/metrics`` in a thread; return the server and its thread.

    Parameters
    ----------
    exporter
        What to expose.
    host
        The address to listen on; loopback by default, since there is no authentication.
    port
        0 for any free one; see the server's ``server_port``.

    Raises
    ------
    MonitoringError
        The address is in use or not allowed.
    """
    from prometheus_client import start_http_server

    try:
        return start_http_server(port, addr=host, registry=exporter.registry())
    except (OSError, OverflowError) as error:
        raise MonitoringError(
            f"cannot listen: {error}", where=f"{host}:{port}", fix="choose another --port"
        ) from error


def write_textfile(exporter: Exporter, path: Path | str) -> Path:
    """Write the metrics for node_exporter's textfile collector, all or nothing.

    Raises
    ------
    MonitoringError
        The file cannot be written, or its name does not end in ``.prom``.
    """
    path = Path(path)
    if path.suffix != ".prom":
        raise MonitoringError(
            "the textfile collector reads .prom files only", where=str(path), fix="name it so"
        )
    try:
        write_whole(path, exposition(exporter, openmetrics=False).encode())
    except OSError as error:
        raise MonitoringError(
            f"cannot be written: {error.strerror or error}", where=str(path)
        ) from error
    return path


def push(exporter: Exporter, gateway: str, *, job: str = "mlops-nb", timeout: float = 10.0) -> None:
    """Send the metrics to a Pushgateway, in place of what the same job sent before.

    Raises
    ------
    MonitoringError
        The gateway cannot be reached or refuses them.
    """
    from urllib.error import HTTPError, URLError

    from prometheus_client import push_to_gateway

    try:
        # All of the job's metrics at once: what is over, such as a closed alert, must go there too.
        push_to_gateway(gateway, job=job, registry=exporter.registry(), timeout=timeout)
    except HTTPError as error:
        said = error.read(300).decode(errors="replace").strip()
        raise MonitoringError(
            f"the Pushgateway refuses the series: {error.code} {said or error.reason}",
            where=gateway,
            fix="name the gateway alone, such as http://gateway:9091, and a --job",
        ) from error
    except (URLError, OSError, ValueError) as error:
        raise MonitoringError(
            f"the Pushgateway cannot be reached: {getattr(error, 'reason', error)}",
            where=gateway,
            fix="see that it runs, and name it as in http://gateway:9091",
        ) from error


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    from prometheus_client.core import GaugeMetricFamily

    return GaugeMetricFamily(f"mlops_nb_{name}", text, labels=labels)


def _end(run: Run) -> float:
    """Return when a run ended; of a lost one, which does not know, when it last did something."""
    if run.ended is not None:
        return run.ended
    moments = [moment for task in run.tasks for moment in (task.started, task.ended)]
    return max((moment for moment in moments if moment is not None), default=run.facts.started)


def _most_important(report: DriftReport, limit: int) -> Sequence[ColumnDrift]:
    ranked = sorted(
        report.columns, key=lambda c: (not c.drifted, -c.importance, -c.score, c.column)
    )
    return ranked[:limit]


def _latest(points: Sequence[PerformancePoint]) -> dict[tuple[str, str], PerformancePoint]:
    found: dict[tuple[str, str], PerformancePoint] = {}
    for point in sorted(points, key=lambda p: p.window):
        found[point.metric, point.kind] = point
    return found
