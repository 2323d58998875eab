"""Judges a version by the project's gates and keeps the evidence, bound to the artifact."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from mlops_nb.errors import GateError, RegistryError, nearest
from mlops_nb.model import (
    EntryKind,
    GateResult,
    GateState,
    LedgerEntry,
    ModelVersion,
    to_builtins,
)
from mlops_nb.registry.checks import RELATIVE, Answer, Candidate, Tools, answer
from mlops_nb.registry.mirror import settle
from mlops_nb.registry.settings import AnyGate, ApprovalGate, DriftGate, NotebookGate
from mlops_nb.registry.versions import find_version

if TYPE_CHECKING:
    from mlops_nb.registry.ledger import Reader
    from mlops_nb.registry.store import Registry

__all__ = ["approvals", "gate_states", "judge", "void"]


def judge(
    registry: Registry,
    model: str,
    version: int | str,
    *,
    only: tuple[str, ...] = (),
    tools: Tools | None = None,
    alias: str = "champion",
    actor: str = "",
) -> tuple[GateResult, ...]:
    """Ask the project's gates about a version and store their answers in the ledger.

    A gate that cannot be evaluated fails, with the reason.

    Parameters
    ----------
    registry, model, version
        Which version, by number or alias.
    only
        Names of the gates to ask; all that guard the model by default.
    tools
        What notebook and drift gates need.
    alias
        Whose holder it is compared with.
    actor
        Who asks.

    Raises
    ------
    RegistryError
        There is no such version, or no gate of that name.
    ArtifactError
        The version's artifact is missing or was changed.
    """
    found = find_version(registry, model, version)
    gates = registry.gates.for_model(model)
    for name in only:
        if name not in gates:
            raise RegistryError(
                f'no gate of "{model}" is called "{name}"', fix=nearest(name, gates)
            )
    with registry.ledger.read() as reader:
        holder = reader.alias(model, alias)
        champion = reader.version(model, holder) if holder not in (0, found.version) else None
        given = approvals(reader, found)
    candidate = Candidate(
        found,
        registry.fetch(found),
        champion,
        None if champion is None else registry.fetch(champion),
        trusted_types=registry.settings.trusted_types,
        approvals=given,
        tools=tools,
    )
    results = [
        _ask(name, gate, candidate, registry.gate_digest(gate))
        for name, gate in gates.items()
        if not only or name in only
    ]
    # The artifact is checked again: what was judged is what the evidence is bound to.
    registry.fetch(found)
    stored = []
    with registry.ledger.write() as writer:
        for result in results:
            entry = writer.append(
                EntryKind.GATE,
                model=model,
                version=found.version,
                actor=actor or registry.actor,
                reason=result.reason,
                digest=found.digest,
                payload=to_builtins(result),
            )
            stored.append(msgspec.structs.replace(result, seq=entry.seq))
    settle(registry)
    return tuple(stored)


def _ask(name: str, gate: AnyGate, candidate: Candidate, settings: str) -> GateResult:
    start = time.perf_counter()
    try:
        given = answer(gate, candidate)
    except GateError as error:
        given = Answer(
            passed=False,
            reason=f"cannot be evaluated: {error}",
            evidence={"error": str(error)},
        )
    relative = isinstance(gate, RELATIVE)
    champion = candidate.champion
    return GateResult(
        gate=name,
        kind=_kind(gate),
        passed=given.passed,
        reason=given.reason,
        digest=candidate.version.digest,
        settings=settings,
        champion=champion.version if champion is not None and relative else 0,
        relative=relative,
        evidence=given.evidence,
        seconds=time.perf_counter() - start,
    )


def _kind(gate: AnyGate) -> str:
    return str(type(gate).__struct_config__.tag)


def approvals(reader: Reader, version: ModelVersion) -> tuple[tuple[str, str], ...]:
    """Return who approves of a version as what: actor and role, rejections taken into account."""
    kinds = (EntryKind.APPROVED, EntryKind.REJECTED)
    given: dict[str, tuple[str, ...]] = {}
    for entry in reader.entries(version.model, version=version.version, kinds=kinds):
        if entry.kind is EntryKind.REJECTED:
            given.clear()
        elif entry.digest == version.digest:
            given[entry.actor] = (
                *given.get(entry.actor, ()),
                str(entry.payload.get("role", "")),
            )
    return tuple((who, role) for who, roles in sorted(given.items()) for role in roles)


def gate_states(
    reader: Reader, registry: Registry, version: ModelVersion, *, champion: int
) -> tuple[GateState, ...]:
    """Return how every gate of a version counts now.

    An answer counts only for the artifact, the settings, the notebook and the champion it was given
    for.

    Parameters
    ----------
    reader
        An open transaction of the ledger.
    registry, version
        Which version.
    champion
        Who holds the alias now; 0 for nobody.
    """
    latest = {
        str(entry.payload.get("gate")): _result(entry)
        for entry in reader.entries(version.model, version=version.version, kinds=(EntryKind.GATE,))
    }
    other = 0 if champion == version.version else champion
    return tuple(
        _state(registry, name, gate, latest.get(name), version, other, approvals(reader, version))
        for name, gate in registry.gates.for_model(version.model).items()
    )


def _result(entry: LedgerEntry) -> GateResult:
    try:
        result = msgspec.convert(entry.payload, GateResult)
    except msgspec.ValidationError as error:
        raise RegistryError(
            f"row {entry.seq} was changed: {error}",
            where="ledger",
            fix='see "mlops-nb models verify"',
        ) from error
    return msgspec.structs.replace(result, seq=entry.seq)


def _state(
    registry: Registry,
    name: str,
    gate: AnyGate,
    result: GateResult | None,
    version: ModelVersion,
    champion: int,
    given: tuple[tuple[str, str], ...],
) -> GateState:
    if isinstance(gate, ApprovalGate):
        # Approvals are rows of the ledger themselves: they are counted as they stand now.
        people = {who for who, role in given if gate.role in ("", role)}
        ok = len(people) >= gate.count
        text = f"{len(people)} of {gate.count} approvals" + (
            f' as "{gate.role}"' if gate.role else ""
        )
        return GateState(gate=name, kind="approval", ok=ok, text=text, result=result)
    ok = False
    if result is None:
        text = "has not been evaluated"
    elif why := void(registry, gate, result, version):
        text = why
    elif result.relative and result.champion != champion:
        was = f"v{result.champion}" if result.champion else "no champion"
        text = f"was answered against {was}, now it is " + (f"v{champion}" if champion else "none")
    else:
        ok, text = result.passed, result.reason
    return GateState(gate=name, kind=_kind(gate), ok=ok, text=text, result=result)


def void(registry: Registry, gate: AnyGate, result: GateResult, version: ModelVersion) -> str:
    """Return why an answer does not count, whoever is champion; empty where it does."""
    if result.origin:
        return f"was answered in another registry ({result.origin}): {result.reason}"
    if result.digest != version.digest:
        return "was answered for another artifact"
    if result.settings != registry.gate_digest(gate):
        what = {NotebookGate: "notebook or ", DriftGate: "or monitoring's "}.get(type(gate), "")
        return f"its {what}settings changed since it was answered"
    return ""
