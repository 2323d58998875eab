"""The contract of versions and promotion, on SQLite and on a real MLflow server."""

from __future__ import annotations

import pandas as pd
import pytest

from mlops_nb.errors import (
    ArtifactError,
    ConflictError,
    GateError,
    RegistryError,
    TrackingError,
)
from mlops_nb.model import EntryKind, VersionStatus
from mlops_nb.registry.artifact import MANIFEST
from mlops_nb.registry.cleaning import delete_version
from mlops_nb.registry.gates import judge
from mlops_nb.registry.promotion import approve, drop_alias, promote, reject, rollback
from mlops_nb.registry.settings import ApprovalGate, ChampionGate, GateSettings, MetricGate
from mlops_nb.registry.verify import mend, verify
from mlops_nb.registry.versions import (
    find_version,
    history,
    list_versions,
    load_version,
    register,
    show_version,
)


def _aliases(registry, model):
    return {k: int(v) for k, v in registry.client.get_registered_model(model).aliases.items()}


def test_a_version_is_registered_promoted_and_seen_by_mlflow(any_registry, make_artifact, model):
    registry = any_registry
    folder = make_artifact(git_commit="abc", run_id="run-1", data_digests={"x.csv": "00"})
    version = register(registry, folder, model=model, reason="first")
    assert (version.version, version.git_commit, version.run_id) == (1, "abc", "run-1")
    assert version.metrics["roc_auc"].low < version.metrics["roc_auc"].value

    done = promote(registry, model, 1, reason="go")
    assert (done.previous, done.mirrored, done.entry.actor) == (0, True, "ann")
    theirs = registry.client.get_model_version_by_alias(model, "champion")
    assert int(theirs.version) == 1
    assert theirs.tags["mlops_nb.digest"] == version.digest
    assert theirs.tags["mlops_nb.status"] == "approved"

    loaded = load_version(registry, model)
    row = pd.DataFrame({"a": [9.0], "b": [0.0], "c": [0.0]})
    assert loaded.predict(row).tolist() == [1]
    assert verify(registry).clean
    details = show_version(registry, model, "champion")
    assert details.info.data_digests == {"x.csv": "00"}
    assert [entry.kind for entry in details.entries] == [EntryKind.REGISTERED, EntryKind.PROMOTED]


def test_the_same_artifact_is_registered_once(any_registry, make_artifact, model):
    folder = make_artifact()
    first = register(any_registry, folder, model=model)
    assert register(any_registry, folder, model=model).version == first.version
    assert len(list_versions(any_registry, model, live=True)) == 1


def test_an_mlflow_run_that_made_it_holds_it(any_registry, make_artifact, model, monkeypatch):
    run = any_registry.new_run("training")
    monkeypatch.setenv("MLFLOW_RUN_ID", run)
    version = register(any_registry, make_artifact(), model=model)
    assert version.mlflow_run_id == run
    assert any_registry.client.list_artifacts(run, f"models/{model}")


def test_rollback_goes_to_the_last_approved_champion_in_one_step(
    any_registry, make_artifact, model
):
    registry = any_registry
    for _ in range(4):
        register(registry, make_artifact(), model=model)
    promote(registry, model, 1)
    promote(registry, model, 2)
    promote(registry, model, 3)
    promote(registry, model, 4)
    reject(registry, model, 3, comment="leaks the label")
    done = rollback(registry, model, reason="wrong in production")
    assert (done.version, done.previous) == (2, 4)
    assert find_version(registry, model, 4).status is VersionStatus.ROLLED_BACK
    # Once more does not go back to what was just left.
    assert rollback(registry, model).version == 1
    assert _aliases(registry, model) == {"champion": 1}
    with pytest.raises(RegistryError, match="no approved version was champion before v1"):
        rollback(registry, model)
    assert verify(registry).clean


def test_rolling_back_another_alias_leaves_the_champion_alone(registry, make_artifact, model):
    for number in (1, 2, 3):
        register(registry, make_artifact(), model=model)
        promote(registry, model, number)
        if number < 3:
            promote(registry, model, number, alias="staging")
    promote(registry, model, 2)
    assert rollback(registry, model, alias="staging").version == 1
    assert find_version(registry, model, 2).status is VersionStatus.APPROVED
    with pytest.raises(RegistryError, match="no approved version was staging before v1"):
        rollback(registry, model, alias="staging")  # v2 was just taken back from it
    promote(registry, model, 3)
    assert rollback(registry, model).version == 2
    assert find_version(registry, model, 3).status is VersionStatus.ROLLED_BACK
    assert verify(registry).clean


