"""What a resumed run does, and what it leaves alone."""

from __future__ import annotations

from scripted_kit import bad, functions, good, run

from mlops_nb.execution.resume import resume_plan
from mlops_nb.model import Action
from mlops_nb.pipeline.load import load_pipeline
from mlops_nb.pipeline.plan import make_plan
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
