from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlops_nb.api import models
from mlops_nb.errors import ArtifactError, ConflictError, GateError, RegistryError
from mlops_nb.model import EntryKind, VersionStatus
from tests import faces_kit as kit

GATES = """
[tool.mlops-nb.gates.roles]
reviewer = ["ann"]
[tool.mlops-nb.gates.checks.good-enough]
kind = "metric"
metric = "roc_auc"
min = 0.75
[tool.mlops-nb.gates.checks.not-worse]
kind = "champion"
margin = 0.01
resamples = 200
[tool.mlops-nb.gates.checks.same-data]
kind = "drift"
"""
NOTEBOOK = """
[tool.mlops-nb.gates.checks.own]
kind = "notebook"
notebook = "checks/own.ipynb"
params = {{ least = {least} }}
"""


def test_an_empty_registry_says_how_to_fill_it(tmp_path: Path) -> None:
    project = str(kit.make_project(tmp_path / "p"))
    assert models.list_versions(project) == ()
    with pytest.raises(RegistryError, match="no model is registered yet") as error:
        models.show(project)
    assert "register_model" in error.value.fix


def test_versions_by_number_alias_latest_and_name(tmp_path: Path) -> None:
    project = str(kit.make_project(tmp_path / "p"))
    kit.register(tmp_path / "p")
    kit.register(tmp_path / "p", number=1)
    assert [v.version for v in models.list_versions(project)] == [2, 1]
    models.promote(project, 1)
    for text, number in (("latest", 2), ("v1", 1), (2, 2), ("champion", 1), ("trips@1", 1)):
        assert models.show(project, text).version.version == number
    kit.register(tmp_path / "p", name="other")
    with pytest.raises(RegistryError, match="which model") as error:
        models.show(project, 1)
    assert error.value.fix == "name one of other, trips"
    assert models.show(project, "other@latest").version.model == "other"
    assert models.show(project, "latest", model="trips").version.version == 2
    with pytest.raises(RegistryError, match='"trips@1" is not a version of "other"'):
        models.show(project, "trips@1", model="other")
    with pytest.raises(RegistryError) as error:
        models.list_versions(project, "tripz")
    assert error.value.fix == 'did you mean "trips"?'


def test_gates_promotion_and_rollback(tmp_path: Path) -> None:
    project = str(kit.make_project(tmp_path / "p", GATES))
    kit.register(tmp_path / "p")
    with pytest.raises(GateError, match="good-enough: has not been evaluated"):
        models.promote(project, 1)
    assert [s.ok for s in models.gates(project, 1)] == [False] * 3
    assert all(result.passed for result in models.check(project))
    assert models.promote(project, 1, reason="first").previous == 0

    kit.register(tmp_path / "p", number=1)
    results = {r.gate: r for r in models.check(project)}
    assert results["same-data"].passed
    assert results["same-data"].evidence["reference_rows"] == 3200
    assert results["not-worse"].champion == 1
    assert models.promote(project, "latest", actor="ben").previous == 1
    assert models.show(project, "champion").version.version == 2
    back = models.rollback(project, reason="scores look wrong")
    assert (back.version, back.previous) == (1, 2)
    assert models.show(project, 2).version.status is VersionStatus.ROLLED_BACK
    kinds = [entry.kind for entry in models.history(project, "trips")]
    assert kinds[-1] is EntryKind.ROLLED_BACK


def test_a_worse_model_trained_on_drifted_data_is_refused(tmp_path: Path) -> None:
    project = str(kit.make_project(tmp_path / "p", GATES))
    kit.register(tmp_path / "p")
    models.check(project)
    models.promote(project, 1)
    kit.register(tmp_path / "p", noise=6.0, shift=1.5)
    results = {r.gate: r for r in models.check(project, "latest")}
    assert not results["not-worse"].passed
    drift = results["same-data"]
    assert not drift.passed
    assert "a" in [row["column"] for row in drift.evidence["drifted"]]
    assert "columns drifted: " in drift.reason
    with pytest.raises(GateError, match="same-data"):
        models.promote(project, 2)
    with pytest.raises(RegistryError, match="needs a reason"):
        models.promote(project, 2, force=True)
    forced = models.promote(project, 2, force=True, reason="the old one is illegal")
    assert forced.entry.forced
    assert models.show(project, 2).version.forced


def test_a_conflict_says_who_was_first(tmp_path: Path) -> None:
    project = str(kit.make_project(tmp_path / "p"))
    kit.register(tmp_path / "p")
    kit.register(tmp_path / "p", number=1)
    models.promote(project, 1, actor="ben", reason="mine")
    with pytest.raises(ConflictError, match=r"it is v1 now, by ben .*mine"):
        models.promote(project, 2, expected=0)


def test_people_approve_and_reject(tmp_path: Path) -> None:
    project = str(kit.make_project(tmp_path / "p", GATES))
    kit.register(tmp_path / "p")
    entry = models.approve(project, 1, role="reviewer", comment="fine", actor="ann")
    assert (entry.actor, entry.reason) == ("ann", "fine")
    with pytest.raises(RegistryError, match='ben is not a "reviewer"'):
        models.approve(project, 1, role="reviewer", actor="ben")
    models.reject(project, 1, comment="no", actor="ann")
    assert models.show(project, 1).version.status is VersionStatus.REJECTED


