"""Every kind of gate: what passes, what fails, and what cannot be answered."""

from __future__ import annotations

import msgspec
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from mlops_nb.config import find_project
from mlops_nb.errors import ConfigError, GateError, RegistryError
from mlops_nb.model import Column, EntryKind, Metric, Signature
from mlops_nb.registry import settings as kinds
from mlops_nb.registry.artifact import save_model
from mlops_nb.registry.checks import Answer, Tools
from mlops_nb.registry.gates import gate_states, judge
from mlops_nb.registry.inputs import gate_inputs
from mlops_nb.registry.promotion import promote
from mlops_nb.registry.settings import GateSettings, gate_digest
from mlops_nb.registry.signature import as_input, check_input, incompatibilities, input_kind
from mlops_nb.registry.store import open_registry
from mlops_nb.registry.versions import find_version, history, register


@pytest.fixture
def asked(make_registry, mlflow_sqlite, make_artifact):
    """A function that judges an artifact by one gate, against a champion if one is given."""

    def ask(gate, *artifacts, tools=None):
        open_ = make_registry(mlflow_sqlite)
        for folder in artifacts[:-1]:
            promote(open_, "model", register(open_, folder).version)
        registry = make_registry(mlflow_sqlite, gates=GateSettings(checks={"gate": gate}))
        version = register(registry, artifacts[-1] if artifacts else make_artifact())
        (result,) = judge(registry, "model", version.version, tools=tools)
        assert result.digest == version.digest
        assert result.settings == gate_digest(gate)
        stored = find_version(registry, "model", version.version).gates["gate"]
        assert (stored.passed, stored.reason, stored.seq) == (
            result.passed,
            result.reason,
            result.seq,
        )
        return result

    return ask


ALONE = {
    "in bounds": (kinds.MetricGate(metric="roc_auc", min=0.5), True, "is ≥ 0.5"),
    "too low": (kinds.MetricGate(metric="roc_auc", min=0.99), False, "is below 0.99"),
    "too high": (kinds.MetricGate(metric="brier", max=0.01), False, "is above 0.01"),
    "between": (kinds.MetricGate(metric="brier", min=0.0, max=0.5), True, "is ≥ 0.0 and ≤ 0.5"),
    "unknown": (kinds.MetricGate(metric="rocauc", min=0.5), False, 'did you mean "roc_auc"'),
    "small": (kinds.SizeGate(max_mb=1.0), True, "≤ 1 MB"),
    "large": (kinds.SizeGate(max_mb=0.0001), False, "> 0.0001 MB"),
    "fast": (kinds.LatencyGate(max_ms=60_000, calls=3), True, "95% of 3 calls of 1 rows took"),
    "slow": (kinds.LatencyGate(max_ms=1e-4, calls=3, rows=50, quantile=0.5), False, "of 50 rows"),
    "calibrated": (kinds.CalibrationGate(max_error=0.2), True, "expected calibration error"),
    "off": (kinds.CalibrationGate(max_error=0.0001), False, "> 0.0001"),
    "eyes": (kinds.ApprovalGate(), False, "nobody approved it"),
    "own": (kinds.NotebookGate(notebook="x.ipynb"), False, "no execution was given"),
    "champion": (kinds.ChampionGate(), True, "there is no champion"),
    "slices": (kinds.SlicesGate(), True, "there is no champion"),
    "signature": (kinds.SignatureGate(), True, "there is no champion"),
    "drift": (kinds.DriftGate(), True, "there is no champion"),
}


def test_gates_that_need_no_champion(make_registry, mlflow_sqlite, make_artifact):
    gates = GateSettings(checks={name: gate for name, (gate, _, _) in ALONE.items()})
    registry = make_registry(mlflow_sqlite, gates=gates)
    register(registry, make_artifact())
    found = {result.gate: result for result in judge(registry, "model", 1)}
    assert found.keys() == ALONE.keys()
    for name, (_, passed, text) in ALONE.items():
        assert (name, found[name].passed) == (name, passed)
        assert text in found[name].reason


