"""Pipelines to measure with: independent notebooks and the same work as plain scripts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["SETTINGS", "write_big_output", "write_notebook", "write_workload"]

SETTINGS = '[tool.mlops-nb]\nname = "bench"\ntracking = "none"\n'
"""Peers keep no record in a tracking server, so ours does not either while it is timed."""

_IMPORTS = """\
import json

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
"""
_LOAD = """\
rng = np.random.default_rng(seed)
frame = pd.DataFrame(rng.normal(size=(20_000, 8)), columns=list("abcdefgh"))
frame["y"] = (frame.sum(axis=1) + rng.normal(size=len(frame)) > 0).astype(int)
means = frame.groupby("y").mean()
"""
_WORK = """\
model = LogisticRegression(max_iter=200).fit(frame.drop(columns="y"), frame["y"])
score = model.score(frame.drop(columns="y"), frame["y"])
with open(target, "w") as file:
    json.dump({"score": score, "rows": len(frame)}, file)
score
"""


def _cell(number: int, source: str, *tags: str) -> dict[str, object]:
    return {
        "cell_type": "code",
        "id": f"cell-{number}",
        "execution_count": None,
        "metadata": {"tags": list(tags)} if tags else {},
        "outputs": [],
        "source": source,
    }


def _notebook(*cells: dict[str, object]) -> str:
    metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return json.dumps(
        {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}, indent=1
    )


def write_notebook(path: Path, parameters: str, *cells: str) -> None:
    """Write one notebook: a cell of parameters and what follows it."""
    rest = (_cell(place, source) for place, source in enumerate(cells, 1))
    path.write_text(_notebook(_cell(0, parameters, "parameters"), *rest))


def write_workload(folder: Path, count: int, *, imports: bool = True) -> None:
    """Write ``count`` notebooks, their pipeline and the same work as scripts.

    Each task imports pandas and scikit-learn and does about 50 ms of work; without ``imports`` it
    imports nothing and does next to nothing: the worst case for kernels that are started warm.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "out").mkdir(exist_ok=True)
    tasks = []
    for number in range(count):
        name = f"task{number:03d}"
        head = "upstream = None\nproduct = None\nseed = " + str(number)
        body = (
            [_IMPORTS, _LOAD, _WORK]
            if imports
            else ['with open(target, "w") as file:\n    file.write(str(seed))\n']
        )
        target = (
            'target = product["data"] if isinstance(product, dict) else f"out/peer-{seed}.json"'
        )
        write_notebook(folder / f"{name}.ipynb", head, target, *body)
        script = f'seed = {number}\ntarget = "out/script-{number}.json"\n' + "\n".join(body)
        (folder / f"{name}.py").write_text(script)
        tasks.append(
            f"  - source: {name}.ipynb\n    name: {name}\n"
            f"    product:\n      nb: out/{name}.ipynb\n      data: out/{name}.json\n"
        )
    (folder / "pipeline.yaml").write_text("tasks:\n" + "".join(tasks))
    (folder / "pyproject.toml").write_text(SETTINGS)


def write_big_output(folder: Path, *, lines: int, megabytes: int, imports: bool) -> None:
    """Write one notebook that prints many lines and holds one large output, and its script.

    With ``imports`` it begins with the same as the notebooks of `write_workload`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    head = [_IMPORTS] if imports else []
    printing = f"for number in range({lines}):\n    print('line', number)\n"
    large = f"print('x' * ({megabytes} * 2**20))\n"
    write_notebook(folder / "big.ipynb", "upstream = None\nproduct = None", *head, printing, large)
    (folder / "big.py").write_text("".join((*head, printing, large)))
    (folder / "pipeline.yaml").write_text(
        "tasks:\n  - source: big.ipynb\n    product: out/big.ipynb\n"
    )
    (folder / "pyproject.toml").write_text(SETTINGS)
