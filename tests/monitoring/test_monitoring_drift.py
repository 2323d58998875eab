"""Decisions: what stock whylogs misses is found, what it invents is not."""

from __future__ import annotations

import re
import sys

import numpy as np
import pandas as pd
import pytest

from mlops_nb.model import DriftReport, DriftState, Severity, WindowResult, decode, encode
from mlops_nb.monitoring.advice import advise
from mlops_nb.monitoring.drift import compare
from mlops_nb.monitoring.profile import Profile, profile
from mlops_nb.monitoring.reference import Reference
from mlops_nb.monitoring.settings import DriftSettings

OK, DRIFT, SCHEMA, INSUFFICIENT = DriftState


def column(values: object) -> Profile:
    return profile(pd.DataFrame({"x": values}))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def aspects(report, name: str = "x") -> set[str]:
    return {finding.aspect for finding in report[name].findings if finding.drifted}


def population(rows: int, seed: int) -> pd.DataFrame:
    r = rng(seed)
    return pd.DataFrame(
        {
            "float": r.normal(0, 1, rows),
            "heavy": r.standard_cauchy(rows),
            "count": r.poisson(40, rows),
            "few": r.integers(0, 6, rows),
            "text": r.choice(list("abcdefghijklmnopqrstuvwxyz1234"), rows),
            "id": np.char.add("user-", r.integers(0, 5000, rows).astype(str)),
            "flag": r.random(rows) < 0.3,
            "when": pd.Timestamp("2026-01-01") + pd.to_timedelta(r.integers(0, 600_000, rows), "s"),
            "gaps": np.where(r.random(rows) < 0.3, np.nan, r.normal(0, 1, rows)),
        }
    )


@pytest.mark.parametrize("rows", [300, 5_000, 200_000])
def test_without_drift_nothing_is_found_however_many_rows(rows: int) -> None:
    # Stock: KS "drifts" in 77% of cases at a million rows, chi-square of 30 categories in 84%.
    one = Reference([profile(population(rows, 0))])
    several = Reference([profile(population(rows, seed)) for seed in (1, 2, 3)])
    for seed in range(10, 14 if rows > 5_000 else 30):
        window = profile(population(rows, seed))
        assert compare(window, one).drifted == ()
        assert compare(window, several).drifted == ()


def test_nulls_rising_to_a_half_are_drift() -> None:
    values = rng().normal(0, 1, 10_000)
    half = np.where(rng(1).random(10_000) < 0.5, np.nan, values)
    report = compare(column(half), column(values))
    assert report.state is DRIFT
    assert aspects(report) == {"missing values"}
    assert report["x"].current_null_rate == pytest.approx(0.5, abs=0.02)
    assert "missing values 0.0% → " in report["x"].text


def test_a_column_that_lost_all_values_is_drift_and_not_none() -> None:
    report = compare(column(np.full(5000, np.nan)), column(rng().normal(0, 1, 5000)))
    assert report["x"].state is DRIFT
    assert aspects(report) == {"missing values"}


def test_all_null_on_both_sides_is_insufficient_data() -> None:
    empty = column(np.full(5000, np.nan))
    report = compare(empty, empty)
    assert report["x"].state is INSUFFICIENT
    assert report.state is INSUFFICIENT


def test_ids_that_were_never_seen_are_drift() -> None:
    # Stock: p = 1. Each id comes about five times, so that a new one is a surprise.
    old = np.char.add("a", rng(0).integers(0, 2000, 10_000).astype(str))
    new = np.char.add("b", rng(1).integers(0, 2000, 10_000).astype(str))
    report = compare(column(new), column(old))
    assert "new values" in aspects(report)
    same = np.char.add("a", rng(2).integers(0, 2000, 10_000).astype(str))
    assert compare(column(same), column(old)).drifted == ()


def test_several_windows_know_an_identifier_from_a_customer_list() -> None:
    def running(start: int) -> Profile:
        return column([f"order-{i}" for i in range(start, start + 3000)])

    def customers(seed: int, prefix: str = "c") -> Profile:
        return column([f"{prefix}{i}" for i in rng(seed).permutation(3300)[:3000]])

    orders = Reference([running(3000 * i) for i in range(3)])
    assert compare(running(9000), orders).drifted == ()
    known = Reference([customers(seed) for seed in range(3)])
    assert compare(customers(9), known).drifted == ()
    assert "new values" in aspects(compare(customers(9, "d"), known))


