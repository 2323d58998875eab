from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mlops_nb.config import Project, TaskSettings, find_project
from mlops_nb.model import Action, Pipeline, Plan
from mlops_nb.pipeline.fingerprint import fingerprint_now, product_digests
from mlops_nb.pipeline.load import load_pipeline
from mlops_nb.pipeline.params import find_task
from mlops_nb.pipeline.plan import make_plan
from mlops_nb.pipeline.state import StateStore


@pytest.fixture(scope="session", autouse=True)
def ploomber_in_this_process() -> None:
    """Import Ploomber once: loading then does without a process for each project."""
    from mlops_nb.config import telemetry_off
    from mlops_nb.pipeline.ploomber import quiet

    telemetry_off()
    with quiet():
        import ploomber.spec  # noqa: F401


def notebook_json(*cells: Any, kernel: str = "python3", **metadata: Any) -> str:
    """An .ipynb; a cell is its code, or a pair of kind and text. The first holds the parameters."""
    made = []
    for index, cell in enumerate(cells):
        kind, source = ("code", cell) if isinstance(cell, str) else cell
        entry: dict[str, Any] = {
            "cell_type": kind,
            "id": f"c{index}",
            "metadata": {"tags": ["parameters"]} if index == 0 and kind == "code" else {},
            "source": source.splitlines(keepends=True),
        }
        if kind == "code":
            entry.update(outputs=[], execution_count=None)
        made.append(entry)
    spec = {"name": kernel, "display_name": "Python 3", "language": "python"}
    return json.dumps(
        {
            "cells": made,
            "metadata": {"kernelspec": spec, **metadata},
            "nbformat": 4,
            "nbformat_minor": 5,
        },
        indent=1,
    )


class Lab:
    """A project in a folder, with runs that are played: a task's products are written by hand."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.settings: dict[str, TaskSettings] = {}
        self.loads = 0

    def write(self, path: str, text: str) -> Path:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        return place

    def notebook(self, path: str, *cells: Any, **more: Any) -> Path:
        return self.write(path, notebook_json(*cells, **more))

    def spec(self, text: str) -> Path:
        return self.write("pipeline.yaml", text)

    @property
    def project(self) -> Project:
        project = find_project(self.root, env={})
        return msgspec.structs.replace(
            project, settings=msgspec.structs.replace(project.settings, tasks=self.settings)
        )

    def load(self) -> Pipeline:
        return load_pipeline(self.project)

    def plan(self, pipeline: Pipeline | None = None, **more: Any) -> Plan:
        return make_plan(self.project, pipeline or self.load(), **more)

    def runs(self, **more: Any) -> set[str]:
        return set(self.plan(**more).of(Action.RUN))

    def why(self, task: str, **more: Any) -> str:
        return self.plan(**more)[task].why

    def finish(self, task: str, content: str = "", pipeline: Pipeline | None = None) -> None:
        """Play a good end of a task: its products get a content, its state is noted."""
        pipeline = pipeline or self.load()
        found = find_task(pipeline, task)
        for product in found.products:
            if product.is_file:
                self.write(product.path, content or f"made by {task}")
        StateStore(self.project).put(
            task,
            fingerprint_now(self.project, pipeline, found),
            product_digests(self.project, found),
            "run-1",
        )

    def play(self, pipeline: Pipeline | None = None, **more: Any) -> tuple[str, ...]:
        """Play a whole run as planned."""
        pipeline = pipeline or self.load()
        names = self.plan(pipeline, **more).of(Action.RUN)
        for name in names:
            self.finish(name, pipeline=pipeline)
        return names


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    root = tmp_path / "project"
    root.mkdir()
    monkeypatch.chdir(root)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield Lab(root)
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(root)):
            del sys.modules[name]


CHAIN = """
tasks:
  - source: notebooks/load.ipynb
    product: {nb: out/load.ipynb, data: out/load.csv}
  - source: notebooks/train.ipynb
    product: {nb: out/train.ipynb, model: out/model.txt}
    params: {max_depth: 6}
  - source: notebooks/report.ipynb
    product: out/report.html
  - source: notebooks/other.ipynb
    product: out/other.ipynb
"""


@pytest.fixture
def chain(lab: Lab) -> Lab:
    """load → train → report, and other beside them; load imports helpers, which imports deep."""
    lab.spec(CHAIN)
    lab.notebook(
        "notebooks/load.ipynb",
        "upstream = None\nproduct = None\nrows = 10",
        ("markdown", "# Loading"),
        "import helpers\nimport pandas as pd",
        "helpers.go(product, rows)",
    )
    lab.notebook(
        "notebooks/train.ipynb",
        'upstream = ["load"]\nproduct = None\nmax_depth = 3  # of the trees',
        "print(max_depth, upstream, product)",
    )
    lab.notebook("notebooks/report.ipynb", 'upstream = ["train"]\nproduct = None', "print(1)")
    lab.notebook("notebooks/other.ipynb", "upstream = None\nproduct = None", "print(2)")
    lab.write(
        "notebooks/helpers.py", "from deep.inner import x\n\ndef go(product, rows):\n    pass\n"
    )
    lab.write("deep/__init__.py", "")
    lab.write("deep/inner.py", "from . import near\nx = near.y\n")
    lab.write("deep/near.py", "y = 1\n")
    lab.write("data/in.csv", "a\n1\n")
    lab.write("data/more.csv", "a\n2\n")
    return lab
