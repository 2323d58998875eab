"""Models: versions, gates, approvals, promotions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nb.api import boards
from mlops_nb.api import models as api
from mlops_nb.server.operations import looking_up

if TYPE_CHECKING:
    from mlops_nb.model import Comparison, LedgerEntry, Promotion, VerifyReport, VersionDetails
    from mlops_nb.model.boards import Gates, History, ModelList, VersionList
    from mlops_nb.server.worker import Asked

__all__ = [
    "approve",
    "check",
    "compare",
    "gates",
    "history",
    "models",
    "promote",
    "reject",
    "rollback",
    "verify",
    "version",
    "versions",
]


def models(asked: Asked) -> ModelList:
    """Return each model."""
    return boards.model_list(asked.project)


def versions(asked: Asked) -> VersionList:
    """Return a model's versions."""
    with looking_up():
        return boards.version_list(asked.project, asked.path["model"])


def version(asked: Asked) -> VersionDetails:
    """Return all that is known of a version."""
    with looking_up():
        return api.show(asked.project, asked.path["version"], model=asked.path["model"])


def gates(asked: Asked) -> Gates:
    """Return how a version's gates count."""
    with looking_up():
        return boards.gate_board(
            asked.project,
            asked.path["version"],
            model=asked.path["model"],
            alias=asked.query.alias,
        )


def check(asked: Asked) -> Gates:
    """Ask the gates."""
    model, number = _found(asked)
    body = asked.body
    results = api.check(
        asked.project, number, model=model, only=body.only, alias=body.alias, actor=asked.actor
    )
    return boards.gate_board(
        asked.project, str(number), model=model, alias=body.alias, results=results
    )


def approve(asked: Asked) -> LedgerEntry:
    """Record an approval."""
    model, number = _found(asked)
    body = asked.body
    return api.approve(
        asked.project,
        number,
        model=model,
        role=body.role,
        comment=body.comment,
        actor=asked.actor,
    )


def reject(asked: Asked) -> LedgerEntry:
    """Record a rejection."""
    model, number = _found(asked)
    return api.reject(
        asked.project, number, model=model, comment=asked.body.comment, actor=asked.actor
    )


def promote(asked: Asked) -> Promotion:
    """Give an alias to a version."""
    model, number = _found(asked)
    body = asked.body
    return api.promote(
        asked.project,
        number,
        model=model,
        alias=body.alias,
        expected=body.expected,
        reason=body.reason,
        force=body.force,
        actor=asked.actor,
    )


def rollback(asked: Asked) -> Promotion:
    """Give an alias back."""
    with looking_up():
        model = boards.version_list(asked.project, asked.path["model"]).model
    body = asked.body
    return api.rollback(
        asked.project,
        model,
        alias=body.alias,
        expected=body.expected,
        reason=body.reason,
        actor=asked.actor,
    )


def history(asked: Asked) -> History:
    """Return the ledger's rows."""
    with looking_up():
        return boards.ledger_history(asked.project, asked.path["model"])


def compare(asked: Asked) -> Comparison:
    """Compare two versions."""
    model = asked.path["model"]
    with looking_up():
        for version in (asked.query.left, asked.query.right):
            boards.find_version(asked.project, version, model=model)
    return api.compare(asked.project, asked.query.left, asked.query.right, model=model)


def verify(asked: Asked) -> VerifyReport:
    """Check that ledger, MLflow and artifacts agree."""
    return api.verify(asked.project)


def _found(asked: Asked) -> tuple[str, int]:
    with looking_up():
        return boards.find_version(asked.project, asked.path["version"], model=asked.path["model"])
