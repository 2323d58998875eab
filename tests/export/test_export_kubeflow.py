from __future__ import annotations

import ast

import pytest
import yaml
from export_samples import hostile, load_yaml, task, wide

from mlops_nb import export
from mlops_nb.model import Parameter, Pipeline
from mlops_nb.notebooks.parameters import parse_value


def typed(**params: object) -> Pipeline:
    return Pipeline(name="x", root="/p", spec="s", tasks=(task("a", params=params),))


def arguments(source: str) -> str:
    return next(line for line in source.splitlines() if line.startswith("def pipeline("))


def test_arguments_have_the_types_of_the_parameters() -> None:
    files = export.render("kubeflow", typed(n=3, share=0.5, flag=True, name="it's", none=None), {})
    assert arguments(files["kubeflow/pipeline.py"]) == (
        "def pipeline(flag: bool = True, n: int = 3, name: str = '', none: str = '', share: float = 0.5):"
    )
    found = load_yaml(files["kubeflow/pipeline.yaml"])["root"]["inputDefinitions"]["parameters"]
    assert {name: one["parameterType"] for name, one in found.items()} == {
        **{"flag": "BOOLEAN", "n": "NUMBER_INTEGER", "name": "STRING"},
        **{"none": "STRING", "share": "NUMBER_DOUBLE"},
    }
    assert found["flag"]["defaultValue"] is True


def test_a_value_that_differs_by_task_stays_a_text() -> None:
    tasks = (task("a", params={"n": 1}), task("b", params={"n": 2}))
    files = export.render("kubeflow", Pipeline(name="x", root="/p", spec="s", tasks=tasks), {})
    assert "n: str = ''" in arguments(files["kubeflow/pipeline.py"])
    infinite = export.render("kubeflow", typed(x=float("inf")), {})
    assert "x: str = ''" in arguments(infinite["kubeflow/pipeline.py"])


@pytest.mark.parametrize("value", [3, 0.5, True, False, -1e-9])
def test_what_kubeflow_hands_over_is_read_as_it_was(value: float) -> None:
    declared = Parameter(name="x", type=type(value).__name__)
    assert parse_value(declared, str(value)) == value


def test_the_source_is_python_that_does_nothing_by_itself() -> None:
    for pipeline in (hostile(), wide(20)):
        source = export.render("kubeflow", pipeline, {})["kubeflow/pipeline.py"]
        kinds = {type(one).__name__ for one in ast.parse(source).body}
        assert kinds == {"ImportFrom", "FunctionDef", "If"}


def test_a_shared_cache_reaches_every_component() -> None:
    files = export.render("kubeflow", typed(n=3), {"cache-volume": "shared"})
    assert "set_env_variable('MLOPS_NB_CACHE', '/cache')" in files["kubeflow/pipeline.py"]
    ours, platform = yaml.safe_load_all(files["kubeflow/pipeline.yaml"])
    container = ours["deploymentSpec"]["executors"]["exec-run-a"]["container"]
    assert container["env"] == [{"name": "MLOPS_NB_CACHE", "value": "/cache"}]
    (mount,) = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["exec-run-a"][
        "pvcMount"
    ]
    assert (mount["constant"], mount["mountPath"]) == ("shared", "/cache")
