"""Prometheus alert rules for what `mlops_nb.monitoring.prometheus` exposes, and promtool's tests.

The decisions are made by the monitor (2 of 3 windows, Benjamini-Hochberg, effect sizes), so the
rules only pass on what it found, and watch over what it cannot see itself: that windows stop
arriving, that runs fail, that notifications pile up.
"""

from __future__ import annotations

from math import ceil

from mlops_nb.model import Record

__all__ = ["RuleSettings", "alert_rules", "rule_tests"]


_STEP = 10
"""Minutes between two samples of a test."""


class RuleSettings(Record, frozen=True, kw_only=True):
    """When the rules fire."""

    stale_hours: float = 192.0
    """Hours without a new window; a week and a day."""
    no_success_hours: float = 192.0
    """Hours without a successful run."""
    waiting_minutes: int = 60
    """Minutes that notifications may wait."""
    rows_drop: float = 0.5
    """Share of its rows of a week ago below which a window counts as empty."""


def alert_rules(settings: RuleSettings | None = None) -> str:
    """Return the rules as YAML."""
    used = settings or RuleSettings()
    return _dump({"groups": [{"name": "mlops-nb", "rules": [_rule(*row) for row in _rows(used)]}]})


def rule_tests(rules_file: str, settings: RuleSettings | None = None) -> str:
    """Return promtool's unit tests of `alert_rules` as YAML: each rule fires, and is silent before.

    Parameters
    ----------
    rules_file
        The rules' file, relative to that of the tests.
    settings
        As for the rules.
    """
    used = settings or RuleSettings()
    rows = {row[0]: row for row in _rows(used)}
    stale = ceil(used.stale_hours * 60 / _STEP)
    quiet = ceil(used.no_success_hours * 60 / _STEP)
    wait = ceil(used.waiting_minutes / _STEP)
    week = 7 * 24 * 60 // _STEP
    drift = _alert(aspect="drift", severity="critical")
    schema = _alert(aspect="schema", severity="critical")
    extra = _alert(subject="y", aspect="schema", severity="info")
    tests = [
        _case(
            rows["MlopsNbDrift"],
            {_series(drift): "_x5 1x20"},
            (4, 8),
            drift,
            "m: x drift",
        ),
        _case(
            rows["MlopsNbSchemaFault"],
            {_series(schema): "_x5 1x20", _series(extra): "1x25"},
            (4, 8),
            schema,
            "m: column x is missing or of another type",
        ),
        _case(
            rows["MlopsNbWindowsStopped"],
            {'mlops_nb_window_recorded_timestamp_seconds{model="m"}': f"0x{stale + 20}"},
            (stale - 1, stale + 10),
            {"model": "m", "severity": "warning"},
            f"m: no window was recorded for {_duration(stale + 10)}",
        ),
        _case(
            rows["MlopsNbRunFailed"],
            {'mlops_nb_run_last_status{pipeline="p",status="failed"}': "0x5 1x20"},
            (4, 8),
            {"pipeline": "p", "status": "failed", "severity": "critical"},
            "p: the latest run failed",
        ),
        _case(
            rows["MlopsNbNoSuccess"],
            {'mlops_nb_run_last_success_timestamp_seconds{pipeline="p"}': f"0x{quiet + 20}"},
            (quiet - 1, quiet + 10),
            {"pipeline": "p", "severity": "warning"},
            f"p: no run succeeded for {_duration(quiet + 10)}",
        ),
        _case(
            rows["MlopsNbNotificationsWaiting"],
            {"mlops_nb_notifications_waiting": f"0x5 3x{wait + 20}"},
            (5, wait + 10),
            {"severity": "warning"},
            "3 notifications could not be delivered",
        ),
        _case(
            rows["MlopsNbRowsDropped"],
            {'mlops_nb_window_rows{model="m"}': f"1000x{week + 10} 100x20"},
            (week + 5, week + 20),
            {"model": "m", "severity": "warning"},
            "m: the latest window holds 100 rows",
        ),
    ]
    head = {"rule_files": [rules_file], "evaluation_interval": f"{_STEP}m"}
    return _dump({**head, "tests": tests})


_Row = tuple[str, str, str, dict[str, str], str, str]


