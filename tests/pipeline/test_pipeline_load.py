from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from mlops_nb.config import TaskSettings
from mlops_nb.model import TaskKind
from mlops_nb.pipeline import load as load_module
from mlops_nb.pipeline.load import load_pipeline


@pytest.fixture
def counted(monkeypatch):
    """How often Ploomber was asked."""
    calls = []
    real = load_module._load
    monkeypatch.setattr(load_module, "_load", lambda *args: calls.append(args) or real(*args))
    return calls


def test_every_kind_of_task(lab):
    lab.notebook("notebooks/nb.ipynb", "upstream = None\nproduct = None\nn = 1", "1")
    lab.write(
        "percent.py",
        '# %% tags=["parameters"]\nupstream = ["nb"]\nproduct = None\nk: int = 2  # how many\n\n'
        "# %%\nprint(k)\n",
    )
    lab.write(
        "text.md",
        "---\njupyter:\n  kernelspec: {name: python3, display_name: P, language: python}\n---\n\n"
        '```python tags=["parameters"]\nupstream = None\nproduct = None\n```\n\n```python\n1\n```\n',
    )
    lab.write(
        "script.py", '# + tags=["parameters"]\nupstream = None\nproduct = None\n# -\n\nprint(1)\n'
    )
    lab.write(
        "steps/make.py",
        "def clean(product, upstream, limit):\n    upstream['nb']\n\n"
        "def save(obj, product):\n    pass\n\ndef read(product):\n    pass\n\n"
        "def summed(upstream):\n    return upstream['clean']\n",
    )
    lab.write("steps/__init__.py", "")
    lab.write("hooks.py", "def done(product):\n    pass\n\ndef ended():\n    pass\n")
    lab.write("run.sh", "cat {{upstream['clean']}} > {{product}}\n")
    lab.write(
        "clients.py",
        "from ploomber.clients import SQLAlchemyClient\n\n"
        "def db():\n    return SQLAlchemyClient('sqlite:///data.db')\n",
    )
    lab.write("create.sql", "CREATE TABLE {{product}} AS SELECT 1 AS x\n")
    lab.write("dump.sql", "SELECT * FROM {{upstream['create']}}\n")
    lab.write("env.yaml", "out: build\nlimit: 5\n")
    lab.spec(
        """
clients:
  SQLScript: clients.db
  SQLDump: clients.db
  SQLiteRelation: clients.db
on_finish: hooks.ended
executor: parallel
tasks:
  - source: notebooks/nb.ipynb
    product: {nb: "{{out}}/nb.html", data: "{{out}}/nb.csv"}
  - {source: percent.py, product: "{{out}}/percent.ipynb"}
  - {source: text.md, class: NotebookRunner, product: "{{out}}/text.ipynb"}
  - {source: script.py, class: ScriptRunner, product: "{{out}}/script.txt"}
  - source: steps.make.clean
    product: "{{out}}/clean.txt"
    params: {limit: "{{limit}}"}
    on_finish: hooks.done
  - source: steps.make.summed
    product: "{{out}}/summed.txt"
    serializer: steps.make.save
    unserializer: steps.make.read
  - {source: run.sh, product: "{{out}}/copied.txt"}
  - {source: create.sql, product: [numbers, table], product_class: SQLiteRelation}
  - {source: dump.sql, class: SQLDump, product: "{{out}}/dump.csv"}
"""
    )
    pipeline = lab.load()
    kinds = {task.name: task.kind for task in pipeline.tasks}
    assert kinds == {
        "nb": TaskKind.NOTEBOOK,
        "percent": TaskKind.NOTEBOOK,
        "text": TaskKind.NOTEBOOK,
        "script": TaskKind.SCRIPT,
        "clean": TaskKind.FUNCTION,
        "summed": TaskKind.FUNCTION,
        "run": TaskKind.SHELL,
        "create": TaskKind.SQL,
        "dump": TaskKind.SQL,
    }
    assert pipeline.native_executor == "Parallel"
    assert pipeline.hooks == ("on_finish:hooks.ended",)
    assert pipeline["nb"].products[0].exporter == "html"
    assert pipeline["nb"].products[1].path == "build/nb.csv"
    assert pipeline["percent"].upstream == ("nb",)
    assert pipeline["percent"].declared[0].type == "int"
    assert pipeline["percent"].declared[0].help == "how many"
    assert pipeline["clean"].source == "steps.make.clean"
    assert pipeline["clean"].params == {"limit": 5}
    assert pipeline["clean"].upstream == ("nb",)
    assert pipeline["clean"].hooks == ("on_finish:hooks.done",)
    assert pipeline["summed"].serialized
    assert pipeline["summed"].spec["serializer"] == "steps.make.save"
    assert pipeline["run"].upstream == ("clean",)
    assert not pipeline["create"].products[0].is_file
    assert pipeline["create"].products[0].path == "numbers"
    assert pipeline["create"].spec["client"] == "clients.db"
    assert pipeline["dump"].upstream == ("create",)
    assert "numbers" in pipeline["dump"].spec["rendered"]
    names = pipeline.names()
    for task in pipeline.tasks:
        assert all(names.index(up) < names.index(task.name) for up in task.upstream)
    assert set(lab.play()) == set(names)
    assert lab.runs() == set()
    lab.write("clients.py", (lab.root / "clients.py").read_text() + "\nX = 1\n")
    assert lab.runs() == {"create", "dump"}
    assert lab.why("create") == "db in clients.py changed"


