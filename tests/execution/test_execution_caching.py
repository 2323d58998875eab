"""The product cache as a run uses it, and products of code that was edited meanwhile."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from scripted_kit import functions, good, notes, run

from mlops_nb.errors import ExecutionError
from mlops_nb.execution.blobs import FolderBlobs, RemoteBlobs
from mlops_nb.execution.cache import ProductCache
from mlops_nb.execution.caching import Caching
from mlops_nb.model import RunStatus, TaskStatus
from mlops_nb.pipeline.load import load_pipeline
from mlops_nb.pipeline.plan import make_plan


def edited_meanwhile(root: Path):
    where = functions(root, "a")
    (where.root / "tasks.py").write_text("import helper\ndef make(product):\n    helper.V\n")
    helper = where.root / "helper.py"
    helper.write_text("V = 1\n")

    def body(attempt, cancel):
        helper.write_text("V = 2\n")
        return good(attempt, text=helper.read_text())

    return where, helper, body


def test_what_was_made_while_its_code_was_edited_is_neither_current_nor_cached(tmp_path):
    where, helper, body = edited_meanwhile(tmp_path / "p")
    cache = ProductCache(str(tmp_path / "cache"))
    done = run(where, body, cache=cache)
    assert done.status is RunStatus.SUCCEEDED
    (note,) = notes(where, done)
    assert note.endswith("so it will run again: helper.py changed")
    assert cache.ls() == ()
    pipeline = load_pipeline(where)
    for text in ("V = 1\n", "V = 2\n"):
        helper.write_text(text)
        assert make_plan(where, pipeline)["a"].why == "helper.py changed"
    assert run(where, good, cache=cache).tasks[0].status is TaskStatus.SUCCEEDED
    assert make_plan(where, pipeline)["a"].why == "up to date"


def test_the_cache_takes_only_what_the_task_made(tmp_path, monkeypatch):
    where = functions(tmp_path / "p", "a", "b < a")
    cache, keep = ProductCache(str(tmp_path / "cache")), ProductCache.keep
    changed = threading.Event()

    def late(self, task, *rest, **options):
        assert changed.wait(30)
        keep(self, task, *rest, **options)

    def body(attempt, cancel):
        if attempt.task.name == "b":
            (where.root / "out/a.txt").write_text("changed in place")
            changed.set()
        return good(attempt)

    monkeypatch.setattr(ProductCache, "keep", late)
    done = run(where, body, cache=cache)
    assert done.status is RunStatus.SUCCEEDED
    assert cache.ls() == ()
    assert any(
        "out/a.txt is not what the task made any more" in note for note in notes(where, done)
    )


def test_a_cache_that_cannot_be_read_makes_the_task_run(tmp_path, monkeypatch):
    where, cache = functions(tmp_path / "p", "a"), ProductCache(str(tmp_path / "cache"))
    run(where, good, cache=cache)
    (where.root / "out/a.txt").unlink()

    def hangs(self, name, target):
        raise OSError(110, "Connection timed out")

    monkeypatch.setattr(FolderBlobs, "get", hangs)
    done = run(where, good, cache=cache)
    assert (done.tasks[0].status, done.tasks[0].attempt) == (TaskStatus.SUCCEEDED, 1)
    assert any(
        "not restored but runs" in note and "timed out" in note for note in notes(where, done)
    )


def test_a_run_holds_a_folder_to_its_limit(tmp_path):
    where = functions(tmp_path / "p", "a")
    cache = ProductCache(str(tmp_path / "cache"), limit_mb=1)
    for number in range(3):
        (where.root / "tasks.py").write_text(f"def make(product):\n    return {number}\n")
        run(
            where,
            lambda attempt, _, text=str(number): good(attempt, text=text * 700_000),
            cache=cache,
        )
    assert sum(entry.size for entry in cache.ls()) == 700_000


def test_an_unusable_driver_is_one_clear_error(tmp_path):
    class Driver:
        protocol = "s3"

        def __getattr__(self, name):
            def fails(*rest, **options):
                raise RuntimeError("EndpointConnectionError")

            return fails

    cache = ProductCache(str(tmp_path / "cache"))
    cache._blobs = RemoteBlobs(Driver(), "bucket")
    assert not cache.has("one")
    (tmp_path / "a").write_text("x")
    with pytest.raises(ExecutionError, match="could not be cached: RuntimeError: Endpoint"):
        cache.keep("t", "one", {"out/a": tmp_path / "a"})
    with pytest.raises(ExecutionError, match="cannot be used"):
        cache.ls()


def test_a_signal_while_products_are_cached_ends_the_wait_alone(tmp_path, monkeypatch):
    where = functions(tmp_path / "p", "a")
    go_on, kept = threading.Event(), []
    keep, close = Caching.keep, Caching.close

    def interrupted(self, *rest, **options):
        time.sleep(0.3)  # until it is waited for
        os.kill(os.getpid(), signal.SIGINT)
        go_on.wait(30)

    def keep_late(self):
        # Once the tasks have ended: before that, the signal would cancel them.
        for rest in kept:
            keep(self, *rest)
        close(self)

    monkeypatch.setattr(ProductCache, "keep", interrupted)
    monkeypatch.setattr(Caching, "keep", lambda self, *rest: kept.append(rest))
    monkeypatch.setattr(Caching, "close", keep_late)
    done = run(where, good, cache=ProductCache(str(tmp_path / "cache")))
    go_on.set()
    assert done.status is RunStatus.SUCCEEDED
    assert notes(where, done) == ["interrupted before all products were in the cache"]
