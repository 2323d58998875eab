"""Pages of notebooks are made while the run goes on, and the report takes them."""

from __future__ import annotations

import json

import pytest
from faces_kit import write_notebook

from mlops_nb import pages
from mlops_nb.api import services
from mlops_nb.api.reports import Reports
from mlops_nb.model import (
    Event,
    EventKind,
    Run,
    RunFacts,
    RunStatus,
    TaskRun,
    TaskStatus,
    decode,
    to_builtins,
)
from mlops_nb.pages import NotebookPage
from mlops_nb.runs import report


class Server:
    """What a resident server does for pages, or does not."""

    def __init__(self, made):
        self.made = made
        self.asked = []

    def call(self, service, value):
        self.asked.append((service, value))
        return self.made


def ended(task, status):
    data = {"status": status.value}
    return Event(run="r", seq=1, time=0.0, kind=EventKind.TASK_FINISHED, task=task, data=data)


def a_run(*tasks):
    return Run(
        facts=RunFacts(id="r", pipeline="p", started=0.0),
        status=RunStatus.SUCCEEDED,
        tasks=tuple(
            TaskRun(task=task, status=status, attempt=1, notebook=f"notebooks/{task}.ipynb")
            for task, status in tasks
        ),
    )


@pytest.fixture
def folder(tmp_path):
    for task in ("good", "bad"):
        write_notebook(tmp_path / "notebooks" / f"{task}.ipynb", "", f'"this is {task}"')
    return tmp_path


def test_good_notebooks_get_a_page_that_the_report_takes(folder, monkeypatch):
    with Reports(folder, None, early=True, state=folder) as reports:
        reports.listen(ended("good", TaskStatus.SUCCEEDED))
        reports.listen(ended("bad", TaskStatus.FAILED))
        reports.listen(ended("function", TaskStatus.SUCCEEDED))
    made = sorted(path.name for path in (folder / "pages").iterdir())
    assert made == ["good.json"]
    page = decode((folder / "pages/good.json").read_bytes(), NotebookPage)
    assert "this is good" in page.body
    asked = []
    monkeypatch.setattr(
        report,
        "notebook_page",
        lambda path, **more: asked.append(path.stem) or pages.notebook_page(path, **more),
    )
    run = a_run(("good", TaskStatus.SUCCEEDED), ("bad", TaskStatus.FAILED))
    found = report.write_reports(run, folder)
    assert asked == ["bad"]
    assert "this is good" in found["good"].read_text()
    assert "this is bad" in found["bad"].read_text()
    assert not (folder / "pages").exists()


def test_a_damaged_page_is_made_again(folder):
    report.early_page(folder, "good").parent.mkdir()
    report.early_page(folder, "good").write_bytes(b'{"body": ')
    found = report.write_reports(a_run(("good", TaskStatus.SUCCEEDED)), folder)
    assert "this is good" in found["good"].read_text()


def test_nothing_is_made_where_no_reports_are_wanted(folder):
    with Reports(folder, None, early=False, state=folder) as reports:
        reports.listen(ended("good", TaskStatus.SUCCEEDED))
    assert not (folder / "pages").exists()


@pytest.mark.parametrize("gone", [False, True])
def test_a_server_is_asked_and_one_that_is_gone_is_not_missed(folder, monkeypatch, gone):
    monkeypatch.setattr("mlops_nb.api.reports.Resident", Server)
    server = Server(made=not gone)
    run, page = a_run(("good", TaskStatus.SUCCEEDED)), report.early_page(folder, "good")
    with Reports(folder, server, early=True, state=folder) as reports:
        reports.listen(ended("good", TaskStatus.SUCCEEDED))
        reports.write(run, ["good"])
    assert [service for service, _ in server.asked] == ["page", "report"]
    notebook = str(folder / "notebooks/good.ipynb")
    assert server.asked[0][1] == {"notebook": notebook, "target": str(page)}
    for name in ("index.html", "good.html"):
        assert (folder / "reports" / name).exists() == gone


def test_what_the_server_is_asked_for_is_what_it_does(folder):
    services.prepare()
    page, run = report.early_page(folder, "good"), a_run(("good", TaskStatus.SUCCEEDED))
    services.SERVICES["page"](
        {"notebook": str(folder / "notebooks/good.ipynb"), "target": str(page)}
    )
    assert "this is good" in decode(page.read_bytes(), NotebookPage).body
    value = {"run": to_builtins(run), "folder": str(folder), "tasks": ["good"]}
    services.SERVICES["report"](json.loads(json.dumps(value)))
    assert "this is good" in (folder / "reports/good.html").read_text()
    assert not page.exists()