def test_a_metric_may_be_held_to_the_worse_end_of_its_interval(asked, make_artifact):
    folder = make_artifact(metrics={"roc_auc": Metric(value=0.72, low=0.66, high=0.78)})
    assert asked(kinds.MetricGate(metric="roc_auc", min=0.7), folder).passed
    whole = kinds.MetricGate(metric="roc_auc", min=0.7, whole_interval=True)
    assert "0.66 is below 0.7" in asked(whole, folder).reason


def test_not_worse_than_the_champion_by_the_paired_bootstrap(asked, make_artifact):
    good, weak = make_artifact(), make_artifact(strength=0.05)
    worse = asked(kinds.ChampionGate(margin=0.01, resamples=200), good, weak)
    assert not worse.passed
    assert worse.champion == 1
    assert worse.evidence["high"] < 0
    assert worse.evidence["n"] == 800
    assert "better by -0." in worse.reason


def test_better_than_the_champion(asked, make_artifact):
    weak, good = make_artifact(strength=0.05), make_artifact()
    better = asked(kinds.ChampionGate(metric="log_loss", resamples=200), weak, good)
    assert better.passed
    assert better.evidence["low"] > 0


def test_a_margin_is_held_by_the_whole_interval_not_the_value(asked, make_artifact):
    new, old = make_artifact(), make_artifact(strength=0.8)
    strict = asked(kinds.ChampionGate(margin=0.0, resamples=200), old, new)
    # Almost equal models: that the new one is not worse at all cannot be shown.
    assert not strict.passed
    margin = -strict.evidence["low"]
    assert -strict.evidence["difference"] < 0.9 * margin
    assert asked(kinds.ChampionGate(margin=margin * 1.01, resamples=200), old, new).passed
    assert not asked(kinds.ChampionGate(margin=margin * 0.99, resamples=200), old, new).passed


def _with_rows(folder, name, rows, seed, features):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(rows, 2)), columns=["a", "b"])
    target = (frame["a"] + rng.normal(size=rows) > 0).astype(int).to_numpy()
    model = LogisticRegression().fit(frame, target)
    scores = pd.DataFrame(
        {"target": target, "score": model.predict_proba(frame)[:, 1]},
        index=[f"{seed}-{i}" for i in range(rows)],
    )
    save_model(
        model,
        folder,
        name=name,
        example=frame[:3],
        holdout_scores=scores,
        holdout_features=frame.set_index(scores.index) if features else None,
    )
    return folder


def test_a_champion_of_other_rows_is_scored_on_the_stored_features(asked, tmp_path):
    old = _with_rows(tmp_path / "old", "model", 300, 1, features=False)
    new = _with_rows(tmp_path / "new", "model", 300, 2, features=True)
    result = asked(kinds.ChampionGate(margin=0.05, resamples=100), old, new)
    assert result.passed
    assert result.evidence["n"] == 300


def test_a_champion_of_other_rows_without_features_cannot_be_compared(asked, tmp_path):
    old = _with_rows(tmp_path / "old", "model", 300, 1, features=True)
    new = _with_rows(tmp_path / "new", "model", 300, 2, features=False)
    result = asked(kinds.ChampionGate(), old, new)
    assert not result.passed
    assert "the champion, v1, was scored on other rows" in result.reason


