"""What Prometheus, Alertmanager, the Pushgateway and Grafana get: checked by the real ones."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import jsonschema
import numpy as np
import pandas as pd
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from test_monitoring_notify import Receiver

from mlops_nb.errors import MonitoringError
from mlops_nb.model import PerformancePoint, Run, RunFacts, RunStatus, TaskRun, TaskStatus
from mlops_nb.monitoring.grafana import dashboard, expressions
from mlops_nb.monitoring.monitor import Monitor
from mlops_nb.monitoring.profile import Profile, profile
from mlops_nb.monitoring.prometheus import Exporter, exposition, push, serve, write_textfile
from mlops_nb.monitoring.reference import Reference
from mlops_nb.monitoring.rules import RuleSettings, alert_rules, rule_tests
from tests.ports_kit import free_port
from tests.schemas_kit import official_schema

pytestmark = pytest.mark.slow


def needed(program: str) -> str:
    """Return a program's path; without it the test says so by name, and fails in CI."""
    found = shutil.which(program) or ""
    if not found:
        text = (
            f"needs {program} (Debian: prometheus, prometheus-alertmanager, prometheus-pushgateway)"
        )
        (pytest.fail if os.environ.get("CI") else pytest.skip)(text)
    return found


def window(shift: float, seed: int, *, drop: bool = False) -> Profile:
    r = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": r.normal(shift, 1, 800), 'y\n"z\\': r.normal(0, 1, 800)})
    return profile(frame.drop(columns="x") if drop else frame)


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference([window(0, seed) for seed in range(3)], importance={"x": 2.0, 'y\n"z\\': 1.0})


@pytest.fixture
def monitor(tmp_path: Path, reference: Reference) -> Monitor:
    one = Monitor(tmp_path / "state")
    for number, shift in enumerate((0.0, 1.0, 1.0)):
        label = f"2026-0{number + 1}"
        point = PerformancePoint(window=label, metric="auc", value=0.6, low=0.5, high=0.7)
        one.record_window(
            "late", label, window(shift, 50 + number), reference=reference, version="1",
            performance=[point] if number < 2 else [],
        )  # fmt: skip
    return one


def runs() -> list[Run]:
    def run(number: int, status: RunStatus, seconds: float) -> Run:
        facts = RunFacts(id=f"r{number}", pipeline="flights", started=1000.0 * number)
        task = TaskRun(
            task="train",
            status=TaskStatus.SUCCEEDED,
            started=1000.0 * number,
            ended=1000.0 * number + 7,
        )
        return Run(facts=facts, status=status, ended=1000.0 * number + seconds, tasks=(task,))

    return [
        run(2, RunStatus.FAILED, 30),
        run(1, RunStatus.SUCCEEDED, 40),
        run(0, RunStatus.SUCCEEDED, 50),
    ]


Samples = dict[tuple[str, frozenset[str]], float]


