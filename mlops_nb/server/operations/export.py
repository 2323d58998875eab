"""Exports: what there is, what it would write, writing it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nb.api import boards
from mlops_nb.api.export import write_target
from mlops_nb.errors import PluginError, nearest
from mlops_nb.model.boards import Written
from mlops_nb.server.operations import looking_up

if TYPE_CHECKING:
    from mlops_nb.model.boards import ExportPreview, ExportTargets
    from mlops_nb.server.worker import Asked

__all__ = ["preview", "targets", "write"]


def targets(asked: Asked) -> ExportTargets:
    """Return all targets."""
    return boards.export_targets()


def preview(asked: Asked) -> ExportPreview:
    """Return a target's files."""
    return boards.export_preview(asked.project, _target(asked), group=asked.query.group or None)


def write(asked: Asked) -> Written:
    """Write what differs."""
    target = _target(asked)
    paths = write_target(asked.project, target, group=asked.body.group or None)
    return Written(target=target, paths=paths)


def _target(asked: Asked) -> str:
    target = asked.path["target"]
    known = [one.name for one in boards.export_targets().targets]
    with looking_up():
        if target not in known:
            raise PluginError(f'no target is called "{target}"', fix=nearest(target, known))
    return target