def test_a_version_that_still_does_the_work_of_another_alias_stays_approved(
    make_registry, mlflow_sqlite, make_artifact
):
    registry = make_registry(mlflow_sqlite, gates=GateSettings(guarded=("champion", "nightly")))
    for number in (1, 2):
        register(registry, make_artifact())
        for alias in ("champion", "nightly"):
            promote(registry, "model", number, alias=alias)
    assert rollback(registry, "model", alias="nightly").version == 1
    assert find_version(registry, "model", 2).status is VersionStatus.APPROVED
    assert rollback(registry, "model").version == 1
    assert find_version(registry, "model", 2).status is VersionStatus.ROLLED_BACK


def test_a_forced_champion_is_no_rollback_target(make_registry, mlflow_sqlite, make_artifact):
    gates = GateSettings(checks={"good": MetricGate(metric="roc_auc", min=0.99)})
    registry = make_registry(mlflow_sqlite, gates=gates)
    for _ in range(2):
        register(registry, make_artifact(), mlflow_run_id="")
    promote(registry, "model", 1, force=True, reason="launch day")
    promote(registry, "model", 2, force=True, reason="launch night")
    with pytest.raises(RegistryError, match="no approved version"):
        rollback(registry, "model")
    approve(registry, "model", 1, comment="looked at by hand")
    assert rollback(registry, "model").version == 1
    assert find_version(registry, "model", 1).forced


def test_rollback_passes_over_an_artifact_that_is_lost(registry, make_artifact, model):
    from mlops_nb.registry.store import local_path

    for number in (1, 2, 3):
        register(registry, make_artifact(), model=model)
        promote(registry, model, number)
    (local_path(find_version(registry, model, 2).source) / "model.skops").unlink()
    assert rollback(registry, model).version == 1
    with pytest.raises(ArtifactError, match=r"no earlier version can be loaded: v2: is missing"):
        rollback(registry, model)


def test_the_loser_of_a_compare_and_set_is_told_who_won(any_registry, make_artifact, model):
    registry = any_registry
    for _ in range(3):
        register(registry, make_artifact(), model=model)
    promote(registry, model, 1)
    promote(registry, model, 2, expected=1, actor="ben", reason="better on nights")
    with pytest.raises(ConflictError) as caught:
        promote(registry, model, 3, expected=1)
    text = str(caught.value)
    assert "it is v2 now" in text
    assert "by ben" in text
    assert "better on nights" in text
    with pytest.raises(ConflictError, match="it is v2 now"):
        rollback(registry, model, expected=1)
    assert _aliases(registry, model) == {"champion": 2}


def test_gates_answered_against_an_older_champion_are_a_conflict(
    make_registry, mlflow_sqlite, make_artifact
):
    gates = GateSettings(checks={"not-worse": ChampionGate(margin=0.5, resamples=50)})
    registry = make_registry(mlflow_sqlite, gates=gates)
    for _ in range(3):
        register(registry, make_artifact())
    judge(registry, "model", 1)
    promote(registry, "model", 1)
    judge(registry, "model", 2)
    judge(registry, "model", 3)
    promote(registry, "model", 2)
    with pytest.raises(ConflictError, match="v1 held it, it is v2 now"):
        promote(registry, "model", 3)
    with pytest.raises(GateError, match="was answered against v1, now it is v2"):
        promote(registry, "model", 3, expected=2)
    judge(registry, "model", 3)
    done = promote(registry, "model", 3)
    assert [result.champion for result in done.gates] == [2]


def test_gates_stand_in_the_way_until_forced_with_a_reason(
    make_registry, mlflow_sqlite, make_artifact
):
    gates = GateSettings(checks={"good": MetricGate(metric="roc_auc", min=0.99)})
    registry = make_registry(mlflow_sqlite, gates=gates)
    register(registry, make_artifact())
    with pytest.raises(GateError, match="good: has not been evaluated"):
        promote(registry, "model", 1)
    judge(registry, "model", 1)
    with pytest.raises(GateError, match=r"good: roc_auc 0\.\d+ is below 0.99"):
        promote(registry, "model", 1)
    with pytest.raises(RegistryError, match="needs a reason"):
        promote(registry, "model", 1, force=True, reason="  ")
    promote(registry, "model", 1, alias="challenger")  # not a guarded alias
    done = promote(registry, "model", 1, force=True, reason="launch day")
    assert done.entry.forced
    assert done.entry.payload["overridden"]
    version = find_version(registry, "model", 1)
    assert version.forced
    assert version.aliases == ("champion",)
    assert version.status is VersionStatus.REGISTERED
    tags = registry.client.get_model_version("model", "1").tags
    assert tags["mlops_nb.forced"] == "true"
    assert tags["mlops_nb.gates"] == "failed: good"


