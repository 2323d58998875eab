"""Runs the exported Airflow DAG with Airflow, and the Dask script on a cluster."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from export_samples import hostile
from small_project import change_notebook, data, environment, expected, make_project

from mlops_nb import export
from mlops_nb.export.carry import unpack

AIRFLOW = """
import json, runpy, shutil, sys
from airflow.__main__ import main
commands, hostile = json.loads(sys.argv[1]), sys.argv[2]
# Its import takes seconds, so its commands share one.
for words in commands:
    if words[0] == "copy":
        shutil.copy(*words[1:])
        continue
    print("STARTS", words, flush=True)
    sys.argv = ["airflow", *words]
    main()
runpy.run_path(hostile)
"""


def airflow_environment(folder: Path, root: Path, dags: Path) -> dict[str, str]:
    env = environment(folder)
    return env | {
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "MLOPS_NB_AIRFLOW_PROJECT": str(root),
        "MLOPS_NB_AIRFLOW_STORE": str(folder / "store"),
    }


def test_airflow_runs_the_dag(tmp_path: Path, find_tool) -> None:
    root = tmp_path / "project"
    # A schedule of its own would make `dags test` look for an interval.
    make_project(root, "airflow", **{"infrastructure-retries": 0})
    file = root / "airflow/flights_demo.py"
    # Airflow's environment holds no mlops-nb: the jobs start this test's interpreter.
    file.write_text(file.read_text().replace("sys.executable", repr(sys.executable)))
    env = airflow_environment(tmp_path, root, root / "airflow")
    python = find_tool("airflow", "airflow/bin/python")
    bare = {key: value for key, value in env.items() if key != "PYTHONPATH"}
    file.write_text(
        file.read_text().replace(
            "{**os.environ,", f"{{**os.environ, 'PYTHONPATH': {env['PYTHONPATH']!r},"
        )
    )
    hostile_dags = tmp_path / "hostile"
    export.write("airflow", export.render("airflow", hostile(), {}), hostile_dags)
    changed = tmp_path / "train_b.ipynb"
    shutil.copy(root / "notebooks/train_b.ipynb", tmp_path / "as-it-was.ipynb")
    change_notebook(root, "train_b", "1 + 1")
    shutil.move(root / "notebooks/train_b.ipynb", changed)
    shutil.move(tmp_path / "as-it-was.ipynb", root / "notebooks/train_b.ipynb")
    test = ["dags", "test", "flights-demo", "-c", '{"max_depth": "2"}']
    commands = [
        ["db", "migrate"],
        ["dags", "reserialize"],
        test,
        ["copy", str(changed), str(root / "notebooks")],
        test,
    ]
    words = [json.dumps(commands), str(hostile_dags / "airflow/touch_pwned.py")]
    done = subprocess.run(
        [python, "-c", AIRFLOW, *words],
        env=bare,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1500,
    )
    text = done.stdout
    assert done.returncode == 0, text[-4000:]
    to = tmp_path / "to"
    to.mkdir()
    archives = sorted((tmp_path / "store").glob("flights-demo/runs/*/*.tar.gz"))
    assert len(archives) == 10, text[-4000:]
    for archive in archives:
        unpack(to, archive)
    assert data(to / "products") == expected(max_depth=2)
    _, _, _, first, second = text.split("STARTS")
    assert "4 skipped, 1 succeeded" in first
    assert re.findall(r"succeeded  ([\w ]+?)  ", second) == ["train b"]
    assert len(list((tmp_path / "store").glob("flights-demo/reports/*/*.tar.gz"))) == 10

    assert not list(tmp_path.rglob("PWNED*"))


def test_dask_runs_the_script_and_again_only_what_changed(tmp_path: Path) -> None:
    root = tmp_path / "project"
    make_project(root, "dask")
    command = [sys.executable, "dask/run.py", "-p", "max_depth=2"]
    env = environment(tmp_path)

    def run() -> tuple[int, str]:
        done = subprocess.run(
            command, cwd=root, env=env, capture_output=True, text=True, timeout=1500
        )
        return done.returncode, done.stdout + done.stderr

    code, text = run()
    assert code == 0, text
    assert data(root / "products") == expected(max_depth=2)
    assert text.count("1 succeeded") == 5
    change_notebook(root, "train_b", "raise RuntimeError('broken on purpose')")
    code, text = run()
    assert code == 4
    assert "succeeded" not in text
    assert "failed train b" in text and "blocked evaluate" in text
    runs = root / ".mlops/runs"
    assert any("broken on purpose" in path.read_text() for path in runs.rglob("*.ipynb"))