def test_a_notebook_judges_and_its_run_is_kept(tmp_path: Path) -> None:
    root = kit.make_project(tmp_path / "p", NOTEBOOK.format(least=0.7))
    kit.write_notebook(
        root / "checks" / "own.ipynb",
        'artifact = ""\nversion = 0\nleast = 0.0',
        "import json, pathlib\n"
        "info = json.loads((pathlib.Path(artifact) / 'artifact.json').read_text())\n"
        "value = info['metrics']['roc_auc']['value']",
        "assert value >= least, f'v{version} reaches {value:.2f} only'",
    )
    kit.register(root)
    (good,) = models.check(str(root))
    assert good.passed, good.reason
    executed = root / good.evidence["notebook"]
    assert executed.is_relative_to(root / ".mlops" / "gates" / "trips" / "v1")
    assert "injected-parameters" in executed.read_text()
    assert (root / good.evidence["page"]).read_text().startswith("<!DOCTYPE html>")

    own = root / "checks" / "own.ipynb"
    before = own.read_text()
    own.write_text(before.replace("value >= least", "value >= 0"))
    (state,) = models.gates(str(root))
    assert (state.ok, state.text) == (
        False,
        "its notebook or settings changed since it was answered",
    )
    own.write_text(before)
    assert [state.ok for state in models.gates(str(root))] == [True]

    text = (root / "pyproject.toml").read_text()
    (root / "pyproject.toml").write_text(text.replace("least = 0.7", "least = 0.99"))
    (bad,) = models.check(str(root))
    assert not bad.passed
    assert bad.reason.startswith("checks/own.ipynb, cell 3: AssertionError: v1 reaches 0.")
    assert bad.evidence["notebook"] != good.evidence["notebook"]
    with pytest.raises(GateError, match="AssertionError"):
        models.promote(str(root), 1)


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        ('artifact = ""', 'parameter "least" is not declared'),
        ("least = 0.5", "cannot know which version it judges"),
        (None, "there is no such notebook"),
    ],
)
def test_a_notebook_that_cannot_judge_fails_with_the_reason(
    tmp_path: Path, declared: str | None, told: str
) -> None:
    root = kit.make_project(tmp_path / "p", NOTEBOOK.format(least=0.7))
    if declared is not None:
        kit.write_notebook(root / "checks" / "own.ipynb", declared)
    kit.register(root)
    (result,) = models.check(str(root))
    assert not result.passed
    assert "cannot be evaluated" in result.reason
    assert told in result.reason


def test_only_the_asked_gate(tmp_path: Path) -> None:
    project = str(kit.make_project(tmp_path / "p", GATES))
    kit.register(tmp_path / "p")
    assert [r.gate for r in models.check(project, only=("good-enough",))] == ["good-enough"]
    with pytest.raises(RegistryError) as error:
        models.check(project, only=("good-enuf",))
    assert "good-enough" in error.value.fix


def test_compare_shows_paired_differences(tmp_path: Path) -> None:
    project = str(kit.make_project(tmp_path / "p"))
    kit.register(tmp_path / "p")
    kit.register(tmp_path / "p", noise=6.0, shift=1.5)
    found = models.compare(project, 1, 2, resamples=100)
    auc = next(pair for pair in found.metrics if pair.name == "roc_auc")
    assert auc.paired is not None
    assert auc.paired.high < 0.05
    assert found.paired_rows == 1000


def test_a_version_moves_between_projects_and_predicts_the_same(tmp_path: Path) -> None:
    one, two = kit.make_project(tmp_path / "one", GATES), kit.make_project(tmp_path / "two", GATES)
    kit.register(one)
    models.check(str(one))
    path = models.export_version(str(one), "latest", tmp_path)
    assert path == tmp_path / "trips-v1.zip"
    made = models.import_version(str(two), path, actor="ben")
    assert made.origin.endswith("trips v1")
    assert "another registry" in models.gates(str(two), 1)[0].text
    frame = kit.rows(3)[kit.FEATURES]
    np.testing.assert_array_equal(
        models.load(str(two), 1).predict_proba(frame), kit.classifier().predict_proba(frame)
    )


def test_a_changed_file_is_found_and_not_loaded(tmp_path: Path) -> None:
    project = str(kit.make_project(tmp_path / "p"))
    kit.register(tmp_path / "p")
    assert models.verify(project).clean
    (path,) = (tmp_path / "p" / ".mlops" / "artifacts").rglob("model.skops")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ArtifactError, match=r"model\.skops"):
        models.load(project, 1)
    (problem,) = models.verify(project).problems
    assert problem.kind == "artifact"


def test_an_alias_moved_behind_the_ledger_is_mended(tmp_path: Path) -> None:
    from mlops_nb.stores import mlflow_client

    project = kit.make_project(tmp_path / "p")
    kit.register(project)
    kit.register(project, number=1)
    models.promote(str(project), 1)
    client = mlflow_client(f"sqlite:///{project / '.mlops' / 'mlflow.db'}")
    client.set_registered_model_alias("trips", "champion", "2")
    (problem,) = models.verify(str(project), artifacts=False).problems
    assert problem.kind == "alias"
    (row,) = models.mend(str(project), reason="moved by hand", actor="ann")
    assert (row.kind, row.actor) == (EntryKind.MENDED, "ann")
    assert models.verify(str(project), artifacts=False).clean


def test_cleaning_keeps_what_is_monitored(tmp_path: Path) -> None:
    from mlops_nb.api import monitor

    root = kit.make_project(tmp_path / "p")
    for number in range(4):
        kit.register(root, number=number)
    models.promote(str(root), 3)
    monitor.record(str(root), window="2013-05", data=kit.window(tmp_path, "may"), version="1")
    would = models.clean(str(root), keep=1)
    assert would.dry_run
    assert [v.version for v in would.removed] == [2]
    assert would.kept["trips v1"] == "is used elsewhere"
    models.clean(str(root), keep=1, dry_run=False)
    assert [v.version for v in models.list_versions(str(root))] == [4, 3, 1]
