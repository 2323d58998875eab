"""References: lists of windows on disk, and what is natural between them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlops_nb.errors import MonitoringError
from mlops_nb.monitoring.drift import compare
from mlops_nb.monitoring.profile import Profile, profile
from mlops_nb.monitoring.reference import Reference, natural_threshold
from mlops_nb.monitoring.settings import DriftSettings


def window(mean: float, seed: int, rows: int = 4000) -> Profile:
    r = np.random.default_rng(seed)
    return profile(pd.DataFrame({"x": r.normal(mean, 1, rows), "c": r.choice(["a", "b"], rows)}))


@pytest.fixture
def restless() -> Reference:
    """Weeks whose mean wanders by half a standard deviation."""
    means = (0.0, 0.5, -0.4, 0.3, -0.5, 0.1)
    return Reference([window(mean, seed) for seed, mean in enumerate(means)], list("abcdef"))


def test_thresholds_are_the_mean_and_three_deviations_of_leave_one_out(restless: Reference) -> None:
    values = restless.spread("x")["distribution/wasserstein"]
    assert len(values) == 6
    by_hand = np.mean(values) + 3 * np.std(values, ddof=1)
    report = compare(window(0.5, 50), restless)
    (found,) = [f for f in report["x"].findings if f.measure == "wasserstein"]
    assert found.natural == pytest.approx(by_hand)
    assert found.threshold == max(found.floor, found.natural)
    assert natural_threshold([0.1], 3) is None
    assert natural_threshold([0.1, 0.1], 3) == pytest.approx(0.1)


def test_what_is_natural_between_windows_is_no_drift(restless: Reference) -> None:
    assert compare(window(0.5, 50), restless).drifted == ()
    # The same window against one calm window drifts.
    assert compare(window(0.5, 50), Reference([window(0.0, 51)])).drifted
    assert [c.column for c in compare(window(2.5, 52), restless).drifted] == ["x"]


def test_a_folder_gives_the_same_report_again(restless: Reference, tmp_path: Path) -> None:
    restless.importance = {"x": 2.0, "c": 1.0}
    restless.metrics = {"auc": 0.7}
    restless.save(tmp_path / "model" / "reference")
    again = Reference.load(tmp_path / "model" / "reference")
    assert again.labels == tuple("abcdef")
    assert again.metrics == {"auc": 0.7}
    assert again.rows == restless.rows
    now = window(2.5, 60)
    before, after = compare(now, restless), compare(now, again)
    assert {c.column: c for c in after.columns} == {c.column: c for c in before.columns}


def test_stored_spreads_are_not_computed_again(
    restless: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    restless.save(tmp_path)
    loaded = Reference.load(tmp_path)
    other = Reference.load(tmp_path, settings=DriftSettings(max_categories=5))

    def refuse(*_: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr("mlops_nb.monitoring.reference._spread", refuse)
    assert loaded.spread("x") == restless.spread("x")
    with pytest.raises(AssertionError):  # other settings make other kinds of columns
        other.spread("x")


def test_stock_whylogs_reads_a_window(restless: Reference, tmp_path: Path) -> None:
    if not hasattr(np, "unicode_"):
        np.unicode_ = np.str_
    import whylogs

    index = restless.save(tmp_path)
    view = whylogs.read(str(tmp_path / index.windows[0].file)).view()
    assert view.get_column("x").get_metric("counts").n.value == 4000


@pytest.mark.parametrize("damage", ["changed", "missing", "index", "no folder", "format"])
def test_damage_is_told(restless: Reference, tmp_path: Path, damage: str) -> None:
    index = restless.save(tmp_path)
    first = tmp_path / index.windows[0].file
    folder = tmp_path
    if damage == "changed":
        first.write_bytes(first.read_bytes()[:-3] + b"abc")
    elif damage == "missing":
        first.unlink()
    elif damage == "index":
        (tmp_path / "index.json").write_text('{"windows": 3}')
    elif damage == "format":
        (tmp_path / "index.json").write_text("{")
    else:
        folder = tmp_path / "nowhere"
    with pytest.raises(MonitoringError) as caught:
        Reference.load(folder)
    assert str(tmp_path) in str(caught.value)


def test_an_index_cannot_lead_out_of_its_folder(restless: Reference, tmp_path: Path) -> None:
    index = restless.save(tmp_path / "inner")
    outside = tmp_path / "secret.bin"
    (tmp_path / "inner" / index.windows[0].file).rename(outside)
    text = (tmp_path / "inner" / "index.json").read_text()
    (tmp_path / "inner" / "index.json").write_text(
        text.replace(index.windows[0].file, "../secret.bin")
    )
    with pytest.raises(MonitoringError, match="cannot be read"):
        Reference.load(tmp_path / "inner")


def test_a_reference_needs_windows_with_labels() -> None:
    with pytest.raises(MonitoringError, match="at least one window"):
        Reference([])
    with pytest.raises(MonitoringError, match="1 windows but 2 labels"):
        Reference([window(0, 0)], ["a", "b"])


def test_an_unwritable_folder_is_told(restless: Reference, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MonitoringError, match="cannot be written"):
        restless.save(tmp_path / "file")


def test_a_column_that_one_window_lacks_is_compared_with_the_others() -> None:
    with_it, without = window(0, 1), profile(pd.DataFrame({"x": np.arange(4000) % 7 / 7}))
    base = Reference([with_it, without, window(0, 2)])
    assert base.columns == ("x", "c")
    assert len(base.summary("c").parts) == 2
    assert compare(window(0, 3), base)["c"].drifted is False
