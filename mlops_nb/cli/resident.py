"""The command line in a resident server: all that its quick commands import is imported."""

from __future__ import annotations

from importlib import import_module

import msgspec

from mlops_nb.cli.main import main
from mlops_nb.model import Record
from mlops_nb.runs.facts import environment_versions

__all__ = ["main", "prepare"]

_MODULES = (
    "mlops_nb.api.export",
    "mlops_nb.api.parameters",
    "mlops_nb.api.reports",
    "mlops_nb.api.standing",
    "mlops_nb.api.track",
    "mlops_nb.cli.live",
    "mlops_nb.cli.run",
    "mlops_nb.execution.aside",
    "mlops_nb.execution.cache",
    "mlops_nb.execution.executors.local",
    "mlops_nb.execution.runner",
    "mlops_nb.runs.facts",
    "mlops_nb.runs.profile",
    "filelock",
    "psutil",
    "rich.emoji",
)


def prepare() -> None:
    """Import what commands import when they run, before a process is forked for one.

    And what is worked out once a process: how records are read, and which packages there are.
    """
    for name in _MODULES:
        import_module(name)
    kinds: list[type] = [Record]
    for kind in kinds:
        kinds += kind.__subclasses__()
        msgspec.json.Decoder(kind)
    environment_versions()