def test_a_slice_that_got_worse_is_named(asked, tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=4000)})
    target = (frame["a"] + rng.normal(size=4000) > 0).astype(int).to_numpy()
    model = LogisticRegression().fit(frame, target)
    score = model.predict_proba(frame)[:, 1]
    origin = np.array(["EWR", "JFK", "LGA", "rare"])[np.r_[np.arange(3990) % 3, np.full(10, 3)]]
    for name, column in (
        ("old", score),
        ("new", np.where(origin == "JFK", rng.permutation(score), score)),
    ):
        holdout = pd.DataFrame({"target": target, "score": column, "origin": origin})
        save_model(model, tmp_path / name, name="model", example=frame[:3], holdout_scores=holdout)
    gate = kinds.SlicesGate(max_drop=0.05, resamples=50)
    result = asked(gate, tmp_path / "old", tmp_path / "new")
    assert not result.passed
    assert result.reason.startswith("roc_auc is worse by more than 0.05 for origin JFK by 0.")
    slices = {row["value"]: row for row in result.evidence["slices"]}
    assert set(slices) == {"EWR", "JFK", "LGA"}  # "rare" is too small
    assert not slices["LGA"]["worse"]


def test_slices_that_do_not_exist_are_said(asked, make_artifact):
    pair_ = make_artifact(), make_artifact()
    assert "no slice column" in asked(kinds.SlicesGate(columns=("sidd",)), *pair_).reason


def test_slices_that_are_all_too_small_are_no_pass(asked, make_artifact):
    gate = kinds.SlicesGate(min_rows=10_000)
    result = asked(gate, make_artifact(), make_artifact())
    assert not result.passed
    assert "no slice has 10000 rows" in result.reason


def test_slices_that_did_not_get_worse_pass(asked, make_artifact):
    result = asked(kinds.SlicesGate(resamples=50), make_artifact(), make_artifact())
    assert result.passed
    assert "2 slices" in result.reason


def test_calibration_needs_probabilities(asked, tmp_path):
    frame = pd.DataFrame({"a": np.arange(50.0)})
    model = LinearRegression().fit(frame, frame["a"])
    scores = pd.DataFrame({"target": frame["a"], "score": model.predict(frame)})
    save_model(model, tmp_path / "a", name="model", example=frame, holdout_scores=scores)
    assert "not probabilities" in asked(kinds.CalibrationGate(), tmp_path / "a").reason
    save_model(model, tmp_path / "b", name="model", example=frame)
    assert "without its holdout's scores" in asked(kinds.CalibrationGate(), tmp_path / "b").reason


def test_a_new_required_column_breaks_the_signature(asked, make_artifact, tmp_path):
    rng = np.random.default_rng(0)
    wide = pd.DataFrame(rng.normal(size=(50, 4)), columns=["a", "b", "c", "d"])
    model = LogisticRegression().fit(wide, np.arange(50) % 2)
    save_model(model, tmp_path / "wide", name="model", example=wide)
    result = asked(kinds.SignatureGate(), make_artifact(), tmp_path / "wide")
    assert not result.passed
    assert 'needs a further column "d" (float)' in result.reason


def test_the_same_signature_is_compatible(asked, make_artifact):
    assert asked(kinds.SignatureGate(), make_artifact(), make_artifact()).passed


def test_what_callers_would_notice():
    old = Signature(
        inputs=(Column(name="n", type="integer"), Column(name="t", type="string")),
        outputs=(Column(name="0", type="float"), Column(name="1", type="float")),
    )
    wider = msgspec.structs.replace(
        old, inputs=(Column(name="n", type="float"), Column(name="t", type="string"))
    )
    assert incompatibilities(wider, old) == ()
    assert incompatibilities(old, wider) == ('column "n" was float, is integer',)
    fewer = msgspec.structs.replace(old, inputs=old.inputs[:1], outputs=old.outputs[:1])
    assert incompatibilities(fewer, old) == ('no longer gives "1"',)
    other = msgspec.structs.replace(old, outputs=(Column(name="0", type="string"), old.outputs[1]))
    assert incompatibilities(other, old) == ('gives "0" as string, was float',)


