"""What workers do: one thin function for each route, over `mlops_nb.api`."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from mlops_nb.errors import MlopsNbError
from mlops_nb.server.answers import refusal_of

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["looking_up"]


@contextmanager
def looking_up() -> Iterator[None]:
    """Answer 404 to an error in this block: what the path names is not there.

    Raises
    ------
    Refusal
        For every error of ours.
    """
    try:
        yield
    except MlopsNbError as error:
        raise refusal_of(error, missing=True) from error
