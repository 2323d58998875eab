"""Models of a project: registered, compared, judged by their gates, promoted and rolled back.

Every function opens the project's registry and closes it again. ``project`` is a folder or a
specification, by default the project that the current folder lies in. ``version`` is a number
(``3``, ``v3``), an alias (``champion``), ``latest``, or any of these with the model before it
(``flights@3``). The model may be left out where the project has one only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_nb.api.opening import opened, resolve_version
from mlops_nb.api.promotion import approve, check, gates, promote, reject, roles, rollback
from mlops_nb.errors import RegistryError, nearest

if TYPE_CHECKING:
    from pathlib import Path

    from mlops_nb.model import (
        Cleaning,
        Comparison,
        LedgerEntry,
        ModelVersion,
        VerifyReport,
        VersionDetails,
    )

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
    "promote",
    "register",
    "reject",
    "roles",
    "rollback",
    "show",
    "verify",
]


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
