"""Small real projects, and a run of them as the API composes it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from mlops_nb.config import Project, find_project
from mlops_nb.execution.recovery import recover
from mlops_nb.execution.runner import run_plan, status_of
from mlops_nb.model import Run
from mlops_nb.pipeline.load import load_pipeline
from mlops_nb.pipeline.overrides import with_parameters
from mlops_nb.pipeline.plan import make_plan
from mlops_nb.runs.facts import gather_facts
from mlops_nb.runs.store import RunStore


def notebook(path: Path, *cells: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tagged = [
        {
            "cell_type": "code",
            "id": f"c{number}",
            "metadata": {"tags": ["parameters"]} if number == 0 else {},
            "source": source,
            "outputs": [],
            "execution_count": None,
        }
        for number, source in enumerate(cells)
    ]
    spec = {"name": "python3", "language": "python", "display_name": "Python 3"}
    path.write_text(
        json.dumps(
            {
                "nbformat": 4,
                "nbformat_minor": 5,
                "metadata": {"kernelspec": spec},
                "cells": tagged,
            }
        )
    )


FUNCTIONS = """
import os, signal, sys, time
from pathlib import Path


def make(product, upstream=None):
    Path(product).write_text("1\\n")


def double(product, upstream):
    above = upstream.first
    Path(product).write_text(Path(above).read_text() * 2)


def raising(product):
    Path(product).write_text("half")
    raise ValueError("no such flights")


def leaves(product, code):
    print("about to leave")
    os._exit(code)


def exits(product):
    sys.exit(0)


def dies(product):
    os.kill(os.getpid(), signal.SIGKILL)


def sleeps(product):
    time.sleep(60)


def nothing(product):
    pass
"""


def project(root: Path, *tasks: str, settings: str = "", functions: str = FUNCTIONS) -> Project:
    """Write ``pipeline.yaml`` from YAML snippets of tasks, and a module of functions."""
    root.mkdir(parents=True, exist_ok=True)
    lines = ["tasks:"]
    for task in tasks:
        first, *rest = task.strip().splitlines()
        lines += [f"  - {first}", *(f"    {line}" for line in rest)]
    (root / "pipeline.yaml").write_text("\n".join(lines) + "\n")
    (root / "tasks.py").write_text(functions)
    if settings:
        (root / "pyproject.toml").write_text(settings)
    return find_project(root, env={})


def chain(root: Path, *, settings: str = "", body: str = "") -> Project:
    """A small pipeline of two notebooks and a function: load → fit, load → count."""
    notebook(
        root / "nb" / "load.ipynb",
        "upstream = None\nproduct = None\nrows = 3",
        "from pathlib import Path",
        "Path(product['data']).write_text('a\\n' * rows)\nprint(product['data'])",
    )
    notebook(
        root / "nb" / "fit.ipynb",
        "upstream = ['load']\nproduct = None",
        body or "n = len(open(upstream['load']['data']).read())",
        "folder = __import__('pathlib').Path(product['model'])\nfolder.mkdir()\n"
        "(folder / 'weights').write_text(str(n))\n(folder / 'meta').write_text('m' * n)",
    )
    return project(
        root,
        "source: nb/load.ipynb\nproduct:\n  nb: out/load.ipynb\n  data: out/data.csv",
        "source: nb/fit.ipynb\nproduct:\n  nb: out/fit.ipynb\n  model: out/model",
        "source: tasks.count\nproduct: out/count.txt",
        settings=settings,
        functions=FUNCTIONS
        + "\n\ndef count(product, upstream):\n"
        + "    Path(product).write_text(str(len(open(upstream['load']['data']).read())))\n",
    )


def go(
    where: Project,
    *,
    params: dict[str, Any] | None = None,
    targets: tuple[str, ...] = (),
    force: bool = False,
    plan: Any = None,
    **options: Any,
) -> Run:
    """Run a project as the API does."""
    recover(where)
    pipeline = with_parameters(load_pipeline(where), params or {})
    cache = options.get("cache")
    plan = plan or make_plan(
        where,
        pipeline,
        targets=targets,
        force=force,
        cached=None if cache is None else cache.has,
        products_of=None if cache is None else cache.products_of,
    )
    facts = gather_facts(
        root=where.root, pipeline=pipeline.name, parameters=params, targets=targets
    )
    writer = RunStore(where.state).create(facts)
    tasks = run_plan(
        where, pipeline, plan, sink=writer, run_dir=writer.folder, run_id=writer.id, **options
    )
    return writer.finish(status_of(tasks))


def statuses(run: Run) -> dict[str, str]:
    return {task.task: task.status.value for task in run.tasks}


def product_digests(where: Project, folder: str = "out") -> dict[str, str]:
    """Digests of every product but executed notebooks, which hold times."""
    base = where.root / folder
    return {
        path.relative_to(base).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(base.rglob("*"))
        if path.is_file() and path.suffix not in (".ipynb", ".metadata")
    }
