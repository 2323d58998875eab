"""The schema of our events on Jupyter's event bus."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

__all__ = ["SCHEMA", "register"]

SCHEMA = "https://events.mlops-nb.org/panel/v1"


def register(logger: Any) -> None:
    """Make the schema known, once.

    Not with the first request: who subscribes hears only of schemas that are known by then.
    """
    if SCHEMA not in logger.schemas:
        text = files("mlops_nb.server").joinpath("events.yaml").read_text(encoding="utf-8")
        logger.register_event_schema(text)
