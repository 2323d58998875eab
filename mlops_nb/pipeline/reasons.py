"""Says why a task runs, by comparing its fingerprint with that of its last run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nb.model import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_nb.model import Task

__all__ = ["changes"]

_ORDER = ("param", "source", "module", "input", "spec", "env", "upstream")
_NAMES = {"python": "Python"}


def changes(
    task: Task, before: Mapping[str, str], now: Mapping[str, str], *, with_upstream: bool
) -> tuple[Reason, ...]:
    """Return what differs between two sets of fingerprint parts, for people.

    Parameters
    ----------
    task
        The task, for the names of things.
    before, now
        Parts of the last run and of this look.
    with_upstream
        Whether the upstream parts are known now.
    """
    found: list[Reason] = []
    for key in sorted(before.keys() | now.keys()):
        old, new = before.get(key), now.get(key)
        kind, _, subject = key.partition(":")
        if old == new or (kind == "upstream" and not with_upstream):
            continue
        found.append(Reason(kind=kind, text=_text(task, kind, subject, old, new), subject=subject))
    return tuple(sorted(found, key=lambda reason: _ORDER.index(reason.kind)))


def _text(task: Task, kind: str, subject: str, old: str | None, new: str | None) -> str:
    match kind:
        case "source":
            return f"{task.source or task.name} changed"
        case "param":
            return _value_text(f"parameter {subject}", old, new)
        case "module":
            path, _, name = subject.partition(":")
            shown = f"{name} in {path}" if name else path
            if old is None:
                return f"now imports {shown}"
            return f"{shown} changed" if new is not None else f"no longer imports {shown}"
        case "input":
            if not new:
                return f"input {subject} is {'gone' if new is None else 'missing'}"
            return f"input {subject} {'changed' if old else 'is new'}"
        case "env":
            name = _NAMES.get(subject, subject)
            if old is None:
                return f"now uses {name} {new}"
            return f"{name} {old} → {new}" if new is not None else f"no longer uses {name}"
        case "upstream":
            if old is None:
                return f"now depends on {subject}"
            if new is None:
                return f"no longer depends on {subject}"
            return f"upstream {subject} made something new"
        case _:
            return _value_text(subject, old, new)


def _value_text(name: str, old: str | None, new: str | None) -> str:
    if new is None:
        return f"{name} is no longer set"
    if new.startswith("sha256:") or (old or "").startswith("sha256:"):
        return f"{name} changed"
    return f"{name} is now {new}" if old is None else f"{name} {old} → {new}"
