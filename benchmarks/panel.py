"""Measures the panel: what its server part adds to the start of Jupyter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks._results import Figure, main
from benchmarks._server_start import server_start

if TYPE_CHECKING:
    from collections.abc import Iterator


def measure(quick: bool) -> Iterator[Figure]:
    """Yield every figure of the panel."""
    yield from server_start(quick)


if __name__ == "__main__":
    raise SystemExit(main("panel", measure, ["jupyter-server", "jupyterlab", "msgspec"]))
