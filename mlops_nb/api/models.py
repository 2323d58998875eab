"""Models of a project: registered, compared, judged by their gates, promoted and rolled back.

Every function opens the project's registry and closes it again. ``project`` is a folder or a
specification, by default the project that the current folder lies in. ``version`` is a number
(``3``, ``v3``), an alias (``champion``), ``latest``, or either with the model before it
(``flights@3``). The model may be left out where the project has one only.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mlops_nb.config import Project, find_project, telemetry_off
from mlops_nb.errors import RegistryError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mlops_nb.model import (
        Cleaning,
        Comparison,
        GateResult,
        GateState,
        LedgerEntry,
        ModelVersion,
        Promotion,
        VerifyReport,
        VersionDetails,
    )
    from mlops_nb.registry.store import Registry

__all__ = [
    "approve",
    "check",
    "clean",
    "compare",
    "export_version",
    "gates",
    "history",
    "import_version",
    "list_versions",
    "load",
    "mend",
    "opened",
    "promote",
    "register",
    "reject",
    "resolve_version",
    "rollback",
    "show",
    "the_model",
    "verify",
]


@contextmanager
def opened(
    project: Project | Path | str | None = None, *, actor: str = ""
) -> Iterator[tuple[Project, Registry]]:
    """Open a project's registry for the length of a ``with`` block.

    Raises
    ------
    ProjectError
        There is no project here, or its settings are wrong.
    RegistryError
        The ledger cannot be opened.
    """
    from mlops_nb.registry.store import open_registry

    telemetry_off()
    found = project if isinstance(project, Project) else find_project(project)
    registry = open_registry(found, actor=actor)
    try:
        yield found, registry
    finally:
        registry.close()


def the_model(registry: Registry, model: str = "") -> str:
    """Return the model that is meant: the named one, else the only one.

    Raises
    ------
    RegistryError
        None is named, and the registry holds none or several.
    """
    if model:
        return model
    with registry.ledger.read() as reader:
        known = sorted(reader.models())
    if len(known) == 1:
        return known[0]
    if not known:
        raise RegistryError(
            "no model is registered yet",
            fix="run a pipeline whose notebook calls mlops_nb.register_model",
        )
    raise RegistryError("which model is meant?", fix=f"name one of {', '.join(known)}")


def resolve_version(registry: Registry, version: int | str, model: str = "") -> tuple[str, int]:
    """Return model and number that a text such as ``flights@champion`` or ``latest`` means.

    Raises
    ------
    RegistryError
        There is no such model or version.
    """
    from mlops_nb.registry.versions import find_version, list_versions

    name, at, wanted = str(version).rpartition("@")
    if name and model and name != model:
        raise RegistryError(f'"{version}" is not a version of "{model}"')
    found = the_model(registry, name or model)
    text = wanted if at else str(version)
    if text == "latest":
        known = list_versions(registry, found)
        if known:
            return found, max(item.version for item in known)
        text = "0"
    return found, find_version(registry, found, text).version


def register(
    project: str | None,
    folder: Path | str,
    *,
    model: str = "",
    reason: str = "",
    allow_pickle: bool = False,
    actor: str = "",
) -> ModelVersion:
    """Register an artifact folder as the next version of its model; the same artifact only once.

    Raises
    ------
    ArtifactError
        The artifact is not whole, or is a pickle and that was not asked for.
    TrackingError
        MLflow cannot be reached.
    """
    from mlops_nb.registry.versions import register as register_in

    with opened(project, actor=actor) as (_, registry):
        return register_in(registry, folder, model=model, reason=reason, allow_pickle=allow_pickle)


def list_versions(
    project: str | None, model: str = "", *, live: bool = False
) -> tuple[ModelVersion, ...]:
    """Return versions, the newest first within a model.

    Parameters
    ----------
    project, model
        Which; all models by default.
    live
        Ask MLflow too, and show versions that were made behind the ledger's back.

    Raises
    ------
    RegistryError
        There is no model of that name.
    """
    from mlops_nb.errors import nearest
    from mlops_nb.registry.versions import list_versions as list_in

    with opened(project) as (_, registry):
        found = list_in(registry, model, live=live)
        if model and not found:
            with registry.ledger.read() as reader:
                known = reader.models()
            if model not in known:
                raise RegistryError(f'no model is called "{model}"', fix=nearest(model, known))
        return found


def show(project: str | None, version: int | str = "latest", *, model: str = "") -> VersionDetails:
    """Return all that is known of a version: figures, artifact, and its rows of the ledger.

    Raises
    ------
    RegistryError
        There is no such version.
    """
    from mlops_nb.registry.versions import show_version

    with opened(project) as (_, registry):
        return show_version(registry, *resolve_version(registry, version, model))


def compare(
    project: str | None,
    left: int | str = "champion",
    right: int | str = "latest",
    *,
    model: str = "",
    resamples: int = 500,
) -> Comparison:
    """Return two versions of a model side by side, right against left.

    Parameters
    ----------
    project, left, right, model
        Which versions.
    resamples
        Of the paired bootstrap that the differences' intervals come from.

    Raises
    ------
    RegistryError
        There is no such version, or they are of two models.
    ArtifactError
        An artifact is missing or was changed.
    """
    from mlops_nb.registry.compare import compare_versions

    with opened(project) as (_, registry):
        name, old = resolve_version(registry, left, model)
        _, new = resolve_version(registry, right, name)
        return compare_versions(registry, name, old, new, resamples=resamples)


def gates(
    project: str | None, version: int | str = "latest", *, model: str = "", alias: str = "champion"
) -> tuple[GateState, ...]:
    """Return how every gate of a version counts now; nothing is evaluated.

    Parameters
    ----------
    project, version, model
        Which version.
    alias
        Against whose holder; an alias that is not guarded has no gates.

    Raises
    ------
    RegistryError
        There is no such version.
    """
    from mlops_nb.registry.gates import gate_states
    from mlops_nb.registry.versions import find_version

    with opened(project) as (_, registry):
        name, number = resolve_version(registry, version, model)
        if alias not in registry.gates.guarded:
            return ()
        found = find_version(registry, name, number)
        with registry.ledger.read() as reader:
            return gate_states(reader, registry, found, champion=reader.alias(name, alias))


def check(
    project: str | None,
    version: int | str = "latest",
    *,
    model: str = "",
    only: tuple[str, ...] = (),
    alias: str = "champion",
    actor: str = "",
) -> tuple[GateResult, ...]:
    """Ask the gates about a version, notebooks and drift among them, and keep their answers.

    Parameters
    ----------
    project, version, model
        Which version.
    only
        Names of the gates to ask; all that guard the model by default.
    alias
        Whose holder it is compared with.
    actor
        Who asks; the user by default.

    Raises
    ------
    RegistryError
        There is no such version, or no gate of that name.
    ArtifactError
        The version's artifact is missing or was changed.
    """
    from mlops_nb.api.gates import gate_tools
    from mlops_nb.registry.gates import judge

    with opened(project, actor=actor) as (found, registry):
        name, number = resolve_version(registry, version, model)
        return judge(registry, name, number, only=only, tools=gate_tools(found), alias=alias)


def approve(
    project: str | None,
    version: int | str,
    *,
    model: str = "",
    role: str = "",
    comment: str = "",
    actor: str = "",
) -> LedgerEntry:
    """Record that a person approves of a version.

    Raises
    ------
    RegistryError
        There is no such version or role, or the person does not have the role.
    """
    from mlops_nb.registry.promotion import approve as approve_in

    with opened(project, actor=actor) as (_, registry):
        name, number = resolve_version(registry, version, model)
        return approve_in(registry, name, number, role=role, comment=comment)


def reject(
    project: str | None, version: int | str, *, comment: str, model: str = "", actor: str = ""
) -> LedgerEntry:
    """Record that a person rejects a version; earlier approvals no longer count.

    Raises
    ------
    RegistryError
        There is no such version, or no comment.
    """
    from mlops_nb.registry.promotion import reject as reject_in

    with opened(project, actor=actor) as (_, registry):
        name, number = resolve_version(registry, version, model)
        return reject_in(registry, name, number, comment=comment)


def promote(
    project: str | None,
    version: int | str,
    *,
    model: str = "",
    alias: str = "champion",
    expected: int | None = None,
    reason: str = "",
    force: bool = False,
    actor: str = "",
) -> Promotion:
    """Give an alias to a version whose gates passed.

    Parameters
    ----------
    project, version, model
        Which version.
    alias
        Which alias.
    expected
        The version that must hold the alias now, 0 for nobody.
    reason
        Why; needed to force.
    force
        Promote against gates or a rejection; it shows for ever.
    actor
        Who; the user by default.

    Raises
    ------
    ConflictError
        Someone else moved the alias first; the message says who.
    GateError
        A gate failed, was not asked, or its answer is void.
    RegistryError
        There is no such version, it was rejected, or a forced promotion has no reason.
    """
    from mlops_nb.registry.promotion import promote as promote_in

    with opened(project, actor=actor) as (_, registry):
        name, number = resolve_version(registry, version, model)
        return promote_in(
            registry, name, number, alias=alias, expected=expected, reason=reason, force=force
        )


def rollback(
    project: str | None,
    model: str = "",
    *,
    alias: str = "champion",
    expected: int | None = None,
    reason: str = "",
    actor: str = "",
) -> Promotion:
    """Give an alias back to the last approved version that held it, in one step.

    Raises
    ------
    RegistryError
        No approved version held it before.
    ConflictError
        Someone else moved the alias first.
    """
    from mlops_nb.registry.promotion import rollback as rollback_in

    with opened(project, actor=actor) as (_, registry):
        return rollback_in(
            registry, the_model(registry, model), alias=alias, expected=expected, reason=reason
        )


def history(project: str | None, model: str = "") -> tuple[LedgerEntry, ...]:
    """Return the ledger's rows of a model, or of all, oldest first."""
    from mlops_nb.registry.versions import history as history_of

    with opened(project) as (_, registry):
        return history_of(registry, model)


