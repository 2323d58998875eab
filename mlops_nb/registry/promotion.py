"""Gives and takes aliases: promote, roll back, approve, reject.

Every change is decided against the champion that was seen: if someone else promoted first, the
change is refused and says who it was.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mlops_nb.errors import ArtifactError, ConflictError, GateError, RegistryError, nearest
from mlops_nb.model import (
    EntryKind,
    GateResult,
    GateState,
    LedgerEntry,
    ModelVersion,
    Promotion,
    VersionStatus,
)
from mlops_nb.registry.approval import approve, reject
from mlops_nb.registry.gates import gate_states
from mlops_nb.registry.mirror import settle
from mlops_nb.registry.store import check_alias
from mlops_nb.registry.versions import find_version

if TYPE_CHECKING:
    from mlops_nb.registry.ledger import Reader
    from mlops_nb.registry.store import Registry

__all__ = ["approve", "drop_alias", "promote", "reject", "rollback", "rollback_target"]

_MOVES = (EntryKind.PROMOTED, EntryKind.ROLLED_BACK, EntryKind.UNALIASED)


def promote(
    registry: Registry,
    model: str,
    version: int | str,
    *,
    alias: str = "champion",
    expected: int | None = None,
    actor: str = "",
    reason: str = "",
    force: bool = False,
) -> Promotion:
    """Give an alias to a version, if its gates passed and nobody else was first.

    Parameters
    ----------
    registry, model, version
        Which version, by number or alias.
    alias
        Which alias.
    expected
        The version that must hold the alias now, 0 for nobody; by default the one that the gates
        were answered against, else whoever holds it.
    actor, reason
        Who, and why.
    force
        Promote against gates or a rejection. Needs a reason, and shows for ever.

    Raises
    ------
    ConflictError
        Someone else moved the alias first; the message says who.
    GateError
        A gate failed, was not asked, or its answer is void.
    ArtifactError
        The version's artifact is missing or was changed.
    RegistryError
        There is no such version, it was rejected, or a forced promotion has no reason.
    """
    check_alias(alias)
    if force and not reason.strip():
        raise RegistryError("a forced promotion needs a reason", fix="say why with --reason")
    settle(registry)
    found = find_version(registry, model, version)
    registry.fetch(found)
    guarded = alias in registry.gates.guarded
    with registry.ledger.write() as writer:
        now = writer.version(model, found.version)
        if now is None or now.status is VersionStatus.DELETED:
            raise RegistryError("was deleted", where=f"{model} v{found.version}")
        current = writer.alias(model, alias)
        if expected is not None and current != expected:
            raise _conflict(writer, model, alias, expected, current)
        if current == now.version:
            last = writer.entries(model, alias=alias, kinds=_MOVES)[-1]
            return Promotion(
                entry=last, model=model, version=current, alias=alias, previous=last.previous
            )
        states = gate_states(writer, registry, now, champion=current) if guarded else ()
        if expected is None:
            _same_champion(writer, states, model, alias, current)
        overridden = _obstacles(now, states)
        if overridden and not force:
            raise _refusal(now, states, alias)
        entry = writer.append(
            EntryKind.PROMOTED,
            model=model,
            version=now.version,
            alias=alias,
            previous=current,
            actor=actor or registry.actor,
            reason=reason,
            forced=bool(overridden),
            digest=now.digest,
            git_commit=now.git_commit,
            run_id=now.run_id,
            payload={
                "guarded": guarded,
                "overridden": overridden,
                "gates": [
                    {
                        "gate": s.gate,
                        "ok": s.ok,
                        "text": s.text,
                        "seq": s.result.seq if s.result else 0,
                    }
                    for s in states
                ],
            },
        )
        if alias == "champion" and writer.alias(model, "challenger") == now.version:
            writer.append(
                EntryKind.UNALIASED,
                model=model,
                version=now.version,
                alias="challenger",
                previous=now.version,
                actor=actor or registry.actor,
                reason="became champion",
                digest=now.digest,
            )
    return _done(registry, entry, tuple(s.result for s in states if s.result is not None))


def _obstacles(version: ModelVersion, states: tuple[GateState, ...]) -> list[str]:
    found = [f"{state.gate}: {state.text}" for state in states if not state.ok]
    if version.status is VersionStatus.REJECTED:
        found.insert(0, f"rejected: {version.comment}")
    return found


def _refusal(version: ModelVersion, states: tuple[GateState, ...], alias: str) -> RegistryError:
    where = f"{version.model} v{version.version} as {alias}"
    if version.status is VersionStatus.REJECTED:
        return RegistryError(
            f'was rejected: "{version.comment}"',
            where=where,
            fix="approve it first, or force the promotion with a reason",
        )
    open_ = [state for state in states if not state.ok]
    failed = "; ".join(f"{state.gate}: {state.text}" for state in open_)
    steps = []
    if any(state.kind == "approval" for state in open_):
        steps.append('have it approved ("mlops-nb models approve")')
    if any(state.kind != "approval" for state in open_):
        steps.append('ask the gates again ("mlops-nb models check")')
    return GateError(
        f"gates stand against it: {failed}",
        where=where,
        fix=f"{' and '.join(steps)}, or force it with a reason",
    )


def _same_champion(
    reader: Reader, states: tuple[GateState, ...], model: str, alias: str, current: int
) -> None:
    """Refuse where the gates were answered against another champion, unless one failed anyway."""
    for state in states:
        result = state.result
        if result is not None and result.relative and result.passed and result.champion != current:
            raise _conflict(reader, model, alias, result.champion, current)


def _conflict(reader: Reader, model: str, alias: str, expected: int, current: int) -> ConflictError:
    moves = reader.entries(model, alias=alias, kinds=_MOVES)
    who = ""
    if moves:
        last = moves[-1]
        ago = max(0.0, time.time() - last.time)
        who = f", by {last.actor} {_ago(ago)} (row {last.seq}"
        who += f': "{last.reason}")' if last.reason else ")"
    is_now = f"it is v{current} now" if current else "nobody holds it now"
    was = f"v{expected} held it" if expected else "nobody held it"
    return ConflictError(
        f"{alias} was moved: this was decided when {was}, {is_now}{who}",
        where=f'model "{model}"',
        fix="ask the gates again against the new one",
    )


def _ago(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def rollback_target(reader: Reader, model: str, alias: str = "champion") -> tuple[int, ...]:
    """Return the versions that a rollback may go to, the best first.

    These held the alias before, were promoted with every gate passed or approved by a person, and
    were neither rejected, rolled back nor deleted since.
    """
    current = reader.alias(model, alias)
    seen: list[int] = []
    for entry in reversed(reader.entries(model, alias=alias, kinds=_MOVES[:2])):
        version = entry.version
        if version == current or version in seen:
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
            raise _conflict(writer, model, alias, wanted, now)
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
        )
    return _done(registry, entry)


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


def drop_alias(
    registry: Registry, model: str, alias: str, *, actor: str = "", reason: str = ""
) -> LedgerEntry:
    """Take an alias from whoever holds it.

    Raises
    ------
    RegistryError
        Nobody holds it.
    """
    with registry.ledger.write() as writer:
        current = writer.alias(model, alias)
        if not current:
            raise RegistryError(
                f"nobody holds {alias}",
                where=f'model "{model}"',
                fix=nearest(alias, writer.aliases(model)),
            )
        entry = writer.append(
            EntryKind.UNALIASED,
            model=model,
            version=current,
            alias=alias,
            previous=current,
            actor=actor or registry.actor,
            reason=reason,
        )
    settle(registry)
    return entry


def _done(registry: Registry, entry: LedgerEntry, gates: tuple[GateResult, ...] = ()) -> Promotion:
    error = settle(registry)
    return Promotion(
        entry=entry,
        model=entry.model,
        version=entry.version,
        alias=entry.alias,
        previous=entry.previous,
        gates=gates,
        mirrored=not error,
        mirror_error=error,
    )