def test_half_of_five_thousand_categories_missing_is_found() -> None:
    def categories(count: int, seed: int, kind: type) -> Profile:
        return column(rng(seed).integers(0, count, 40_000).astype(kind))

    for kind in (str, np.int64):
        old = categories(5000, 0, kind)
        assert compare(categories(5000, 1, kind), old).drifted == ()
        halved = categories(5000, 2, kind)
        if kind is np.int64:  # every second code: the distribution looks the same
            halved = column(rng(2).integers(0, 2500, 40_000) * 2)
        else:
            halved = categories(2500, 2, kind)
        assert "distinct values" in aspects(compare(halved, old))


def test_twice_the_rows_are_no_new_distinct_values() -> None:
    small = column(np.char.add("u", rng(0).integers(0, 20_000, 10_000).astype(str)))
    large = column(np.char.add("u", rng(1).integers(0, 20_000, 20_000).astype(str)))
    assert compare(large, small).drifted == ()
    assert compare(small, large).drifted == ()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (np.arange(1000.0), np.arange(1000.0).astype(str)),
        (np.arange(1000), np.arange(1000.0)),
        (np.array(["a", "b"] * 500), np.arange(1000)),
        (pd.Series(pd.date_range("2026", periods=1000, freq="h")), ["2026-01-01"] * 1000),
    ],
    ids=["float to text", "int to float", "text to int", "datetime to text"],
)
def test_another_type_is_a_schema_fault(old: object, new: object) -> None:
    report = compare(column(new), column(old))
    assert report.state is SCHEMA
    assert "types" in aspects(report)
    assert report.severity is Severity.CRITICAL
    assert report["x"].text.startswith("type ")


def test_missing_and_new_columns_are_schema_faults() -> None:
    old = profile(pd.DataFrame({"a": np.arange(500.0), "gone": np.arange(500.0)}))
    new = profile(pd.DataFrame({"a": np.arange(500.0), "extra": np.arange(500.0)}))
    report = compare(new, old)
    assert report.state is SCHEMA
    assert report["gone"].text == "the column is missing"
    assert report["gone"].severity is Severity.CRITICAL
    assert report["extra"].severity is Severity.INFO
    assert report["a"].state is OK


def test_a_new_column_is_told_but_makes_no_faulty_window() -> None:
    old = profile(pd.DataFrame({"a": np.arange(500.0)}))
    new = profile(pd.DataFrame({"a": np.arange(500.0), "score": np.arange(500.0)}))
    report = compare(new, old)
    assert (report.state, report.severity) == (OK, Severity.INFO)
    assert report["score"].text == "the column is new: the reference lacks it"
    few = profile(pd.DataFrame({"a": np.arange(50.0), "score": np.arange(50.0)}))
    assert compare(few, old).state is INSUFFICIENT


def test_one_row_of_a_new_category_in_a_hundred_thousand_is_nothing() -> None:
    # Stock: infinity.
    values = rng().choice(["a", "b", "c"], 100_000).astype(object)
    one = values.copy()
    one[0] = "new"
    assert compare(column(one), column(values)).drifted == ()
    assert compare(column(values), column(one)).drifted == ()


def test_two_percent_of_a_new_category_are_found_and_named() -> None:
    values = rng().choice(["a", "b", "c"], 20_000).astype(object)
    some = values.copy()
    some[:400] = "ZZ"
    report = compare(column(some), column(values))
    assert "new categories" in aspects(report)
    assert "new: ZZ, 2.0% of the rows" in report["x"].text


@pytest.mark.parametrize("rows", [5_000, 50_000])
@pytest.mark.parametrize("share", [0.02, 0.05, 0.5, 1.0])
def test_new_categories_are_found_however_rare_each_of_them_is(rows: int, share: float) -> None:
    old = [column(rng(seed).choice(list("ABCDEFGH"), rows)) for seed in range(3)]
    values = rng(9).choice(list("ABCDEFGH"), rows).astype(object)
    values[: int(rows * share)] = [f"typo{i}" for i in range(int(rows * share))]
    report = compare(column(values), old)
    assert "new categories" in aspects(report)
    assert re.search(r"new: (many values, each of them rare|typo0, )", report["x"].text)
    assert compare(column(rng(10).choice(list("ABCDEFGH"), rows)), old).drifted == ()