def test_grids_groups_and_patterns(lab):
    lab.notebook(
        "fit.ipynb", 'upstream = None\nproduct = None\nmodel = "a"\ndepth = 1\nseed = 0', "model"
    )
    lab.notebook("join.ipynb", 'upstream = {"fit-*", "plain-*"}\nproduct = None', "1")
    lab.spec(
        """
tasks:
  - source: fit.ipynb
    name: fit-[[model]]-[[depth]]
    product: {nb: "out/[[model]]-[[depth]].ipynb"}
    grid: {model: [tree, forest], depth: [1, 2]}
    params: {seed: 7}
  - source: fit.ipynb
    name: plain-
    product: out/plain.ipynb
    grid: [{model: [x]}, {model: [y], depth: [9]}]
  - {source: join.ipynb, product: out/join.ipynb}
"""
    )
    pipeline = lab.load()
    fits = [task.name for task in pipeline.tasks if task.group == "fit"]
    assert fits == ["fit-tree-1", "fit-tree-2", "fit-forest-1", "fit-forest-2"]
    assert pipeline["fit-forest-2"].params == {"model": "forest", "depth": 2, "seed": 7}
    assert [task.name for task in pipeline.tasks if task.group == "plain"] == ["plain-0", "plain-1"]
    assert pipeline["join"].groups["fit-tree-1"] == "fit-*"
    assert set(pipeline["join"].upstream) == {*fits, "plain-0", "plain-1"}
    assert lab.runs(targets=["fit"]) == set(fits)


def test_source_loader_extracted_products_and_imported_tasks(lab):
    lab.write("sql/macros.sql", "{% macro one() %}1{% endmacro %}")
    lab.write(
        "sql/make.sql",
        "{% import 'macros.sql' as m %}\n{% set product = SQLiteRelation(['made', 'table']) %}\n"
        "CREATE TABLE {{product}} AS SELECT {{m.one()}} AS x",
    )
    lab.write(
        "clients.py",
        "from ploomber.clients import SQLAlchemyClient\n\n"
        "def db():\n    return SQLAlchemyClient('sqlite:///data.db')\n",
    )
    lab.write("more/tasks.yaml", "- {source: nb.ipynb, name: more, product: out/more.ipynb}\n")
    lab.notebook("more/nb.ipynb", "upstream = None\nproduct = None", "1")
    lab.spec(
        """
meta:
  source_loader: {path: sql}
  import_tasks_from: more/tasks.yaml
clients: {SQLScript: clients.db, SQLiteRelation: clients.db}
tasks:
  - {source: make.sql, product: [made, table], product_class: SQLiteRelation}
"""
    )
    lab.play()
    assert set(lab.load().names()) == {"make", "more"}
    assert lab.load()["more"].source == "more/nb.ipynb"
    lab.write("sql/macros.sql", "{% macro one() %}2{% endmacro %}")
    assert lab.runs() == {"make"}
    lab.write("more/tasks.yaml", "- {source: nb.ipynb, name: again, product: out/more.ipynb}\n")
    assert "again" in lab.load().names()


