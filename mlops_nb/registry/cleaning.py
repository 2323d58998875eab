"""Removes versions that nothing needs: never one that is aliased, approved or referred to."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from mlops_nb.errors import RegistryError
from mlops_nb.model import (
    Cleaning,
    EntryKind,
    LedgerEntry,
    ModelVersion,
    VersionStatus,
)
from mlops_nb.registry.mirror import settle
from mlops_nb.registry.versions import find_version

if TYPE_CHECKING:
    from collections.abc import Collection

    from mlops_nb.registry.ledger import Reader
    from mlops_nb.registry.store import Registry

__all__ = ["collect", "delete_version", "why_kept"]


def delete_version(
    registry: Registry,
    model: str,
    version: int | str,
    *,
    actor: str = "",
    reason: str = "",
) -> LedgerEntry:
    """Delete a version with its artifact; its history stays.

    Raises
    ------
    RegistryError
        There is no such version, or it holds an alias.
    """
    found = find_version(registry, model, version)
    entry = _delete(registry, found, actor or registry.actor, reason)
    settle(registry)
    return entry


def _delete(
    registry: Registry, found: ModelVersion, actor: str, reason: str, *, unneeded: bool = False
) -> LedgerEntry:
    where = f"{found.model} v{found.version}"
    with registry.ledger.write() as writer:
        now = writer.version(found.model, found.version)
        if now is None or now.status is VersionStatus.DELETED:
            raise RegistryError("was deleted", where=where)
        if now.aliases:
            raise RegistryError(
                f"cannot be deleted: it is {' and '.join(now.aliases)}",
                where=where,
                fix="promote another version first",
            )
        why = why_kept(writer, found.model).get(found.version, "") if unneeded else ""
        if why:
            raise RegistryError(f"cannot be cleaned away any more: it {why}", where=where)
        return writer.append(
            EntryKind.DELETED,
            model=found.model,
            version=found.version,
            actor=actor,
            reason=reason,
            digest=found.digest,
        )


def why_kept(reader: Reader, model: str) -> dict[int, str]:
    """Return which versions of a model may not be cleaned away, and why.

    These hold an alias, are approved, or are what a version with an alias was judged against.
    """
    kept: dict[int, str] = {}
    versions = reader.versions(model)
    for version in versions:
        for mark in version.gates.values() if version.aliases else ():
            entry = reader.entry(mark.seq)
            against = 0 if entry is None else int(entry.payload.get("champion", 0))
            if against:
                kept[against] = f"the evidence of v{version.version} refers to it"
    for version in versions:
        if version.aliases:
            kept[version.version] = f"is {' and '.join(version.aliases)}"
        elif version.status is VersionStatus.APPROVED:
            kept[version.version] = "is approved"
    return kept


def collect(
    registry: Registry,
    model: str = "",
    *,
    keep: int | None = None,
    referenced: Collection[tuple[str, int]] = (),
    dry_run: bool = True,
    actor: str = "",
) -> Cleaning:
    """Remove versions that nothing needs.

    Parameters
    ----------
    registry
        Which registry.
    model
        One model; all by default.
    keep
        How many of the latest versions of each model stay in any case; the setting ``keep`` of
        ``[tool.mlops-nb.registry]`` by default.
    referenced
        Versions that are used elsewhere (deployed, or the reference of a monitor).
    dry_run
        Only say what would be removed.
    actor
        Who cleans.

    Raises
    ------
    RegistryError
        There is no such model.
    """
    keep = registry.settings.keep if keep is None else keep
    used = set(referenced)
    kept: dict[str, str] = {}
    going: list[ModelVersion] = []
    with registry.ledger.read() as reader:
        if model and model not in reader.models():
            raise RegistryError(f'no model is called "{model}"')
        seen: dict[str, int] = {}
        needed: dict[str, dict[int, str]] = {}
        for version in reader.versions(model):
            seen[version.model] = seen.get(version.model, 0) + 1
            if version.model not in needed:
                needed[version.model] = why_kept(reader, version.model)
            why = needed[version.model].get(version.version, "")
            if (version.model, version.version) in used:
                why = why or "is used elsewhere"
            if seen[version.model] <= keep:
                why = why or f"is one of the latest {keep}"
            if why:
                kept[f"{version.model} v{version.version}"] = why
            else:
                going.append(version)
    if not dry_run:
        for version in going:
            _delete(registry, version, actor or registry.actor, "cleaned away", unneeded=True)
        settle(registry)
        _clean_cache(registry)
    return Cleaning(
        removed=tuple(going),
        kept=kept,
        bytes=sum(version.size for version in going),
        dry_run=dry_run,
    )


def _clean_cache(registry: Registry) -> None:
    """Drop fetched copies of artifacts that no version has any more."""
    if not registry.cache.is_dir():
        return
    with registry.ledger.read() as reader:
        alive = {version.digest for version in reader.versions()}
    for folder in registry.cache.iterdir():
        if len(folder.name) == 64 and folder.name not in alive:
            shutil.rmtree(folder, ignore_errors=True)
