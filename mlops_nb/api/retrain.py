"""Answers drift with a run of the pipeline, and hands what it registers to the gates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nb.errors import ExecutionError, GateError, MlopsNbError
from mlops_nb.model import GateResult, Record, RunStatus
from mlops_nb.monitoring.notify import Delivery

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops_nb.config import Project
    from mlops_nb.model import Event

__all__ = ["Retrained", "Retraining", "retrain"]


class Retrained(Record, frozen=True, kw_only=True):
    """What a retraining came to."""

    model: str
    reason: str
    run: str = ""
    """The pipeline's run; empty where none could be started."""
    challenger: int = 0
    """The version that the run registered; 0 for none."""
    gates: tuple[GateResult, ...] = ()
    """What the gates say of it."""
    error: str = ""
    """Why it failed, or why the version did not become challenger."""


def retrain(
    project: Project,
    model: str,
    reason: str,
    *,
    window: str = "",
    listener: Callable[[Event], None] | None = None,
) -> Retrained:
    """Run the whole pipeline; what it registers becomes challenger and is judged by the gates.

    Every task runs, up to date or not: that new data have arrived may not show in any file.

    Parameters
    ----------
    project, model
        Whose pipeline, and the model that is to be replaced.
    reason
        Why; kept in the ledger.
    window
        The window that showed it, for ``retrain-parameters`` of ``[tool.mlops-nb.alerts]``.
    listener
        Called with the run's events.

    Raises
    ------
    ExecutionError
        A task did not succeed.
    ParameterError
        No notebook declares one of ``retrain-parameters``.
    RunError
        Another run is going on.
    """
    from mlops_nb.api.execute import prepare, run
    from mlops_nb.api.gates import gate_tools
    from mlops_nb.api.opening import opened
    from mlops_nb.monitoring.settings import AlertSettings
    from mlops_nb.registry.gates import judge
    from mlops_nb.registry.promotion import promote
    from mlops_nb.registry.versions import list_versions

    given = project.section("alerts", AlertSettings).retrain_parameters
    parameters = {
        name: value.replace("{window}", window) if isinstance(value, str) else value
        for name, value in given.items()
    }
    prepared = prepare(project, force=True, parameters=parameters)
    done = run(prepared, trigger="drift", listener=listener).run
    if done.status is not RunStatus.SUCCEEDED:
        bad = next((task for task in done.tasks if task.error is not None), None)
        why = f": {bad.task}, {bad.error.message}" if bad and bad.error else ""
        raise ExecutionError(
            f"the retraining {done.status.value}{why}",
            where=f"run {done.id}",
            fix=f'see "mlops-nb runs show {done.id}"',
        )
    with opened(project, actor="monitor") as (_, registry):
        made = [v for v in list_versions(registry, model) if v.run_id == done.id]
        if not made:
            return Retrained(
                model=model, reason=reason, run=done.id, error="the run registered no version"
            )
        number = max(version.version for version in made)
        results = judge(registry, model, number, tools=gate_tools(project))
        refused = ""
        try:
            promote(registry, model, number, alias="challenger", reason=f"drift: {reason}")
        except GateError as error:
            refused = str(error)
    return Retrained(
        model=model, reason=reason, run=done.id, challenger=number, gates=results, error=refused
    )


class Retraining:
    """What the monitor calls when a retraining is due; it remembers how that went."""

    def __init__(
        self, project: Project, window: str, listener: Callable[[Event], None] | None = None
    ) -> None:
        self._project = project
        self._window = window
        self._listener = listener
        self.before: Callable[[], Delivery] | None = None
        self.delivery = Delivery()
        self.done: Retrained | None = None
        self.error: MlopsNbError | None = None

    def __call__(self, model: str, reason: str) -> None:
        """Retrain; raise what went wrong, so that the alert asks again after the cool-down."""
        if self.before is not None:
            self.delivery = self.before()
        try:
            self.done = retrain(
                self._project, model, reason, window=self._window, listener=self._listener
            )
        except MlopsNbError as error:
            self.error = error
            self.done = Retrained(model=model, reason=reason, error=str(error))
            raise
