"""Says which parts of the API this installation has."""

from __future__ import annotations

from importlib.util import find_spec

from mlops_nb.server.records import Feature

__all__ = ["features", "is_lacking"]


def is_lacking(area: str) -> bool:
    """Whether the routes of an area cannot be answered here."""
    return area in {feature.value for feature in Feature} - {one.value for one in features()}


def features() -> tuple[Feature, ...]:
    """Return the parts that an installation may lack and this one has."""
    return (Feature.SCHEDULES,) if find_spec("mlops_nb.api.schedules") is not None else ()
