"""What Prometheus reads of a daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from mlops_nb.model import OccurrenceState

__all__ = ["Metrics"]

_PREFIX = "mlops_nb_scheduler"


class Metrics:
    """The daemon's series, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = of = CollectorRegistry()
        self._ended = Counter(
            f"{_PREFIX}_attempts_ended",
            "Attempts that came to an end.",
            ["schedule", "state"],
            registry=of,
        )
        self.started = Counter(
            f"{_PREFIX}_starts", "Runs that were started.", ["schedule"], registry=of
        )
        self.lag = Histogram(
            f"{_PREFIX}_start_delay_seconds",
            "From an occurrence's time to its claim.",
            buckets=(0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600),
            registry=of,
        )
        self.tick = Histogram(
            f"{_PREFIX}_tick_seconds",
            "Time that one round of the daemon took.",
            buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5),
            registry=of,
        )
        self.running = _gauge(of, "running", "Occurrences that are being run.")
        self.waiting = _gauge(of, "waiting", "Occurrences that are due and wait.")
        self.next_due = _gauge(
            of, "next_due_timestamp_seconds", "When something comes due next; 0 for never."
        )
        self.last_tick = _gauge(of, "last_tick_timestamp_seconds", "The last good round.")
        self.active = _gauge(of, "active", "1 while this daemon claims occurrences.")
        self.trouble = Counter(
            f"{_PREFIX}_store_errors", "Rounds in which the store failed.", registry=of
        )

    def ended(self, schedule: str, state: OccurrenceState) -> None:
        """Count an occurrence that came to an end."""
        self._ended.labels(schedule, state.value).inc()

    def text(self) -> bytes:
        """Return the series in Prometheus' text format."""
        return generate_latest(self.registry)


def _gauge(registry: CollectorRegistry, name: str, text: str) -> Gauge:
    return Gauge(f"{_PREFIX}_{name}", text, registry=registry)
