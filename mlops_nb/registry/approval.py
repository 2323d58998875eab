"""What people say of a version: they approve it in a role, or reject it with a comment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nb.errors import RegistryError, nearest
from mlops_nb.model import EntryKind, LedgerEntry
from mlops_nb.registry.mirror import settle
from mlops_nb.registry.versions import find_version

if TYPE_CHECKING:
    from mlops_nb.registry.store import Registry

__all__ = ["approve", "reject"]


def approve(
    registry: Registry,
    model: str,
    version: int | str,
    *,
    actor: str = "",
    role: str = "",
    comment: str = "",
) -> LedgerEntry:
    """Record that a person approves of a version.

    Parameters
    ----------
    registry, model, version
        Which version.
    actor
        Who approves.
    role
        As what; the roles are named in ``[tool.mlops-nb.gates.roles]``.
    comment
        What they have to say.

    Raises
    ------
    RegistryError
        There is no such role, or the person does not have it.
    """
    who = actor or registry.actor
    roles = registry.gates.roles
    if role and role not in roles:
        raise RegistryError(
            f'there is no role "{role}"',
            where="[tool.mlops-nb.gates.roles]",
            fix=nearest(role, roles),
        )
    if role and who not in roles[role]:
        raise RegistryError(
            f'{who} is not a "{role}"',
            where="[tool.mlops-nb.gates.roles]",
            fix=f"ask {', '.join(roles[role]) or 'someone to be named there'}",
        )
    return _say(registry, EntryKind.APPROVED, model, version, who, comment, role)


def reject(
    registry: Registry, model: str, version: int | str, *, comment: str, actor: str = ""
) -> LedgerEntry:
    """Record that a person rejects a version; earlier approvals no longer count.

    Raises
    ------
    RegistryError
        There is no comment.
    """
    if not comment.strip():
        raise RegistryError("a rejection needs a comment", fix="say what is wrong with it")
    who = actor or registry.actor
    return _say(registry, EntryKind.REJECTED, model, version, who, comment, "")


def _say(
    registry: Registry,
    kind: EntryKind,
    model: str,
    version: int | str,
    who: str,
    comment: str,
    role: str,
) -> LedgerEntry:
    found = find_version(registry, model, version)
    with registry.ledger.write() as writer:
        entry = writer.append(
            kind,
            model=model,
            version=found.version,
            actor=who,
            reason=comment,
            digest=found.digest,
            payload={"role": role} if role else {},
        )
    settle(registry)
    return entry
