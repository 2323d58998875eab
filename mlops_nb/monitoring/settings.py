"""What a project may say about monitoring: ``[tool.mlops-nb.monitoring]`` and ``.alerts``."""

from __future__ import annotations

from typing import Annotated

import msgspec

from mlops_nb.model import Severity

__all__ = ["AlertSettings", "DriftSettings", "MonitoringSettings", "NotifierSettings"]


# A number beyond its bounds, and one that is none, are refused where settings are read: an alert that
# opens on 5 of 3 windows, or a threshold that is not a number, would silence monitoring unseen.
_Size = Annotated[float, msgspec.Meta(ge=0)]
_Share = Annotated[float, msgspec.Meta(gt=0, lt=1)]
_Count = Annotated[int, msgspec.Meta(ge=0)]
_Some = Annotated[int, msgspec.Meta(ge=1)]


class _Settings(
    msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True
):
    pass


class DriftSettings(_Settings, frozen=True, kw_only=True):
    """How large a change must be before it is called drift; every one is the least, see `spread`.

    The floors stand for one size of change, a small effect in Cohen's words (1988, *Statistical power
    analysis*): a shift by 0.2 standard deviations is a Wasserstein distance of 0.2 and a
    Kolmogorov-Smirnov distance of 2·Φ(0.1) − 1 = 0.08; a Jensen-Shannon distance of 0.13 is a
    stability index (PSI) of 0.1, below which Siddiqi (2006) sees no change.
    """

    alpha: _Share = 0.01
    """Share of false findings accepted among the columns (Benjamini-Hochberg)."""
    spread: _Size = 3.0
    """A threshold is at least the reference windows' own mean + this many standard deviations."""
    min_rows: _Some = 100
    """Values needed on both sides, and labels for alerts on performance; fewer decide nothing."""
    max_categories: _Count = 25
    """Whole numbers with at most this many distinct values are categories."""
    ks: _Size = 0.08
    """Largest difference of the distribution functions."""
    wasserstein: _Size = 0.2
    """Distance in robust standard deviations of the reference."""
    jensen_shannon: _Size = 0.13
    """Jensen-Shannon distance of the category shares."""
    null_rate: _Size = 0.02
    """Change of the share of missing values."""
    infinities: _Size = 0.001
    """Change of the share of infinite values."""
    types: _Size = 0.01
    """Share of values whose type changed."""
    new_categories: _Size = 0.01
    """Share of rows in categories the reference never saw."""
    beyond: _Size = 0.01
    """Share of values outside the reference's range."""
    reach: _Size = 3.0
    """How far outside it values lie, in lengths of the reference's range."""
    distinct: _Size = 0.1
    """Change of the number of distinct values, as a natural logarithm."""
    new_values: _Size = 0.2
    """Share of the distinct values that are new, where the reference shows how many usually are."""
    volume: _Size = 0.5
    """Change of the number of rows, as a natural logarithm."""
    ignore: tuple[str, ...] = ()
    """Columns that are not compared."""


class MonitoringSettings(_Settings, frozen=True, kw_only=True):
    """``[tool.mlops-nb.monitoring]``."""

    drift: DriftSettings = DriftSettings()
    trailing: _Count = 6
    """Windows in the trailing baseline; 0 for none."""
    open_after: _Some = 2
    """An alert opens when this many of the last `open_of` windows were bad."""
    open_of: _Some = 3
    close_after: _Some = 2
    """Clean windows after which it closes."""
    known_after: _Count = 3
    """Windows that a new column is told of before its alert closes; 0 to wait for a new version."""
    segments: tuple[str, ...] = ()
    """Columns by whose values windows are compared as well."""
    metric_drop: _Size = 0.02
    """How much worse than the reference a realised metric may be before it alarms."""
    gap: _Size = 0.03
    """How far realised and estimated performance may part before it is called concept drift."""
    max_columns: _Some = 100
    """Columns shown as Prometheus series; the most important ones first."""

    def __post_init__(self) -> None:
        if self.open_after > self.open_of:
            raise ValueError(
                f"no alert would ever open: open-after = {self.open_after} of "
                f"open-of = {self.open_of} windows"
            )


class NotifierSettings(_Settings, frozen=True, kw_only=True):
    """``[[tool.mlops-nb.alerts.notify]]``; secrets are named by environment variable, never written."""

    kind: str
    """``webhook``, ``slack``, ``email`` or ``command``."""
    name: str = ""
    """The kind by default; must differ where one kind is used twice."""
    url: str = ""
    url_env: str = ""
    """The environment variable that holds the URL."""
    token_env: str = ""
    """The environment variable with the bearer token (webhook) or password (email)."""
    command: tuple[str, ...] = ()
    """Program and arguments; the payload comes as JSON on standard input."""
    host: str = "localhost"
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 25
    starttls: bool = False
    user: str = ""
    sender: str = ""
    to: tuple[str, ...] = ()
    timeout: Annotated[float, msgspec.Meta(gt=0, le=100)] = 10.0
    """Seconds; fewer than the two minutes for which a message is one sender's."""
    severity: Severity = Severity.WARNING
    """The least severity that is sent: ``none``, ``info``, ``warning`` or ``critical``."""


class AlertSettings(_Settings, frozen=True, kw_only=True):
    """``[tool.mlops-nb.alerts]``."""

    notify: tuple[NotifierSettings, ...] = ()
    retrain: bool = False
    """Run the pipeline when a drift, performance or concept alert of `retrain_severity` opens."""
    retrain_severity: Severity = Severity.WARNING
    retrain_parameters: dict[str, str | int | float | bool] = {}
    """The pipeline's parameters then; ``{window}`` in a text becomes the window that was recorded."""
    cool_down: _Size = 24.0
    """Hours between two retrainings of one model."""
    max_attempts: _Some = 20
    """Deliveries tried before a message is given up."""
