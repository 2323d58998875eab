from __future__ import annotations

import json
import os
import time

import pytest

from mlops_nb.config import TaskSettings
from mlops_nb.errors import PipelineError
from mlops_nb.model import Action, Pipeline, Task, TaskKind
from mlops_nb.pipeline.overrides import with_parameters
from mlops_nb.pipeline.plan import select
from mlops_nb.pipeline.state import StateStore

ALL = {"load", "train", "report", "other"}


def test_a_fresh_project_runs_and_then_has_nothing_to_do(chain):
    plan = chain.plan()
    assert set(plan.of(Action.RUN)) == ALL
    assert "never ran" in plan["load"].why
    assert plan["train"].why == "it never ran, upstream load runs"
    assert plan["load"].fingerprint is not None
    assert plan["train"].fingerprint is None
    chain.play()
    again = chain.plan()
    assert set(again.of(Action.SKIP)) == ALL
    assert {item.why for item in again.items} == {"up to date"}


def test_editing_a_cell_reruns_the_task_and_what_is_below(chain):
    chain.play()
    chain.notebook(
        "notebooks/train.ipynb",
        'upstream = ["load"]\nproduct = None\nmax_depth = 3  # of the trees',
        "print(max_depth, upstream, product, 'new')",
    )
    assert chain.runs() == {"train", "report"}
    assert chain.why("train") == "notebooks/train.ipynb changed"
    assert chain.why("report") == "upstream train runs"


def test_markdown_outputs_and_metadata_do_not_count(chain):
    chain.play()
    path = chain.root / "notebooks/load.ipynb"
    document = json.loads(path.read_text())
    document["cells"][1]["source"] = "# Another heading"
    document["cells"][2]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x"}]
    document["cells"][2]["execution_count"] = 7
    document["cells"][2]["metadata"]["collapsed"] = True
    document["metadata"]["widgets"] = {}
    injected = {
        "cell_type": "code",
        "id": "inj",
        "metadata": {"tags": ["injected-parameters"]},
        "source": "rows = 99",
        "outputs": [],
        "execution_count": None,
    }
    document["cells"].insert(1, injected)
    path.write_text(json.dumps(document))
    assert chain.runs() == set()


def test_a_parameter_of_the_specification_is_named_with_both_values(chain):
    chain.play()
    chain.spec((chain.root / "pipeline.yaml").read_text().replace("max_depth: 6", "max_depth: 8"))
    assert chain.runs() == {"train", "report"}
    assert chain.why("train") == "parameter max_depth 6 → 8"


def test_an_override_counts_as_the_parameter_and_back(chain):
    chain.play()
    changed = with_parameters(chain.load(), {"rows": "20"})
    plan = chain.plan(changed)
    assert set(plan.of(Action.RUN)) == {"load", "train", "report"}
    assert plan["load"].why == "parameter rows 10 → 20"
    chain.play(changed)
    assert set(chain.plan(changed).of(Action.RUN)) == set()
    assert chain.why("load") == "parameter rows 20 → 10"
    # The default's own value given by hand is no change.
    chain.play()
    assert chain.runs() == set()
    assert set(chain.plan(with_parameters(chain.load(), {"rows": 10})).of(Action.RUN)) == set()


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("notebooks/helpers.py", "notebooks/helpers.py changed"),
        ("deep/inner.py", "deep/inner.py changed"),
        ("deep/near.py", "deep/near.py changed"),
        ("deep/__init__.py", "deep/__init__.py changed"),
    ],
)
def test_editing_an_imported_module_reruns_what_imports_it(chain, path, why):
    chain.play()
    with (chain.root / path).open("a") as file:
        file.write("z = 2\n")
    assert chain.runs() == {"load", "train", "report"}
    assert chain.why("load") == why


def test_a_new_import_and_a_module_nobody_imports(chain):
    chain.play()
    chain.write("deep/unused.py", "a = 1\n")
    assert chain.runs() == set()
    chain.write("deep/near.py", "import deep.unused\ny = 1\n")
    assert chain.why("load") == "deep/near.py changed, now imports deep/unused.py"


def test_declared_inputs_are_files_globs_and_folders(chain):
    chain.settings = {
        "load": TaskSettings(inputs=("data/in.csv",)),
        "train": TaskSettings(inputs=("data/*.csv",)),
        "other": TaskSettings(inputs=("data",)),
    }
    chain.play()
    chain.write("data/in.csv", "a\n3\n")
    assert chain.runs() == ALL
    assert chain.why("load") == "input data/in.csv changed"
    assert chain.why("other") == "input data changed"
    chain.play()
    chain.write("data/new.csv", "a\n")
    assert chain.runs() == {"train", "report", "other"}
    assert chain.why("train") == "input data/new.csv is new"
    chain.play()
    (chain.root / "data/new.csv").unlink()
    assert chain.why("train") == "input data/new.csv is gone"
    (chain.root / "data/in.csv").unlink()
    assert chain.why("load") == "input data/in.csv is missing"


