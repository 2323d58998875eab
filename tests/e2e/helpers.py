"""Small real projects, and the command line run on them as a user would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat

SETTINGS = '[tool.mlops-nb]\ntracking = "none"\n'
CLI = [sys.executable, "-m", "mlops_nb"]


def notebook(path: Path, *cells: str, upstream: list[str] | None = None, params: str = "") -> Path:
    """Write a notebook with a parameters cell and the given code cells."""
    head = f"upstream = {upstream!r}\nproduct = None\n{params}"
    book = nbformat.v4.new_notebook()
    book.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    book.cells = [
        nbformat.v4.new_code_cell(head.strip(), metadata={"tags": ["parameters"]}),
        *(nbformat.v4.new_code_cell(cell) for cell in cells),
    ]
    for number, cell in enumerate(book.cells):
        cell["id"] = f"cell-{number}"
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(book, path)
    return path


def write_text(target: str) -> str:
    """Return a cell that writes its upstream's text and its own name to the product."""
    return f"from pathlib import Path\nPath(product['data']).write_text({target})"


def project(folder: Path, tasks: dict[str, list[str]], settings: str = "") -> Path:
    """Write a specification of notebook tasks, each with the given upstream."""
    lines = ["tasks:"]
    for name in tasks:
        lines += [
            f"  - source: {name}.ipynb",
            f"    name: {name}",
            "    product:",
            f"      nb: products/{name}.ipynb",
            f"      data: products/{name}.txt",
        ]
    (folder / "pipeline.yaml").write_text("\n".join(lines) + "\n")
    (folder / "pyproject.toml").write_text(SETTINGS + settings)
    return folder


def chain(folder: Path, settings: str = "") -> Path:
    """Write the pipeline a → b → c, where b has a parameter and imports a module."""
    project(folder, {"a": [], "b": ["a"], "c": ["b"]}, settings)
    (folder / "words.py").write_text("WORD = 'plain'\n")
    notebook(folder / "a.ipynb", write_text("'a'"))
    notebook(
        folder / "b.ipynb",
        "import words",
        write_text("f\"{Path(upstream['a']['data']).read_text()} b{depth} {words.WORD}\""),
        upstream=["a"],
        params="depth = 1  # how deep",
    )
    notebook(
        folder / "c.ipynb",
        write_text("Path(upstream['b']['data']).read_text() + ' c'"),
        upstream=["b"],
    )
    return folder


def cli(
    folder: Path, *arguments: str, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command line in a folder and return what it said."""
    return subprocess.run(
        [*CLI, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, **(env or {})},
    )


def cli_json(folder: Path, *arguments: str) -> Any:
    """Run the command line with ``--json`` and return what it printed, whatever the exit code."""
    done = cli(folder, *arguments, "--json")
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def actions(folder: Path, *arguments: str) -> dict[str, str]:
    """Return what a plan would do, by task."""
    return {item["task"]: item["action"] for item in cli_json(folder, "plan", *arguments)["items"]}


def statuses(folder: Path, run: str = "latest") -> dict[str, str]:
    """Return how the tasks of a run stand, by task."""
    return {task["task"]: task["status"] for task in cli_json(folder, "runs", "show", run)["tasks"]}