def test_upstream_and_product_given_in_the_specification(lab):
    lab.notebook("a.ipynb", "product = None", "1")
    lab.notebook("b.ipynb", "upstream = None\nproduct = None", "1")
    lab.spec(
        """
meta: {extract_upstream: false}
tasks:
  - {source: b.ipynb, product: out/b.ipynb, upstream: a}
  - {source: a.ipynb, product: out/a.ipynb}
"""
    )
    assert lab.load().names() == ("a", "b")
    lab.notebook(
        "c.ipynb", 'upstream = None\nproduct = {"nb": "out/c.ipynb", "x": "out/c.csv"}', "1"
    )
    lab.spec("meta: {extract_product: true}\ntasks:\n  - source: c.ipynb\n")
    assert [product.path for product in lab.load()["c"].products] == ["out/c.ipynb", "out/c.csv"]


def test_the_cache_answers_until_something_it_depends_on_changes(chain, counted):
    chain.load()
    chain.load()
    assert len(counted) == 1
    # Code is no part of a pipeline's shape.
    chain.notebook("notebooks/other.ipynb", "upstream = None\nproduct = None", "print('edited')")
    chain.load()
    assert len(counted) == 1
    chain.notebook("notebooks/other.ipynb", 'upstream = ["load"]\nproduct = None', "print(1)")
    assert chain.load()["other"].upstream == ("load",)
    assert len(counted) == 2
    chain.notebook("notebooks/other.ipynb", "upstream = None\nproduct = None\nq = 1", "print(1)")
    assert chain.load()["other"].declared[0].name == "q"
    chain.spec((chain.root / "pipeline.yaml").read_text().replace("max_depth: 6", "max_depth: 7"))
    assert chain.load()["train"].params == {"max_depth": 7}
    assert len(counted) == 4
    chain.settings = {"train": TaskSettings(retries=3)}
    assert chain.load()["train"].policy.retries == 3
    chain.load()
    assert len(counted) == 5
    (chain.root / ".mlops/cache/pipeline.json").write_text("{half")
    chain.load()
    assert len(counted) == 6


def test_a_setting_for_every_task_counts_too(chain, counted):
    chain.load()
    where = chain.project
    asked = replace(where, settings=replace(where.settings, checkpoint=True))
    assert {load_pipeline(asked)[name].policy.checkpoint for name in ("load", "train")} == {True}


def test_env_files_count_when_they_change_appear_or_are_chosen(lab, counted, monkeypatch):
    lab.notebook("a.ipynb", "upstream = None\nproduct = None\nn = 0", "1")
    lab.write("env.yaml", "n: 1\n")
    lab.spec('tasks:\n- source: a.ipynb\n  product: out/a.ipynb\n  params: {n: "{{n}}"}\n')
    assert lab.load()["a"].params == {"n": 1}
    lab.write("env.yaml", "n: 2\n")
    assert lab.load()["a"].params == {"n": 2}
    lab.write("env.big.yaml", "n: 300\n")
    monkeypatch.setenv("PLOOMBER_ENV_FILENAME", "env.big.yaml")
    assert lab.load()["a"].params == {"n": 300}
    monkeypatch.delenv("PLOOMBER_ENV_FILENAME")
    assert lab.load()["a"].params == {"n": 2}


