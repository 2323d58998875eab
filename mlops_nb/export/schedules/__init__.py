"""Writes schedules for schedulers that are there already: cron, systemd, CI, Kubernetes, Windows.

Each entry calls ``mlops-nb run --schedule``, which claims the occurrence: two schedulers, or a
scheduler and a daemon, never run one twice. A target is a pure function from entries to texts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nb.errors import PluginError, nearest
from mlops_nb.export.schedules.clusters import argo, kubernetes
from mlops_nb.export.schedules.machines import cron, systemd, windows
from mlops_nb.export.schedules.services import github, gitlab

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mlops_nb.export.schedules.place import Place
    from mlops_nb.model import Json, Pipeline, ScheduleEntry

    Target = Callable[
        [Sequence[ScheduleEntry], Place, Pipeline, Mapping[str, Json]], dict[str, str]
    ]

__all__ = ["TARGETS", "render_schedules"]

TARGETS: dict[str, Target] = {
    "cron": cron,
    "systemd": systemd,
    "windows-task": windows,
    "github": github,
    "gitlab": gitlab,
    "kubernetes": kubernetes,
    "argo": argo,
}
"""By name, in the order of a listing."""


def render_schedules(
    target: str,
    entries: Sequence[ScheduleEntry],
    place: Place,
    pipeline: Pipeline,
    settings: Mapping[str, Json],
) -> dict[str, str]:
    """Return the files of a target.

    Parameters
    ----------
    target
        One of `TARGETS`.
    entries
        The schedules.
    place
        The machine's paths, for targets that run on this machine.
    pipeline, settings
        The pipeline and ``[tool.mlops-nb.export]``, for targets that bring the project along.

    Returns
    -------
    dict
        Texts by POSIX path relative to the project root.

    Raises
    ------
    PluginError
        No target is called so.
    """
    if target not in TARGETS:
        raise PluginError(
            f'schedules cannot be exported to "{target}"', fix=nearest(target, TARGETS)
        )
    return TARGETS[target](entries, place, pipeline, settings)