def test_input_is_checked_against_the_signature():
    signature = Signature(
        inputs=(
            Column(name="n", type="integer"),
            Column(name="f", type="float"),
            Column(name="t", type="string"),
        )
    )
    good = pd.DataFrame({"t": ["x", None], "f": [1, 2], "n": [1.0, np.nan], "more": [1, 2]})
    assert list(check_input(signature, good).columns) == ["n", "f", "t"]
    with pytest.raises(RegistryError, match=r'"n" is string, should be integer; "t" is missing'):
        check_input(signature, good.assign(n=["a", "b"]).drop(columns="t"))
    empty = pd.DataFrame({"t": [None], "f": [None], "n": [None]})
    check_input(signature, empty)


def test_models_are_asked_in_the_shape_they_were_trained_on():
    frame = pd.DataFrame({"text": ["a", "b"]})
    assert input_kind(frame) == "frame"
    assert input_kind(frame["text"]) == "series"
    assert input_kind(["a"]) == "text"
    assert input_kind(np.ones((2, 2))) == "array"
    assert as_input("text", frame) == ["a", "b"]
    assert as_input("series", frame).tolist() == ["a", "b"]
    assert as_input("array", frame).shape == (2, 1)


def test_drift_is_judged_by_who_can(asked, make_artifact, tmp_path):
    (tmp_path / "train.bin").write_bytes(b"1")
    made = [make_artifact(reference_profiles=[tmp_path / "train.bin"]) for _ in range(2)]
    seen = []

    def drift(gate, reference, current):
        seen.append((gate.max_columns, reference.read_bytes(), current.name))
        return Answer(passed=False, reason="2 columns drifted", evidence={"columns": ["a", "b"]})

    result = asked(kinds.DriftGate(max_columns=1), *made, tools=Tools(drift=drift))
    assert seen == [(1, b"1", "train.bin")]
    assert (result.passed, result.reason) == (False, "2 columns drifted")
    assert result.evidence["columns"] == ["a", "b"]


def test_drift_needs_profiles_and_someone_to_judge(asked, make_artifact):
    pair_ = make_artifact(), make_artifact()
    assert "no monitoring was given" in asked(kinds.DriftGate(), *pair_).reason
    tools = Tools(drift=lambda *_: Answer(passed=True, reason=""))
    assert (
        "the champion has no reference profile"
        in asked(kinds.DriftGate(), *pair_, tools=tools).reason
    )


def test_a_notebook_of_the_users_own(asked, make_artifact):
    def run(gate, version, folder):
        assert (folder / "model.skops").is_file()
        if gate.params["limit"] > 1:
            raise GateError("AssertionError: 3 flights are twice as late", where=gate.notebook)
        return Answer(passed=True, reason=f"ran for v{version.version}")

    tools = Tools(notebook=run)
    gate = kinds.NotebookGate(notebook="check.ipynb", params={"limit": 1})
    assert asked(gate, make_artifact(), tools=tools).reason == "ran for v1"
    gate = kinds.NotebookGate(notebook="check.ipynb", params={"limit": 2})
    failed = asked(gate, make_artifact(), tools=tools)
    assert not failed.passed
    assert "check.ipynb: AssertionError: 3 flights are twice as late" in failed.reason


def test_what_an_answer_rests_on_besides_the_gate(bare_project):
    import json

    own = bare_project / "own.ipynb"
    gate = kinds.NotebookGate(notebook="own.ipynb")

    def inputs(cells, asked=gate):
        own.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4}))
        return gate_inputs(find_project(bare_project), asked)

    missing = gate_inputs(find_project(bare_project), gate)
    code = {"cell_type": "code", "source": ["a = 1\n", "b"], "metadata": {}, "outputs": []}
    plain = inputs([code])
    assert plain != missing
    ran = {**code, "outputs": [{"output_type": "stream", "text": "2"}], "execution_count": 3}
    assert inputs([ran, {"cell_type": "markdown", "source": "why"}]) == plain
    assert inputs([{**code, "source": "a = 2\nb"}]) != plain
    assert inputs([{**code, "metadata": {"tags": ["parameters"]}}]) != plain
    own.write_text("# %%\nassert True\n")
    assert gate_inputs(find_project(bare_project), gate) == own.read_bytes()

    drift = kinds.DriftGate()
    assert gate_inputs(find_project(bare_project), drift) == b""
    with (bare_project / "pyproject.toml").open("a") as file:
        file.write("\n[tool.mlops-nb.monitoring.drift]\nvolume = 5.0\n")
    assert b"5.0" in gate_inputs(find_project(bare_project), drift)
    assert gate_inputs(find_project(bare_project), kinds.SizeGate(max_mb=1)) == b""


