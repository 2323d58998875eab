"""Hands what is monitored to Prometheus: over HTTP, as a file, to a Pushgateway, and as rules."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mlops_nb.api.watching import open_monitor
from mlops_nb.config import find_project
from mlops_nb.errors import MonitoringError
from mlops_nb.files import write_whole

if TYPE_CHECKING:
    from threading import Thread
    from wsgiref.simple_server import WSGIServer

    from mlops_nb.monitoring.prometheus import Exporter

__all__ = ["exporter", "push", "serve", "write_dashboard", "write_rules", "write_textfile"]

_RULES, _TESTS = "mlops-nb.rules.yml", "mlops-nb.rules.test.yml"


def exporter(project: str | None) -> Exporter:
    """Return what collects a project's series: windows, alerts, performance, runs."""
    from mlops_nb.monitoring.prometheus import Exporter
    from mlops_nb.runs.store import RunStore

    found = find_project(project)
    monitor = open_monitor(found)
    store = RunStore(found.state)
    return Exporter(
        monitor, runs=lambda: tuple(store.list()), max_columns=monitor.settings.max_columns
    )


def serve(
    project: str | None, *, host: str = "127.0.0.1", port: int = 9187
) -> tuple[WSGIServer, Thread]:
    """Answer scrapes at ``/metrics`` from a thread; return the server and its thread.

    Parameters
    ----------
    project
        Whose series.
    host
        The address to listen on; loopback by default, since there is no authentication.
    port
        0 for any free one; see the server's ``server_port``.

    Raises
    ------
    MonitoringError
        The address is in use or not allowed.
    """
    from mlops_nb.monitoring.prometheus import serve as serve_on

    return serve_on(exporter(project), host=host, port=port)


def write_textfile(project: str | None, path: Path | str) -> Path:
    """Write the series once, for the node exporter's textfile collector; return the path.

    Raises
    ------
    MonitoringError
        The file cannot be written.
    """
    from mlops_nb.monitoring.prometheus import write_textfile as write_to

    return write_to(exporter(project), path)


def push(project: str | None, gateway: str, *, job: str = "mlops-nb") -> None:
    """Push the series once.

    Parameters
    ----------
    project, gateway
        Whose series, and the Pushgateway's URL.
    job
        The job that they are grouped by.

    Raises
    ------
    MonitoringError
        The gateway cannot be reached or refuses.
    """
    from mlops_nb.monitoring.prometheus import push as push_to

    push_to(exporter(project), gateway, job=job)


def write_rules(folder: Path | str) -> tuple[Path, Path]:
    """Write Prometheus' alert rules and their tests for ``promtool``; return both paths.

    Raises
    ------
    MonitoringError
        The folder cannot be written.
    """
    from mlops_nb.monitoring.rules import alert_rules, rule_tests

    rules, tests = Path(folder) / _RULES, Path(folder) / _TESTS
    try:
        write_whole(rules, alert_rules().encode())
        write_whole(tests, rule_tests(_RULES).encode())
    except OSError as error:
        raise MonitoringError(
            f"cannot be written: {error.strerror or error}", where=str(folder)
        ) from error
    return rules, tests


def write_dashboard(file: Path | str) -> Path:
    """Write the Grafana dashboard, as JSON to be imported or provisioned; return its path.

    Raises
    ------
    MonitoringError
        The file cannot be written, or the Grafana Foundation SDK is not installed.
    """
    from mlops_nb.monitoring.grafana import dashboard

    path = Path(file)
    text = dashboard()
    try:
        write_whole(path, text.encode())
    except OSError as error:
        raise MonitoringError(
            f"cannot be written: {error.strerror or error}", where=str(path)
        ) from error
    return path