def verify(project: str | None, *, artifacts: bool = True, live: bool = True) -> VerifyReport:
    """Check that ledger, MLflow and artifacts agree, and say what does not.

    Parameters
    ----------
    project
        Which project.
    artifacts
        Check every file of every version.
    live
        Ask MLflow.
    """
    from mlops_nb.registry.verify import verify as verify_in

    with opened(project) as (_, registry):
        return verify_in(registry, artifacts=artifacts, live=live)


def mend(project: str | None, *, reason: str = "", actor: str = "") -> tuple[LedgerEntry, ...]:
    """Make MLflow's aliases and tags equal to the ledger; return the rows that this added.

    Raises
    ------
    TrackingError
        MLflow cannot be reached.
    """
    from mlops_nb.registry.verify import mend as mend_in

    with opened(project, actor=actor) as (_, registry):
        return mend_in(registry, reason=reason)


def clean(
    project: str | None,
    model: str = "",
    *,
    keep: int | None = None,
    dry_run: bool = True,
    actor: str = "",
) -> Cleaning:
    """Remove versions that nothing needs, nor a monitor; by default only say which.

    Parameters
    ----------
    project, model
        Which; all models by default.
    keep
        How many of the latest versions stay in any case; the project's setting by default.
    dry_run
        Only say what would be removed.
    actor
        Who cleans.

    Raises
    ------
    RegistryError
        There is no such model.
    """
    from mlops_nb.api.monitor import monitored_versions
    from mlops_nb.registry.cleaning import collect

    with opened(project, actor=actor) as (found, registry):
        return collect(
            registry, model, keep=keep, referenced=monitored_versions(found), dry_run=dry_run
        )


