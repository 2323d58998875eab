from __future__ import annotations

import ast

from export_samples import HOSTILE, hostile, small

from mlops_nb import export


def jobs_of(text: str) -> list[dict]:
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "JOBS":
            return ast.literal_eval(node.value)
    raise AssertionError("no jobs")


def test_the_dag_file_has_jobs_parameters_and_schedule() -> None:
    settings = {"schedule": "30 4 * * *", "timezone": "Europe/Berlin", "secrets": ["DB_PASSWORD"]}
    text = export.render("airflow", small(), settings)["airflow/flights_demo.py"]
    jobs = {job["id"]: job for job in jobs_of(text)}
    assert jobs["evaluate"]["needs"] == ["train-a", "train-b"]
    assert jobs["evaluate"]["above"] == ["ingest", "clean", "train-a", "train-b"]
    assert jobs["train-a"]["minutes"] == 31
    assert "schedule='30 4 * * *'" in text and "tz='Europe/Berlin'" in text
    assert "SECRETS = ['DB_PASSWORD']" in text
    assert "'max_depth': Param('', type='string'" in text


def test_hostile_names_are_literals() -> None:
    for target, path in (("airflow", "airflow/touch_pwned.py"), ("dask", "dask/run.py")):
        text = export.render(target, hostile(), {})[path]
        assert [name for job in jobs_of(text) for name in job["tasks"]] == list(HOSTILE)
        # Without its literals the file is the same for every pipeline: no name is code.
        assert shape(text) == shape(export.render(target, small(), {}).popitem()[1])


def shape(text: str) -> str:
    tree = ast.parse(text)
    for node in tree.body:
        if isinstance(node, ast.Assign):
            node.value = ast.Constant(0)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = ""
    return ast.dump(tree)