def test_values_that_change_by_themselves_are_never_stale(lab):
    def git(*arguments):
        subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *arguments],
            cwd=lab.root,
            check=True,
            capture_output=True,
        )

    lab.notebook("a.ipynb", 'upstream = None\nproduct = None\ncommit = ""\nwhere = ""', "1")
    lab.write("env.yaml", 'commit: "{{git_hash}}"\nwhere: "{{here}}"\n')
    lab.spec(
        "tasks:\n- source: a.ipynb\n  product: out/a.ipynb\n"
        '  params: {commit: "{{commit}}", where: "{{where}}"}\n'
    )
    git("init", "-q")
    lab.write(".gitignore", ".mlops\n")
    git("add", "-A")
    git("commit", "-qm", "one")
    first = lab.load()["a"].params
    assert first["where"] == str(lab.root)
    assert lab.load()["a"].params == first
    git("commit", "-qm", "two", "--allow-empty")
    assert lab.load()["a"].params["commit"] != first["commit"]
    lab.write("env.yaml", 'commit: "{{now}}"\nwhere: "{{here}}"\n')
    times = {lab.load()["a"].params["commit"] for _ in range(2)}
    assert len(times) == 2


def test_loading_never_touches_the_project(lab):
    path = lab.notebook("a.ipynb", "print('no parameters here')")
    document = json.loads(path.read_text())
    document["cells"][0]["metadata"] = {}
    path.write_text(json.dumps(document))
    lab.spec("tasks:\n- {source: a.ipynb, product: out/a.ipynb}\n")
    before = path.read_bytes()
    pipeline = lab.load()
    assert not pipeline["a"].has_parameters
    assert path.read_bytes() == before
    assert sorted(item.name for item in lab.root.iterdir()) == [
        ".mlops",
        "a.ipynb",
        "pipeline.yaml",
    ]


def test_a_folder_that_cannot_be_written_to_only_costs_the_cache(chain, counted):
    # A file in the place of the folder stands for a read-only one, also for root.
    chain.write(".mlops", "in the way")
    assert chain.load().names() == ("load", "train", "report", "other")
    chain.load()
    assert len(counted) == 2
    assert chain.runs() == {"load", "train", "report", "other"}


def test_a_process_of_its_own_leaves_nothing_behind(chain):
    import mlops_nb.pipeline.worker  # noqa: F401

    folder, modules = Path.cwd(), set(sys.modules)
    alone = load_pipeline(chain.project, isolated=True)
    assert Path.cwd() == folder
    assert set(sys.modules) - modules == set()
    (chain.root / ".mlops/cache/pipeline.json").unlink()
    assert load_pipeline(chain.project, isolated=False) == alone


def test_nothing_heavy_is_imported_where_the_cache_answers(chain):
    chain.load()
    chain.play()
    code = (
        "import sys\n"
        "from mlops_nb.config import find_project\n"
        "from mlops_nb.pipeline.load import load_pipeline\n"
        "from mlops_nb.pipeline.plan import make_plan\n"
        "project = find_project()\n"
        "plan = make_plan(project, load_pipeline(project))\n"
        "assert not plan.of(plan.items[0].action.RUN), plan\n"
        "heavy = {'ploomber', 'nbformat', 'papermill', 'jsonschema', 'yaml', 'jupytext', 'pandas',\n"
        "         'importlib.metadata', 'packaging', 'IPython', 'subprocess'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=chain.root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_ploomber_is_kept_quiet(lab, capfd):
    lab.notebook("a.ipynb", "upstream = None\nproduct = None", "1")
    lab.write("noise.py", "print('loud import')\ndef hook(task):\n    print('loud hook')\n")
    lab.spec(
        "tasks:\n- {source: a.ipynb, product: out/a.ipynb, params: {odd: 1}, on_render: noise.hook}\n"
    )
    lab.load()
    assert capfd.readouterr() == ("", "")
