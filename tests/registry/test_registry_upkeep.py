"""Cleaning, moving versions between registries, comparing them, and pickles in the ledger."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile

import pytest
from sklearn.linear_model import LinearRegression

from mlops_nb.errors import ArtifactError, GateError, RegistryError
from mlops_nb.model import EntryKind, VersionStatus, decode
from mlops_nb.registry import moves
from mlops_nb.registry.cleaning import collect, delete_version
from mlops_nb.registry.compare import compare_versions
from mlops_nb.registry.gates import judge
from mlops_nb.registry.promotion import approve, promote, reject
from mlops_nb.registry.settings import ChampionGate, GateSettings, MetricGate
from mlops_nb.registry.store import local_path
from mlops_nb.registry.transfer import Exported, export_version, import_version
from mlops_nb.registry.verify import verify
from mlops_nb.registry.versions import (
    find_version,
    history,
    list_versions,
    load_version,
    register,
    show_version,
)


class Own(LinearRegression):
    """A type of a project's own."""


class TestCleaning:
    """What goes, and above all what never goes."""

    @pytest.fixture
    def full(self, make_registry, mlflow_sqlite, make_artifact):
        """v1 champion before, v2 judged against and replaced, v3 champion, v4 canary … v8."""
        gates = GateSettings(checks={"not-worse": ChampionGate(margin=0.5, resamples=20)})
        registry = make_registry(mlflow_sqlite, gates=gates)
        for _ in range(8):
            register(registry, make_artifact())
        promote(registry, "model", 2, force=True, reason="first")
        judge(registry, "model", 3)
        promote(registry, "model", 3)
        promote(registry, "model", 4, alias="canary")
        approve(registry, "model", 5)
        reject(registry, "model", 6, comment="bad")
        return registry

    def test_what_goes_is_said_first_and_takes_its_files_along(self, full):
        found = collect(full, keep=1)
        assert [version.version for version in found.removed] == [7, 6, 1]
        assert found.bytes == sum(version.size for version in found.removed) > 0
        assert found.kept == {
            "model v8": "is one of the latest 1",
            "model v5": "is approved",
            "model v4": "is canary",
            "model v3": "is champion",
            "model v2": "the evidence of v3 refers to it",
        }
        assert len(list_versions(full)) == 8
        places = {v.version: local_path(v.source) for v in list_versions(full)}
        collect(full, keep=1, dry_run=False, referenced=[("model", 7)], actor="cron")
        assert {number: place.exists() for number, place in places.items()} == {
            number: number not in (1, 6) for number in range(1, 9)
        }
        assert len(list_versions(full, live=True)) == 6
        gone = [entry for entry in history(full) if entry.kind is EntryKind.DELETED]
        assert [(entry.version, entry.actor) for entry in gone] == [(6, "cron"), (1, "cron")]
        assert verify(full).clean
        assert collect(full, keep=1, dry_run=False, referenced=[("model", 7)]).removed == ()

    def test_what_became_needed_meanwhile_stays(self, full, monkeypatch):
        from mlops_nb.registry import cleaning

        real = cleaning._delete

        def late(registry, version, *args, **kwargs):
            if version.version == 7:
                approve(registry, "model", 7)
            return real(registry, version, *args, **kwargs)

        monkeypatch.setattr(cleaning, "_delete", late)
        with pytest.raises(RegistryError, match="cannot be cleaned away any more: it is approved"):
            collect(full, keep=1, dry_run=False)
        assert find_version(full, "model", 7).status is VersionStatus.APPROVED

    def test_an_unknown_model_is_said(self, registry):
        with pytest.raises(RegistryError, match='no model is called "modle"'):
            collect(registry, "modle")

    def test_a_version_can_be_registered_again_after_deleting_it(self, registry, make_artifact):
        folder = make_artifact()
        register(registry, folder)
        delete_version(registry, "model", 1)
        again = register(registry, folder)
        assert again.version == 2
        registry.fetch(again)
        with pytest.raises(RegistryError, match="was deleted"):
            delete_version(registry, "model", 1)


