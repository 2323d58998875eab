"""Checks that fail show the rows; the validate notebook fails on planted faults."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from checks import CheckFailed, Checks
from evaluation import baseline_rates, baseline_score, by_slice, compare, holdout_scores, measure
from features import add_split, build_features, known
from flights import read_flights, read_planes, read_weather
from monitoring import profile_window, weeks

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def test_every_failure_is_told_with_its_rows() -> None:
    table = pd.DataFrame({"speed": [10.0, -1.0, None], "name": ["a", "b", None]})
    checks = Checks()
    checks.between("ranges", table, {"speed": (0, 100)})
    checks.rows("nulls", "a name is known", table, table["name"].isna())
    checks.columns("schema", table, {"speed": "number", "name": "text", "gone": "time"})
    assert list(checks.summary()["passed"]) == [False, False, True, True, False]
    with pytest.raises(CheckFailed) as failed:
        checks.require()
    text = str(failed.value)
    assert "3 of 5 checks failed" in text
    assert "speed between 0 and 100 - not so in 1 of 3" in text and "-1.0" in text
    assert "gone" in text and "missing" in text


def test_checks_that_pass_say_nothing() -> None:
    checks = Checks()
    checks.between("ranges", pd.DataFrame({"x": [1.0, None]}), {"x": (0, 2)})
    checks.require()


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    window = ("2013-02-10", "2013-02-25")
    raw = read_flights(*window, history_days=3), read_weather(*window), read_planes()
    return add_split(build_features(*raw), 5)


def test_the_baseline_is_a_share_by_airline_and_hour(table: pd.DataFrame) -> None:
    train = known(table, "train")
    rates = baseline_rates(train)
    united = train[(train["carrier"] == "UA") & (train["departure_hour"].astype(int) == 17)]
    expected = (united["late"].sum() + 20 * train["late"].mean()) / (len(united) + 20)
    flight = pd.DataFrame({"carrier": ["UA", "??"], "departure_hour": [17.5, 3.0]}, index=[7, 9])
    score = baseline_score(rates, flight)
    assert score[7] == pytest.approx(expected)
    assert score[9] == pytest.approx(rates["share"].mean())


def test_figures_come_with_intervals_of_whole_days(table: pd.DataFrame) -> None:
    holdout = known(table, "holdout")
    good = holdout_scores(holdout, holdout["late"] * 0.6 + 0.2)
    noise = holdout_scores(holdout, pd.Series(0.5, holdout.index))
    figures = measure(good, resamples=50)
    assert figures["roc_auc"].value == 1.0
    assert measure(noise, resamples=50)["roc_auc"].value == 0.5
    margin = compare("log_loss", good, noise, resamples=50)
    assert 0 < margin.low <= margin.difference <= margin.high
    assert by_slice(good, "origin")["flights"].sum() == len(good)
    assert by_slice(good, "origin", least=10**6).empty


def test_weeks_end_with_the_table_and_are_whole(table: pd.DataFrame) -> None:
    found = weeks(table)
    assert list(found) == ["2013-02-12", "2013-02-19"]
    assert all(week["date"].nunique() == 7 for week in found.values())
    assert found["2013-02-19"]["date"].max() == table["date"].max()


def test_a_window_is_profiled_with_its_scores(table: pd.DataFrame) -> None:
    plain = profile_window(table, None)
    assert "score" not in plain.columns and plain.rows == len(table)
    scored = profile_window(table, np.full(len(table), 0.7))
    assert scored.columns["score"].count == len(table)
    assert scored.columns["late"].nulls == table["late"].isna().sum()


def run_validate(folder: Path, flights: pd.DataFrame, weather: pd.DataFrame) -> None:
    """Run the validate notebook on tables of our own, as the pipeline does."""
    for source in NOTEBOOKS.glob("*.py"):
        shutil.copy(source, folder)
    made = {name: str(folder / f"{name}.parquet") for name in ("flights", "weather", "planes")}
    flights.to_parquet(made["flights"])
    weather.to_parquet(made["weather"])
    read_planes().to_parquet(made["planes"])
    notebook = nbformat.read(NOTEBOOKS / "2_validate.ipynb", as_version=4)
    injected = f"upstream = {{'ingest': {made!r}}}\nproduct = {{'report': {str(folder / 'checks.json')!r}}}"
    notebook.cells.insert(2, nbformat.v4.new_code_cell(injected))
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": folder}}).execute()


def test_validate_fails_with_the_offending_rows(tmp_path: Path) -> None:
    flights, weather = (
        read_flights("2013-03-01", "2013-03-04"),
        read_weather("2013-03-01", "2013-03-04"),
    )
    victim = flights.index[flights["predict"]][100]
    flights.loc[victim, "distance"] = 99_999.0
    flights = pd.concat([flights, flights.tail(1)], ignore_index=True)
    weather.loc[5, "humid"] = 130.0
    with pytest.raises(CellExecutionError) as failed:
        run_validate(tmp_path, flights, weather)
    text = str(failed.value)
    assert "CheckFailed" in text
    assert "distance between 10 and 5100 - not so in 1 of" in text and "99999.0" in text
    assert "humid between 0 and 100" in text and "130.0" in text
    assert "a flight occurs once" in text
    report = json.loads((tmp_path / "checks.json").read_text())
    assert sum(not check["passed"] for check in report) == 5
