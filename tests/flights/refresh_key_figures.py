"""Writes the key figures that nbval compares anew: run it when they have changed for a reason.

    python tests/flights/refresh_key_figures.py

Runs the notebooks in order by hand, on the sample that ``make notebooks`` takes, and keeps the
outputs of the cells marked ``# NBVAL_CHECK_OUTPUT``; all other outputs are taken out.
"""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
MARK = "# NBVAL_CHECK_OUTPUT"
SAMPLE = "0.05"


def refresh(path: Path) -> None:
    """Run one notebook and keep the outputs of its marked cells."""
    notebook = nbformat.read(path, as_version=4)
    done = NotebookClient(
        nbformat.from_dict(notebook), timeout=300, resources={"metadata": {"path": path.parent}}
    ).execute()
    number = 0
    for cell, ran in zip(notebook.cells, done.cells, strict=True):
        if cell.cell_type != "code":
            continue
        number += 1
        marked = MARK in cell.source
        cell.outputs = ran.outputs if marked else []
        # nbval takes a cell without a number for one that was never run.
        cell.execution_count = number if marked else None
    nbformat.write(notebook, path)


if __name__ == "__main__":
    os.environ["MLOPS_NB_SAMPLE"] = SAMPLE
    for notebook_path in sorted(NOTEBOOKS.glob("*.ipynb")):
        refresh(notebook_path)
