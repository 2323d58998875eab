"""What gates need of other stages: runs a gate's notebook, compares reference profiles."""

from __future__ import annotations

import hashlib
import secrets
import time
from functools import partial
from typing import TYPE_CHECKING

from mlops_nb.errors import ExecutionError, GateError, MonitoringError, ProjectError

if TYPE_CHECKING:
    from pathlib import Path

    from mlops_nb.config import Project
    from mlops_nb.execution.jobs import NotebookOutcome
    from mlops_nb.model import Json, ModelVersion
    from mlops_nb.monitoring.reference import Reference
    from mlops_nb.monitoring.settings import DriftSettings
    from mlops_nb.registry.checks import Answer, Tools
    from mlops_nb.registry.settings import DriftGate, NotebookGate

__all__ = ["MANIFEST", "gate_tools", "read_reference"]

MANIFEST = "artifact.json"
"""What tells the folder of a model's artifact."""


def gate_tools(project: Project) -> Tools:
    """Return what `mlops_nb.registry.gates.judge` needs for the gates of a project."""
    from mlops_nb.registry.checks import Tools

    return Tools(notebook=partial(_run_notebook, project), drift=partial(_compare, project))


def _run_notebook(
    project: Project, gate: NotebookGate, version: ModelVersion, folder: Path
) -> Answer:
    """Run a gate's notebook on a version; the executed notebook and its page stay as evidence.

    The notebook is told what to judge by those of these parameters that it declares: ``model`` (the
    name), ``version``, ``artifact`` (the folder) and ``digest``. What it raises fails the gate.

    Raises
    ------
    GateError
        It cannot be run to its end, or declares no parameter by which it knows the version.
    """
    from mlops_nb.execution.convert import notebook_product
    from mlops_nb.execution.engine import run_notebook
    from mlops_nb.execution.jobs import NotebookJob
    from mlops_nb.files import file_name
    from mlops_nb.model import TaskStatus
    from mlops_nb.registry.checks import Answer

    source = project.root / gate.notebook
    values = _parameters(gate, version, folder, source)
    stamp = f"{time.strftime('%Y%m%dT%H%M%S')}-{secrets.token_hex(3)}"
    place = project.state / "gates" / file_name(version.model) / f"v{version.version}" / stamp
    executed = place / f"{source.stem}.ipynb"
    try:
        outcome = run_notebook(
            NotebookJob(
                task=f"gate {gate.notebook}",
                notebook=str(source),
                output=str(executed),
                parameters=values,
                timeout=gate.timeout,
                max_output_mb=project.settings.max_output_mb,
            )
        )
        page = executed.with_suffix(".html")
        notebook_product(executed, page)
    except (ExecutionError, ProjectError, OSError) as error:
        raise GateError(f"the notebook cannot be run: {error}", where=gate.notebook) from error
    evidence: dict[str, Json] = {
        "notebook": executed.relative_to(project.root).as_posix(),
        "page": page.relative_to(project.root).as_posix(),
        "sha256": hashlib.sha256(executed.read_bytes()).hexdigest(),
        "seconds": outcome.seconds,
    }
    if outcome.status is TaskStatus.SUCCEEDED:
        return Answer(passed=True, reason=f"{gate.notebook} ran to its end", evidence=evidence)
    said = _said(outcome)
    if outcome.status is TaskStatus.FAILED:
        return Answer(passed=False, reason=f"{gate.notebook}, {said}", evidence=evidence)
    raise GateError(
        f"the notebook {outcome.status.value}: {said}",
        where=gate.notebook,
        fix=f"see {evidence['page']}",
    )


def _parameters(
    gate: NotebookGate, version: ModelVersion, folder: Path, source: Path
) -> dict[str, Json]:
    from mlops_nb.errors import nearest
    from mlops_nb.notebooks.parameters import infer_parameters

    if not source.is_file():
        raise GateError("there is no such notebook", where=str(source))
    try:
        declared = {parameter.name for parameter in infer_parameters(source)}
    except ProjectError as error:
        raise GateError(f"the notebook cannot be read: {error}", where=gate.notebook) from error
    known: dict[str, Json] = {
        "model": version.model,
        "version": version.version,
        "artifact": str(folder),
        "digest": version.digest,
    }
    for name in gate.params:
        if name not in declared:
            raise GateError(
                f'parameter "{name}" is not declared',
                where=gate.notebook,
                fix=nearest(name, declared),
            )
    told = {name: value for name, value in known.items() if name in declared}
    if not told:
        raise GateError(
            "the notebook cannot know which version it judges",
            where=gate.notebook,
            fix='declare "artifact" or "version" in its parameters cell',
        )
    return {**told, **gate.params}


def _said(outcome: NotebookOutcome) -> str:
    error = outcome.error
    if error is None:
        return outcome.status.value
    first = (error.message.strip().splitlines() or [""])[0]
    said = f"{error.name}: {first}" if first else error.name
    return said if error.cell is None else f"cell {error.cell + 1}: {said}"


def _compare(project: Project, gate: DriftGate, champion: Path, candidate: Path) -> Answer:
    """Compare the data that two models learned from, by their reference profiles.

    Raises
    ------
    GateError
        A profile cannot be read.
    """
    from mlops_nb.model import DriftState, to_builtins
    from mlops_nb.monitoring.drift import compare
    from mlops_nb.monitoring.profile import merge_all
    from mlops_nb.monitoring.settings import MonitoringSettings
    from mlops_nb.registry.checks import Answer

    settings = project.section("monitoring", MonitoringSettings).drift
    try:
        reference = read_reference(champion, settings)
        current = merge_all(read_reference(candidate).windows)
        report = compare(current, reference, window="training data", settings=settings)
    except MonitoringError as error:
        raise GateError(f"the profiles cannot be compared: {error}") from error
    if report.state is DriftState.INSUFFICIENT:
        raise GateError("the profiles hold too few rows to decide")
    found = report.drifted
    named = ", ".join(f"{column.column} ({column.text})" for column in found[:3])
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    reason = f"{len(found)} of {len(report.columns)} columns drifted" + (
        f": {named}{more}" if found else ""
    )
    passed = len(found) <= gate.max_columns
    if gate.max_columns and found:
        reason += f"; {gate.max_columns} may"
    return Answer(
        passed=passed,
        reason=reason,
        evidence={
            "columns": len(report.columns),
            "drifted": [{"column": c.column, "score": c.score, "text": c.text} for c in found],
            "rows": report.rows,
            "reference_rows": report.reference_rows,
            "findings": to_builtins([c.findings for c in found]),
        },
    )


def read_reference(path: Path, settings: DriftSettings | None = None) -> Reference:
    """Return a reference from its index or folder, an artifact's folder, or one profile.

    Parameters
    ----------
    path
        ``index.json`` or the folder it lies in; a folder of a model's artifact, whose profiles
        are windows of their own where there is no index; or a ``.bin``.
    settings
        The floors, and what counts as a category.

    Raises
    ------
    MonitoringError
        There is no reference, or a file of it was changed.
    """
    from mlops_nb.monitoring.profile import Profile
    from mlops_nb.monitoring.reference import Reference

    if path.name == "index.json":
        path = path.parent
    if (path / MANIFEST).is_file():
        path = path / "profiles"
    if path.is_dir() and (path / "index.json").is_file():
        return Reference.load(path, settings=settings)
    files = sorted(path.glob("*.bin")) if path.is_dir() else [path]
    if not files:
        raise MonitoringError("holds no profiles", where=str(path))
    return Reference(
        [Profile.read(file) for file in files], [file.stem for file in files], settings=settings
    )