def test_whole_numbers_that_became_identifiers_are_found() -> None:
    old = column(rng(0).integers(0, 6, 5000))
    report = compare(column(rng(1).permutation(1_000_000)[:5000]), old)
    assert "new categories" in aspects(report)
    assert "new: many values, each of them rare, 99." in report["x"].text


def test_rare_categories_that_a_sample_missed_are_not_new() -> None:
    labels = np.array([f"label {i}" for i in range(700)])
    chances = 1 / np.arange(1, 701) ** 1.3
    for seed in range(20):
        old, new = rng(seed).choice(labels, (2, 600), p=chances / chances.sum())
        assert compare(column(new), column(old)).drifted == ()


def test_heavy_tails_are_seen() -> None:
    # Stock's Hellinger distance uses bins of equal width, which one far value empties.
    values = rng(0).exponential(3, 50_000)
    tail = values.copy()
    tail[:500] *= 1000
    report = compare(column(tail), column(values))
    assert aspects(report) == {"range"}
    tail[:2500] *= 1000
    assert aspects(compare(column(tail), column(values))) == {"distribution", "range"}
    assert (
        compare(
            column(rng(1).standard_cauchy(50_000)), column(rng(2).standard_cauchy(50_000))
        ).drifted
        == ()
    )


def test_a_sentinel_far_outside_is_a_range_fault() -> None:
    values = rng(0).normal(20, 5, 100_000)
    broken = values.copy()
    broken[:100] = -9999
    report = compare(column(broken), column(values))
    assert "range" in aspects(report)
    broken = values.copy()
    broken[0] = -9999
    assert compare(column(broken), column(values)).drifted == ()


def test_datetimes_are_compared() -> None:
    start = pd.Series(
        pd.Timestamp("2026-01-01") + pd.to_timedelta(rng().integers(0, 86_400, 5000), "s")
    )
    later = start + pd.Timedelta(days=1)
    report = compare(column(later), column(start))
    assert report["x"].kind == "datetime"
    assert aspects(report) == {"distribution"}
    # One window cannot know whether time is meant to pass: it is told, not shouted.
    assert report.severity is Severity.INFO
    several = Reference([column(start + pd.Timedelta(days=day)) for day in range(-3, 1)])
    assert compare(column(later), several).drifted == ()


def test_booleans_are_compared() -> None:
    report = compare(column(rng(0).random(5000) < 0.6), column(rng(1).random(5000) < 0.3))
    assert aspects(report) == {"distribution"}
    assert report["x"].kind == "categorical"
    assert {share.label for share in report["x"].shares} == {"True", "False"}


def test_flags_kept_as_floats_are_told_by_their_mean() -> None:
    r = np.random.default_rng(0)
    old, new = (pd.DataFrame({"late": (r.random(5000) < p).astype(float)}) for p in (0.3, 0.45))
    found = compare(profile(new), profile(old))["late"]
    assert found.drifted
    assert found.text.startswith("mean 0.3 → 0.4")


def test_infinities_are_counted_and_do_not_break_the_rest() -> None:
    values = rng().normal(0, 1, 10_000)
    broken = values.copy()
    broken[:300] = np.inf
    broken[300:400] = -np.inf
    report = compare(column(broken), column(values))
    assert "infinities" in aspects(report)
    assert all(np.isfinite(finding.value) for finding in report["x"].findings)
    assert compare(column(broken), column(broken)).drifted == ()


@pytest.mark.parametrize("share", [0.003, 0.1, 1.0])
@pytest.mark.parametrize("spread", [1e-300, 1.0, 1e307])
def test_the_largest_numbers_leave_every_figure_a_number(share: float, spread: float) -> None:
    usual = [rng(seed).normal(0, spread, 300) for seed in range(3)]
    far = usual[0].copy()
    far[: int(share * 300)] = sys.float_info.max
    far[: int(share * 150)] *= -1
    for new, old in ((far, usual), (usual[0], [far, far[:290], far]), (far, [far, far])):
        report = compare(column(new), [column(values) for values in old])
        assert decode(encode(report), DriftReport) == report


def test_too_few_values_are_a_state_of_their_own() -> None:
    report = compare(column(rng(0).normal(5, 1, 20)), column(rng(1).normal(0, 1, 5000)))
    assert report.state is INSUFFICIENT
    assert report["x"].state is INSUFFICIENT
    assert report["x"].text == "too few values to decide: 5,000 in the reference, 20 now"
    assert compare(Profile(), column([1.0] * 500)).state is INSUFFICIENT
    assert compare(Profile(), Profile()).state is INSUFFICIENT