def test_force_without_an_obstacle_is_no_forced_promotion(registry, make_artifact, model):
    register(registry, make_artifact(), model=model)
    assert not promote(registry, model, 1, force=True, reason="sure").entry.forced


def test_an_answer_is_void_once_the_artifact_or_the_settings_change(
    make_registry, mlflow_sqlite, make_artifact
):
    def opened(bound):
        gates = GateSettings(checks={"good": MetricGate(metric="roc_auc", min=bound)})
        return make_registry(mlflow_sqlite, gates=gates)

    registry = opened(0.5)
    version = register(registry, make_artifact())
    judge(registry, "model", 1)
    with pytest.raises(GateError, match="its settings changed"):
        promote(opened(0.4), "model", 1)
    from mlops_nb.registry.store import local_path

    path = local_path(version.source) / "model.skops"
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(ArtifactError, match=r"model\.skops: was changed"):
        promote(registry, "model", 1)
    with pytest.raises(ArtifactError, match=r"model\.skops: was changed"):
        judge(registry, "model", 1)


def test_approval_by_a_named_role(make_registry, mlflow_sqlite, make_artifact):
    gates = GateSettings(
        roles={"reviewer": ("ben", "cleo"), "owner": ()},
        checks={"eyes": ApprovalGate(role="reviewer", count=2)},
    )
    registry = make_registry(mlflow_sqlite, gates=gates)
    register(registry, make_artifact())
    with pytest.raises(RegistryError, match='there is no role "reviewr"; did you mean "reviewer"'):
        approve(registry, "model", 1, role="reviewr", actor="ben")
    with pytest.raises(RegistryError, match='ann is not a "reviewer"; ask ben, cleo'):
        approve(registry, "model", 1, role="reviewer")
    approve(registry, "model", 1, role="reviewer", actor="ben", comment="fine")
    approve(registry, "model", 1, role="reviewer", actor="ben", comment="twice is once")
    approve(registry, "model", 1, actor="ann")
    with pytest.raises(GateError, match='eyes: 1 of 2 approvals as "reviewer"'):
        promote(registry, "model", 1)
    approve(registry, "model", 1, role="reviewer", actor="cleo")
    reject(registry, "model", 1, comment="stop", actor="dan")
    with pytest.raises(RegistryError, match='was rejected: "stop"'):
        promote(registry, "model", 1)
    approve(registry, "model", 1, role="reviewer", actor="ben")
    approve(registry, "model", 1, role="reviewer", actor="cleo")
    promote(registry, "model", 1)
    said = [entry.reason for entry in history(registry, "model") if entry.reason]
    assert said[:2] == ["fine", "twice is once"]


def test_a_rejection_needs_a_comment(registry, make_artifact, model):
    register(registry, make_artifact(), model=model)
    with pytest.raises(RegistryError, match="needs a comment"):
        reject(registry, model, 1, comment=" ")


def test_the_challenger_that_wins_is_challenger_no_more(any_registry, make_artifact, model):
    registry = any_registry
    register(registry, make_artifact(), model=model)
    promote(registry, model, 1, alias="challenger")
    promote(registry, model, 1)
    assert _aliases(registry, model) == {"champion": 1}
    assert promote(registry, model, 1).entry.kind is EntryKind.PROMOTED  # said again: no new row
    assert sum(entry.kind is EntryKind.PROMOTED for entry in history(registry, model)) == 2


def test_further_aliases_come_and_go(any_registry, make_artifact, model):
    register(any_registry, make_artifact(), model=model)
    promote(any_registry, model, 1, alias="canary")
    assert _aliases(any_registry, model) == {"canary": 1}
    drop_alias(any_registry, model, "canary", reason="done")
    assert _aliases(any_registry, model) == {}
    with pytest.raises(RegistryError, match="nobody holds canary"):
        drop_alias(any_registry, model, "canary")


@pytest.mark.parametrize("alias", ["latest", "v1", "V22", "", "a b", "a/b", "1st"])
def test_aliases_that_mlflow_would_refuse(registry, alias):
    with pytest.raises(RegistryError, match="cannot be an alias"):
        promote(registry, "model", 1, alias=alias)


@pytest.mark.parametrize("name", ["", "a/b", "a b", "a:b", "../x", "-x", "x" * 201])
def test_names_that_no_store_would_take(registry, make_artifact, name):
    folder = make_artifact(name="fine")
    if not name:
        name = " "
    with pytest.raises(RegistryError, match="cannot be the name of a model"):
        register(registry, folder, model=name)


