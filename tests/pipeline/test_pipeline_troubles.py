"""Each bad input is one clear error with the place and the fix, and nothing is half-written."""

from __future__ import annotations

import json

import pytest

from mlops_nb.errors import ConfigError, NotebookError, ParameterError, PipelineError
from mlops_nb.pipeline.load import load_pipeline

TWO = (
    "tasks:\n- {source: a.ipynb, product: out/a.ipynb}\n- {source: b.ipynb, product: out/b.ipynb}\n"
)


@pytest.fixture
def two(lab):
    lab.notebook("a.ipynb", "upstream = None\nproduct = None", "1")
    lab.notebook("b.ipynb", 'upstream = ["a"]\nproduct = None', "2")
    lab.spec(TWO)
    return lab


def refuse(lab, kind, match):
    with pytest.raises(kind, match=match) as caught:
        lab.load()
    assert "\n" not in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert not (lab.root / ".mlops/cache/pipeline.json").exists()
    return caught.value


def test_broken_yaml_names_line_and_column(two):
    two.spec("tasks:\n- {source: a.ipynb, product: out/a.ipynb\n- x\n")
    error = refuse(two, PipelineError, "is not valid YAML")
    assert error.where == "pipeline.yaml, line 4, column 1"
    assert "flow mapping that begins in line 2" in error.message
    two.spec("tasks:\n- source: {{a}}.ipynb\n")
    assert "in quotes" in refuse(two, PipelineError, "YAML").fix


@pytest.mark.parametrize("text", ["", "# nothing\n", "just text\n"])
def test_a_specification_without_tasks(two, text):
    two.spec(text)
    refuse(two, PipelineError, "holds no tasks")


def test_a_missing_notebook_offers_its_neighbour(two):
    two.spec(TWO.replace("source: b.ipynb", "source: bb.ipynb"))
    error = refuse(two, NotebookError, 'source of task "bb" does not exist: bb.ipynb')
    assert error.fix == 'did you mean "b.ipynb"?'
    assert error.where == "pipeline.yaml"


def test_a_corrupt_notebook(two):
    two.write("a.ipynb", "<<<<<<< HEAD\n{}\n=======\n>>>>>>> x\n")
    assert "conflict markers" in refuse(two, NotebookError, "is not a valid notebook").fix
    two.write("a.ipynb", "")
    assert "empty" in refuse(two, NotebookError, "is not a valid notebook").fix


def test_a_cycle_names_its_tasks(two):
    two.notebook("a.ipynb", 'upstream = ["b"]\nproduct = None', "1")
    refuse(two, PipelineError, "a cycle: (a → b → a|b → a → b)")


def test_two_tasks_with_one_product(two):
    two.spec(TWO.replace("out/b.ipynb", "out/a.ipynb"))
    refuse(two, PipelineError, 'tasks "a" and "b" make the same product out/a.ipynb')


def test_two_tasks_of_one_name(two):
    two.spec(TWO.replace("source: b.ipynb,", "source: b.ipynb, name: a,"))
    refuse(two, PipelineError, 'two tasks are called "a"')


def test_an_unknown_upstream_offers_the_nearest(two):
    two.notebook("b.ipynb", 'upstream = ["aa"]\nproduct = None', "2")
    error = refuse(two, PipelineError, 'task "b" has the upstream task "aa", which does not exist')
    assert error.fix == 'did you mean "a"?'


def test_an_unknown_kernel(two):
    two.notebook("b.ipynb", 'upstream = ["a"]\nproduct = None', "2", kernel="pyton3")
    error = refuse(two, NotebookError, 'kernel "pyton3" is not installed')
    assert error.where == "b.ipynb"
    assert error.fix == 'did you mean "python3"?'


def untagged(lab, path, *cells):
    place = lab.notebook(path, *cells)
    document = json.loads(place.read_text())
    document["cells"][0]["metadata"] = {}
    place.write_text(json.dumps(document))
    return place