def test_inputs_may_be_declared_in_the_notebook_itself(chain):
    path = chain.root / "notebooks/other.ipynb"
    document = json.loads(path.read_text())
    document["metadata"]["mlops-nb"] = {"inputs": ["data/in.csv"], "retries": 2}
    path.write_text(json.dumps(document))
    chain.play()
    assert chain.load()["other"].policy.retries == 2
    chain.write("data/in.csv", "a\n9\n")
    assert chain.runs() == {"other"}


def test_a_product_edited_or_removed_by_hand(chain):
    chain.play()
    chain.write("out/model.txt", "mine")
    assert chain.runs() == {"train", "report"}
    assert chain.why("train") == "product out/model.txt was edited"
    chain.play()
    (chain.root / "out/report.html").unlink()
    assert chain.runs() == {"report"}
    assert chain.why("report") == "product out/report.html is missing"


def test_touching_reruns_nothing(chain):
    chain.settings = {"load": TaskSettings(inputs=("data/*.csv",))}
    chain.play()
    later = time.time() + 1000
    for path in chain.root.rglob("*"):
        if path.is_file() and ".mlops" not in path.parts:
            os.utime(path, (later, later))
    assert chain.runs() == set()
    for path in chain.root.rglob("*"):
        if path.is_file() and ".mlops" not in path.parts:
            os.utime(path, (1, 1))
    assert chain.runs() == set()


def test_an_edit_that_keeps_size_and_clock_is_seen(chain):
    chain.play()
    chain.runs()
    path = chain.root / "deep/near.py"
    before = path.stat()
    path.write_text("y = 2\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert chain.runs() == {"load", "train", "report"}


def installed(folder, name, version):
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "top_level.txt").write_text(name)


def test_only_versions_that_imports_reach_count(chain, monkeypatch, tmp_path_factory):
    tmp_path = tmp_path_factory.mktemp("packages")
    chain.play()
    parts = StateStore(chain.project).get("load").fingerprint.parts
    assert "env:pandas" in parts
    assert "env:numpy" in parts, "what pandas requires counts too"
    assert "env:pytest" not in parts
    monkeypatch.syspath_prepend(tmp_path)
    # An unrelated package is installed: nothing runs.
    installed(tmp_path, "unrelated", "1.0")
    assert chain.runs() == set()
    # Pandas itself is upgraded: what imports it runs.
    installed(tmp_path, "pandas", "99.1")
    assert chain.runs() == {"load", "train", "report"}
    assert f"pandas {parts['env:pandas']} → 99.1" in chain.why("load")


def test_a_changed_specification_key_and_a_moved_product(chain):
    chain.play()
    text = (chain.root / "pipeline.yaml").read_text()
    chain.spec(text.replace("out/other.ipynb", "out/renamed.ipynb"))
    assert chain.runs() == {"other"}
    assert "product out/other.ipynb → out/renamed.ipynb" in chain.why("other")
    chain.spec(text + "    nbconvert_export_kwargs: {exclude_input: true}\n")
    assert chain.runs() == {"other"}
    assert "export" in chain.why("other")


def test_targets_bring_what_they_need(chain):
    assert chain.runs(targets=["train"]) == {"load", "train"}
    plan = chain.plan(targets=["train"])
    assert plan["report"].why == "not selected"
    chain.play(targets=["train"])
    assert chain.runs(targets=["train"]) == set()
    assert chain.runs() == {"report", "other"}
    assert chain.runs(targets=["re*", "other"]) == {"report", "other"}
    with pytest.raises(PipelineError, match='did you mean "report"'):
        chain.plan(targets=["raport"])


def test_start_from_forces_its_tasks_and_runs_what_is_below(chain):
    chain.play()
    assert chain.runs(start_from=["train"]) == {"train", "report"}
    assert chain.why("train", start_from=["train"]) == "forced"
    assert chain.why("load", start_from=["train"]) == "not selected"
    # A changed ancestor is left alone as long as its products are there ...
    with (chain.root / "deep/near.py").open("a") as file:
        file.write("z = 1\n")
    assert chain.runs(start_from=["train"]) == {"train", "report"}
    # ... and made where they are not.
    (chain.root / "out/load.csv").unlink()
    assert chain.runs(start_from=["train"]) == {"load", "train", "report"}
    assert chain.runs(start_from=["train"], targets=["train"]) == {"load", "train"}


def test_force(chain):
    chain.play()
    assert chain.runs(force=True) == ALL
    assert chain.runs(force=True, targets=["other"]) == {"other"}


