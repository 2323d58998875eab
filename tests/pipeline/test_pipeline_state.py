from __future__ import annotations

import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from mlops_nb.errors import PipelineError, RunError
from mlops_nb.model import Fingerprint
from mlops_nb.pipeline import environment
from mlops_nb.pipeline.environment import Environment, version_of
from mlops_nb.pipeline.fingerprint import Fingerprinter, fingerprint_now
from mlops_nb.pipeline.state import StateStore

MARK = Fingerprint(digest="d", parts={"source": "s"})


@pytest.fixture
def store(lab):
    lab.spec("tasks: []\n")
    return StateStore(lab.project)


def test_states_are_kept_replaced_and_forgotten(store):
    assert store.get("a") is None
    assert store.all() == {}
    store.put("a", MARK, {"out/a": "1"}, "run-1")
    store.put("b", MARK, {})
    assert store.get("a").products == {"out/a": "1"}
    store.put("a", MARK, {"out/a": "2"}, "run-2")
    assert (store.get("a").run_id, store.get("a").products) == ("run-2", {"out/a": "2"})
    assert set(store.all()) == {"a", "b"}
    store.forget("a")
    assert store.get("a") is None


def test_a_file_that_cannot_be_written_says_so(lab, store):
    (lab.root / ".mlops").mkdir(exist_ok=True)
    (lab.root / ".mlops/state.db").mkdir()
    with pytest.raises(RunError, match=r"state\.db"):
        store.put("a", MARK, {})


def test_a_held_connection_sees_other_writers_and_a_replaced_file(lab, store):
    held = StateStore(lab.project, keep=True)
    held.put("a", MARK, {}, "run-1")
    store.put("a", MARK, {}, "run-2")
    assert held.get("a").run_id == "run-2"
    (lab.root / ".mlops/state.db").unlink()
    assert held.all() == {}
    held.put("b", MARK, {})
    assert set(store.all()) == {"b"}
    held.close()
    assert set(held.all()) == {"b"}
    held.close()


@pytest.mark.parametrize("keep", [False, True])
def test_many_threads_at_once(lab, keep):
    lab.spec("tasks: []\n")
    store = StateStore(lab.project, keep=keep)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: store.put(f"t{i}", MARK, {"p": str(i)}), range(40)))
    assert {name: state.products["p"] for name, state in store.all().items()} == {
        f"t{i}": str(i) for i in range(40)
    }
    store.close()


@pytest.mark.parametrize("keep", [False, True])
def test_a_damaged_file_counts_as_nothing_and_is_set_aside_when_written(lab, keep):
    lab.spec("tasks: []\n")
    store = StateStore(lab.project, keep=keep)
    store.put("b", MARK, {})
    damaged = b"not a database" * 100
    (lab.root / ".mlops/state.db").write_bytes(damaged)
    assert StateStore(lab.project).all() == {}
    store.close()
    store.put("a", MARK, {})
    assert set(store.all()) == {"a"}
    assert (lab.root / ".mlops/state.db.damaged").read_bytes() == damaged
    store.close()
    connection = sqlite3.connect(lab.root / ".mlops/state.db")
    with connection:
        connection.execute("UPDATE state SET value = 'x'")
    connection.close()
    assert store.get("a") is None


def test_a_fingerprint_needs_what_stands_above(chain):
    pipeline = chain.load()
    with pytest.raises(PipelineError, match='its upstream task "load" has not run'):
        fingerprint_now(chain.project, pipeline, "train")
    with pytest.raises(PipelineError, match='did you mean "train"'):
        fingerprint_now(chain.project, pipeline, "trian")
    chain.finish("load")
    first = fingerprint_now(chain.project, pipeline, "train")
    assert first == fingerprint_now(chain.project, pipeline, "train")
    assert first.parts["param:max_depth"] == "6"
    assert set(first.parts) >= {"source", "upstream:load", "env:python", "spec:kernel"}
    chain.finish("load", "other")
    assert fingerprint_now(chain.project, pipeline, "train") != first


def test_one_look_is_shared_by_a_run(chain):
    pipeline = chain.load()
    look = Fingerprinter(chain.project)
    chain.finish("load")
    first = fingerprint_now(chain.project, pipeline, "train", look=look)
    assert first == fingerprint_now(chain.project, pipeline, "train")
    # Products made since are seen; a source edited since counts as it stood.
    chain.finish("load", "other")
    chain.notebook("notebooks/train.ipynb", 'upstream = ["load"]\nproduct = None', "1")
    second = fingerprint_now(chain.project, pipeline, "train", look=look)
    assert second.parts["upstream:load"] != first.parts["upstream:load"]
    assert second.parts["source"] == first.parts["source"]


def test_the_fingerprint_of_the_plan_is_the_one_of_the_run(chain):
    chain.play()
    for item in chain.plan(force=True, targets=["other"]).items:
        if item.task == "other":
            assert item.fingerprint == fingerprint_now(chain.project, chain.load(), "other")


def test_a_changed_environment_listing_is_surveyed_again(lab, monkeypatch):
    lab.spec("tasks: []\n")
    found = Environment(lab.project).reached(["pandas.core", "os", "json"])
    assert found["pandas"] == version_of("pandas")
    assert "numpy" in found
    assert Environment(lab.project).reached(["os"]) == {}
    assert Environment(lab.project).reached(["no_such_module"]) == {}
    monkeypatch.setattr(environment, "_survey", lambda: pytest.fail("surveyed again"))
    assert Environment(lab.project).reached(["pandas"]) == found
    monkeypatch.setattr(environment, "_SURVEYED", {})
    monkeypatch.setattr(environment, "_survey", dict)
    monkeypatch.setattr(sys, "path", [str(lab.root)])
    (lab.root / "thing-2.0.dist-info").mkdir()
    assert Environment(lab.project).reached(["pandas"]) == {}
    assert version_of("Thing") == "2.0"
    assert version_of("pandas") == ""
