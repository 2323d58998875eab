"""Runs of functions that an executor only pretends to run: how they end is written in the test."""

from __future__ import annotations

import time
from pathlib import Path

from msgspec.structs import replace
from runner_kit import project

from mlops_nb.execution.runner import run_plan, status_of
from mlops_nb.model import ErrorInfo, EventKind, RunFacts, TaskRun, TaskStatus
from mlops_nb.pipeline.load import load_pipeline
from mlops_nb.pipeline.plan import make_plan
from mlops_nb.runs.store import RunStore


class Scripted:
    """An executor whose tasks do what a function says."""

    slots = 3.0
    memory_mb = 1e6
    shares_files = True

    def __init__(self, body):
        self.body = body

    def run(self, attempt, *, tell, cancel):
        return replace(self.body(attempt, cancel), attempt=attempt.number)

    def close(self):
        pass


def good(attempt, cancel=None, text="x"):
    for path in attempt.products.values():
        Path(path).write_text(text)
    return TaskRun(task=attempt.task.name, status=TaskStatus.SUCCEEDED)


def bad(attempt, cancel=None):
    return TaskRun(
        task=attempt.task.name,
        status=TaskStatus.FAILED,
        notebook=f"notebooks/{attempt.task.name}.ipynb",
        error=ErrorInfo(name="ValueError", message="the real error"),
    )


def functions(root: Path, *tasks: str, settings: str = ""):
    """Functions in a pipeline; ``b < a`` stands for one below another."""
    texts = []
    for text in tasks:
        name, _, above = text.partition(" < ")
        lines = f"source: tasks.make\nname: {name}\nproduct: out/{name}.txt"
        texts.append(lines + (f"\nupstream: [{above}]" if above else ""))
    where = project(root, *texts, settings=settings)
    where.spec.write_text("meta:\n  extract_upstream: false\n" + where.spec.read_text())
    return where


def run(where, body, start_from=(), **options):
    cache = options.get("cache")
    pipeline = load_pipeline(where)
    cached = None if cache is None else cache.has
    plan = make_plan(where, pipeline, cached=cached, start_from=start_from)
    writer = RunStore(where.state).create(RunFacts(id="", pipeline="p", started=time.time()))
    tasks = run_plan(
        where,
        pipeline,
        plan,
        sink=writer,
        run_dir=writer.folder,
        run_id=writer.id,
        executor=Scripted(body),
        **options,
    )
    return writer.finish(status_of(tasks))


def notes(where, done):
    events = RunStore(where.state).events(done.id)
    return [event.data["text"] for event in events if event.kind is EventKind.NOTE]