def export_version(
    project: str | None, version: int | str, path: Path | str = ".", *, model: str = ""
) -> Path:
    """Write a version with its artifact and evidence as one zip file; return its path.

    Parameters
    ----------
    project, version, model
        Which version.
    path
        The file, or a folder for ``model-vN.zip``.

    Raises
    ------
    RegistryError
        There is no such version, or the file cannot be written.
    ArtifactError
        The artifact is missing or was changed.
    """
    from mlops_nb.registry.transfer import export_version as export_from

    with opened(project) as (_, registry):
        name, number = resolve_version(registry, version, model)
        return export_from(registry, name, number, path)


def import_version(
    project: str | None,
    path: Path | str,
    *,
    model: str = "",
    allow_pickle: bool = False,
    actor: str = "",
) -> ModelVersion:
    """Register an exported version here, with the evidence it had there.

    Raises
    ------
    ArtifactError
        The file is broken, holds something else, or was changed.
    """
    from mlops_nb.registry.transfer import import_version as import_into

    with opened(project, actor=actor) as (_, registry):
        return import_into(registry, path, model=model, allow_pickle=allow_pickle)


def load(
    project: str | None,
    version: int | str = "champion",
    *,
    model: str = "",
    allow_pickle: bool = False,
    actor: str = "",
) -> Any:
    """Load a version's model: exactly what was registered, and only allowed types.

    Raises
    ------
    ArtifactError
        A file is missing or was changed, a type is not allowed, or it is a pickle.
    RegistryError
        There is no such version.
    """
    from mlops_nb.registry.versions import load_version

    with opened(project, actor=actor) as (_, registry):
        name, number = resolve_version(registry, version, model)
        return load_version(registry, name, number, allow_pickle=allow_pickle)