class TestMoving:
    """A version with its evidence, from one registry to another."""

    GATES = GateSettings(
        checks={
            "good": MetricGate(metric="roc_auc", min=0.5),
            "not-worse": ChampionGate(margin=0.5, resamples=20),
        }
    )

    @pytest.fixture
    def exported(self, make_registry, mlflow_sqlite, make_artifact, tmp_path):
        """The file of a champion."""
        registry = make_registry(mlflow_sqlite, gates=self.GATES)
        register(registry, make_artifact(git_commit="abc"))
        judge(registry, "model", 1)
        promote(registry, "model", 1, reason="the best")
        return registry, export_version(registry, "model", "champion", tmp_path)

    def test_it_arrives_with_its_evidence_which_does_not_count(
        self, exported, make_registry, mlflow_server, tmp_path, model
    ):
        source, path = exported
        assert path.name == "model-v1.zip"
        there = make_registry(
            mlflow_server,
            ledger=f"sqlite:///{tmp_path / 'there.db'}",
            gates=self.GATES,
            actor="ben",
        )
        arrived = import_version(there, path, model=model)
        original = find_version(source, "model", 1)
        assert (arrived.digest, arrived.git_commit) == (original.digest, "abc")
        assert arrived.origin.endswith(" model v1")
        assert arrived.gates["good"].passed
        rows = show_version(there, model, 1).entries
        assert [row["kind"] for row in rows[0].payload["past"]][-1] == "promoted"
        with pytest.raises(GateError, match="good: was answered in another registry"):
            promote(there, model, 1)
        judge(there, model, 1)
        promote(there, model, 1)
        assert load_version(there, model).coef_.shape == (1, 3)
        assert verify(there).clean
        assert import_version(there, path, model=model).version == 1

    def test_an_export_is_the_same_each_time_and_says_where_it_comes_from(self, exported, tmp_path):
        registry, path = exported
        again = export_version(registry, "model", 1, tmp_path / "sub" / "x.zip")
        assert again.read_bytes() == path.read_bytes()
        with zipfile.ZipFile(path) as archive:
            record = decode(archive.read("version.json"), Exported)
        with registry.ledger.read() as reader:
            assert record.ledger_id == reader.head()[2]
        assert record.version.aliases == ()

    def _change(self, path, name, data):
        with zipfile.ZipFile(path) as archive:
            files = {item: archive.read(item) for item in archive.namelist()}
        files[name] = data(files.get(name, b""))
        with zipfile.ZipFile(path, "w") as archive:
            for item, content in files.items():
                archive.writestr(item, content)

    def test_a_changed_file_is_refused(self, exported, tmp_path):
        registry, path = exported
        before, whole = len(history(registry)), path.read_bytes()
        for name, data, text in (
            ("artifact/model.skops", lambda old: old[:-1] + b"x", "was changed"),
            ("version.json", lambda old: old.replace(b"the best", b"the beast"), "row 4 of its"),
            ("version.json", lambda old: old.replace(b'"format": 1', b'"format": 9'), "format 9"),
            ("version.json", lambda _: b"{", "is not an exported version"),
            ("../evil.txt", lambda _: b"", "stray file"),
            ("artifact/../../evil.txt", lambda _: b"", "stray file"),
        ):
            path.write_bytes(whole)
            self._change(path, name, data)
            with pytest.raises(ArtifactError, match=text):
                import_version(registry, path, model="other")
        assert len(history(registry)) == before
        assert not list(tmp_path.rglob("evil.txt"))

    def test_evidence_of_another_registry_tells_of_no_other_champion(
        self, exported, make_registry, mlflow_sqlite, make_artifact, tmp_path, model
    ):
        source, _ = exported
        register(source, make_artifact())
        register(source, make_artifact())
        judge(source, "model", 3)
        path = export_version(source, "model", 3, tmp_path)
        there = make_registry(
            mlflow_sqlite, ledger=f"sqlite:///{tmp_path / 'there.db'}", gates=self.GATES
        )
        import_version(there, path, model=model)
        with pytest.raises(GateError, match="not-worse: was answered in another registry"):
            promote(there, model, 1)
        assert promote(there, model, 1, force=True, reason="launch day").entry.forced

    def test_a_damaged_file_is_said(self, exported, registry):
        _, path = exported
        whole = path.read_bytes()
        for place in range(40, 400, 7):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
            with pytest.raises(ArtifactError, match="is not an exported version"):
                import_version(registry, path, model="other")

    def test_what_is_no_export_is_said(self, registry, tmp_path):
        with pytest.raises(ArtifactError, match="is missing"):
            import_version(registry, tmp_path / "no.zip")
        (tmp_path / "text.zip").write_text("no zip")
        with pytest.raises(ArtifactError, match="is not an exported version"):
            import_version(registry, tmp_path / "text.zip")