def test_a_missing_parameters_cell_where_it_is_needed(two):
    place = untagged(two, "a.ipynb", "open(product, 'w')")
    before = place.read_bytes()
    error = refuse(
        two, NotebookError, 'no cell is tagged "parameters", but its code uses "product"'
    )
    assert "upstream = None" in error.fix
    assert place.read_bytes() == before
    untagged(two, "a.ipynb", "print(1)")
    two.spec(TWO.replace("product: out/a.ipynb", "product: out/a.ipynb, params: {n: 1}"))
    refuse(two, NotebookError, "the specification sets n")
    two.spec(TWO)
    assert not two.load()["a"].has_parameters


def test_a_parameters_cell_that_is_not_python(two):
    two.notebook("a.ipynb", "upstream = None\nproduct = = 1", "1")
    error = refuse(two, NotebookError, r"not plain Python \(line 2: invalid syntax\)")
    assert error.where == "a.ipynb, cell 0"


def test_a_misspelt_parameter_of_the_specification(two):
    two.notebook("a.ipynb", "upstream = None\nproduct = None\nmax_depth = 1", "print(max_depth)")
    two.spec(TWO.replace("product: out/a.ipynb", "product: out/a.ipynb, params: {max_dept: 2}"))
    error = refuse(two, ParameterError, '"max_dept", which the notebook neither declares nor uses')
    assert error.fix == 'did you mean "max_depth"?'
    # What the notebook uses without declaring it is as Ploomber has it.
    two.notebook("a.ipynb", "upstream = None\nproduct = None\nmax_depth = 1", "print(max_dept)")
    assert two.load()["a"].params == {"max_dept": 2}


def test_a_placeholder_without_value(two):
    two.write("env.yaml", "other: 1\n")
    two.spec(TWO.replace("out/a.ipynb", '"{{folder}}/a.ipynb"'))
    refuse(two, PipelineError, "folder")


def test_a_function_that_cannot_be_imported(two):
    two.write("steps.py", "import no_such_package\n\ndef go(product):\n    pass\n")
    two.spec(TWO + "- {source: steps.go, product: out/x}\n")
    refuse(two, PipelineError, "no_such_package")
    two.write("steps.py", "def go(product):\n    pass\n")
    two.spec(TWO + "- {source: steps.stop, product: out/x}\n")
    refuse(two, PipelineError, "stop")


def test_an_unknown_key_and_a_missing_product(two):
    two.spec(TWO + "extra: 1\n")
    refuse(two, PipelineError, "extra")
    two.spec("tasks:\n- {source: a.ipynb}\n")
    refuse(two, PipelineError, "product")


def test_a_hook_that_fails_while_rendering(two):
    two.write("hooks.py", "def check(dag):\n    raise ValueError('not today')\n")
    two.spec(TWO + "on_render: hooks.check\n")
    refuse(two, PipelineError, "not today")
    two.write("hooks.py", "def check(task):\n    raise ValueError('not this one')\n")
    two.spec(TWO.replace("product: out/b.ipynb", "product: out/b.ipynb, on_render: hooks.check"))
    error = refuse(two, PipelineError, "not this one")
    assert error.where == 'pipeline.yaml, task "b"'


def test_notebook_metadata_of_ours_is_checked(two):
    two.notebook("a.ipynb", "upstream = None\nproduct = None", "1", **{"mlops-nb": {"retry": 1}})
    error = refuse(two, ConfigError, "retry")
    assert error.where == "a.ipynb, notebook metadata mlops-nb"
    assert "retries" in error.fix


def test_errors_cross_the_process_border(two):
    two.notebook("b.ipynb", 'upstream = ["aa"]\nproduct = None', "2")
    with pytest.raises(PipelineError, match='upstream task "aa"') as caught:
        load_pipeline(two.project, isolated=True)
    assert caught.value.fix == 'did you mean "a"?'
    assert caught.value.where == "pipeline.yaml"


def test_a_specification_that_is_only_begun_loads(two):
    two.spec("meta:\n  extract_upstream: false\ntasks:\n")
    pipeline = two.load()
    assert (pipeline.spec, pipeline.tasks) == ("pipeline.yaml", ())
    two.spec(TWO)
    assert len(two.load().tasks) == 2
