"""Says what to do next, from what a window showed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nb.model import DriftState
from mlops_nb.monitoring.verdict import breaks_schema

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops_nb.model import Alert, Skill, WindowResult

__all__ = ["advise"]


def advise(
    result: WindowResult, alerts: Sequence[Alert] = (), skills: Sequence[Skill] = ()
) -> tuple[str, ...]:
    """Return what a person should do, the most urgent first; "nothing" is an answer too.

    It names no command and no button: each face has its own.
    """
    found: list[str] = []
    pinned = result.pinned
    trailing = next((r for r in result.reports if r.baseline == "trailing"), None)
    if pinned is not None:
        faults = [c for c in pinned.drifted if breaks_schema(c)]
        if faults:
            found.append(
                f"Mend the data first: {_names([c.column for c in faults])} came missing or as "
                "another type. Scores made from it are not to be trusted."
            )
        units = [
            c.column
            for c in pinned.drifted
            if "times what they were: " in c.text or "offset?" in c.text
        ]
        if units:
            found.append(
                f"Ask the data's owner about {_names(units)}: all values moved alike, which is "
                "what a change of unit, time zone or encoding looks like."
            )
        cases = [c.column for c in pinned.drifted if "other letter case" in c.text]
        if cases:
            found.append(
                f"Check how {_names(cases)} is written: the new categories are the old ones in "
                "other letter case or spacing."
            )
        if pinned.volume is not None and pinned.volume.drifted:
            found.append(f"Check that the window is complete: {pinned.volume.text}.")
    decayed = [g for g in result.gaps if g.drifted and g.aspect == "performance"]
    concept = [g for g in result.gaps if g.drifted and g.aspect == "concept"]
    if decayed:
        found.append(
            f"Retrain: {_names([g.metric for g in decayed])} "
            f"{'is' if len(decayed) == 1 else 'are'} worse than when the model was "
            "accepted, beyond its interval."
        )
    if concept:
        found.append(
            "The outcome no longer follows the inputs as it did (concept drift): train on recent "
            "labels; reweighting old ones will not help."
        )
    if pinned is not None:
        drifted = [c.column for c in pinned.drifted if c.state is DriftState.DRIFT]
        if drifted and trailing is not None:
            sudden = {c.column for c in trailing.drifted}
            settled = [name for name in drifted if name not in sudden]
            fresh = [name for name in drifted if name in sudden]
            if settled:
                found.append(
                    f"{_names(settled)} moved away from the training data but not from the last "
                    "weeks: lasting or seasonal. A retrained model would know it."
                )
            if fresh:
                found.append(
                    f"{_names(fresh)} changed against the latest windows too: look for a sudden "
                    "cause before retraining on it."
                )
        elif drifted and not decayed:
            found.append(
                f"{_names(drifted)} drifted; watch the realised performance before retraining."
            )
    weak = [skill for skill in skills if skill.weak]
    if weak:
        found.append(
            f"Do not lean on the label-free estimate of {_names([s.metric for s in weak])}: it has "
            "been little better than a constant guess here."
        )
    waiting = dict.fromkeys(alert.subject for alert in alerts if alert.state.value == "open")
    if waiting:
        found.append(f"Acknowledge or snooze what you look after: {_names(list(waiting))}.")
    return tuple(found) or ("Nothing to do.",)


def _names(names: Sequence[str]) -> str:
    if len(names) <= 4:
        return ", ".join(names)
    return f"{', '.join(names[:4])} and {len(names) - 4} more"
