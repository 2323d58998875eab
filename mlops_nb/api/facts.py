"""What a run is told and what it tells: parameters as resolved, inputs, expectations, metrics."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from mlops_nb.model import Json, Pipeline, Plan

__all__ = [
    "METRICS_KEY",
    "input_digests",
    "product_metrics",
    "resolved_parameters",
]

METRICS_KEY = "metrics"
"""A JSON product of this key holds a task's metrics."""
_METRICS_LIMIT = 500


def resolved_parameters(pipeline: Pipeline) -> dict[str, Json]:
    """Return every parameter's value in a run: by name, or ``task.name`` where tasks disagree."""
    values: dict[str, dict[str, Json]] = defaultdict(dict)
    for task in pipeline.tasks:
        for parameter in task.declared:
            if parameter.literal:
                values[parameter.name][task.name] = parameter.default
        for name, value in task.params.items():
            values[name][task.name] = value
    flat: dict[str, Json] = {}
    for name, by_task in values.items():
        first = next(iter(by_task.values()))
        if all(value == first for value in by_task.values()):
            flat[name] = first
        else:
            flat.update({f"{task}.{name}": value for task, value in by_task.items()})
    return flat


def input_digests(plan: Plan) -> dict[str, str]:
    """Return the digests of the declared inputs, by path."""
    return {
        name.removeprefix("input:"): digest
        for item in plan.items
        if item.fingerprint is not None
        for name, digest in item.fingerprint.parts.items()
        if name.startswith("input:")
    }


def product_metrics(pipeline: Pipeline, root: Path) -> dict[str, float]:
    """Return the numbers in the tasks' ``metrics`` products, by ``task.metric``.

    Nested objects are joined by dots; what is no finite number is left out, and so is everything
    beyond 500 metrics a task: slices and curves belong in a report.
    """
    found: dict[str, float] = {}
    for task in pipeline.tasks:
        for product in task.products:
            if product.key != METRICS_KEY or not product.path.endswith(".json"):
                continue
            try:
                value = json.loads((root / product.path).read_text(encoding="utf-8"))
            except (OSError, ValueError):
                # A product of that name which is no JSON is the notebook's own business.
                continue
            numbers = dict(_numbers(value, task.name))
            found.update(list(numbers.items())[:_METRICS_LIMIT])
    return found


def _numbers(value: Json, name: str) -> Iterable[tuple[str, float]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _numbers(inner, f"{name}.{key}")
    elif isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        yield name, float(value)