def test_a_pickle_is_registered_and_loaded_only_by_a_recorded_choice(
    registry, make_artifact, tmp_path
):
    import numpy as np

    from mlops_nb.registry.artifact import save_model

    rows = np.arange(12.0).reshape(6, 2)
    own = Own().fit(rows, rows[:, 0])
    save_model(own, tmp_path / "p", name="model", example=rows, pickle=True)
    with pytest.raises(ArtifactError, match="is a pickle"):
        register(registry, tmp_path / "p")
    version = register(registry, tmp_path / "p", allow_pickle=True)
    assert version.format == "pickle"
    with pytest.raises(ArtifactError, match="is a pickle"):
        load_version(registry, "model", 1)
    assert history(registry)[-1].kind is EntryKind.REGISTERED
    loaded = load_version(registry, "model", 1, allow_pickle=True, actor="zoe")
    assert loaded.predict(rows).shape == (6,)
    last = history(registry)[-1]
    assert (last.kind, last.actor, last.version) == (EntryKind.UNPICKLED, "zoe", 1)
    register(registry, make_artifact())
    load_version(registry, "model", 2, allow_pickle=True)  # a skops file needs no record
    assert history(registry)[-1].kind is EntryKind.REGISTERED


def test_two_versions_side_by_side(registry, make_artifact):
    register(registry, make_artifact(data_digests={"jan.csv": "1", "feb.csv": "2"}))
    register(registry, make_artifact(strength=0.05, data_digests={"jan.csv": "1", "mar.csv": "3"}))
    found = compare_versions(registry, "model", 1, 2, resamples=100)
    assert found.paired_rows == 800
    assert [pair.name for pair in found.metrics] == ["brier", "roc_auc"]
    assert all(pair.paired.high < 0 for pair in found.metrics)
    assert [change.name for change in found.params] == ["C"]
    assert [(c.name, c.left, c.right) for c in found.data] == [
        ("feb.csv", "2", ""),
        ("mar.csv", "", "3"),
    ]
    assert (found.requirements, found.signature) == ((), ())
    assert {row.value for row in found.slices} == {"left", "right"}
    assert found.left_curves.roc.y[-1] == 1.0
    assert len(found.right_curves.calibration) == 10


def test_versions_without_common_rows_say_why(registry, make_artifact):
    import pandas as pd

    register(registry, make_artifact())
    other = pd.DataFrame({"target": [0, 1], "score": [0.2, 0.7]}, index=["x", "y"])
    register(registry, make_artifact(holdout_scores=other, metrics={}))
    found = compare_versions(registry, "model", 1, 2)
    assert found.paired_rows == 0
    assert found.note == "v1 was scored on other rows than v2"
    assert {pair.paired for pair in found.metrics} == {None}
    register(registry, make_artifact(holdout_scores=None))
    assert "v3 was saved without" in compare_versions(registry, "model", 1, 3).note


def test_a_rewritten_ledger_differs_from_what_mlflow_was_told(
    make_registry, mlflow_sqlite, make_artifact, tmp_path
):
    registry = make_registry(mlflow_sqlite)
    register(registry, make_artifact())
    promote(registry, "model", 1)
    registry.close()
    # Someone makes a new ledger, whole in itself, with the same number of rows.
    forged = make_registry(mlflow_sqlite, ledger=f"sqlite:///{tmp_path / 'forged.db'}")
    first, second = history(registry)
    with forged.ledger.write() as writer:
        writer.append(
            first.kind, model="model", version=1, digest=first.digest, payload=first.payload
        )
        writer.append(
            second.kind, model="model", version=1, alias="champion", payload=second.payload
        )
        writer.told([row[0] for row in writer.queued()])
    (problem,) = verify(forged).problems
    assert problem.kind == "anchor"
    assert "rewritten" in problem.text


def test_a_tampered_and_a_missing_artifact_are_found(registry, make_artifact):
    for _ in range(3):
        register(registry, make_artifact())
    (local_path(find_version(registry, "model", 1).source) / "card.md").write_text("better")
    (local_path(find_version(registry, "model", 2).source) / "model.skops").unlink()
    found = {problem.subject: problem.text for problem in verify(registry).problems}
    assert found.keys() == {"model v1", "model v2"}
    assert "card.md: was changed" in found["model v1"]
    assert "model.skops: is missing" in found["model v2"]
    assert verify(registry, artifacts=False).clean


def test_listing_imports_no_heavy_package(registry, make_artifact):
    register(registry, make_artifact())
    code = (
        "import sys, pathlib\n"
        "from mlops_nb.registry.ledger import Ledger\n"
        "from mlops_nb.registry.store import Registry\n"
        "from mlops_nb.registry.versions import list_versions\n"
        "registry = Registry(ledger=Ledger(sys.argv[1]), tracking_uri='x', cache=pathlib.Path())\n"
        "print(len(list_versions(registry)))\n"
        "heavy = {'mlflow', 'pandas', 'numpy', 'sklearn', 'skops', 'jinja2', 'scipy'}\n"
        "print(sorted(heavy & sys.modules.keys()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, registry.ledger.url],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["1", "[]"]


def test_the_time_of_a_conflict_reads_well():
    assert moves._ago(3) == "3 s ago"
    assert moves._ago(600) == "10 minutes ago"
    assert moves._ago(86400 * 3) == "3 days ago"
