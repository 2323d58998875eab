"""Where the tasks of a graph are drawn."""

from __future__ import annotations

from mlops_nb.widgets.layout import place


def test_what_is_needed_stands_to_the_left():
    needs = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c"), "e": ("a", "d")}
    placed = place(needs)
    at = {node.name: node for node in placed.nodes}
    assert all(at[up].x < at[name].x for name, ups in needs.items() for up in ups)
    assert at["b"].x == at["c"].x
    assert at["b"].y != at["c"].y
    assert len(placed.edges) == 6
    assert len({(node.x, node.y) for node in placed.nodes}) == 5


def test_lines_do_not_cross_where_they_need_not():
    placed = place({"a": (), "b": (), "c": (), "z": ("a",), "y": ("b",), "x": ("c",)})
    row = {node.name: node.y for node in placed.nodes}
    assert (row["a"] < row["b"]) == (row["z"] < row["y"])
    assert (row["b"] < row["c"]) == (row["y"] < row["x"])


def test_empty_unknown_and_circular_graphs_are_drawn_too():
    assert place({}).nodes == ()
    assert place({"a": ("gone",)}).edges == ()
    assert len(place({"a": ("b",), "b": ("a",)}).nodes) == 2


def test_five_hundred_tasks():
    needs: dict[str, tuple[str, ...]] = {f"t{i}": (f"t{i - 7}", f"t{i - 11}") for i in range(500)}
    assert len(place(needs).nodes) == 500
