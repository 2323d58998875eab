"""Models saved whole and loaded safely: every usual estimator, and everything that must be refused."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import linear_model, tree
from sklearn.model_selection import RandomizedSearchCV
from sklearn.preprocessing import (
    FunctionTransformer,
)

from mlops_nb.errors import ArtifactError, RegistryError
from mlops_nb.model import ArtifactFile, Card, Metric
from mlops_nb.registry.artifact import (
    MANIFEST,
    check_artifact,
    load_example,
    load_features,
    load_model,
    load_scores,
    read_manifest,
    save_model,
)
from mlops_nb.registry.loading import manifest_digest
from mlops_nb.registry.types import ALLOWED, refused

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 4))
Y = (X[:, 0] + RNG.normal(scale=0.5, size=120) > 0).astype(int)


@pytest.fixture
def saved(tmp_path: Path):
    """A small artifact and its digest."""
    model = tree.DecisionTreeClassifier(max_depth=2).fit(X, Y)
    info = save_model(model, tmp_path / "art", name="m", example=X[:3])
    return tmp_path / "art", info.digest


def test_everything_about_a_model_is_kept(tmp_path):
    model = linear_model.LogisticRegression(C=2.5).fit(X, Y)
    index = pd.Index([f"r{i}" for i in range(120)])
    scores = pd.DataFrame(
        {"target": Y, "score": model.predict_proba(X)[:, 1], "side": ["l", "r"] * 60}, index=index
    )
    (tmp_path / "p.bin").write_bytes(b"profile")
    info = save_model(
        model,
        tmp_path / "a",
        name="flights",
        example=X[:3],
        metrics={"roc_auc": Metric(value=0.8, low=0.7, high=0.9), "cost": 3},
        card=Card(summary="Late <b>flights</b>", data="2013 | all", limits="Not for 2020"),
        reference_profiles={"train": tmp_path / "p.bin"},
        run_id="run-7",
        git_commit="abc",
        data_digests={"flights.parquet": "00ff"},
        holdout_scores=scores,
        holdout_features=pd.DataFrame(X, index=index),
    )
    assert info == read_manifest(tmp_path / "a") == check_artifact(tmp_path / "a")
    assert (info.run_id, info.git_commit, info.params["C"]) == ("run-7", "abc", "2.5")
    assert (tmp_path / "a" / info.profiles["train"]).read_bytes() == b"profile"
    assert info.slices == ("side",)
    pd.testing.assert_frame_equal(load_scores(tmp_path / "a"), scores)
    assert load_features(tmp_path / "a").shape == X.shape
    assert len(load_example(tmp_path / "a")) == 3
    text = (tmp_path / "a" / "card.md").read_text()
    assert "0.8000 (0.7000 to 0.9000)" in text
    assert "| side | l | 60 |" in text
    assert "Not for 2020" in text
    page = (tmp_path / "a" / "card.html").read_text()
    assert "Late &lt;b&gt;flights&lt;/b&gt;" in page
    assert "<b>" not in page


def test_saving_again_replaces_the_whole(saved):
    folder, digest = saved
    model = linear_model.LogisticRegression().fit(X, Y)
    info = save_model(model, folder, name="m", example=X[:3])
    assert info.digest != digest
    check_artifact(folder, digest=info.digest)
    assert [path.name for path in folder.parent.iterdir()] == ["art"]


def test_a_folder_with_other_things_is_left_alone(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "thesis.txt").write_text("years of work")
    with pytest.raises(ArtifactError, match="not an artifact"):
        save_model(tree.DecisionTreeClassifier().fit(X, Y), tmp_path / "a", name="m", example=X)
    assert (tmp_path / "a" / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("name", ["model.skops", "example.parquet", "card.md", "requirements.txt"])
def test_a_changed_file_is_named(saved, name):
    folder, digest = saved
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(ArtifactError, match=rf"{name}: was changed after it was saved"):
        load_model(folder, digest=digest)


@pytest.mark.parametrize("name", ["model.skops", "card.html", MANIFEST])
def test_a_missing_file_is_named(saved, name):
    folder, digest = saved
    (folder / name).unlink()
    with pytest.raises(ArtifactError, match=rf"{name}: is missing"):
        load_model(folder, digest=digest)


def test_a_changed_fact_in_the_manifest_is_found(saved):
    folder, digest = saved
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["metrics"] = {"roc_auc": {"value": 1.0}}
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match=r"artifact\.json: was changed"):
        check_artifact(folder, digest=digest)


def test_another_whole_artifact_is_not_the_registered_one(saved, tmp_path):
    _folder, digest = saved
    other = save_model(tree.DecisionTreeRegressor().fit(X, Y), tmp_path / "b", name="m", example=X)
    with pytest.raises(ArtifactError, match="is another artifact"):
        load_model(tmp_path / "b", digest=digest)
    assert other.digest not in (digest, "")


def _forge(folder: Path, data: bytes, name: str = "model.skops") -> str:
    """Put other bytes in, as one could who also controls the registry: all digests fit."""
    import hashlib

    import msgspec

    from mlops_nb.model import encode

    info = read_manifest(folder)
    (folder / name).write_bytes(data)
    new = ArtifactFile(path=name, sha256=hashlib.sha256(data).hexdigest(), size=len(data))
    files = tuple(new if file.path == name else file for file in info.files)
    info = msgspec.structs.replace(info, files=files)
    info = msgspec.structs.replace(info, digest=manifest_digest(info))
    (folder / MANIFEST).write_bytes(encode(info))
    return info.digest


def test_a_type_that_is_not_allowed_is_named_and_never_built(saved):
    import skops.io

    folder, _ = saved

    digest = _forge(folder, skops.io.dumps(FunctionTransformer(os.getcwd)))
    with pytest.raises(
        ArtifactError, match=r"model\.skops: holds a type posix\.getcwd that may not"
    ):
        load_model(folder, digest=digest)


def test_the_model_cannot_widen_the_list_by_itself(saved):
    """MLflow trusts the list of types that stands inside the model; here it is never read."""
    import skops.io

    folder, _ = saved
    digest = _forge(folder, skops.io.dumps(FunctionTransformer(shutil.rmtree)))
    (folder / "MLmodel").write_text("flavors: {sklearn: {skops_trusted_types: [shutil.rmtree]}}")
    with pytest.raises(ArtifactError, match="MLmodel: was changed"):
        load_model(folder, digest=digest)
    digest = _forge(folder, (folder / "MLmodel").read_bytes(), "MLmodel")
    with pytest.raises(ArtifactError, match=r"shutil\.rmtree"):
        load_model(folder, digest=digest)


@pytest.mark.parametrize(
    "data", [b"", b"no zip", b"PK\x05\x06" + bytes(18)], ids=["empty", "text", "empty-zip"]
)
def test_bytes_that_are_no_model_are_refused(saved, data):
    folder, _ = saved
    digest = _forge(folder, data)
    with pytest.raises(ArtifactError, match=r"model\.skops"):
        load_model(folder, digest=digest)


def test_a_broken_schema_is_refused(saved):
    folder, _ = saved
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("schema.json", '{"__loader__": "Nonsense", "__module__": "a"}')
    digest = _forge(folder, buffer.getvalue())
    with pytest.raises(ArtifactError, match="cannot be loaded"):
        load_model(folder, digest=digest)


def test_a_manifest_that_points_outside_is_refused(saved):
    import msgspec

    from mlops_nb.model import encode

    folder, _ = saved
    info = read_manifest(folder)
    for path in ("../art/model.skops", str(folder / "model.skops")):
        files = tuple(msgspec.structs.replace(file, path=path) for file in info.files[:1])
        bad = msgspec.structs.replace(info, files=files)
        bad = msgspec.structs.replace(bad, digest=manifest_digest(bad))
        (folder / MANIFEST).write_bytes(encode(bad))
        with pytest.raises(ArtifactError, match="names a file outside itself"):
            check_artifact(folder)


class Doubler(linear_model.LinearRegression):
    """A type of a project's own."""


