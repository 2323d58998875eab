"""Projects for tests of the panel, and what they ask of a page."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.browser.lab_kit import LabPage

ROOT = Path(__file__).parents[2]
_AXE = ROOT / "extension" / "node_modules" / "axe-core" / "axe.min.js"
_NODE = ".mn-Node[data-task='{}']"


def need_panel() -> None:
    """Fail in CI, and skip elsewhere, where the panel is not built into this environment."""
    built = Path(sys.prefix) / "share/jupyter/labextensions/mlops-nb/package.json"
    for path, mend in ((built, "make panel"), (_AXE, "npm ci in extension/")):
        if not path.exists():
            lacking = f"{path.name} is missing: {mend}"
            pytest.fail(lacking) if os.environ.get("CI") else pytest.skip(lacking)


def notebook(path: Path, parameters: str, *cells: str) -> None:
    """Write a notebook with a parameters cell."""
    sources = [parameters, *cells]
    made = [
        {
            "cell_type": "code", "id": f"cell-{number}", "source": source, "outputs": [],
            "execution_count": None, "metadata": {} if number else {"tags": ["parameters"]},
        }
        for number, source in enumerate(sources)
    ]  # fmt: skip
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    whole = {"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(whole))


def small_project(folder: Path) -> Path:
    """Three notebooks in a row; ``wait`` says how long the second takes, or until a file ``go``."""
    tasks = []
    for name, above in (("load", ""), ("fit", "load"), ("report", "fit")):
        parameters = f"upstream = {[above] if above else None}\nproduct = None\n"
        if name == "load":
            parameters += "rows = 10  # how many to make\n"
        if name == "fit":
            parameters += "wait = 0.0  # seconds\n"
        body = {
            "load": "data = list(range(rows))",
            "fit": "import os, time\nuntil = time.time() + wait\n"
            "while time.time() < until and not os.path.exists('go'):\n    time.sleep(0.05)",
            "report": "print('done')",
        }[name]
        write = "from pathlib import Path\nPath(product['data']).write_text('x')"
        notebook(folder / f"{name}.ipynb", parameters, body, write)
        tasks.append(
            f"  - source: {name}.ipynb\n    name: {name}\n    product:\n"
            f"      nb: out/{name}.ipynb\n      data: out/{name}.txt\n"
        )
    (folder / "pipeline.yaml").write_text(
        "meta:\n  extract_upstream: true\ntasks:\n" + "".join(tasks)
    )
    (folder / "pyproject.toml").write_text('[tool.mlops-nb]\nname = "small"\n')
    return folder


def many_tasks(folder: Path, count: int) -> Path:
    """A pipeline of functions, ten a layer, each with two above it."""
    lines = ["meta:\n  extract_upstream: false\ntasks:\n"]
    code = ["from pathlib import Path\n"]
    for number in range(count):
        above = [f"t{one:03}" for one in (number - 10, number - 7) if number >= 10 and one >= 0]
        code.append(
            f"\ndef t{number:03}(product{', upstream' if above else ''}):\n"
            f"    Path(product).write_text('{number}')\n"
        )
        lines.append(
            f"  - source: work.t{number:03}\n    name: t{number:03}\n    product: out/{number}.txt\n"
        )
        if above:
            lines.append(f"    upstream: [{', '.join(above)}]\n")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "work.py").write_text("".join(code))
    (folder / "pipeline.yaml").write_text("".join(lines))
    (folder / "pyproject.toml").write_text('[tool.mlops-nb]\nname = "many"\n')
    return folder


def flights_project(folder: Path) -> Path:
    """The reference project, without what earlier runs made."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    for name in ("pipeline.yaml", "pyproject.toml"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def show_pipeline(page: LabPage) -> None:
    """Open the pipeline and wait for its graph."""
    page.command("mlops-nb:open-pipeline")
    page.find(".mn-Node").first.wait_for()


def wait_for_state(page: LabPage, task: str, *states: str) -> None:
    """Wait until the graph shows a task in one of the states."""
    wanted = ", ".join(f"{_NODE.format(task)}[data-state='{state}']" for state in states)
    page.find(wanted).first.wait_for()


def states(page: LabPage) -> dict[str, str]:
    """The state of each task that is drawn."""
    found: dict[str, str] = page.page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll('.mn-Node[data-task]')]
          .map(node => [node.dataset.task, node.dataset.state]))"""
    )
    return found


def violations(page: LabPage, selector: str = ".mn-View") -> list[str]:
    """What axe finds wrong with our parts of the page."""
    if not page.page.evaluate("() => 'axe' in window"):
        page.page.evaluate(_AXE.read_text())
    found: list[dict[str, Any]] = page.page.evaluate(
        """selector => axe.run({ include: [[selector]] }, { rules: { region: { enabled: false } } })
          .then(result => result.violations.map(one => ({ id: one.id, nodes: one.nodes.map(
            node => `${node.html.slice(0, 160)} ${node.any.map(check => check.message)[0] ?? ''}`) })))""",
        selector,
    )
    return [f"{one['id']}: {one['nodes'][0]}" for one in found]
