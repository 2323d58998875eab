"""What a resumed run does, and what it leaves alone."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from scripted_kit import bad, functions, good, run

from mlops_nb.api.runs import prepare_resume
from mlops_nb.errors import RunError
from mlops_nb.execution.lock import project_lock
from mlops_nb.execution.resume import resume_plan, with_plan
from mlops_nb.model import Action, RunStatus, encode
from mlops_nb.pipeline.load import load_pipeline
from mlops_nb.pipeline.plan import make_plan
from mlops_nb.processes import me
from mlops_nb.runs.facts import gather_facts
from mlops_nb.runs.store import RunStore


def test_what_a_run_was_not_asked_for_is_left_alone(tmp_path):
    where = functions(tmp_path / "p", "a", "b < a", "c < b")
    run(where, good)
    pipeline = load_pipeline(where)
    failed = run(where, bad, start_from=["b"])
    # Everything is out of date now, also what the run had left as it was.
    source = where.root / "tasks.py"
    source.write_text(source.read_text().replace("1\\n", "2\\n"))
    assert make_plan(where, pipeline)["a"].action is Action.RUN
    _, again = resume_plan(where, pipeline, failed, RunStore(where.state).events(failed.id))
    assert [item.action for item in again.items] == [Action.SKIP, Action.RUN, Action.RUN]
    assert again["a"].why == "not selected"
    # Unless its product is gone, which the others need.
    (where.root / "out/a.txt").unlink()
    _, again = resume_plan(where, pipeline, failed, RunStore(where.state).events(failed.id))
    assert again["a"].action is Action.RUN


def begun(where, **asked):
    """A run that was cancelled before it had told its plan."""
    facts = gather_facts(root=where.root, pipeline="p", **asked)
    return RunStore(where.state).create(facts).finish(RunStatus.CANCELLED)


def planned(where, ended):
    store = RunStore(where.state)
    told = with_plan(ended, store.events, store.get)
    return resume_plan(where, load_pipeline(where), *told)[1]


def actions(plan):
    return [item.action for item in plan.items]


def test_a_run_that_ended_before_its_plan_is_planned_as_it_was_asked_for(tmp_path):
    where = functions(tmp_path / "p", "a", "b < a", "c < b")
    run(where, good)
    assert actions(planned(where, begun(where))) == [Action.SKIP] * 3
    plan = planned(where, begun(where, start_from=["b"]))
    assert actions(plan) == [Action.SKIP, Action.RUN, Action.RUN]
    assert plan["b"].why == "forced"
    assert actions(planned(where, begun(where, force=True))) == [Action.RUN] * 3


def test_a_resumed_run_that_ended_before_its_plan_leaves_that_to_the_one_before(tmp_path):
    where = functions(tmp_path / "p", "a", "b < a", "c < b")
    run(where, good)
    failed = run(where, bad, start_from=["b"])
    ended = begun(where, start_from=["b"], resumed_from=failed.id)
    plan = planned(where, begun(where, start_from=["b"], resumed_from=ended.id))
    assert actions(plan) == [Action.SKIP, Action.RUN, Action.RUN]
    assert plan["b"].why.startswith(f"forced in run {failed.id}")
    RunStore(where.state).remove(failed.id)
    plan = planned(where, ended)
    assert actions(plan) == [Action.SKIP, Action.RUN, Action.RUN]
    assert plan["b"].why == "forced"


def test_a_run_of_a_container_that_is_gone_can_be_gone_on_with(tmp_path):
    where = functions(tmp_path / "p", "a")
    facts = gather_facts(root=where.root, pipeline="p")
    writer = RunStore(where.state).create(facts)
    writer.amend(pids="pid:[1]")  # as its own were
    lock = where.state / "lock.json"
    left = encode({"run": writer.id, "owner": replace(me(), pids="pid:[1]"), "since": 1.0})
    lock.write_bytes(left)
    with project_lock(where, "another"), pytest.raises(RunError, match="still running"):
        lock.write_bytes(left)
        prepare_resume(str(where.spec), writer.id)
    lock.write_bytes(left)
    assert prepare_resume(str(where.spec), writer.id).plan["a"].action is Action.RUN
    assert RunStore(where.state).get(writer.id).status is RunStatus.LOST
