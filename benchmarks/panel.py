"""Measures the panel: what its server part adds to the start of Jupyter, and what a person waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks._panel_screen import large_graph, screen
from benchmarks._results import Figure, main
from benchmarks._server_start import server_start

if TYPE_CHECKING:
    from collections.abc import Iterator


def measure(quick: bool) -> Iterator[Figure]:
    """Yield every figure of the panel."""
    yield from server_start(quick)
    yield from screen(quick)
    yield from large_graph(quick)


if __name__ == "__main__":
    raise SystemExit(main("panel", measure, ["jupyter-server", "jupyterlab", "msgspec"]))