def test_importance_decides_the_urgency() -> None:
    old = pd.DataFrame({"main": rng(0).normal(0, 1, 5000), "side": rng(1).normal(0, 1, 5000)})
    report = compare(profile(old + 1.0), profile(old), importance={"main": 40.0, "side": 0.4})
    assert report["main"].severity is Severity.CRITICAL
    assert report["side"].severity is Severity.INFO
    assert report.drifted[0].column == "main"
    assert report["main"].importance == 1.0
    half = compare(
        profile(old.assign(main=old["main"] + 1)), profile(old), importance={"main": 3, "side": 1}
    )
    assert half.drift_share == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        (
            lambda x: x * 1.609,
            r"values are 1\.[56]\d* times what they were: kilometres for miles\?",
        ),
        (lambda x: x / 1000, r"values are 0\.0009\d+ times what they were: another unit\?"),
        (lambda x: x + 400, r"values moved by \+(39|40)\d.*: an offset\?"),
    ],
)
def test_what_looks_like_a_unit_or_an_offset_is_named(change, hint: str) -> None:
    values = rng(0).gamma(3, 300, 20_000)
    again = rng(1).gamma(3, 300, 20_000)
    assert re.search(hint, compare(column(change(again)), column(values))["x"].text)
    natural = rng(2).gamma(2, 500, 20_000)
    assert "?" not in compare(column(natural), column(values))["x"].text


def test_a_rate_that_fell_by_a_third_is_not_taken_for_a_unit() -> None:
    """Seasons do that to shares of late flights; asking the data's owner would lead astray."""
    values, again = rng(0).gamma(3, 300, 20_000), rng(1).gamma(3, 300, 20_000)
    found = compare(column(again * 0.68), column(values))
    assert re.search(r"values are 0\.6[78]\d* times what they were", found["x"].text)
    assert "?" not in found["x"].text
    told = WindowResult(model="m", window="w", reports=(found,))
    assert not any("owner" in line for line in advise(told))


def test_letter_case_is_named() -> None:
    values = rng(0).choice(["EWR", "JFK", "LGA"], 3000).astype(object)
    lower = np.array([value.lower() for value in values], dtype=object)
    text = compare(column(lower), column(values))["x"].text
    assert "the same names in other letter case or spacing" in text


def test_the_segment_in_which_it_happened_is_named() -> None:
    def flights(seed: int) -> pd.DataFrame:
        r = rng(seed)
        return pd.DataFrame(
            {"origin": r.choice(["EWR", "JFK", "LGA"], 9000), "delay": r.normal(10, 3, 9000)}
        )

    broken = flights(1)
    broken.loc[broken["origin"] == "JFK", "delay"] += 6
    old = profile(flights(0), segments=["origin"])
    report = compare(profile(broken, segments=["origin"]), old)
    assert report["delay"].segments == ("origin=JFK",)
    states = {segment.name: segment.state for segment in report.segments}
    assert states == {"origin=EWR": OK, "origin=JFK": DRIFT, "origin=LGA": OK}
    assert compare(profile(flights(2), segments=["origin"]), old).drifted == ()


def test_what_a_small_segment_hides_is_noted() -> None:
    def flights(seed: int, shift: float) -> Profile:
        r = rng(seed)
        frame = pd.DataFrame({"carrier": r.choice(["UA", "HA"], 20_000, p=[0.97, 0.03])})
        frame["delay"] = r.normal(10, 3, 20_000) + shift * (frame["carrier"] == "HA")
        return profile(frame, segments=["carrier"])

    report = compare(flights(1, 6.0), flights(0, 0.0))
    assert report["delay"].state is OK
    assert "Only in a segment, and hidden in the whole: delay where carrier=HA." in report.notes
    assert compare(flights(2, 0.0), flights(0, 0.0)).notes[1:] == ()


def test_scores_by_label_are_no_segments() -> None:
    frame = pd.DataFrame(
        {"a": np.arange(500.0), "b": np.arange(500.0), "score": np.arange(500) / 500}
    )
    frame["said"] = np.where(frame["score"] > 0.5, "1", "0")
    part = profile(frame, score="score", predictions="said")
    assert compare(part, part).segments == ()


