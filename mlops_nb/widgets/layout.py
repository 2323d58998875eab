"""Places the tasks of a pipeline: columns by what must come before, rows by nearness to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_nb.model import Record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Node", "Placed", "place"]

WIDTH, HEIGHT = 156, 44
"""Of a task's box, in pixels."""
GAP_X, GAP_Y, MARGIN = 44, 14, 8


class Node(Record, frozen=True, kw_only=True):
    """A task's box; its upper left corner."""

    name: str
    x: float
    y: float


class Placed(Record, frozen=True, kw_only=True):
    """A drawing of a graph."""

    nodes: tuple[Node, ...]
    edges: tuple[tuple[str, str], ...]
    """Path of each edge, as SVG's ``d``, and the name of the task that it leads to."""
    width: float
    height: float


def place(upstream: Mapping[str, Sequence[str]]) -> Placed:
    """Return where each task and each edge is drawn.

    A task stands in the column after the last of what it needs; within a column tasks are ordered
    by the mean row of their neighbours (the barycentre heuristic of Sugiyama, Tagawa and Toda,
    IEEE Transactions on Systems, Man, and Cybernetics 11, 1981).

    Parameters
    ----------
    upstream
        What each task needs; names that are no tasks here are left out.
    """
    needs = {name: [up for up in ups if up in upstream] for name, ups in upstream.items()}
    depth = _depths(needs)
    columns: dict[int, list[str]] = {}
    for name in needs:
        columns.setdefault(depth[name], []).append(name)
    feeds: dict[str, list[str]] = {name: [] for name in needs}
    for name, ups in needs.items():
        for up in ups:
            feeds[up].append(name)
    order = sorted(columns)
    for _ in range(4):
        for at in order[1:]:
            _by_neighbours(columns, at, needs)
        for at in order[-2::-1]:
            _by_neighbours(columns, at, feeds)
    tallest = max((len(column) for column in columns.values()), default=0)
    nodes: dict[str, Node] = {}
    for at in order:
        column = columns[at]
        first = (tallest - len(column)) / 2
        for row, name in enumerate(column):
            nodes[name] = Node(
                name=name,
                x=MARGIN + at * (WIDTH + GAP_X),
                y=MARGIN + (first + row) * (HEIGHT + GAP_Y),
            )
    edges = tuple((_path(nodes[up], nodes[name]), name) for name in needs for up in needs[name])
    return Placed(
        nodes=tuple(nodes[name] for name in needs),
        edges=edges,
        width=2 * MARGIN + len(order) * WIDTH + max(0, len(order) - 1) * GAP_X,
        height=2 * MARGIN + tallest * HEIGHT + max(0, tallest - 1) * GAP_Y,
    )


def _depths(needs: Mapping[str, Sequence[str]]) -> dict[str, int]:
    depth: dict[str, int] = {}
    waiting = dict(needs)
    while waiting:
        ready = [name for name, ups in waiting.items() if all(up in depth for up in ups)]
        # A pipeline has no cycles; one that was handed in all the same still gets drawn.
        for name in ready or list(waiting)[:1]:
            known = [depth[up] + 1 for up in waiting.pop(name) if up in depth]
            depth[name] = max(known, default=0)
    return depth


def _by_neighbours(
    columns: dict[int, list[str]], at: int, neighbours: Mapping[str, Sequence[str]]
) -> None:
    # Relative rows, so that a short column compares with a tall one.
    row = {
        name: (number + 0.5) / len(column)
        for column in columns.values()
        for number, name in enumerate(column)
    }

    def centre(name: str) -> float:
        near = neighbours[name]
        return sum(row[other] for other in near) / len(near) if near else row[name]

    columns[at].sort(key=centre)


def _path(start: Node, end: Node) -> str:
    x1, y1 = start.x + WIDTH, start.y + HEIGHT / 2
    x2, y2 = end.x, end.y + HEIGHT / 2
    bend = max(20.0, (x2 - x1) / 2)
    return f"M{x1:g} {y1:g}C{x1 + bend:g} {y1:g} {x2 - bend:g} {y2:g} {x2:g} {y2:g}"
