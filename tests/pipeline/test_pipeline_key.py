from __future__ import annotations

import json
import re

import pytest

from mlops_nb.errors import PipelineError
from mlops_nb.pipeline.fingerprint import fingerprint_now
from mlops_nb.pipeline.key import joint_key
from mlops_nb.pipeline.overrides import with_parameters

EVERYTHING = ("load", "train", "report", "other")


def key(lab, *tasks: str, **parameters: object) -> str:
    pipeline = lab.load()
    return joint_key(
        lab.project, with_parameters(pipeline, parameters) if parameters else pipeline, tasks
    )


def test_one_tasks_key_is_its_fingerprint(chain):
    chain.play()
    pipeline = chain.load()
    for name in EVERYTHING:
        assert key(chain, name) == fingerprint_now(chain.project, pipeline, name).digest


def test_a_group_has_a_key_before_it_has_run(chain):
    before = key(chain, *EVERYTHING)
    assert re.fullmatch(r"[0-9a-f]{64}", before)
    chain.play()
    assert key(chain, *reversed(EVERYTHING)) == before
    assert key(chain, "load", "train") != key(chain, "load", "other")


def test_it_changes_with_all_that_the_results_depend_on(chain):
    chain.play()
    seen = {key(chain, "train", "report")}
    seen.add(key(chain, "train", "report", max_depth=7))
    chain.write("deep/near.py", "y = 2\n")
    # What the helper changes in load shows once load has been made again.
    assert key(chain, "train", "report") in seen
    chain.finish("load", "other rows")
    seen.add(key(chain, "train", "report"))
    assert len(seen) == 3
    both = {key(chain, "load", "train")}
    chain.write("deep/near.py", "y = 3\n")
    both.add(key(chain, "load", "train"))
    assert len(both) == 2


def test_what_stands_above_must_have_run(chain):
    with pytest.raises(PipelineError, match=r'"load" has not run; .*plan --key "load" "train"'):
        key(chain, "train", "report")


def test_the_command_prints_it(chain, capsys):
    from mlops_nb.cli.main import main
    from mlops_nb.errors import ExitCode

    def call(*words: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as stop:
            main(["plan", *words])
        return stop.value.code, capsys.readouterr().out

    chain.play()
    assert call("train", "--key") == (ExitCode.OK, key(chain, "train") + "\n")
    _, printed = call("train", "--key", "--json", "-p", "max_depth=7")
    assert json.loads(printed) == {"key": key(chain, "train", max_depth=7)}
    assert call("--key", "--force")[0] == ExitCode.USAGE
