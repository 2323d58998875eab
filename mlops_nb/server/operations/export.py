"""Exports: what there is, what it would write, writing it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nb.api import export
from mlops_nb.errors import PluginError, nearest
from mlops_nb.model.boards import ExportTargets
from mlops_nb.server.operations import looking_up

if TYPE_CHECKING:
    from mlops_nb.model import ExportPreview
    from mlops_nb.server.worker import Asked

__all__ = ["preview", "targets", "write"]


def targets(asked: Asked) -> ExportTargets:
    """Return all targets."""
    return ExportTargets(targets=export.targets())


def preview(asked: Asked) -> ExportPreview:
    """Return a target's files."""
    return export.preview_target(asked.project, _target(asked), group=asked.query.group or None)


def write(asked: Asked) -> ExportPreview:
    """Write what differs."""
    return export.write_target(asked.project, _target(asked), group=asked.body.group or None)


def _target(asked: Asked) -> str:
    target = asked.path["target"]
    known = [one.name for one in export.targets()]
    with looking_up():
        if target not in known:
            raise PluginError(f'no target is called "{target}"', fix=nearest(target, known))
    return target
