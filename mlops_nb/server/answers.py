"""What a request can end in other than success, and the status code that says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nb import errors
from mlops_nb.server.records import ErrorView

if TYPE_CHECKING:
    from mlops_nb.errors import MlopsNbError

__all__ = ["Refusal", "bad_request", "forbidden", "not_found", "refusal_of", "unavailable"]

_STATUS: tuple[tuple[type[MlopsNbError], int], ...] = (
    (errors.ConflictError, 409),
    (errors.BusyError, 409),
    (errors.TrackingError, 503),
)


class Refusal(Exception):  # noqa: N818 - it is an answer, not a fault
    """An answer that is no success."""

    def __init__(self, status: int, error: ErrorView) -> None:
        super().__init__(error.message)
        self.status = status
        self.error = error


def refusal_of(error: MlopsNbError, *, missing: bool = False) -> Refusal:
    """Return the answer that an error of ours becomes; `missing` where what was asked for is not."""
    status = 404 if missing else 422
    for kind, code in _STATUS:
        if isinstance(error, kind):
            status = code
    view = ErrorView(
        kind=type(error).__name__, message=error.message, where=error.where, fix=error.fix
    )
    return Refusal(status, view)


def bad_request(message: str, *, where: str = "", fix: str = "", status: int = 400) -> Refusal:
    """Return the answer to a request that is malformed."""
    return Refusal(status, ErrorView(kind="BadRequest", message=message, where=where, fix=fix))


def not_found(message: str, *, where: str = "", fix: str = "") -> Refusal:
    """Return the answer where there is nothing."""
    return Refusal(404, ErrorView(kind="NotFound", message=message, where=where, fix=fix))


def forbidden(message: str, *, where: str = "", fix: str = "") -> Refusal:
    """Return the answer to what nobody may have."""
    return Refusal(403, ErrorView(kind="Forbidden", message=message, where=where, fix=fix))


def unavailable(message: str, *, fix: str = "") -> Refusal:
    """Return the answer where a worker died or cannot be started."""
    return Refusal(503, ErrorView(kind="Unavailable", message=message, fix=fix))