def test_gates_guard_the_models_they_name(make_registry, mlflow_sqlite, make_artifact):
    gates = GateSettings(
        checks={
            "all": kinds.SizeGate(max_mb=1),
            "late": kinds.SizeGate(max_mb=1, models=("flights-*",)),
        }
    )
    registry = make_registry(mlflow_sqlite, gates=gates)
    register(registry, make_artifact(), model="trains")
    register(registry, make_artifact(), model="flights-late")
    assert [r.gate for r in judge(registry, "trains", 1)] == ["all"]
    assert [r.gate for r in judge(registry, "flights-late", 1)] == ["all", "late"]
    assert [r.gate for r in judge(registry, "flights-late", 1, only=("late",))] == ["late"]
    with pytest.raises(RegistryError, match='no gate of "trains" is called "late"'):
        judge(registry, "trains", 1, only=("late",))


def test_asking_again_appends_and_the_latest_counts(make_registry, mlflow_sqlite, make_artifact):
    answers = iter([True, False, True])
    tools = Tools(notebook=lambda *_: Answer(passed=next(answers), reason="x"))
    gates = GateSettings(checks={"own": kinds.NotebookGate(notebook="n.ipynb")})
    registry = make_registry(mlflow_sqlite, gates=gates)
    version = register(registry, make_artifact())
    for wanted in (True, False, True):
        judge(registry, "model", 1, tools=tools)
        with registry.ledger.read() as reader:
            (state,) = gate_states(reader, registry, version, champion=0)
        assert state.ok is wanted
    assert sum(entry.kind is EntryKind.GATE for entry in history(registry)) == 3


def test_settings_are_read_from_pyproject(bare_project):
    (bare_project / "pyproject.toml").write_text(
        """
        [tool.mlops-nb.gates]
        guarded = ["champion", "production"]
        roles = { reviewer = ["ann"] }
        [tool.mlops-nb.gates.checks.good]
        kind = "metric"
        metric = "auc"
        min = 0.7
        [tool.mlops-nb.gates.checks.slices]
        kind = "slices"
        max-drop = 0.03
        columns = ["carrier"]
        [tool.mlops-nb.registry]
        trusted-types = ["own.Thing"]
        keep = 2
        """
    )
    registry = open_registry(find_project(bare_project, env={}), actor="me")
    assert registry.gates.guarded == ("champion", "production")
    assert registry.gates.checks["good"] == kinds.MetricGate(metric="auc", min=0.7)
    assert registry.gates.checks["slices"].max_drop == 0.03
    assert (registry.settings.trusted_types, registry.settings.keep) == (("own.Thing",), 2)
    assert registry.artifacts == (bare_project / ".mlops" / "artifacts").as_uri()
    registry.close()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('kind = "metrc"', "Invalid value 'metrc'"),
        ('kind = "metric"', "missing required field `metric`"),
        ('kind = "size"\nmax-mb = "big"', "Expected `float`"),
        ('kind = "size"\nmax-mb = 1\nmaxmb = 2', "unknown field `maxmb`"),
    ],
)
def test_wrong_settings_are_named(bare_project, text, found):
    (bare_project / "pyproject.toml").write_text(f"[tool.mlops-nb.gates.checks.x]\n{text}\n")
    with pytest.raises(ConfigError) as caught:
        open_registry(find_project(bare_project, env={}))
    assert found in str(caught.value)
    assert "[tool.mlops-nb.gates]" in str(caught.value)
