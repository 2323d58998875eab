"""Says which parts of the API this installation has."""

from __future__ import annotations

from importlib.util import find_spec

from mlops_nb.server.records import Feature

__all__ = ["features"]


def features() -> tuple[Feature, ...]:
    """Return the parts that an installation may lack and this one has."""
    return (Feature.SCHEDULES,) if find_spec("mlops_nb.api.schedules") is not None else ()
