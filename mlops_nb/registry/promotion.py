"""Gives and takes aliases: promote, roll back, approve, reject.

Every change is decided against the champion that was seen: if someone else promoted first, the
change is refused and says who it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nb.errors import GateError, RegistryError, nearest
from mlops_nb.model import (
    EntryKind,
    GateState,
    LedgerEntry,
    ModelVersion,
    Promotion,
    VersionStatus,
)
from mlops_nb.registry.approval import approve, reject
from mlops_nb.registry.gates import gate_states, void
from mlops_nb.registry.mirror import settle
from mlops_nb.registry.moves import MOVES, conflict, done
from mlops_nb.registry.rollback import rollback, rollback_target
from mlops_nb.registry.store import check_alias
from mlops_nb.registry.versions import find_version

if TYPE_CHECKING:
    from mlops_nb.registry.ledger import Reader
    from mlops_nb.registry.store import Registry

__all__ = ["approve", "drop_alias", "promote", "reject", "rollback", "rollback_target"]


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
            raise conflict(writer, model, alias, expected, current)
        if current == now.version:
            last = writer.entries(model, alias=alias, kinds=MOVES)[-1]
            return Promotion(
                entry=last, model=model, version=current, alias=alias, previous=last.previous
            )
        states = gate_states(writer, registry, now, champion=current) if guarded else ()
        if expected is None and not force:
            _same_champion(writer, registry, now, states, alias, current)
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
    return done(registry, entry, tuple(s.result for s in states if s.result is not None))


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
    reader: Reader,
    registry: Registry,
    version: ModelVersion,
    states: tuple[GateState, ...],
    alias: str,
    current: int,
) -> None:
    """Refuse where the gates were answered against another champion, unless one failed anyway.

    Answers that are void whoever is champion, such as imported ones, tell of no other champion.
    """
    gates = registry.gates.for_model(version.model)
    for state in states:
        result = state.result
        if result is None or void(registry, gates[state.gate], result, version):
            continue
        if result.relative and result.passed and result.champion != current:
            raise conflict(reader, version.model, alias, result.champion, current)


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
