"""Keeps MLflow's registry equal to the ledger, whatever was interrupted.

The ledger notes in the same transaction as each change what MLflow has yet to be told. Telling is
idempotent, done by one process at a time, and made up for by the next command after a crash.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_nb.errors import TrackingError
from mlops_nb.model import (
    ArtifactInfo,
    EntryKind,
    Json,
    ModelVersion,
    Record,
    VersionStatus,
    decode,
    to_builtins,
)
from mlops_nb.registry.store import local_path

if TYPE_CHECKING:
    from mlops_nb.registry.store import Registry

__all__ = ["TAG", "Registration", "all_versions", "catch_up", "finish_registration", "settle"]

TAG = "mlops_nb."
"""What our tags in MLflow start with."""


class Registration(Record, frozen=True, kw_only=True):
    """A registration under way: all that is needed to finish it."""

    info: ArtifactInfo
    model: str
    source: str
    mlflow_run_id: str
    actor: str
    reason: str = ""
    origin: str = ""
    evidence: tuple[dict[str, Json], ...] = ()
    """Gate results that came with an imported version."""
    past: tuple[dict[str, Json], ...] = ()
    """The rows that another ledger held about it."""


def settle(registry: Registry) -> str:
    """Tell MLflow what it has yet to be told; return why it could not be, or an empty text."""
    try:
        catch_up(registry)
    except TrackingError as error:
        return str(error)
    return ""


def catch_up(registry: Registry) -> None:
    """Finish registrations that were cut off, and tell MLflow what it has yet to be told.

    Raises
    ------
    TrackingError
        MLflow cannot be reached; everything stays noted for the next time.
    """
    with registry.ledger.read() as reader:
        if not reader.queued() and not reader.pending():
            return
    client = registry.client
    with registry.ledger.mirror_lock():
        # Who registers holds this lock, so a registration seen here belongs to a dead process.
        with registry.ledger.read() as reader:
            pending = reader.pending()
        for token, _, record in pending:
            _resume(registry, token, decode(record, Registration))
        with registry.ledger.read() as reader:
            queued = reader.queued()
            aliases = {(m, a): reader.alias(m, a) for _, m, _, a in queued if a}
            versions = {(m, v): reader.version(m, v) for _, m, v, _ in queued if v}
            seq, digest, ledger_id = reader.head()
        with registry.errors():
            for (model, number), version in versions.items():
                if version is not None:
                    _tell_version(registry, model, number, version)
            for (model, alias), number in aliases.items():
                _tell_alias(client, model, alias, number)
            for model in sorted({model for _, model, _, _ in queued}):
                _anchor(client, model, f"{seq}:{digest}:{ledger_id}")
        with registry.ledger.write() as writer:
            writer.told([row[0] for row in queued])


def finish_registration(
    registry: Registry, token: str, given: Registration, number: int
) -> ModelVersion:
    """Write the ledger's rows of a version that MLflow has numbered."""
    with registry.ledger.write() as writer:
        writer.append(
            EntryKind.REGISTERED,
            model=given.model,
            version=number,
            actor=given.actor,
            reason=given.reason,
            digest=given.info.digest,
            git_commit=given.info.git_commit,
            run_id=given.info.run_id,
            payload={
                "info": to_builtins(given.info),
                "source": given.source,
                "mlflow_run_id": given.mlflow_run_id,
                "token": token,
                "origin": given.origin,
                "past": list(given.past),
            },
        )
        for result in given.evidence:
            writer.append(
                EntryKind.GATE,
                model=given.model,
                version=number,
                actor=given.actor,
                reason=f"imported from {given.origin}",
                digest=given.info.digest,
                payload=result,
            )
        writer.end_registration(token)
        version = writer.version(given.model, number)
    if version is None:
        raise AssertionError("a version follows from its registration")
    return version


def _resume(registry: Registry, token: str, given: Registration) -> None:
    with registry.errors():
        found = registry.client.search_model_versions(
            f"name = '{given.model}' and tags.`{TAG}token` = '{token}'"
        )
    if found:
        finish_registration(registry, token, given, int(found[0].version))
    else:
        with registry.ledger.write() as writer:
            writer.end_registration(token)


def _tell_version(registry: Registry, model: str, number: int, version: ModelVersion) -> None:
    client = registry.client
    there = _model_version(client, model, number)
    if version.status is VersionStatus.DELETED:
        if there is not None:
            client.delete_model_version(model, str(number))
        _delete_artifact(registry, version)
        return
    if there is None:
        return  # deleted behind the ledger's back: `verify` says so
    failed = [name for name, mark in version.gates.items() if not mark.passed]
    wanted = {
        "digest": version.digest,
        "status": version.status.value,
        "gates": f"failed: {', '.join(failed)}" if failed else ("passed" if version.gates else ""),
        "forced": "true" if version.forced else "",
    }
    for key, value in wanted.items():
        if there.tags.get(TAG + key, "") != value:
            client.set_model_version_tag(model, str(number), TAG + key, value[:5000])


def all_versions(client: Any, condition: str | None) -> list[Any]:
    """Return every version that MLflow has, page by page."""
    found: list[Any] = []
    token = None
    while True:
        page = client.search_model_versions(condition, max_results=1000, page_token=token)
        found.extend(page)
        token = page.token
        if not token:
            return found


def _model_version(client: Any, model: str, number: int) -> Any:
    """Return MLflow's version, or ``None`` where it has none."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version(model, str(number))
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise


def _tell_alias(client: Any, model: str, alias: str, number: int) -> None:
    from mlflow.exceptions import MlflowException

    try:
        if number:
            client.set_registered_model_alias(model, alias, str(number))
        else:
            client.delete_registered_model_alias(model, alias)
    except MlflowException as error:
        # The version was deleted behind the ledger's back: nothing to point at; `verify` says so.
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise


def _anchor(client: Any, model: str, text: str) -> None:
    """Leave the end of the chain with MLflow, so that a rewritten ledger is noticed."""
    from mlflow.exceptions import MlflowException

    try:
        client.set_registered_model_tag(model, TAG + "ledger", text)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise


def _delete_artifact(registry: Registry, version: ModelVersion) -> None:
    import shutil

    from mlflow.exceptions import MlflowException
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    shutil.rmtree(registry.cache / version.digest, ignore_errors=True)
    with registry.ledger.read() as reader:
        if any(other.source == version.source for other in reader.versions(version.model)):
            return
    path = local_path(version.source)
    if path is not None:
        shutil.rmtree(path, ignore_errors=True)
        return
    root, _, inside = version.source.partition("/artifacts/models/")
    try:
        repository = get_artifact_repository(
            f"{root}/artifacts", tracking_uri=registry.tracking_uri
        )
        repository.delete_artifacts(f"models/{inside}")  # type: ignore[no-untyped-call]
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
