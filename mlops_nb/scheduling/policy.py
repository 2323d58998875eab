"""The decisions about occurrences, as pure functions of what is known when they are made."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops_nb.model import Schedule

__all__ = ["jitter", "left_out", "retry_delay"]

_LONGEST_BACKOFF = 6 * 3600.0


def left_out(
    policy: Literal["skip", "once", "all"] | int,
    due: Sequence[float],
    *,
    now: float,
    grace: float,
) -> int:
    """Return how many of the oldest waiting occurrences are left out.

    Parameters
    ----------
    policy
        `Schedule.missed`.
    due
        When each occurrence that waits for its first start was due, ascending.
    now
        Seconds since the epoch.
    grace
        Seconds after which one that has not started counts as missed.

    Returns
    -------
    int
        Those on time are never left out; of the late ones ``skip`` keeps none, ``all`` all, and a
        number (``once`` is 1) the newest, the ones on time counted among them.
    """
    late = sum(1 for moment in due if now - moment > grace)
    if policy == "all":
        return 0
    if policy == "skip":
        return late
    kept = 1 if policy == "once" else policy
    return min(late, max(0, len(due) - kept))


def retry_delay(schedule: Schedule, attempt: int) -> float | None:
    """Return the seconds before the next attempt; ``None`` where there is none left.

    Parameters
    ----------
    schedule
        Whose policy it is.
    attempt
        The number of the attempt that did not succeed, from 1.
    """
    if attempt > schedule.retries:
        return None
    return min(schedule.backoff * 2.0 ** (attempt - 1), max(_LONGEST_BACKOFF, schedule.backoff))


def jitter(schedule: Schedule, at: float) -> float:
    """Return by how many seconds an occurrence starts later.

    Drawn from the schedule's name and the occurrence's time, so that every daemon draws the same.
    """
    if schedule.jitter <= 0:
        return 0.0
    digest = hashlib.sha256(f"{schedule.name}\0{at!r}".encode()).digest()
    share = int.from_bytes(digest[:6], "big") / float(1 << 48)
    return math.floor(share * schedule.jitter * 1000) / 1000