def _rows(used: RuleSettings) -> tuple[_Row, ...]:
    """Return name, expression, for, labels, summary and what to do of each rule."""
    return (
        (
            "MlopsNbDrift",
            'mlops_nb_alert_active{aspect!="schema",state="open"} == 1',
            "0m",
            {},
            "{{ $labels.model }}: {{ $labels.subject }} {{ $labels.aspect }}",
            'Open the window\'s report; "mlops-nb monitor status" says what to do.',
        ),
        (
            "MlopsNbSchemaFault",
            'mlops_nb_alert_active{aspect="schema",state="open",severity!="info"} == 1',
            "0m",
            {},
            "{{ $labels.model }}: column {{ $labels.subject }} is missing or of another type",
            "Mend the data before its scores are used.",
        ),
        (
            "MlopsNbWindowsStopped",
            f"time() - mlops_nb_window_recorded_timestamp_seconds > {used.stale_hours * 3600:.0f}",
            "10m",
            {"severity": "warning"},
            "{{ $labels.model }}: no window was recorded for {{ humanizeDuration $value }}",
            "See whether data still arrive and whether the monitoring schedule runs.",
        ),
        (
            "MlopsNbRunFailed",
            'mlops_nb_run_last_status{status=~"failed|lost"} == 1',
            "0m",
            {"severity": "critical"},
            "{{ $labels.pipeline }}: the latest run {{ $labels.status }}",
            '"mlops-nb runs show" names the failing cell.',
        ),
        (
            "MlopsNbNoSuccess",
            f"time() - mlops_nb_run_last_success_timestamp_seconds > {used.no_success_hours * 3600:.0f}",
            "10m",
            {"severity": "warning"},
            "{{ $labels.pipeline }}: no run succeeded for {{ humanizeDuration $value }}",
            "See whether the schedule runs, and why its runs do not succeed.",
        ),
        (
            "MlopsNbNotificationsWaiting",
            "mlops_nb_notifications_waiting > 0",
            f"{used.waiting_minutes}m",
            {"severity": "warning"},
            "{{ $value }} notifications could not be delivered",
            "See the receivers in [tool.mlops-nb.alerts] and the errors in the outbox.",
        ),
        (
            "MlopsNbRowsDropped",
            f"mlops_nb_window_rows < {used.rows_drop:g} * (mlops_nb_window_rows offset 1w)",
            "15m",
            {"severity": "warning"},
            "{{ $labels.model }}: the latest window holds {{ $value }} rows",
            "See whether the window is complete.",
        ),
    )


def _rule(
    name: str, expr: str, hold: str, labels: dict[str, str], summary: str, todo: str
) -> dict[str, object]:
    rule: dict[str, object] = {"alert": name, "expr": expr}
    if hold != "0m":
        rule["for"] = hold
    if labels:
        rule["labels"] = labels
    rule["annotations"] = {"summary": summary, "description": todo}
    return rule


def _alert(*, aspect: str, severity: str, subject: str = "x") -> dict[str, str]:
    """Return the labels of an alert that is open."""
    return {
        "model": "m",
        "subject": subject,
        "aspect": aspect,
        "severity": severity,
        "state": "open",
    }


def _series(labels: dict[str, str]) -> str:
    pairs = ",".join(f'{name}="{value}"' for name, value in labels.items())
    return f"mlops_nb_alert_active{{{pairs}}}"


def _case(
    row: _Row,
    series: dict[str, str],
    steps: tuple[int, int],
    labels: dict[str, str],
    summary: str,
) -> dict[str, object]:
    """Return one test: at the first step nothing fires, at the second this does."""
    silent, fires = steps
    expected = {
        "exp_labels": labels,
        "exp_annotations": {"summary": summary, "description": row[5]},
    }
    return {
        "name": row[0],
        "interval": f"{_STEP}m",
        "input_series": [{"series": key, "values": value} for key, value in series.items()],
        "alert_rule_test": [
            {"eval_time": f"{silent * _STEP}m", "alertname": row[0], "exp_alerts": []},
            {"eval_time": f"{fires * _STEP}m", "alertname": row[0], "exp_alerts": [expected]},
        ],
    }


def _duration(steps: int) -> str:
    """Write a time as Prometheus' humanizeDuration does."""
    days, rest = divmod(steps * _STEP * 60, 86_400)
    hours, rest = divmod(rest, 3600)
    parts = [f"{days}d"] * (days > 0) + [f"{hours}h"] * (days + hours > 0)
    return " ".join([*parts, f"{rest // 60}m", f"{rest % 60}s"])


def _dump(document: dict[str, object]) -> str:
    import yaml

    text: str = yaml.safe_dump(document, sort_keys=False, width=100, allow_unicode=True)
    return f"# Generated by mlops-nb.\n{text}"
