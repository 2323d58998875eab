from __future__ import annotations

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from mlops_nb.errors import RunError
from mlops_nb.model import (
    CellRun,
    ErrorInfo,
    Run,
    RunFacts,
    RunStatus,
    TaskRun,
    TaskStatus,
)
from mlops_nb.runs.report import report_path, write_reports

EVIL = "<script>alert('x')</script>"


def a_run(tmp_path) -> Run:
    cells = [
        {
            "cell_type": "markdown",
            "metadata": {},
            "source": "# Title\n\n![plot](plot.png)\n\n![far](https://example.org/x.png)",
        },
        {
            "cell_type": "code",
            "metadata": {"tags": ["injected-parameters"]},
            "source": "depth = 3",
            "outputs": [],
            "execution_count": 1,
        },
        {
            "cell_type": "code",
            "metadata": {},
            "source": "print('<b>')",
            "outputs": [
                {"output_type": "stream", "name": "stdout", "text": "<b> & 'quotes'"},
                {
                    "output_type": "display_data",
                    "metadata": {},
                    "data": {
                        "text/html": "<script src='https://cdn.example.org/plotly.js'></script>"
                        "<img src=//example.org/i.png><p>kept</p>"
                    },
                },
            ],
            "execution_count": 2,
        },
        {
            "cell_type": "code",
            "metadata": {},
            "source": "1 / 0",
            "outputs": [
                {
                    "output_type": "error",
                    "ename": "ZeroDivisionError",
                    "evalue": EVIL,
                    "traceback": ["\x1b[31mZeroDivisionError\x1b[0m", EVIL],
                }
            ],
            "execution_count": 3,
        },
    ]
    folder = tmp_path / "notebooks"
    folder.mkdir(parents=True)
    (folder / "plot.png").write_bytes(b"\x89PNG")
    notebook = {
        "nbformat": 4,
        "nbformat_minor": 4,
        "metadata": {"papermill": {"parameters": {"depth": 3, "name": EVIL}}},
        "cells": cells,
    }
    (folder / "train.ipynb").write_text(json.dumps(notebook))
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "script.log").write_text(f"printed {EVIL}")
    now = time.time()
    return Run(
        facts=RunFacts(
            id="20261123-070000-abcdef",
            pipeline=f"flights {EVIL}",
            started=now,
            parameters={"depth": 3},
            git_commit="c" * 40,
            git_diff="d",
        ),
        status=RunStatus.FAILED,
        ended=now + 75,
        metrics={"auc": 0.75},
        tasks=(
            TaskRun(task="load", status=TaskStatus.SKIPPED, why="up to date"),
            TaskRun(
                task="train",
                status=TaskStatus.FAILED,
                why=f"parameter name → {EVIL}",
                attempt=2,
                started=now,
                ended=now + 1.5,
                kernel="warm",
                notebook="notebooks/train.ipynb",
                error=ErrorInfo(
                    name="ZeroDivisionError",
                    message=EVIL,
                    cell=2,
                    source="1 / 0",
                    traceback=EVIL,
                ),
                cells=(CellRun(index=0, seconds=0.1),),
                peak_mb=210.0,
            ),
            TaskRun(task="script", status=TaskStatus.SUCCEEDED, attempt=1, started=now, ended=now),
            TaskRun(
                task="below/it",
                status=TaskStatus.BLOCKED,
                error=ErrorInfo(name="Blocked", message='"train" did not succeed'),
            ),
        ),
    )


def test_a_failed_notebook_gets_a_page_that_leads_to_the_cell(tmp_path):
    run = a_run(tmp_path)
    pages = write_reports(run, tmp_path)
    assert set(pages) == {"train", "script", "below/it", ""}
    page = pages["train"].read_text()
    for says in (
        "train",
        "✗ failed",
        "parameter name",
        "1.50 s",
        "<dd>2</dd>",
        "210 MiB",
        "ZeroDivisionError",
        "with uncommitted changes",
        "kept",
    ):
        assert says in page
    (link,) = re.findall(r'href="#([^"]+)">Go to the failing cell', page)
    assert f'id="{link}"' in page
    failing = page.partition(f'id="{link}"')[2]
    assert "ZeroDivisionError" in failing
    assert "print" not in failing
    assert page.count("data:image/png;base64,") == 1


def test_pages_fetch_nothing_and_show_markup_as_text(tmp_path):
    for page in write_reports(a_run(tmp_path), tmp_path).values():
        text = page.read_text()
        assert "default-src 'none'" in text
        assert not re.search(r"<[^!>]*\b(src|href)\s*=\s*[\"']?(https?:)?//", text), page
        assert EVIL not in text


def test_the_summary_lists_every_task_with_links_that_exist(tmp_path):
    pages = write_reports(a_run(tmp_path), tmp_path)
    text = pages[""].read_text()
    links = re.findall(r'<td><a href="([^"]+)"', text)
    from urllib.parse import unquote

    assert [unquote(link) for link in links] == [
        report_path(task).removeprefix("reports/") for task in ("train", "script", "below/it")
    ]
    assert all((pages[""].parent / unquote(link)).exists() for link in links)
    for says in ("up to date", "1 min 15 s", "auc", "0.75", "⊘ blocked"):
        assert says in text


def test_one_task_is_reported_when_it_is_asked_for(tmp_path):
    run = a_run(tmp_path)
    assert set(write_reports(run, tmp_path, tasks=["load"])) == {"load", ""}
    assert "left no notebook" in (tmp_path / report_path("load")).read_text()
    assert "printed" in write_reports(run, tmp_path, tasks=["script"])["script"].read_text()


def test_a_damaged_notebook_and_a_folder_that_cannot_be_written_are_told(tmp_path):
    run = a_run(tmp_path)
    (tmp_path / "notebooks" / "train.ipynb").write_text("{broken")
    page = write_reports(run, tmp_path)["train"].read_text()
    assert "cannot be shown" in page
    (tmp_path / "other").write_text("a file in the way")
    with pytest.raises(RunError, match="report cannot be written"):
        write_reports(run, tmp_path / "other")


def test_many_pages_at_once_each_in_its_notebook_s_language(tmp_path):
    languages = {
        "python": ("import os", '<span class="kn">import</span>'),
        "r": ("x <- function(n) n", '<span class="o">&lt;-</span>'),
    }
    runs = {}
    for place, (language, (source, _)) in enumerate(list(languages.items()) * 4):
        folder = tmp_path / f"{language}-{place}"
        (folder / "notebooks").mkdir(parents=True)
        cell = {"cell_type": "code", "metadata": {}, "source": source, "outputs": []}
        nb = {
            "cells": [{**cell, "execution_count": None}],
            "metadata": {"language_info": {"name": language, "pygments_lexer": language}},
            "nbformat": 4,
            "nbformat_minor": 4,
        }
        (folder / "notebooks/a.ipynb").write_text(json.dumps(nb))
        task = TaskRun(
            task="a", status=TaskStatus.SUCCEEDED, attempt=1, notebook="notebooks/a.ipynb"
        )
        facts = RunFacts(id="r", pipeline="p", started=0.0)
        runs[folder] = Run(facts=facts, status=RunStatus.SUCCEEDED, tasks=(task,))
    with ThreadPoolExecutor(4) as pool:
        pages = list(pool.map(lambda folder: write_reports(runs[folder], folder)["a"], runs))
    for folder, page in zip(runs, pages, strict=True):
        own = folder.name.partition("-")[0]
        for language, (_, mark) in languages.items():
            assert (mark in page.read_text()) == (language == own), folder.name