def test_restoring_goes_down_as_far_as_the_cache_knows(chain):
    chain.play()
    before = {name: StateStore(chain.project).get(name) for name in ALL}
    edited = chain.root / "deep/near.py"
    original = edited.read_text()
    edited.write_text("y = 5\n")
    chain.finish("load", "other rows")
    chain.finish("train", "other model")
    chain.finish("report", "other report")
    edited.write_text(original)
    # Without a cache everything runs again.
    assert chain.runs() == {"load", "train", "report"}
    kept = {state.fingerprint.digest: state.products for state in before.values()}
    plan = chain.plan(cached=kept.__contains__, products_of=kept.get)
    assert plan.of(Action.RESTORE) == ("load", "train", "report")
    assert plan["load"].why == "deep/near.py changed, kept from an earlier run"
    assert plan["report"].fingerprint == before["report"].fingerprint
    # The cache lost one in the middle: it runs, and with it what is below.
    del kept[before["train"].fingerprint.digest]
    plan = chain.plan(cached=kept.__contains__, products_of=kept.get)
    assert plan.of(Action.RESTORE) == ("load",)
    assert plan.of(Action.RUN) == ("train", "report")
    # Forced tasks are not restored.
    assert chain.plan(force=True, cached=lambda digest: True).of(Action.RESTORE) == ()


def test_a_removed_product_is_restored_by_its_own_state(chain):
    chain.play()
    (chain.root / "out/load.csv").unlink()
    plan = chain.plan(cached=lambda digest: True)
    assert plan.of(Action.RESTORE) == ("load",)
    assert plan.of(Action.RUN) == ()
    assert plan["train"].action is Action.SKIP


def test_an_upstream_that_was_remade_alone(chain):
    chain.play()
    chain.finish("load", "other rows")
    assert chain.runs() == {"train", "report"}
    assert chain.why("train") == "upstream load made something new"


def test_reports_alone_stand_for_their_fingerprint(lab):
    lab.notebook("a.ipynb", "upstream = None\nproduct = None", "1")
    lab.notebook("b.ipynb", 'upstream = ["a"]\nproduct = None', "2")
    lab.spec(
        "tasks:\n- {source: a.ipynb, product: out/a.html}\n- {source: b.ipynb, product: out/b.html}\n"
    )
    lab.play()
    # The same run once more gives a report with other times in it: nothing below changes.
    lab.finish("a", "another time of day")
    assert lab.runs() == set()
    lab.notebook("a.ipynb", "upstream = None\nproduct = None", "3")
    assert lab.runs() == {"a", "b"}


def test_functions_of_one_module_are_told_apart(lab):
    source = (
        "LIMIT = 1\n\ndef helper():\n    return 1\n\n"
        "def one(product):\n    helper()\n\ndef two(product):\n    pass\n"
    )
    lab.write("steps.py", source)
    lab.spec(
        "tasks:\n- {source: steps.one, product: out/1}\n- {source: steps.two, product: out/2}\n"
    )
    lab.play()
    lab.write("steps.py", source.replace("return 1", "return 2"))
    assert lab.runs() == {"one"}
    assert lab.why("one") == "steps.one changed"
    lab.write("steps.py", source.replace("LIMIT = 1", "LIMIT = 2"))
    assert lab.runs() == {"one", "two"}


def test_what_run_magics_name_counts(lab):
    lab.notebook("nb/a.ipynb", "upstream = None\nproduct = None", "%run -i setup.py --fast\n1")
    lab.write("nb/setup.py", "import shared\n")
    lab.write("shared.py", "x = 1\n")
    lab.spec("tasks:\n- {source: nb/a.ipynb, product: out/a.ipynb}\n")
    lab.play()
    lab.write("shared.py", "x = 2\n")
    assert lab.why("a") == "shared.py changed"
    lab.write("nb/setup.py", "import shared  # edited\n")
    assert lab.why("a") == "nb/setup.py changed, shared.py changed"


def test_starting_somewhere_makes_only_what_is_missing_right_above(chain):
    chain.play()
    (chain.root / "out/load.csv").unlink()
    # What train made is there, so that load is not needed for the report.
    assert chain.runs(start_from=["report"]) == {"report"}
    (chain.root / "out/model.txt").unlink()
    assert chain.runs(start_from=["report"]) == {"load", "train", "report"}


def test_a_name_is_meant_before_a_pattern():
    tasks = tuple(
        Task(name=name, kind=TaskKind.NOTEBOOK, source="x.ipynb")
        for name in ("*", "a", "b", "fit-[ab]")
    )
    pipeline = Pipeline(name="p", root="/p", spec="pipeline.yaml", tasks=tasks)
    assert select(pipeline, ["*"]) == {"*"}
    assert select(pipeline, ["fit-[ab]"]) == {"fit-[ab]"}
    assert select(pipeline, ["?"]) == {"*", "a", "b"}
