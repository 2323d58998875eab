"""Decides which tasks share a job.

A group is run by one job, so groups must not wait for one another in a circle. Each rule below
walks the tasks in the order in which they can run and lets a task join only a group that all its
upstream tasks are in or before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlops_nb.model import Pipeline

__all__ = ["by_level", "group_tasks", "levels", "limit_ancestors"]

Groups = tuple[tuple[str, ...], ...]


def levels(pipeline: Pipeline) -> dict[str, int]:
    """Return the longest way from a first task to each task, from 0."""
    level: dict[str, int] = {}
    for task in pipeline.tasks:
        level[task.name] = 1 + max((level[up] for up in task.upstream), default=-1)
    return level


def group_tasks(
    pipeline: Pipeline, how: str, durations: Mapping[str, float], seconds: float
) -> Groups:
    """Return the tasks in groups, in an order in which the groups can run.

    Parameters
    ----------
    pipeline
        Its tasks stand in an order in which they can run.
    how
        ``none``: one task each; ``by-level``: one group a level; ``auto``: tiny tasks together.
    durations
        Measured seconds by task; a task without a figure is not taken for a tiny one.
    seconds
        A task shorter than this is tiny; tiny tasks share a group up to this together.
    """
    if how == "by-level":
        return by_level(pipeline)
    if how == "auto":
        return _auto(pipeline, durations, seconds)
    return tuple((task.name,) for task in pipeline.tasks)


def by_level(pipeline: Pipeline, *, most: int | None = None) -> Groups:
    """Return one group a level, or neighbouring levels together so that there are at most `most`."""
    level = levels(pipeline)
    count = 1 + max(level.values(), default=-1)
    step = 1 if most is None or count <= most else -(-count // most)
    groups: list[list[str]] = [[] for _ in range(-(-count // step))]
    for task in pipeline.tasks:
        groups[level[task.name] // step].append(task.name)
    return tuple(tuple(group) for group in groups)


def limit_ancestors(pipeline: Pipeline, groups: Groups, most: int) -> Groups:
    """Return the groups, or coarser ones where a group comes after more than `most` others."""
    if all(len(above) <= most for above in ancestors(pipeline, groups)):
        return groups
    return by_level(pipeline, most=most + 1)


def ancestors(pipeline: Pipeline, groups: Sequence[Sequence[str]]) -> list[set[int]]:
    """Return the numbers of all the groups above each group."""
    home = {name: number for number, group in enumerate(groups) for name in group}
    upstream = {task.name: task.upstream for task in pipeline.tasks}
    above: list[set[int]] = []
    for number, group in enumerate(groups):
        mine: set[int] = set()
        for name in group:
            for up in upstream[name]:
                other = home[up]
                if other != number:
                    mine.add(other)
                    mine |= above[other]
        above.append(mine)
    return above


def _auto(pipeline: Pipeline, durations: Mapping[str, float], seconds: float) -> Groups:
    groups: list[list[str]] = []
    total: list[float] = []
    above: list[set[int]] = []
    home: dict[str, int] = {}
    siblings: dict[frozenset[int], int] = {}
    for task in pipeline.tasks:
        need = {home[up] for up in task.upstream}
        cost = durations.get(task.name)
        place = None
        if cost is not None and cost < seconds:
            # Its only real predecessor first: joining it costs nobody a parallel start ...
            heads = [g for g in need if need - {g} <= above[g]]
            if heads and _fits(total, heads[0], cost, seconds):
                place = heads[0]
            # ... then tiny tasks that wait for the same groups.
            elif (other := siblings.get(frozenset(need))) is not None and _fits(
                total, other, cost, seconds
            ):
                place = other
        if place is None:
            place = len(groups)
            groups.append([])
            total.append(0.0)
            above.append(set().union(*(above[g] | {g} for g in need)) if need else set())
            if cost is not None and cost < seconds:
                siblings[frozenset(need)] = place
        groups[place].append(task.name)
        total[place] += cost if cost is not None else float("inf")
        home[task.name] = place
    return tuple(tuple(group) for group in groups)


def _fits(total: Sequence[float], group: int, cost: float, seconds: float) -> bool:
    return total[group] + cost <= seconds
