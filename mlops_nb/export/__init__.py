"""Writes a pipeline for CI systems, orchestrators and containers.

A target is one file behind the `Exporter` protocol: a pure function from the pipeline and
``[tool.mlops-nb.export]`` to texts by path. `render` finds it by name, `compare` and `write` hold
the texts against the disk and put them in place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nb.export.facts import missing_facts, project_facts
from mlops_nb.export.inputs import given_parameters
from mlops_nb.export.settings import is_plain_cron
from mlops_nb.export.write import compare, write
from mlops_nb.model import ExportTarget
from mlops_nb.plugins import find, names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_nb.model import Json, Pipeline
    from mlops_nb.protocols import Exporter

__all__ = [
    "compare",
    "describe",
    "given_parameters",
    "is_plain_cron",
    "missing_facts",
    "project_facts",
    "render",
    "targets",
    "write",
]


def targets() -> tuple[str, ...]:
    """Return the names of all targets, those of installed packages among them."""
    return names("exporter")


def describe(target: str) -> ExportTarget:
    """Return what a target is, for people.

    An exporter says so in the attributes ``title`` and ``description``; without them its name and
    the first line of its docstring stand in.

    Raises
    ------
    PluginError
        No target is called so.
    """
    exporter = find("exporter", target)
    first = (exporter.__doc__ or "").strip().partition("\n")[0]
    return ExportTarget(
        name=target,
        title=str(getattr(exporter, "title", target)),
        description=str(getattr(exporter, "description", first)),
    )


def render(target: str, pipeline: Pipeline, settings: Mapping[str, Json]) -> dict[str, str]:
    """Return a target's files for a pipeline.

    Parameters
    ----------
    target
        One of `targets`.
    pipeline
        As loaded.
    settings
        ``[tool.mlops-nb.export]``; with ``group = "auto"`` also ``durations``, seconds by task.

    Returns
    -------
    dict
        Texts by POSIX path relative to the project root.

    Raises
    ------
    PluginError
        No target is called so.
    ConfigError
        A setting is wrong.
    PipelineError
        The pipeline cannot be written for the target.
    """
    exporter: Exporter = find("exporter", target)()
    return dict(exporter.render(pipeline, settings))
