"""What a back end has to offer; each protocol has at most four methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from mlops_nb.model import Attempt, Event, EventKind, Json, Pipeline, Run, RunFacts, TaskRun

__all__ = ["EventSink", "Executor", "Exporter", "Notifier", "Tracker"]


@runtime_checkable
class EventSink(Protocol):
    """Where a run tells what happens; safe to call from several threads."""

    def emit(self, kind: EventKind, task: str = "", **data: Json) -> Event:
        """Append one event and return it with its ``seq`` and ``time``."""
        ...


@runtime_checkable
class Executor(Protocol):
    """Where tasks run: this machine, or a cluster."""

    @property
    def slots(self) -> float:
        """Cores there are to fill; may change while a run goes on."""
        ...

    @property
    def memory_mb(self) -> float:
        """MiB there are to fill; may change while a run goes on."""
        ...

    def run(
        self, attempt: Attempt, *, tell: Callable[..., object], cancel: threading.Event
    ) -> TaskRun:
        """Run one attempt to its end and say how it ended; called from a thread for each.

        ``tell(kind, **data)`` passes on events of the task while it runs. When ``cancel`` is set
        the task is ended, and its status says so. A failure is a status, not an exception.
        """
        ...

    def close(self) -> None:
        """Let go of what was started; no attempt is running any more."""
        ...


@runtime_checkable
class Tracker(Protocol):
    """An experiment tracker that mirrors runs (MLflow, Weights & Biases)."""

    def start(self, facts: RunFacts) -> Mapping[str, str]:
        """Open the tracker's own run; return the environment its clients in kernels need."""
        ...

    def finish(self, run: Run, folder: Path) -> None:
        """Write parameters, metrics, facts and reports, and close the tracker's run."""
        ...


@runtime_checkable
class Exporter(Protocol):
    """A target that a pipeline can be written for."""

    def render(self, pipeline: Pipeline, settings: Mapping[str, Json]) -> Mapping[str, str]:
        """Return the files' texts by their paths; a pure function of its arguments."""
        ...


@runtime_checkable
class Notifier(Protocol):
    """A way to reach people or machines with an alert."""

    def send(self, subject: str, text: str, payload: Mapping[str, Json]) -> None:
        """Deliver one message or raise `MlopsNbError`."""
        ...