def test_what_is_not_there_is_named(registry, make_artifact, model):
    with pytest.raises(RegistryError, match='no model is called "nothing"'):
        find_version(registry, "nothing", 1)
    register(registry, make_artifact(), model=model)
    with pytest.raises(RegistryError, match="has no version 7; known: 1"):
        find_version(registry, model, 7)
    promote(registry, model, 1)
    with pytest.raises(RegistryError, match='"champoin"; did you mean "champion"'):
        find_version(registry, model, "champoin")


def test_deleting_what_holds_an_alias_is_refused(any_registry, make_artifact, model):
    registry = any_registry
    register(registry, make_artifact(), model=model)
    register(registry, make_artifact(), model=model)
    promote(registry, model, 1, alias="canary")
    with pytest.raises(RegistryError, match="cannot be deleted: it is canary"):
        delete_version(registry, model, 1)
    source = find_version(registry, model, 2).source
    delete_version(registry, model, 2, reason="a mistake")
    with pytest.raises(RegistryError, match="was deleted"):
        find_version(registry, model, 2)
    assert [version.version for version in list_versions(registry, model, live=True)] == [1]
    run, inside = find_version(registry, model, 1).mlflow_run_id, source.rpartition("/models/")[2]
    assert not registry.client.list_artifacts(run, f"models/{inside}")
    assert verify(registry).clean


def test_an_alias_moved_behind_the_ledger_is_found_and_mended(any_registry, make_artifact, model):
    registry = any_registry
    for _ in range(2):
        register(registry, make_artifact(), model=model)
    promote(registry, model, 1)
    registry.client.set_registered_model_alias(model, "champion", "2")
    registry.client.set_registered_model_alias(model, "shadow", "2")
    report = verify(registry)
    assert {problem.subject for problem in report.problems} == {
        f"{model}@champion",
        f"{model}@shadow",
    }
    assert all("outside the ledger" in problem.text for problem in report.problems)
    mended = mend(registry)
    assert [entry.payload["found"] for entry in mended] == [2, 2]
    assert _aliases(registry, model) == {"champion": 1}
    assert verify(registry).clean
    assert mend(registry) == ()


def test_versions_made_or_removed_in_mlflow_are_shown(any_registry, make_artifact, model):
    registry = any_registry
    ours = register(registry, make_artifact(), model=model)
    register(registry, make_artifact(), model=model)
    registry.client.create_model_version(model, ours.source, run_id=ours.mlflow_run_id)
    registry.client.delete_model_version(model, "2")
    outside = [version for version in list_versions(registry, model, live=True) if version.outside]
    assert [version.version for version in outside] == [3]
    texts = {problem.subject: problem.text for problem in verify(registry).problems}
    assert "deleted in MLflow, outside the ledger" in texts[f"{model} v2"]
    assert "made in MLflow, outside the ledger" in texts[f"{model} v3"]
    # Our own commands go on working beside it.
    promote(registry, model, 1)


def test_a_promotion_stands_while_mlflow_is_away(
    make_registry, mlflow_sqlite, make_artifact, model
):
    registry = make_registry(mlflow_sqlite)
    for _ in range(2):
        register(registry, make_artifact(), model=model)
    promote(registry, model, 1)

    class Away:
        def __getattr__(self, name):
            raise TrackingError("connection refused", where=registry.tracking_uri)

    client, registry._client = registry.client, Away()
    done = promote(registry, model, 2)
    assert not done.mirrored
    assert "connection refused" in done.mirror_error
    assert find_version(registry, model, "champion").version == 2
    assert not verify(registry).clean
    registry._client = client
    assert verify(registry).clean
    assert _aliases(registry, model) == {"champion": 2}


def test_an_artifact_the_store_lost_is_named(any_registry, make_artifact, model):
    import shutil

    from mlops_nb.registry.store import local_path

    registry = any_registry
    version = register(registry, make_artifact(), model=model)
    path = local_path(version.source)
    if path is None:  # on the server: ask it to delete, and forget our copy
        from mlops_nb.registry.mirror import _delete_artifact

        with registry.ledger.write() as writer:
            writer.append(EntryKind.DELETED, model=model, version=1)
        _delete_artifact(registry, version)
    else:
        shutil.rmtree(path)
    with pytest.raises(ArtifactError, match="missing"):
        registry.fetch(version)


def test_a_fetched_copy_is_checked_each_time(make_registry, mlflow_server, make_artifact, model):
    registry = make_registry(mlflow_server)
    version = register(registry, make_artifact(), model=model)
    copy = registry.fetch(version)
    assert copy.parent == registry.cache
    (copy / MANIFEST).write_text((copy / MANIFEST).read_text().replace("roc_auc", "auc"))
    with pytest.raises(ArtifactError, match="was changed"):
        load_version(registry, model, 1)
