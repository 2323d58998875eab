"""Which versions a board shows, and in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_nb.model import ModelVersion, VersionStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["FILTERS", "arranged", "gates_text", "metric_names", "name_of"]

FILTERS: dict[str, Callable[[ModelVersion], bool]] = {
    "all versions": lambda _: True,
    "with an alias": lambda version: bool(version.aliases),
    "approved": lambda version: version.status is VersionStatus.APPROVED,
    "gates passed": lambda version: bool(version.gates) and _failed(version) == 0,
    "gates failed": lambda version: _failed(version) > 0,
    "rejected or rolled back": lambda version: (
        version.status in (VersionStatus.REJECTED, VersionStatus.ROLLED_BACK)
    ),
    "forced or outside the ledger": lambda version: version.forced or version.outside,
}
"""What a board can be narrowed to."""


def name_of(version: ModelVersion) -> str:
    """Return how a version is called in a project: ``flights@3``."""
    return f"{version.model}@{version.version}"


def metric_names(versions: Sequence[ModelVersion], most: int = 4) -> tuple[str, ...]:
    """Return the metrics that deserve a column: those of most versions, then the newest's order."""
    counts: dict[str, int] = {}
    for version in versions:
        for name in version.metrics:
            counts[name] = counts.get(name, 0) + 1
    return tuple(sorted(counts, key=lambda name: -counts[name])[:most])


def gates_text(version: ModelVersion) -> str:
    """Return how many gates passed: ``5/6``; nothing where none was asked."""
    total = len(version.gates)
    return f"{total - _failed(version)}/{total}" if total else ""


def arranged(
    versions: Sequence[ModelVersion],
    *,
    search: str = "",
    narrowed: str = "all versions",
    by: str = "version",
    falling: bool = True,
) -> tuple[ModelVersion, ...]:
    """Return the versions to show, in order.

    Parameters
    ----------
    versions
        All there are.
    search
        Words that all have to occur in what is known of a version; case does not matter.
    narrowed
        One of `FILTERS`.
    by
        A column: ``version``, ``aliases``, ``status``, ``gates``, ``age``, ``by``, or
        ``metric:NAME``. Versions without that figure stand last in either direction.
    falling
        The highest first.
    """
    words = search.lower().split()
    keep = FILTERS[narrowed]
    found = [
        version
        for version in versions
        if keep(version) and all(word in _text(version) for word in words)
    ]
    found.sort(key=lambda version: (version.model, version.version), reverse=True)

    def key(version: ModelVersion) -> Any:
        known = _KEYS.get(by)
        return known(version) if known else _metric(version, by.removeprefix("metric:"))

    having = [version for version in found if key(version) is not None]
    lacking = [version for version in found if key(version) is None]
    return (*sorted(having, key=key, reverse=falling), *lacking)


def _failed(version: ModelVersion) -> int:
    return sum(not mark.passed for mark in version.gates.values())


def _metric(version: ModelVersion, name: str) -> float | None:
    metric = version.metrics.get(name)
    return None if metric is None else metric.value


def _share_passed(version: ModelVersion) -> float | None:
    total = len(version.gates)
    return (total - _failed(version)) / total if total else None


_KEYS: dict[str, Callable[[ModelVersion], Any]] = {
    "version": lambda version: (version.model, version.version),
    "aliases": lambda version: ", ".join(version.aliases) or None,
    "status": lambda version: version.status.value,
    "gates": _share_passed,
    "age": lambda version: version.created,
    "by": lambda version: version.actor or None,
}


def _text(version: ModelVersion) -> str:
    parts = [
        f"{version.model} v{version.version}", *version.aliases, version.status.value,
        version.actor, version.estimator, version.run_id, version.git_commit, version.digest,
        version.comment, version.origin,
        *(name for name, mark in version.gates.items() if not mark.passed),
    ]  # fmt: skip
    return " ".join(parts).lower()
