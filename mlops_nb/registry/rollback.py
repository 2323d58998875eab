"""Gives an alias back to the last approved version that held it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nb.errors import ArtifactError, ConflictError, RegistryError
from mlops_nb.model import EntryKind, ModelVersion, Promotion, VersionStatus
from mlops_nb.registry.mirror import settle
from mlops_nb.registry.moves import MOVES, conflict, done

if TYPE_CHECKING:
    from mlops_nb.registry.ledger import Reader
    from mlops_nb.registry.store import Registry

__all__ = ["rollback", "rollback_target"]


def rollback_target(reader: Reader, model: str, alias: str = "champion") -> tuple[int, ...]:
    """Return the versions that a rollback may go to, the best first.

    These held the alias before, were promoted with every gate passed or approved by a person, and
    were neither rejected, rolled back from this alias nor deleted since.
    """
    current = reader.alias(model, alias)
    seen: list[int] = []
    again: set[int] = set()
    left: set[int] = set()
    for entry in reversed(reader.entries(model, kinds=(*MOVES[:2], EntryKind.APPROVED))):
        version = entry.version
        if entry.kind is EntryKind.APPROVED:
            again.add(version)
            continue
        if entry.alias != alias:
            continue
        if entry.kind is EntryKind.ROLLED_BACK and entry.previous not in again:
            left.add(entry.previous)
        again.add(version)
        if version == current or version in seen or version in left:
            continue
        found = reader.version(model, version)
        if found is not None and found.status is VersionStatus.APPROVED:
            seen.append(version)
    return tuple(seen)


def rollback(
    registry: Registry,
    model: str,
    *,
    alias: str = "champion",
    expected: int | None = None,
    actor: str = "",
    reason: str = "",
) -> Promotion:
    """Give an alias back to the last approved version that held it, in one step.

    Who loses the champion or another guarded alias is marked as rolled back, unless it still holds
    one of these; losing any other alias leaves its status alone.

    Parameters
    ----------
    registry, model, alias
        Which alias of which model.
    expected
        The version that must hold it now; whoever does by default.
    actor, reason
        Who, and why.

    Raises
    ------
    RegistryError
        No approved version held it before.
    ConflictError
        Someone else moved the alias first.
    ArtifactError
        No such version has a whole artifact left.
    """
    settle(registry)
    with registry.ledger.read() as reader:
        current = reader.alias(model, alias)
        if not current:
            raise RegistryError(f"nobody holds {alias}", where=f'model "{model}"')
        targets = [
            reader.version(model, number) for number in rollback_target(reader, model, alias)
        ]
    if not targets:
        raise RegistryError(
            f"no approved version was {alias} before v{current}",
            where=f'model "{model}"',
            fix="promote another version",
        )
    found = _first_whole(registry, [target for target in targets if target is not None])
    with registry.ledger.write() as writer:
        now = writer.alias(model, alias)
        wanted = current if expected is None else expected
        if now != wanted:
            raise conflict(writer, model, alias, wanted, now)
        if found.version not in rollback_target(writer, model, alias):
            raise ConflictError(f"v{found.version} is no longer approved", where=f'model "{model}"')
        entry = writer.append(
            EntryKind.ROLLED_BACK,
            model=model,
            version=found.version,
            alias=alias,
            previous=now,
            actor=actor or registry.actor,
            reason=reason,
            digest=found.digest,
            git_commit=found.git_commit,
            run_id=found.run_id,
            payload={"demoted": _demotes(registry, writer, model, alias, now)},
        )
    return done(registry, entry)


def _demotes(registry: Registry, reader: Reader, model: str, alias: str, version: int) -> bool:
    """Tell whether a version that loses an alias is rolled back as a whole.

    Not where the alias is a mere mark, nor where the version still does the work of another one.
    """
    at_work = {"champion", *registry.gates.guarded}
    others = {name for name, at in reader.aliases(model).items() if at == version} - {alias}
    return alias in at_work and not others & at_work


def _first_whole(registry: Registry, targets: list[ModelVersion]) -> ModelVersion:
    errors = []
    for target in targets:
        try:
            registry.fetch(target)
        except ArtifactError as error:
            errors.append(f"v{target.version}: {error.message} ({error.where})")
        else:
            return target
    raise ArtifactError(
        f"no earlier version can be loaded: {'; '.join(errors)}", where=targets[0].model
    )
