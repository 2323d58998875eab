from __future__ import annotations

import json

import pytest

from mlops_nb.errors import NotebookError, ParameterError
from mlops_nb.pipeline.overrides import with_parameters


@pytest.fixture
def pipeline(lab):
    lab.notebook(
        "fit.ipynb",
        'upstream = None\nproduct = None\ndepth: int = 3\nmodel = "a"\npair = (1, 2)\nseed = 0',
        "1",
    )
    lab.notebook("other.ipynb", 'upstream = None\nproduct = None\nseed: "int | None" = 0', "1")
    bare = lab.notebook("bare.ipynb", "1")
    document = json.loads(bare.read_text())
    document["cells"][0]["metadata"] = {}
    bare.write_text(json.dumps(document))
    lab.write("steps.py", "def go(product, limit, ratio: float = 0.5, tags=('a',)):\n    pass\n")
    lab.spec(
        """
tasks:
  - source: fit.ipynb
    name: fit-[[model]]
    product: "out/[[model]].ipynb"
    grid: {model: [a, b]}
  - {source: other.ipynb, product: out/other.ipynb}
  - {source: bare.ipynb, product: out/bare.ipynb}
  - {source: steps.go, product: out/go, params: {limit: 5}}
"""
    )
    return lab.load()


def test_a_name_reaches_every_task_that_has_it(pipeline):
    changed = with_parameters(pipeline, {"seed": "7", "depth": "9"})
    assert {task.name: task.params.get("seed") for task in changed.tasks} == {
        "fit-a": 7,
        "fit-b": 7,
        "other": 7,
        "bare": None,
        "go": None,
    }
    assert changed["fit-a"].params == {"model": "a", "seed": 7, "depth": 9}
    assert pipeline["fit-a"].params == {"model": "a"}, "the pipeline itself stays"
    assert with_parameters(pipeline, {}) == pipeline


def test_a_name_may_be_narrowed(pipeline):
    changed = with_parameters(pipeline, {"fit-b.depth": 1, "other.seed": "none", "fit.seed": "2"})
    assert [changed[name].params.get("depth") for name in ("fit-a", "fit-b")] == [None, 1]
    assert changed["other"].params == {"seed": None}
    assert changed["fit-a"].params["seed"] == 2
    assert with_parameters(pipeline, {"fit-*.pair": "(3, 4)"})["fit-a"].params["pair"] == [3, 4]


def test_functions_take_them_by_their_signature(pipeline):
    changed = with_parameters(pipeline, {"limit": "8", "ratio": "2", "tags": '["x", "y"]'})
    assert changed["go"].params == {"limit": 8, "ratio": 2.0, "tags": ["x", "y"]}


@pytest.mark.parametrize(
    ("name", "value", "kind", "match"),
    [
        ("dept", 1, ParameterError, 'no task has a parameter "dept"; did you mean "depth"'),
        ("fit.dept", 1, ParameterError, 'not a parameter of task "fit"; did you mean "depth"'),
        ("fitt.depth", 1, ParameterError, 'no task is called "fitt"'),
        ("zzz", 1, ParameterError, "known: depth, limit, model"),
        ("depth", "deep", ParameterError, "parameter \"depth\": 'deep' is not of type int"),
        ("depth", 1.5, ParameterError, 'annotate it as "float"'),
        ("pair", [1, "x"], ParameterError, "tuple"),
        ("bare.x", 1, NotebookError, 'no cell is tagged "parameters"'),
        ("product", 1, ParameterError, 'no task has a parameter "product"'),
    ],
)
def test_what_is_refused(pipeline, name, value, kind, match):
    with pytest.raises(kind, match=match):
        with_parameters(pipeline, {name: value})
