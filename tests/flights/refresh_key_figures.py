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
    for cell, ran in zip(notebook.cells, done.cells, strict=True):
        if cell.cell_type == "code":
            cell.execution_count = None
            cell.outputs = ran.outputs if MARK in cell.source else []
            for output in cell.outputs:
                if "execution_count" in output:
                    output.execution_count = None
                output.pop("metadata", None)
                output.metadata = {}
    nbformat.write(notebook, path)


if __name__ == "__main__":
    os.environ["MLOPS_NB_SAMPLE"] = SAMPLE
    for notebook_path in sorted(NOTEBOOKS.glob("*.ipynb")):
        refresh(notebook_path)
