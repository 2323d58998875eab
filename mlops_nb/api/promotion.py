"""Judges versions by their gates, and gives and takes aliases; exported by `mlops_nb.api.models`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nb.api.opening import opened, resolve_version, the_model

if TYPE_CHECKING:
    from mlops_nb.model import GateResult, GateState, LedgerEntry, Promotion

__all__ = ["approve", "check", "gates", "promote", "reject", "roles", "rollback"]


def gates(
    project: str | None, version: int | str = "latest", *, model: str = "", alias: str = "champion"
) -> tuple[GateState, ...]:
    """Return how every gate of a version counts now; nothing is evaluated.

    Parameters
    ----------
    project, version, model
        Which version.
    alias
        Against whose holder; an alias that is not guarded has no gates.

    Raises
    ------
    RegistryError
        There is no such version.
    """
    from mlops_nb.registry.gates import gate_states
    from mlops_nb.registry.versions import find_version

    with opened(project) as (_, registry):
        name, number = resolve_version(registry, version, model)
        if alias not in registry.gates.guarded:
            return ()
        found = find_version(registry, name, number)
        with registry.ledger.read() as reader:
            return gate_states(reader, registry, found, champion=reader.alias(name, alias))


def check(
    project: str | None,
    version: int | str = "latest",
    *,
    model: str = "",
    only: tuple[str, ...] = (),
    alias: str = "champion",
    actor: str = "",
) -> tuple[GateResult, ...]:
    """Ask the gates about a version, notebooks and drift among them, and keep their answers.

    Parameters
    ----------
    project, version, model
        Which version.
    only
        Names of the gates to ask; all that guard the model by default.
    alias
        Whose holder it is compared with.
    actor
        Who asks; the user by default.

    Raises
    ------
    RegistryError
        There is no such version, or no gate of that name.
    ArtifactError
        The version's artifact is missing or was changed.
    """
    from mlops_nb.api.gates import gate_tools
    from mlops_nb.registry.gates import judge

    with opened(project, actor=actor) as (found, registry):
        name, number = resolve_version(registry, version, model)
        return judge(registry, name, number, only=only, tools=gate_tools(found), alias=alias)


def approve(
    project: str | None,
    version: int | str,
    *,
    model: str = "",
    role: str = "",
    comment: str = "",
    actor: str = "",
) -> LedgerEntry:
    """Record that a person approves of a version.

    Raises
    ------
    RegistryError
        There is no such version or role, or the person does not have the role.
    """
    from mlops_nb.registry.promotion import approve as approve_in

    with opened(project, actor=actor) as (_, registry):
        name, number = resolve_version(registry, version, model)
        return approve_in(registry, name, number, role=role, comment=comment)


def roles(project: str | None) -> dict[str, tuple[str, ...]]:
    """Return who may approve as what: the roles of the project's settings and their people."""
    with opened(project) as (_, registry):
        return dict(registry.gates.roles)


def reject(
    project: str | None, version: int | str, *, comment: str, model: str = "", actor: str = ""
) -> LedgerEntry:
    """Record that a person rejects a version; earlier approvals no longer count.

    Raises
    ------
    RegistryError
        There is no such version, or no comment.
    """
    from mlops_nb.registry.promotion import reject as reject_in

    with opened(project, actor=actor) as (_, registry):
        name, number = resolve_version(registry, version, model)
        return reject_in(registry, name, number, comment=comment)


def promote(
    project: str | None,
    version: int | str,
    *,
    model: str = "",
    alias: str = "champion",
    expected: int | None = None,
    reason: str = "",
    force: bool = False,
    actor: str = "",
) -> Promotion:
    """Give an alias to a version whose gates passed.

    Parameters
    ----------
    project, version, model
        Which version.
    alias
        Which alias.
    expected
        The version that must hold the alias now, 0 for nobody.
    reason
        Why; needed to force.
    force
        Promote against gates or a rejection; it shows for ever.
    actor
        Who; the user by default.

    Raises
    ------
    ConflictError
        Someone else moved the alias first; the message says who.
    GateError
        A gate failed, was not asked, or its answer is void.
    RegistryError
        There is no such version, it was rejected, or a forced promotion has no reason.
    """
    from mlops_nb.registry.promotion import promote as promote_in

    with opened(project, actor=actor) as (_, registry):
        name, number = resolve_version(registry, version, model)
        return promote_in(
            registry, name, number, alias=alias, expected=expected, reason=reason, force=force
        )


def rollback(
    project: str | None,
    model: str = "",
    *,
    alias: str = "champion",
    expected: int | None = None,
    reason: str = "",
    actor: str = "",
) -> Promotion:
    """Give an alias back to the last approved version that held it, in one step.

    Raises
    ------
    RegistryError
        No approved version held it before.
    ConflictError
        Someone else moved the alias first.
    """
    from mlops_nb.registry.promotion import rollback as rollback_in

    with opened(project, actor=actor) as (_, registry):
        return rollback_in(
            registry, the_model(registry, model), alias=alias, expected=expected, reason=reason
        )
