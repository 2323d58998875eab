"""Where the windows' profiles lie, and the trailing baseline made from the latest of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nb.errors import MonitoringError
from mlops_nb.files import file_name
from mlops_nb.model import DriftState

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mlops_nb.model import PerformancePoint
    from mlops_nb.monitoring.reference import Reference
    from mlops_nb.monitoring.settings import MonitoringSettings
    from mlops_nb.monitoring.store import StoredWindow

__all__ = ["check_names", "profile_path", "trailing_reference"]


def profile_path(state: Path, model: str, window: str) -> Path:
    """Return where a window's profile is kept."""
    return state / "profiles" / file_name(model) / f"{file_name(window)}.bin"


def trailing_reference(
    state: Path, rows: Sequence[StoredWindow], settings: MonitoringSettings
) -> Reference | None:
    """Return the reference of the latest of these windows; ``None`` for fewer than two.

    Windows with a schema fault are left out: they would teach that broken is natural.
    """
    from mlops_nb.monitoring.profile import Profile
    from mlops_nb.monitoring.reference import Reference

    sound = [
        row
        for row in rows
        if (row.result.pinned is None or row.result.pinned.state is not DriftState.SCHEMA)
        and (state / row.profile).is_file()
    ][-settings.trailing :]
    if len(sound) < 2:
        return None
    return Reference(
        [Profile.read(state / row.profile) for row in sound],
        [row.result.window for row in sound],
        settings=settings.drift,
    )


def check_names(model: str, window: str, points: Sequence[PerformancePoint]) -> None:
    """Refuse names that lead nowhere, and points of another window.

    Raises
    ------
    MonitoringError
        See above.
    """
    if not model or "/" in model or not window:
        raise MonitoringError(
            f'model "{model}" and window "{window}" need names, the model one without a slash',
            where="monitoring",
            fix='name the window by its time, as in "--window 2013-07"',
        )
    for point in points:
        if point.window != window:
            raise MonitoringError(
                f'a point of window "{point.window}" was given for "{window}"', where=model
            )