def samples(text: str) -> Samples:
    """Return values by metric name and set of label values."""
    return {
        (sample.name.removeprefix("mlops_nb_"), frozenset(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def at(found: Samples, name: str, *labels: str) -> float:
    return found[name, frozenset(labels)]


def test_the_metrics_say_what_the_monitor_knows(monitor: Monitor) -> None:
    found = samples(exposition(Exporter(monitor, runs)))
    report = monitor.history("late")[-1].pinned
    assert at(found, "window_rows", "late") == 800
    assert at(found, "column_drift_score", "late", "x") == pytest.approx(report["x"].score)
    assert at(found, "column_state", "late", "x", "drift") == 1
    assert at(found, "column_state", "late", "x", "ok") == 0
    assert at(found, "column_state", "late", 'y\n"z\\', "ok") == 1
    assert at(found, "window_drift_ratio", "late") == pytest.approx(2 / 3)
    assert at(found, "performance", "late", "auc", "realised") == 0.6
    assert at(found, "performance_low", "late", "auc", "realised") == 0.5
    assert at(found, "alert_active", "late", "x", "drift", "critical", "open") == 1
    assert at(found, "alerts", "late", "critical") == 1
    assert at(found, "notifications_waiting") == 0
    assert at(found, "window_recorded_timestamp_seconds", "late") == pytest.approx(
        time.time(), abs=60
    )
    (labels,) = [key for name, key in found if name == "column_drift_value" and "x" in key]
    assert at(found, "column_drift_value", *labels) > at(found, "column_drift_threshold", *labels)
    assert at(found, "run_last_status", "flights", "failed") == 1
    assert at(found, "run_last_duration_seconds", "flights") == 30
    assert at(found, "run_last_success_timestamp_seconds", "flights") == 1040
    assert at(found, "runs", "flights", "succeeded") == 2
    assert at(found, "task_last_duration_seconds", "flights", "train") == 7


def test_a_run_that_was_lost_is_the_latest_one(monitor: Monitor) -> None:
    """It never said that it ended; the rule on failed and lost runs has to see it all the same."""
    facts = RunFacts(id="r9", pipeline="flights", started=9000.0)
    task = TaskRun(task="train", status=TaskStatus.LOST, started=9050.0)
    lost = Run(facts=facts, status=RunStatus.LOST, tasks=(task,))
    running = Run(
        facts=RunFacts(id="r10", pipeline="flights", started=9900.0), status=RunStatus.RUNNING
    )
    found = samples(exposition(Exporter(monitor, lambda: [running, *runs(), lost])))
    assert at(found, "run_last_status", "flights", "lost") == 1
    assert at(found, "run_last_status", "flights", "failed") == 0
    assert at(found, "run_last_end_timestamp_seconds", "flights") == 9050
    assert at(found, "run_last_duration_seconds", "flights") == 50
    assert at(found, "run_last_success_timestamp_seconds", "flights") == 1040


def test_label_sets_are_bounded(tmp_path: Path) -> None:
    r = np.random.default_rng(0)
    names = [f"c{i}" for i in range(40)]

    def wide(seed: int) -> Profile:
        frame = pd.DataFrame(np.random.default_rng(seed).normal(0, 1, (200, 40)), columns=names)
        frame["c33"] += 5 if seed else 0
        return profile(frame)

    monitor = Monitor(tmp_path)
    importance = {name: float(r.random()) for name in names} | {"c7": 9.0}
    base = Reference([wide(0)], importance=importance)
    monitor.record_window("m", "1", wide(1), reference=base)
    found = samples(exposition(Exporter(monitor, max_columns=5)))
    shown = [key - {"m"} for name, key in found if name == "column_drift_score"]
    assert len(shown) == 5
    assert {"c33"} in shown  # what drifted, then what matters
    assert {"c7"} in shown
    assert at(found, "columns_not_exported", "m") == 35


def test_nothing_monitored_yet_is_fine(tmp_path: Path) -> None:
    found = samples(exposition(Exporter(Monitor(tmp_path / "none"))))
    assert found == {
        ("notifications_waiting", frozenset()): 0,
        ("notifications_given_up", frozenset()): 0,
    }
    assert not (tmp_path / "none").exists()


def get(url: str, accept: str = "") -> tuple[str, str]:
    with urlopen(Request(url, headers={"Accept": accept}), timeout=10) as answer:
        return answer.read().decode(), answer.headers["Content-Type"]


@contextmanager
def exposed(monitor: Monitor) -> Iterator[str]:
    server, thread = serve(Exporter(monitor, runs), port=0)
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_http_speaks_both_formats_and_tells_a_taken_port(monitor: Monitor) -> None:
    with exposed(monitor) as address:
        text, kind = get(f"http://{address}/metrics", "application/openmetrics-text; version=1.0.0")
        assert kind.startswith("application/openmetrics-text")
        assert text.endswith("# EOF\n")
        assert at(samples(text), "window_rows", "late") == 800
        assert get(f"http://{address}/metrics")[1].startswith("text/plain")
        with pytest.raises(MonitoringError, match="cannot listen"):
            serve(Exporter(monitor), port=int(address.partition(":")[2]))


def test_the_textfile_is_whole_and_named_prom(monitor: Monitor, tmp_path: Path) -> None:
    path = write_textfile(Exporter(monitor, runs), tmp_path / "textfile" / "mlops_nb.prom")
    assert 'mlops_nb_window_rows{model="late"} 800.0' in path.read_text()
    assert [p.name for p in path.parent.iterdir()] == ["mlops_nb.prom"]
    with pytest.raises(MonitoringError, match=r"reads \.prom files only"):
        write_textfile(Exporter(monitor), tmp_path / "metrics.txt")


def promtool(*arguments: str | Path, text: str = "") -> str:
    done = subprocess.run(
        [needed("promtool"), *map(str, arguments)],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_accepts_metrics_rules_and_their_tests(monitor: Monitor, tmp_path: Path) -> None:
    promtool("check", "metrics", text=exposition(Exporter(monitor, runs), openmetrics=False))
    for settings in (
        None,
        RuleSettings(stale_hours=2, no_success_hours=30, waiting_minutes=20, rows_drop=0.4),
    ):
        (tmp_path / "rules.yml").write_text(alert_rules(settings))
        (tmp_path / "tests.yml").write_text(rule_tests("rules.yml", settings))
        assert "7 rules found" in promtool("check", "rules", tmp_path / "rules.yml")
        assert "SUCCESS" in promtool("test", "rules", tmp_path / "tests.yml")
        named = {row["alert"] for row in _yaml(alert_rules(settings))["groups"][0]["rules"]}
        tested = {row["name"] for row in _yaml(rule_tests("rules.yml", settings))["tests"]}
        assert named == tested


def _yaml(text: str) -> dict:
    import yaml

    return yaml.safe_load(text)


def test_the_dashboard_fits_grafanas_schema_and_its_queries_promtool(tmp_path: Path) -> None:
    text = dashboard()
    schema = official_schema("grafana-dashboard-11.6.schema.json")
    jsonschema.validate(json.loads(text), schema)
    assert text == dashboard()
    found = expressions(text)
    panels = [panel for panel in json.loads(text)["panels"] if panel["type"] != "row"]
    assert len(found) >= len(panels) >= 15
    assert all(panel["title"] and panel["description"] for panel in panels)
    rules = [
        {"record": f"panel:{place}", "expr": expr.replace("$model", "late")}
        for place, expr in enumerate(found)
    ]
    (tmp_path / "panels.yml").write_text(
        json.dumps({"groups": [{"name": "panels", "rules": rules}]})
    )
    assert f"{len(found)} rules found" in promtool("check", "rules", tmp_path / "panels.yml")


def test_every_query_names_a_metric_that_is_exposed(monitor: Monitor) -> None:
    import re

    exposed_names = {f"mlops_nb_{name}" for name, _ in samples(exposition(Exporter(monitor, runs)))}
    rules = [row["expr"] for row in _yaml(alert_rules())["groups"][0]["rules"]]
    for expr in (*expressions(dashboard()), *rules):
        names = re.findall(r"mlops_nb_\w+", expr)
        assert names
        assert set(names) <= exposed_names, expr


@contextmanager
def running(command: list[str], folder: Path, ready: str) -> Iterator[None]:
    with (folder / f"{Path(command[0]).name}.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        try:
            until(lambda: bool(get(ready)), 30)
            yield
        finally:
            process.terminate()
            process.wait(20)


def until(condition: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            if condition():
                return
        except (URLError, OSError):
            pass
        assert time.monotonic() < end, "took too long"
        time.sleep(0.1)


def test_a_pushgateway_takes_the_metrics(monitor: Monitor, tmp_path: Path) -> None:
    port = free_port()
    with pytest.raises(MonitoringError, match="cannot be reached"):
        push(Exporter(monitor), f"127.0.0.1:{port}", timeout=2)
    command = [
        needed("prometheus-pushgateway"),
        f"--web.listen-address=127.0.0.1:{port}",
        f"--persistence.file={tmp_path / 'push.data'}",
    ]
    with running(command, tmp_path, f"http://127.0.0.1:{port}/-/ready"):
        push(Exporter(monitor, runs), f"127.0.0.1:{port}", job="nightly")
        text, _ = get(f"http://127.0.0.1:{port}/metrics")
        assert 'mlops_nb_window_rows{instance="",job="nightly",model="late"} 800' in text
        assert 'mlops_nb_alert_active{aspect="' in text
        with pytest.raises(MonitoringError, match="refuses the series: 4") as caught:
            push(Exporter(monitor), f"127.0.0.1:{port}", job="")
        assert "--job" in caught.value.fix
        # What is over goes from the gateway as well.
        push(Exporter(Monitor(tmp_path / "empty")), f"127.0.0.1:{port}", job="nightly")
        text, _ = get(f"http://127.0.0.1:{port}/metrics")
    assert "mlops_nb_alert_active{" not in text


def test_a_fault_reaches_a_webhook_through_prometheus_and_alertmanager(
    monitor: Monitor, reference: Reference, tmp_path: Path
) -> None:
    prometheus, alertmanager = needed("prometheus"), needed("prometheus-alertmanager")
    here, there = free_port(), free_port()
    with ExitStack() as stack:
        receiver = Receiver()
        stack.callback(receiver.close)
        address = stack.enter_context(exposed(monitor))
        (tmp_path / "rules.yml").write_text(alert_rules())
        (tmp_path / "prometheus.yml").write_text(
            json.dumps(
                {
                    "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                    "rule_files": ["rules.yml"],
                    "scrape_configs": [
                        {"job_name": "mlops-nb", "static_configs": [{"targets": [address]}]}
                    ],
                    "alerting": {
                        "alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{there}"]}]}]
                    },
                }
            )
        )
        (tmp_path / "alertmanager.yml").write_text(
            json.dumps(
                {
                    "route": {"receiver": "hook", "group_wait": "0s", "group_by": ["..."]},
                    "receivers": [{"name": "hook", "webhook_configs": [{"url": receiver.url}]}],
                }
            )
        )
        stack.enter_context(
            running(
                [
                    alertmanager, "--config.file=alertmanager.yml", "--storage.path=am",
                    f"--web.listen-address=127.0.0.1:{there}", "--cluster.listen-address=",
                ],
                tmp_path,
                f"http://127.0.0.1:{there}/-/ready",
            )
        )  # fmt: skip
        stack.enter_context(
            running(
                [
                    prometheus, "--config.file=prometheus.yml", "--storage.tsdb.path=tsdb",
                    f"--web.listen-address=127.0.0.1:{here}",
                ],
                tmp_path,
                f"http://127.0.0.1:{here}/-/ready",
            )
        )  # fmt: skip

        def told() -> set[str]:
            return {alert["labels"]["alertname"] for got in receiver.got for alert in got["alerts"]}

        until(lambda: "MlopsNbDrift" in told(), 40)
        assert "MlopsNbSchemaFault" not in told()
        # The fault: a column stops coming.
        monitor.record_window(
            "late", "2026-04", window(1.0, 60, drop=True), reference=reference, version="1"
        )
        until(lambda: "MlopsNbSchemaFault" in told(), 40)
        (fault,) = [
            alert
            for got in receiver.got
            for alert in got["alerts"]
            if alert["labels"]["alertname"] == "MlopsNbSchemaFault"
        ]
        assert fault["annotations"]["summary"] == "late: column x is missing or of another type"
