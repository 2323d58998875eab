"""`ploomber` itself, before and after us."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mlops_nb.model import Action
from mlops_nb.notebooks.parameters import inject
from mlops_nb.notebooks.read import read_notebook
from mlops_nb.pipeline import ploomber as bridge
from mlops_nb.pipeline.fingerprint import fingerprint_now, product_digests
from mlops_nb.pipeline.overrides import with_parameters
from mlops_nb.pipeline.params import task_parameters
from mlops_nb.pipeline.sidecar import refresh_sidecars, sidecar_path, write_sidecars
from mlops_nb.pipeline.state import StateStore
from mlops_nb.pipeline.worker import RunJob, run_job

pytestmark = pytest.mark.slow

SHOW = "import json\nfrom pathlib import Path\n"


@pytest.fixture
def mixed(lab):
    """A function, a grid of notebooks, and a percent script below them."""
    lab.write(
        "steps.py",
        "from pathlib import Path\n\n\ndef make(product, n):\n"
        '    """Doc."""\n    Path(product).write_text(str(n))  # done\n',
    )
    shown = (
        'Path(product["data"]).write_text(json.dumps({"upstream": upstream, "product": product}))'
    )
    lab.notebook(
        "fit.ipynb",
        'upstream = ["make"]\nproduct = None\nmodel = "a"\npair = (1, 2)',
        ("markdown", "# Fit"),
        SHOW + shown,
    )
    lab.write(
        "join.py",
        '# %% tags=["parameters"]\nupstream = ["fit-*", "make"]\nproduct = None\n\n# %% [markdown]\n'
        f"# # Join\n\n# %%\n{SHOW}{shown}\n",
    )
    lab.spec(
        """
tasks:
  - {source: steps.make, product: out/n.txt, params: {n: 3}}
  - source: fit.ipynb
    name: fit-[[model]]
    product: {nb: "out/[[model]].ipynb", data: "out/[[model]].json"}
    grid: {model: [a, b]}
    params: {pair: [3, 4]}
  - {source: join.py, product: {nb: out/join.html, data: out/join.json}}
"""
    )
    return lab


def build(lab, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", "from ploomber_cli.cli import cmd_router; cmd_router()", *arguments],
        cwd=lab.root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def outdated_rows(lab):
    with bridge.open_dag(lab.root, lab.root / "pipeline.yaml") as dag, bridge.quiet():
        dag.render(show_progress=False)
        return {name: bool(dag[name].product._is_outdated()) for name in dag}


def run_ours(lab, pipeline=None, names=None):
    """Run as a runner would: notebooks in this process, everything else by the worker."""
    pipeline = pipeline or lab.load()
    project = lab.project
    for name in names or pipeline.names():
        task = pipeline[name]
        values = task_parameters(project, pipeline, task)
        if task.kind.value == "notebook":
            made = inject(read_notebook(lab.root / task.source), values)
            code = "\n".join(cell.source for cell in made.cells if cell.cell_type == "code")
            Path(values["product"]["nb"]).parent.mkdir(exist_ok=True)
            exec(compile(code, name, "exec"), {})
            Path(values["product"]["nb"]).write_text("executed")
        else:
            answer = run_job(
                RunJob(root=str(lab.root), spec=str(project.spec), task=name, params=task.params)
            )
            assert answer.error is None
        StateStore(project).put(
            name, fingerprint_now(project, pipeline, task), product_digests(project, task), "r"
        )
        write_sidecars(project, pipeline, task)


def test_what_ploomber_injects_is_what_we_inject_and_its_build_means_nothing_to_us(mixed):
    build(mixed, "build")
    pipeline = mixed.load()
    for name, path in {"fit-a": "out/a-0.json", "join": "out/join.json"}.items():
        shown = json.loads((mixed.root / path).read_text())
        values = task_parameters(mixed.project, pipeline, name)
        assert {key: values[key] for key in ("upstream", "product")} == shown
    assert "fit-*" in task_parameters(mixed.project, pipeline, "join")["upstream"]
    # Built by Ploomber, unknown to us: planned to run.
    plan = mixed.plan()
    assert set(plan.of(Action.RUN)) == set(pipeline.names())
    assert plan["make"].why == "it never ran"
    # What Ploomber wrote beside a product is what we write.
    before = {
        path: json.loads(path.read_text()) for path in (mixed.root / "out").glob(".*.metadata")
    }
    assert len(before) == 7
    for name in pipeline.names():
        write_sidecars(mixed.project, pipeline, name)
    for path, old in before.items():
        new = json.loads(path.read_text())
        assert new.pop("timestamp") >= old.pop("timestamp")
        assert new == old


def test_ploomber_takes_what_we_ran_as_up_to_date(mixed):
    run_ours(mixed)
    assert not any(outdated_rows(mixed).values())
    said = build(mixed, "build")
    assert said.count("False") == 4, said
    assert "True" not in said
    # And what it left alone stays up to date for us.
    assert mixed.runs() == set()


def test_ploomber_sees_what_changed_since(mixed):
    run_ours(mixed)
    mixed.write(
        "join.py", (mixed.root / "join.py").read_text().replace("import json", "import json, os")
    )
    assert {name for name, is_old in outdated_rows(mixed).items() if is_old} == {"join"}
    run_ours(mixed, names=["join"])
    assert not any(outdated_rows(mixed).values())
    changed = with_parameters(mixed.load(), {"n": "4"})
    run_ours(mixed, changed)
    # Made with another parameter than the specification's: Ploomber is right to say so.
    assert outdated_rows(mixed)["make"]


def test_metadata_is_mended_where_it_is_missing_or_behind(mixed):
    run_ours(mixed)
    assert refresh_sidecars(mixed.project, mixed.load()) == ()
    cells = json.loads((mixed.root / "fit.ipynb").read_text())
    cells["cells"][1]["source"] = "# Another heading"
    (mixed.root / "fit.ipynb").write_text(json.dumps(cells))
    sidecar_path(mixed.root / "out/n.txt").unlink()
    assert mixed.runs() == set()
    assert outdated_rows(mixed)["fit-a"]
    written = refresh_sidecars(mixed.project, mixed.load())
    assert set(written) == {"make", "fit-a", "fit-b", "join"}
    assert not any(outdated_rows(mixed).values())


def test_products_can_be_made_elsewhere(mixed):
    pipeline = mixed.load()
    values = task_parameters(
        mixed.project, pipeline, "fit-a", products={"out/a-0.json": "stage/a.json"}
    )
    assert values["product"] == {
        "nb": str(mixed.root / "out/a-0.ipynb"),
        "data": str(mixed.root / "stage/a.json"),
    }
    assert values["upstream"] == {"make": str(mixed.root / "out/n.txt")}
    assert values["pair"] == [3, 4]
    injected = inject(read_notebook(mixed.root / "fit.ipynb"), values).cells[1].source
    assert "pair = (3, 4)" in injected
