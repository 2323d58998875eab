"""Tasks of every kind that is no notebook, run as the runner runs them."""

from __future__ import annotations

import sqlite3
import subprocess
from pathlib import Path

import pytest

from mlops_nb.model import TaskStatus, encode
from mlops_nb.pipeline import worker
from mlops_nb.pipeline.sidecar import write_sidecars
from mlops_nb.pipeline.worker import RunJob, run_job

STEPS = """
import os
import sys
from pathlib import Path


def make(product, text):
    Path(product).write_text(text)


def both(product, upstream):
    Path(product["one"]).write_text(Path(upstream["make"]).read_text() * 2)
    Path(product["two"]).write_text(os.getcwd())


def boom(product):
    Path(product).write_text("partial")
    helper()


def helper():
    raise ValueError("no such column")


def leave(product):
    sys.exit(3)


def vanish(product):
    os._exit(9)


def forget(product):
    pass


def answer(upstream):
    return upstream["make"] + "!"


def save(value, product):
    Path(product).write_text(value)


def read(product):
    return Path(product).read_text()


def note(product, params):
    with open("notes.txt", "a") as file:
        file.write(f"{Path(str(product)).name} {params['text']}\\n")


def refuse(product):
    raise RuntimeError("the hook says no")


def ended(report):
    Path("ended.txt").write_text(str(len(report)))


def failed(traceback):
    Path("failed.txt").write_text(traceback["build"])
"""

SPEC = """
on_finish: steps.ended
on_failure: steps.failed
clients: {SQLScript: clients.db, SQLDump: clients.db, SQLiteRelation: clients.db}
tasks:
  - {source: steps.make, product: out/make.txt, params: {text: hello}, on_finish: steps.note}
  - {source: steps.both, product: {one: out/one.txt, two: out/two.txt}}
  - {source: steps.boom, product: out/boom.txt, on_failure: steps.refuse}
  - {source: steps.leave, product: out/leave.txt}
  - {source: steps.vanish, product: out/vanish.txt}
  - {source: steps.forget, product: out/forget.txt}
  - source: steps.answer
    product: out/answer.txt
    serializer: steps.save
    unserializer: steps.read
  - {source: steps.make, name: hooked, product: out/hooked.txt, params: {text: x}, on_finish: steps.refuse}
  - {source: run.sh, product: out/run.txt}
  - {source: script.py, class: ScriptRunner, product: out/script.txt}
  - {source: create.sql, product: [numbers, table], product_class: SQLiteRelation}
  - {source: dump.sql, class: SQLDump, chunksize: null, product: out/dump.csv}
  - {source: nb.ipynb, product: out/nb.ipynb, on_finish: steps.noted, on_failure: steps.refuse}
"""


@pytest.fixture
def steps(lab):
    lab.write(
        "steps.py", STEPS + "\n\ndef noted(product):\n    Path('noted').write_text(str(product))\n"
    )
    lab.write("run.sh", "cat {{upstream['make']}} > {{product}}\n")
    lab.write(
        "script.py",
        '# + tags=["parameters"]\nupstream = None\nproduct = None\n# -\n\n'
        "from pathlib import Path\nPath(product).write_text('scripted')\n",
    )
    lab.write(
        "clients.py",
        "from ploomber.clients import SQLAlchemyClient\n\n"
        "def db():\n    return SQLAlchemyClient('sqlite:///data.db')\n",
    )
    lab.write("create.sql", "CREATE TABLE {{product}} AS SELECT 41 + 1 AS x\n")
    lab.write("dump.sql", "SELECT * FROM {{upstream['create']}}\n")
    lab.notebook("nb.ipynb", "upstream = None\nproduct = None", "1")
    lab.spec(SPEC)
    return lab


def job(lab, task, **more):
    return RunJob(root=str(lab.root), spec=str(lab.root / "pipeline.yaml"), task=task, **more)


def staged(lab, task, *finals, **more):
    """Run with the products going to a staging folder."""
    products = {final: f"stage/{Path(final).name}" for final in finals}
    return run_job(job(lab, task, products=products, **more))


def test_a_function_writes_to_the_staging_folder_and_its_hook_is_called(steps):
    answer = staged(steps, "make", "out/make.txt")
    assert answer.status is TaskStatus.SUCCEEDED
    assert answer.ran_hooks == ("on_finish",)
    assert (steps.root / "stage/make.txt").read_text() == "hello"
    assert not (steps.root / "out/make.txt").exists()
    assert (steps.root / "notes.txt").read_text() == "make.txt hello\n"


def test_parameters_of_the_run_win(steps):
    staged(steps, "make", "out/make.txt", params={"text": "other"})
    assert (steps.root / "stage/make.txt").read_text() == "other"
    assert (steps.root / "notes.txt").read_text() == "make.txt other\n"


def test_upstream_products_are_read_where_they_stand(steps):
    steps.write("out/make.txt", "ab")
    answer = staged(steps, "both", "out/one.txt", "out/two.txt")
    assert answer.status is TaskStatus.SUCCEEDED
    assert (steps.root / "stage/one.txt").read_text() == "abab"
    assert (steps.root / "stage/two.txt").read_text() == str(steps.root)
    answer = staged(steps, "answer", "out/answer.txt")
    assert (steps.root / "stage/answer.txt").read_text() == "ab!"


def test_a_function_that_raises(steps, capfd):
    answer = staged(steps, "boom", "out/boom.txt")
    assert answer.status is TaskStatus.FAILED
    assert (answer.error.name, answer.error.message) == ("ValueError", "no such column")
    first = answer.error.traceback.splitlines()[1]
    assert "steps.py" in first
    assert answer.ran_hooks == ("on_failure",)
    assert "the hook says no" in capfd.readouterr().err


