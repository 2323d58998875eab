"""Registers, lists, shows, loads and removes versions of models."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_nb.errors import ArtifactError, RegistryError, nearest
from mlops_nb.model import (
    ArtifactInfo,
    EntryKind,
    Json,
    LedgerEntry,
    ModelVersion,
    VersionDetails,
    VersionStatus,
    encode,
)
from mlops_nb.registry.artifact import check_artifact, load_model, read_manifest
from mlops_nb.registry.mirror import (
    TAG,
    Registration,
    all_versions,
    catch_up,
    finish_registration,
    settle,
)
from mlops_nb.registry.store import check_name

if TYPE_CHECKING:
    from mlops_nb.registry.store import Registry

__all__ = [
    "find_version",
    "history",
    "list_versions",
    "load_version",
    "register",
    "show_version",
]


def register(
    registry: Registry,
    folder: Path | str,
    *,
    model: str = "",
    actor: str = "",
    reason: str = "",
    mlflow_run_id: str | None = None,
    allow_pickle: bool = False,
    origin: str = "",
    evidence: tuple[dict[str, Json], ...] = (),
    past: tuple[dict[str, Json], ...] = (),
) -> ModelVersion:
    """Register an artifact as the next version of a model; the same artifact only once.

    Parameters
    ----------
    registry
        Where.
    folder
        What `mlops_nb.registry.artifact.save_model` wrote.
    model
        The model's name; the artifact's by default.
    actor, reason
        Who registers it, and why.
    mlflow_run_id
        The MLflow run that made it; ``MLFLOW_RUN_ID`` by default, else a run is made for it.
    allow_pickle
        Register a pickle; the ledger records that it is one.
    origin, evidence, past
        Where an imported version comes from, and the gate results and rows that came with it.

    Raises
    ------
    ArtifactError
        The artifact is not whole, or is a pickle and that was not asked for.
    TrackingError
        MLflow cannot be reached.
    """
    info = check_artifact(folder)
    model = model or info.name
    check_name(model)
    if info.format == "pickle" and not allow_pickle:
        raise ArtifactError(
            "is a pickle, and loading one runs whatever it says",
            where=str(folder),
            fix="register it with allow_pickle if you trust who made it",
        )
    catch_up(registry)
    with registry.ledger.read() as reader:
        for known in reader.versions(model):
            if known.digest == info.digest:
                return known
    client = registry.client
    with registry.errors():
        given_run = os.environ.get("MLFLOW_RUN_ID", "") if mlflow_run_id is None else mlflow_run_id
        run_id = given_run or registry.new_run(f"register {model}")
        # A place of its own, so that deleting an earlier registration cannot touch it.
        inside = f"models/{model}/{info.digest[:16]}-{secrets.token_hex(4)}"
        client.log_artifacts(run_id, str(folder), artifact_path=inside)
        source = f"{client.get_run(run_id).info.artifact_uri}/{inside}"
    given = Registration(
        info=info,
        model=model,
        source=source,
        mlflow_run_id=run_id,
        actor=actor or registry.actor,
        reason=reason,
        origin=origin,
        evidence=evidence,
        past=past,
    )
    with registry.ledger.mirror_lock():
        with registry.ledger.read() as reader:
            for known in reader.versions(model):
                if known.digest == info.digest:
                    return known
        with registry.ledger.write() as writer:
            token = writer.begin_registration(model, encode(given))
        with registry.errors():
            number = _create_version(client, given, token)
        version = finish_registration(registry, token, given, number)
    settle(registry)
    return version


def _create_version(client: Any, given: Registration, token: str) -> int:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(given.model)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    made = client.create_model_version(
        given.model,
        given.source,
        run_id=given.mlflow_run_id,
        tags={
            TAG + "token": token,
            TAG + "digest": given.info.digest,
            TAG + "status": "registered",
        },
        description=given.info.card.summary or None,
        await_creation_for=0,
    )
    return int(made.version)


def list_versions(
    registry: Registry, model: str = "", *, live: bool = False
) -> tuple[ModelVersion, ...]:
    """Return versions, newest first within a model, from the ledger alone.

    Parameters
    ----------
    registry
        Where.
    model
        One model; all by default.
    live
        Ask MLflow too, and show versions that were made behind the ledger's back.

    Raises
    ------
    TrackingError
        MLflow was to be asked and cannot be reached.
    """
    with registry.ledger.read() as reader:
        known = reader.versions(model)
        seen = (
            {(v.model, v.version) for v in reader.versions(model, deleted=True)} if live else set()
        )
    if not live:
        return known
    with registry.errors():
        condition = f"name = '{model}'" if model else None
        found = [
            ModelVersion(
                model=item.name,
                version=int(item.version),
                digest=item.tags.get(TAG + "digest", ""),
                created=item.creation_timestamp / 1000,
                actor=item.user_id or "",
                source=item.source or "",
                mlflow_run_id=item.run_id or "",
                aliases=tuple(item.aliases),
                outside=True,
            )
            for item in all_versions(registry.client, condition)
            if (item.name, int(item.version)) not in seen
        ]
    return tuple(sorted([*known, *found], key=lambda item: (item.model, -item.version)))


def find_version(registry: Registry, model: str, version: int | str) -> ModelVersion:
    """Return one version by number or by alias.

    Parameters
    ----------
    registry
        Where.
    model
        The model's name.
    version
        ``3``, ``"3"``, ``"v3"`` or an alias such as ``"champion"``.

    Raises
    ------
    RegistryError
        There is no such model, version or alias, or the version was deleted.
    """
    with registry.ledger.read() as reader:
        text = str(version).removeprefix("@")
        if re.fullmatch(r"v?\d+", text):
            number = int(text.removeprefix("v"))
        else:
            aliases = reader.aliases(model)
            if text not in aliases and model in reader.models():
                raise RegistryError(
                    f'no version holds the alias "{text}"',
                    where=f'model "{model}"',
                    fix=nearest(text, aliases),
                )
            number = aliases.get(text, 0)
        found = reader.version(model, number)
        if found is None:
            if model not in reader.models():
                raise RegistryError(
                    f'no model is called "{model}"', fix=nearest(model, reader.models())
                )
            known = ", ".join(str(item.version) for item in reader.versions(model)[:10])
            raise RegistryError(
                f"has no version {number}", where=f'model "{model}"', fix=f"known: {known}"
            )
    if found.status is VersionStatus.DELETED:
        raise RegistryError("was deleted", where=f"{model} v{number}")
    return found


def show_version(registry: Registry, model: str, version: int | str) -> VersionDetails:
    """Return all that is known of a version.

    Raises
    ------
    RegistryError
        There is no such version, or the row that registered it was changed.
    """
    found = find_version(registry, model, version)
    with registry.ledger.read() as reader:
        entries = reader.entries(model, version=found.version)
    return VersionDetails(version=found, info=_info(found, entries), entries=entries)


def _info(version: ModelVersion, entries: tuple[LedgerEntry, ...]) -> ArtifactInfo:
    import msgspec

    for entry in entries:
        if entry.kind is EntryKind.REGISTERED and "info" in entry.payload:
            with contextlib.suppress(msgspec.ValidationError):
                return msgspec.convert(entry.payload["info"], ArtifactInfo)
    raise RegistryError(
        f"the row that registered v{version.version} is missing or was changed",
        where=f'model "{version.model}"',
        fix='see "mlops-nb models verify"',
    )


def history(registry: Registry, model: str = "") -> tuple[LedgerEntry, ...]:
    """Return the ledger's rows of a model or of all, oldest first."""
    with registry.ledger.read() as reader:
        return reader.entries(model)


def load_version(
    registry: Registry,
    model: str,
    version: int | str = "champion",
    *,
    allow_pickle: bool = False,
    actor: str = "",
) -> Any:
    """Load a version's model safely: exactly what was registered, and only allowed types.

    Parameters
    ----------
    registry, model, version
        As for `find_version`; the champion by default.
    allow_pickle
        Load a pickle, which runs whatever it says; the ledger records who did.
    actor
        Who loads it.

    Raises
    ------
    ArtifactError
        A file is missing or was changed, a type is not allowed, or it is a pickle.
    RegistryError
        There is no such version.
    """
    found = find_version(registry, model, version)
    folder = registry.fetch(found)
    if allow_pickle and read_manifest(folder).format == "pickle":
        with registry.ledger.write() as writer:
            writer.append(
                EntryKind.UNPICKLED,
                model=model,
                version=found.version,
                actor=actor or registry.actor,
                digest=found.digest,
            )
    return load_model(
        folder,
        digest=found.digest,
        allow_pickle=allow_pickle,
        trusted_types=registry.settings.trusted_types,
    )
