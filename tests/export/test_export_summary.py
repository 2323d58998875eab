from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

from export_samples import HOSTILE

from mlops_nb.export.summary import junit, markdown, metrics
from mlops_nb.model import ErrorInfo, Run, RunFacts, RunStatus, TaskRun, TaskStatus


def run(*tasks: TaskRun, **more: object) -> Run:
    facts = RunFacts(id="1", pipeline="demo", started=0.0)
    return Run(facts=facts, status=RunStatus.FAILED, tasks=tasks, **more)


FAILED = TaskRun(
    task="train",
    status=TaskStatus.FAILED,
    why="source changed",
    started=1.0,
    ended=3.5,
    error=ErrorInfo(
        name="ValueError", message="bad <b>", cell=4, source="x = 1\nraise", traceback="tb"
    ),
)


def test_markdown_shows_tasks_metrics_and_the_failing_cell() -> None:
    skipped = TaskRun(task="load", status=TaskStatus.SKIPPED, why="up to date")
    text = markdown([run(skipped, FAILED, metrics={"auc": 0.75})], "Train")
    assert "### Train" in text
    assert "| train | ❌ failed | 2.5 s | source changed |" in text
    assert "load" not in text and "Up to date or not asked for: 1." in text
    assert "| auc | 0.75 |" in text
    assert "**train, cell 4: ValueError**" in text
    assert "    raise\n" in text
    assert markdown([]) == "Nothing to do: every task is up to date.\n"


def test_what_a_notebook_says_stays_text() -> None:
    for name in (*HOSTILE, "@everyone", "![x](https://evil.example/a.png)", "```", "|a|b|"):
        error = ErrorInfo(name=name, message=name, source=name)
        text = markdown([run(TaskRun(task=name, status=TaskStatus.FAILED, why=name, error=error))])
        for line in text.splitlines():
            if line.startswith(("    ", "\t")):
                continue
            assert "<" not in line and "](" not in line and "```" not in line, name
            assert line.count("|") in (0, 5), name
            assert "@everyone" not in line


def test_junit_and_metrics_are_well_formed() -> None:
    tasks = [
        TaskRun(task=name, status=TaskStatus.SUCCEEDED, started=0.0, ended=1.0) for name in HOSTILE
    ]
    text = junit([run(*tasks, FAILED)], HOSTILE[3])
    suite = ElementTree.fromstring(text.split("\n", 1)[1])
    assert suite.get("tests") == str(len(HOSTILE) + 1)
    assert suite.get("failures") == "1"
    assert suite.findall("testcase/failure")[0].get("message") == "bad <b>"
    values = dict.fromkeys(HOSTILE, 1.5)
    for line in metrics([run(metrics=values)]).splitlines():
        name, value = line.split(" ")
        assert name.replace("_", "a").replace(":", "a").isalnum() and float(value) == 1.5


def test_the_command_writes_what_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "pipeline.yaml").write_text("tasks: []\n")
    words = ["--title", "x", "--to", "a/s.md", "--metrics", "a/m.txt", "--junit", "a/j.xml"]
    command = [sys.executable, "-m", "mlops_nb.api.summary", *words]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["j.xml", "m.txt", "s.md"]