def test_a_function_that_leaves_or_makes_nothing(steps):
    answer = staged(steps, "leave", "out/leave.txt")
    assert answer.status is TaskStatus.EXITED
    assert answer.error.message == "it called sys.exit(3)"
    answer = staged(steps, "forget", "out/forget.txt")
    assert answer.status is TaskStatus.FAILED
    assert answer.error.name == "MissingProduct"


def test_a_hook_that_refuses_fails_the_task(steps):
    answer = staged(steps, "hooked", "out/hooked.txt")
    assert answer.status is TaskStatus.FAILED
    assert answer.error.message == "the hook says no"


def test_shell_and_scripts(steps):
    steps.write("out/make.txt", "shell")
    assert staged(steps, "run", "out/run.txt").status is TaskStatus.SUCCEEDED
    assert (steps.root / "stage/run.txt").read_text() == "shell"
    assert staged(steps, "script", "out/script.txt").status is TaskStatus.SUCCEEDED
    assert (steps.root / "stage/script.txt").read_text() == "scripted"
    steps.write("run.sh", "echo {{product}} {{upstream['make']}}; exit 4\n")
    answer = staged(steps, "run", "out/run.txt")
    assert answer.status is TaskStatus.FAILED


def test_relations_are_made_in_place_and_dumps_are_staged(steps):
    assert run_job(job(steps, "create")).status is TaskStatus.SUCCEEDED
    with sqlite3.connect(steps.root / "data.db") as connection:
        assert connection.execute("SELECT x FROM numbers").fetchall() == [(42,)]
    connection.close()
    answer = staged(steps, "dump", "out/dump.csv")
    assert answer.status is TaskStatus.SUCCEEDED, answer.error
    assert (steps.root / "stage/dump.csv").read_text().replace('"', "").split() == ["x", "42"]


def test_hooks_alone(steps):
    products = {"out/nb.ipynb": "stage/nb.ipynb"}
    answer = run_job(job(steps, "nb", hooks_only="on_finish", products=products))
    assert answer.status is TaskStatus.SUCCEEDED, answer.error
    assert (steps.root / "noted").read_text() == str(steps.root / "stage/nb.ipynb")
    assert run_job(job(steps, "nb", hooks_only="on_failure")).error.message == "the hook says no"
    assert run_job(job(steps, "run", hooks_only="on_finish")).ran_hooks == ()


def test_hooks_of_the_whole_pipeline(steps):
    assert run_job(job(steps, "", hooks_only="on_finish")).status is TaskStatus.SUCCEEDED
    assert (steps.root / "ended.txt").exists()
    run_job(job(steps, "", hooks_only="on_failure", traceback="it broke"))
    assert (steps.root / "failed.txt").read_text() == "it broke"


def test_a_task_that_does_not_exist(steps):
    answer = run_job(job(steps, "mak"))
    assert answer.status is TaskStatus.FAILED
    assert 'did you mean "make"' in answer.error.message


def test_a_process_that_dies_gives_no_answer(steps, tmp_path):
    request, answer = tmp_path / "job.json", tmp_path / "answer.json"
    request.write_bytes(encode(job(steps, "vanish")))
    done = subprocess.run(
        worker.command("run", request, answer),
        env=worker.environment(),
        cwd=steps.root,
        check=False,
    )
    assert done.returncode == 9
    assert worker.read_answer(answer) is None
    request.write_bytes(encode(job(steps, "make")))
    assert worker.main(["run", str(request), str(answer)]) == 0
    assert worker.read_answer(answer).status is TaskStatus.SUCCEEDED
    request.write_bytes(encode(job(steps, "boom")))
    assert worker.main(["run", str(request), str(answer)]) == 1


def test_values_that_json_cannot_say_keep_their_type(lab):
    lab.write(
        "steps.py",
        "from pathlib import Path\n\n\nclass Box:\n    pass\n\n\ndef box():\n    return Box()\n\n\n"
        "def go(product, day, box, pair=(1, 2)):\n"
        "    names = [type(value).__name__ for value in (day, box, pair)]\n"
        "    Path(product).write_text(' '.join(names))\n",
    )
    lab.spec(
        "tasks:\n- source: steps.go\n  product: out/go\n"
        "  params: {day: 2013-01-31, box: 'steps::box'}\n"
    )
    pipeline = lab.load()
    assert pipeline["go"].params == {"day": "2013-01-31"}
    assert pipeline["go"].spec["params.box"] == "steps::box"
    answer = run_job(job(lab, "go", params=pipeline["go"].params))
    assert answer.status is TaskStatus.SUCCEEDED, answer.error
    assert (lab.root / "out/go").read_text() == "date Box tuple"
    (lab.root / ".mlops/cache/pipeline.json").unlink()
    assert lab.load() == pipeline


def test_files_are_sent_to_their_store(lab):
    lab.write(
        "steps.py", "from pathlib import Path\n\ndef go(product):\n    Path(product).touch()\n"
    )
    lab.write(
        "store.py",
        "from ploomber.clients import LocalStorageClient\n\n"
        "def get():\n    return LocalStorageClient('remote', path_to_project_root='.')\n",
    )
    lab.spec("clients: {File: store.get}\ntasks:\n- {source: steps.go, product: out/go}\n")
    pipeline = lab.load()
    assert "LocalStorageClient" in pipeline["go"].spec["product_client"]
    assert run_job(job(lab, "go")).status is TaskStatus.SUCCEEDED
    assert not (lab.root / "remote/out/go").exists()
    write_sidecars(lab.project, pipeline, "go")
    assert run_job(job(lab, "go", hooks_only="upload")).error is None
    assert (lab.root / "remote/out/go").exists()
