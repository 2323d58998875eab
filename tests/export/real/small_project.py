"""A small real project, its local run, and what every exported run of it must give."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from mlops_nb import export
from mlops_nb.config import find_project
from mlops_nb.pipeline.load import load_pipeline

REPOSITORY = Path(__file__).parents[3]
SPEC = """\
meta:
  extract_upstream: true
tasks:
  - source: notebooks/ingest.ipynb
    name: ingest
    product: {nb: products/ingest.ipynb, data: products/raw.json}
    params: {month: 3}
  - source: notebooks/clean.ipynb
    name: clean
    product: {nb: products/clean.ipynb, data: products/clean data.json}
  - source: notebooks/train_a.ipynb
    name: train_a
    product: {nb: products/train_a.ipynb, model: "products/a,b: 100%.json"}
    params: {max_depth: 6}
  - source: notebooks/train_b.ipynb
    name: train b
    product: {nb: products/train_b.ipynb, model: products/b.json}
  - source: notebooks/evaluate.ipynb
    name: evaluate
    product: {nb: products/evaluate.ipynb, metrics: products/metrics.json}
"""
NOTEBOOKS = {
    "ingest": (
        "None",
        "month = 1",
        "rows = [month * n % 7 for n in range(20)]\npathlib.Path(product['data']).write_text(json.dumps(rows))",
    ),
    "clean": (
        "['ingest']",
        "",
        "rows = json.loads(pathlib.Path(upstream['ingest']['data']).read_text())\n"
        "pathlib.Path(product['data']).write_text(json.dumps(sorted(set(rows))))",
    ),
    "train_a": (
        "['clean']",
        "max_depth = 1",
        "rows = json.loads(pathlib.Path(upstream['clean']['data']).read_text())\n"
        "pathlib.Path(product['model']).write_text(json.dumps(sum(rows) * max_depth))",
    ),
    "train_b": (
        "['clean']",
        "",
        "rows = json.loads(pathlib.Path(upstream['clean']['data']).read_text())\n"
        "pathlib.Path(product['model']).write_text(json.dumps(max(rows)))",
    ),
    "evaluate": (
        "['train_a', 'train b', 'ingest']",
        "",
        "a = json.loads(pathlib.Path(upstream['train_a']['model']).read_text())\n"
        "b = json.loads(pathlib.Path(upstream['train b']['model']).read_text())\n"
        "n = len(json.loads(pathlib.Path(upstream['ingest']['data']).read_text()))\n"
        "pathlib.Path(product['metrics']).write_text(json.dumps({'a': a, 'b': b, 'n': n}))",
    ),
}
DATA = ("raw.json", "clean data.json", "a,b: 100%.json", "b.json", "metrics.json")
SETTINGS = {"install": ["python -c pass"], "python": f"3.{sys.version_info.minor}"}


def make_project(root: Path, target: str = "", **settings: object) -> dict[str, str]:
    """Write the project, and its export to a target; return the files exported."""
    (root / "notebooks").mkdir(parents=True)
    (root / "pipeline.yaml").write_text(SPEC)
    (root / ".gitignore").write_text("products/\n.mlops/\n.gitlab-ci-local/\n*.metadata\n")
    (root / "pyproject.toml").write_text(
        '[project]\nname = "flights-demo"\nversion = "1"\n[tool.mlops-nb]\nname = "flights-demo"\ntracking = "none"\n'
    )
    (root / "requirements.txt").write_text("mlops-nb\n")
    for name, (upstream, more, body) in NOTEBOOKS.items():
        write_notebook(root, name, f"upstream = {upstream}\nproduct = None\n{more}".rstrip(), body)
    files = {}
    if target:
        files = export.render(target, load_pipeline(find_project(root)), SETTINGS | settings)
        export.write(target, files, root)
    commit(root)
    return files


def write_notebook(root: Path, name: str, parameters: str, *cells: str) -> None:
    import nbformat

    head = nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}, id="parameters")
    code = [
        nbformat.v4.new_code_cell(f"import json, pathlib\n{cell}", id=f"c{n}")
        for n, cell in enumerate(cells)
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    book = nbformat.v4.new_notebook(cells=[head, *code], metadata={"kernelspec": kernel})
    nbformat.write(book, root / "notebooks" / f"{name}.ipynb")


def commit(root: Path) -> None:
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for words in (
        ["init", "-q", "-b", "main"],
        ["add", "-A"],
        ["commit", "-q", "--allow-empty", "-m", "x"],
    ):
        subprocess.run([*git, *words], cwd=root, check=True)


def environment(folder: Path) -> dict[str, str]:
    """Return an environment in which this checkout's ``mlops-nb`` and ``python`` come first."""
    programs = folder / "programs"
    programs.mkdir(exist_ok=True)
    for name, words in (("mlops-nb", '-m mlops_nb "$@"'), ("python", '"$@"')):
        file = programs / name
        file.write_text(f'#!/bin/sh\nexec "{sys.executable}" {words}\n')
        file.chmod(0o755)
    home = folder / "home"
    home.mkdir(exist_ok=True)
    left_out = ("CI", "GITHUB_", "PYTHONDONTWRITEBYTECODE")
    env = {key: value for key, value in os.environ.items() if not key.startswith(left_out)}
    return env | {
        "PATH": f"{programs}:{env['PATH']}",
        "PYTHONPATH": str(REPOSITORY),
        "HOME": str(home),
        # The files below the commit are the same everywhere; so is what the kernels see of the machine.
        "NO_COLOR": "1",
    }


def run_locally(root: Path, env: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["mlops-nb", "run", *words], cwd=root, env=env, capture_output=True, text=True, timeout=1500
    )


def data(folder: Path) -> dict[str, str]:
    """Return the data products below a folder."""
    return {name: (folder / name).read_text() for name in DATA if (folder / name).exists()}


def expected(month: int = 3, max_depth: int = 6) -> dict[str, str]:
    """Return the products that a run must leave, computed without the product."""
    rows = [month * n % 7 for n in range(20)]
    clean = sorted(set(rows))
    a, b = sum(clean) * max_depth, max(clean)
    values = (rows, clean, a, b, {"a": a, "b": b, "n": 20})
    return {name: json.dumps(value) for name, value in zip(DATA, values, strict=True)}


def change_notebook(root: Path, name: str, *cells: str) -> None:
    """Give a notebook other code after its parameters, and commit it."""
    upstream, more, body = NOTEBOOKS[name]
    write_notebook(
        root, name, f"upstream = {upstream}\nproduct = None\n{more}".rstrip(), body, *cells
    )
    commit(root)