def test_row_volume_needs_several_windows() -> None:
    def window(rows: int) -> Profile:
        return column(rng(rows).normal(0, 1, rows))

    assert compare(window(900), window(3000)).volume is None
    base = [window(rows) for rows in (3000, 3100, 2900, 3050)]
    assert not compare(window(3000), base).volume.drifted
    lost = compare(window(900), base)
    assert lost.volume.drifted
    assert (lost.state, lost.severity) == (DRIFT, Severity.WARNING)
    assert "900 rows" in lost.volume.text


def test_floors_and_columns_follow_the_settings() -> None:
    old, new = column(rng(0).normal(0, 1, 20_000)), column(rng(1).normal(0.25, 1, 20_000))
    assert compare(new, old).drifted
    loose = DriftSettings(ks=0.2, wasserstein=0.5)
    assert not compare(new, old, settings=loose).drifted
    assert compare(new, old, settings=DriftSettings(ignore=("x",))).columns == ()


def test_every_number_is_explained() -> None:
    report = compare(column(rng(0).normal(1, 1, 5000)), column(rng(1).normal(0, 1, 5000)))
    drift = report["x"]
    measures = {finding.measure for finding in drift.findings}
    assert {"ks", "wasserstein", "rate change", "share beyond", "share changed"} <= measures
    assert {"psi", "jensen-shannon", "mean", "reference mean"} <= drift.measures.keys()
    assert len(drift.quantiles) == 5
    assert sum(drift.overlay.reference) == pytest.approx(1)
    assert sum(drift.overlay.current) == pytest.approx(1)
    for finding in drift.findings:
        assert finding.threshold >= finding.floor
        assert finding.drifted == bool(finding.text)
        assert 0 <= finding.q_value <= 1


def test_mixed_types_in_one_column() -> None:
    old = column(pd.Series(rng(0).normal(0, 1, 3000), dtype=object))
    mixed = column(pd.Series([*rng(1).normal(0, 1, 2700), *["n/a"] * 300], dtype=object))
    report = compare(mixed, old)
    assert report["x"].state is SCHEMA
    assert "string 10%" in report["x"].text


def test_ten_thousand_columns() -> None:
    frame = pd.DataFrame(
        rng(0).normal(0, 1, (150, 10_000)), columns=[f"c{i}" for i in range(10_000)]
    )
    other = pd.DataFrame(rng(1).normal(0, 1, (150, 10_000)), columns=frame.columns)
    other["c77"] += 3
    report = compare(profile(other), profile(frame))
    assert [found.column for found in report.drifted] == ["c77"]


def test_comparing_needs_neither_whylogs_nor_the_network() -> None:
    import subprocess

    code = (
        "import sys, numpy as np, pandas as pd\n"
        "from mlops_nb.monitoring.profile import profile\n"
        "from mlops_nb.monitoring.drift import compare\n"
        "p = profile(pd.DataFrame({'x': np.arange(500.0), 's': ['a', 'b'] * 250}))\n"
        "assert compare(p, p).drifted == ()\n"
        "heavy = {'whylogs', 'sklearn', 'matplotlib', 'mlflow'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_settings_of_the_comparison_hold_for_a_reference_made_with_others() -> None:
    """What is ignored, and what counts as a category, is the comparison's to say."""
    frames = [
        pd.DataFrame({"x": rng(seed).normal(size=2000), "n": rng(seed).integers(0, 9, 2000)})
        for seed in range(4)
    ]
    base = Reference([profile(frame) for frame in frames[:3]])
    moved = profile(frames[3] + 5)
    assert {column.column for column in compare(moved, base).columns} == {"x", "n"}
    without = compare(moved, base, settings=DriftSettings(ignore=("x",)))
    assert [column.column for column in without.columns] == ["n"]
    narrow = DriftSettings(ignore=("x",))
    back = compare(moved, Reference(base.windows, settings=narrow), settings=DriftSettings())
    assert back["x"].state is DriftState.DRIFT, "not a new column"
    few = DriftSettings(max_categories=2)
    again = compare(moved, base, settings=few)
    assert (compare(moved, base)["n"].kind, again["n"].kind) == ("categorical", "numeric")
    fresh = compare(moved, Reference(base.windows, settings=few))
    assert again["n"].findings == fresh["n"].findings
    assert base.under(DriftSettings()) is base