def test_the_projects_own_types_are_trusted_by_name(tmp_path):
    model = Doubler().fit(X, Y)
    name = f"{Doubler.__module__}.Doubler"
    with pytest.raises(ArtifactError, match=rf"a type {name} that could not be loaded again"):
        save_model(model, tmp_path / "a", name="m", example=X)
    assert not (tmp_path / "a").exists()
    info = save_model(model, tmp_path / "a", name="m", example=X, trusted_types=[name])
    with pytest.raises(ArtifactError, match=name):
        load_model(tmp_path / "a", digest=info.digest)
    load_model(tmp_path / "a", digest=info.digest, trusted_types=[name])


def test_a_search_over_scipy_distributions_says_what_to_save(tmp_path):
    from scipy.stats import uniform

    search = RandomizedSearchCV(
        linear_model.LogisticRegression(), {"C": uniform(0.1, 1)}, n_iter=2, cv=2
    ).fit(X, Y)
    with pytest.raises(ArtifactError, match=r"scipy.*best_estimator_"):
        save_model(search, tmp_path / "a", name="m", example=X)
    save_model(search.best_estimator_, tmp_path / "a", name="m", example=X)


def test_a_pickle_is_loaded_only_when_asked_for(tmp_path):
    model = Doubler().fit(X, Y)
    info = save_model(model, tmp_path / "a", name="m", example=X, pickle=True)
    assert info.format == "pickle"
    assert any(line.startswith("scikit-learn==") for line in info.requirements)
    with pytest.raises(ArtifactError, match="is a pickle"):
        load_model(tmp_path / "a", digest=info.digest)
    loaded = load_model(tmp_path / "a", digest=info.digest, allow_pickle=True)
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    digest = _forge(tmp_path / "a", pickle.dumps(1)[:-1], "model.pkl")
    with pytest.raises(ArtifactError, match="cannot be loaded"):
        load_model(tmp_path / "a", digest=digest, allow_pickle=True)
    with pytest.raises(ArtifactError, match="cannot be pickled"):
        model.hook = lambda: None
        save_model(model, tmp_path / "b", name="m", example=X, pickle=True)


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"example": X[:0]}, "at least one row"),
        ({"example": X[0]}, "cannot be an input example"),
        ({"example": X[:, :2]}, "does not take its own example"),
        ({"metrics": {"auc": float("nan")}}, 'metric "auc": is nan'),
        ({"reference_profiles": [Path("nowhere.bin")]}, "nowhere.bin: cannot be read"),
        ({"holdout_scores": pd.DataFrame({"target": [1]})}, 'no column "score"'),
        (
            {"holdout_scores": pd.DataFrame({"target": [1, 0], "score": [0.1, None]})},
            '"score" holds nulls',
        ),
        (
            {"holdout_scores": pd.DataFrame({"target": [1, 0], "score": [1, 0]}, index=[1, 1])},
            "some rows twice",
        ),
    ],
)
def test_what_cannot_be_saved_is_said(tmp_path, more, text):
    model = tree.DecisionTreeClassifier().fit(X, Y)
    with pytest.raises(RegistryError) as caught:
        save_model(model, tmp_path / "a", **{"name": "m", "example": X, **more})
    assert text in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match="cannot be written"):
        save_model(
            tree.DecisionTreeClassifier().fit(X, Y), tmp_path / "file" / "a", name="m", example=X
        )


def test_nothing_is_allowed_by_prefix():
    dangerous = (
        "sklearn.datasets._base.load_files",
        "sklearn.utils._testing.check_call",
        "sklearn.datasets._base.urlretrieve",
        "sklearn.utils.fixes.os",
        "scipy.stats._distn_infrastructure.rv_continuous_frozen",
        "builtins.eval",
        "posix.system",
    )
    assert refused(dangerous) == tuple(sorted(dangerous))
    assert refused(("sklearn.tree._tree.Tree", "sklearn.metrics._classification.f1_score")) == ()
    assert refused(("my.Own",), ("my.Own",)) == ()
    assert all(name.split(".")[0] in ("numpy", "scipy", "sklearn", "pandas") for name in ALLOWED)


@pytest.mark.filterwarnings("ignore:.*Any type hint")
def test_mlflows_own_client_can_load_it(saved, monkeypatch):
    import mlflow.sklearn

    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "true")
    folder, _ = saved
    model = mlflow.sklearn.load_model(str(folder))
    assert model.predict(X[:3]).shape == (3,)
    assert mlflow.pyfunc.load_model(str(folder)).predict(X[:3]).shape == (3,)
