"""What follows from a row of the ledger: one pure function, used to write and to verify."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from mlops_nb.model import (
    ArtifactInfo,
    EntryKind,
    GateMark,
    LedgerEntry,
    ModelVersion,
    Record,
    VersionStatus,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Change", "advance"]


class Change(Record, frozen=True, kw_only=True):
    """What one row changes."""

    versions: tuple[ModelVersion, ...] = ()
    aliases: dict[str, int] = {}
    """Aliases of the row's model and who holds them now; 0 for nobody."""


def advance(entry: LedgerEntry, known: Mapping[int, ModelVersion]) -> Change:
    """Return what a row changes.

    Parameters
    ----------
    entry
        The row.
    known
        The row's ``version`` and ``previous`` as they stood before it, where they exist.
    """
    version = known.get(entry.version)
    kind = entry.kind
    if kind is EntryKind.REGISTERED:
        return Change(versions=(_registered(entry),))
    if kind is EntryKind.UNALIASED:
        return Change(aliases={entry.alias: 0})
    if version is None:
        return Change()
    if kind is EntryKind.GATE:
        return Change(versions=(_judged(version, entry),))
    if kind is EntryKind.APPROVED:
        return _status(version, VersionStatus.APPROVED, comment=entry.reason)
    if kind is EntryKind.REJECTED:
        return _status(version, VersionStatus.REJECTED, comment=entry.reason)
    if kind is EntryKind.DELETED:
        return _status(version, VersionStatus.DELETED)
    if kind is EntryKind.PROMOTED:
        if entry.forced:
            version = msgspec.structs.replace(version, forced=True)
        elif entry.payload.get("guarded"):
            version = msgspec.structs.replace(version, status=VersionStatus.APPROVED)
        return Change(versions=(version,), aliases={entry.alias: entry.version})
    if kind is EntryKind.ROLLED_BACK:
        left = known.get(entry.previous)
        # Rows of an earlier release do not say it; they took the status from whoever lost the alias.
        demoted = left is not None and entry.payload.get("demoted", True)
        fallen = _status(left, VersionStatus.ROLLED_BACK).versions if left and demoted else ()
        return Change(versions=(version, *fallen), aliases={entry.alias: entry.version})
    return Change()


def _status(version: ModelVersion, status: VersionStatus, comment: str | None = None) -> Change:
    said = version.comment if comment is None else comment
    return Change(versions=(msgspec.structs.replace(version, status=status, comment=said),))


def _registered(entry: LedgerEntry) -> ModelVersion:
    info = msgspec.convert(entry.payload["info"], ArtifactInfo)
    return ModelVersion(
        model=entry.model,
        version=entry.version,
        digest=entry.digest,
        created=entry.time,
        actor=entry.actor,
        source=str(entry.payload.get("source", "")),
        format=info.format,
        estimator=info.estimator,
        metrics=info.metrics,
        run_id=entry.run_id,
        mlflow_run_id=str(entry.payload.get("mlflow_run_id", "")),
        git_commit=entry.git_commit,
        data_digests=info.data_digests,
        size=info.size,
        origin=str(entry.payload.get("origin", "")),
    )


def _judged(version: ModelVersion, entry: LedgerEntry) -> ModelVersion:
    payload = entry.payload
    mark = GateMark(
        kind=str(payload.get("kind", "")),
        passed=bool(payload.get("passed")),
        reason=str(payload.get("reason", "")),
        seq=entry.seq,
    )
    gates = {**version.gates, str(payload.get("gate", "")): mark}
    return msgspec.structs.replace(version, gates=dict(sorted(gates.items())))
