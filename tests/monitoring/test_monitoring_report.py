"""The HTML reports: whole, self-contained, escaped, honest in every state."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import numpy as np
import pandas as pd
import pytest

from mlops_nb.errors import MonitoringError
from mlops_nb.model import DriftState, Gap, Overlay, PerformancePoint, ShareShift, Skill
from mlops_nb.monitoring import svg
from mlops_nb.monitoring.drift import compare
from mlops_nb.monitoring.monitor import Monitor
from mlops_nb.monitoring.profile import Profile, profile
from mlops_nb.monitoring.reference import Reference
from mlops_nb.monitoring.report import (
    ModelView,
    render_overview,
    render_report,
    render_window,
    write_page,
)

EVIL = "<script>alert(1)</script>"


def frame(seed: int, shift: float = 0.0) -> pd.DataFrame:
    r = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "number": r.normal(shift, 1, 800),
            EVIL: r.choice(["a", EVIL, "c"], 800),
            "when": pd.Timestamp("2026-01-01") + pd.to_timedelta(r.integers(0, 9999, 800), "s"),
        }
    )


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> ModelView:
    monitor = Monitor(tmp_path_factory.mktemp("state"))
    base = Reference([profile(frame(seed)) for seed in range(3)], metrics={"auc": 0.7})
    for number, shift in enumerate((0.0, 1.0, 1.2)):
        label = f"2026-0{number + 1}"
        points = [
            PerformancePoint(window=label, metric="auc", value=0.6, low=0.58, high=0.62),
            PerformancePoint(
                window=label, metric="auc", value=0.7, low=0.68, high=0.72, kind="estimated"
            ),
        ]
        current = frame(20 + number, shift)
        if number == 2:
            current[EVIL] = "</title>" + EVIL
        monitor.record_window("late", label, profile(current), reference=base, performance=points)
    status = monitor.status("late")
    weak = Skill(
        metric="auc",
        windows=5,
        error=0.1,
        constant_error=0.1,
        weak=True,
        text="the label-free estimate is weak here",
    )
    return ModelView(
        history=monitor.history("late"),
        alerts=monitor.alerts("late", active=False),
        performance=monitor.performance("late"),
        expected={"auc": 0.7},
        skills=(weak,),
        advice=status.advice,
        links={"2026-01": 'a.html" onclick="x'},
    )


class Page(HTMLParser):
    """What a browser would load or run, and the words it would show."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.scripts = 0
        self.handlers: list[str] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag in ("script", "iframe", "object", "embed")
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        self.loads += [value or "" for name, value in attrs if name in ("src", "srcset", "data")]
        self.loads += [value or "" for name, value in attrs if name == "href" and tag == "link"]
        if tag not in (
            "meta",
            "link",
            "br",
            "rect",
            "path",
            "line",
            "circle",
            "polyline",
            "polygon",
        ):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.open and tag == self.open[-1]:
            self.open.pop()
        elif tag not in ("rect", "path", "line", "circle", "polyline", "polygon"):
            raise AssertionError(f"</{tag}> closes <{self.open[-1]}>")

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.words.append(data)


def check(text: str) -> Page:
    page = Page(text)
    assert page.loads == []
    assert page.scripts == 0
    assert page.handlers == []
    assert page.open == []
    assert not re.search(r"url\(|@import|https?://", text)
    return page


def test_a_window_is_one_page_without_scripts_or_addresses(view: ModelView) -> None:
    text = render_window(view)
    page = check(text)
    words = " ".join(" ".join(page.words).split())
    for expected in (
        "late · 2026-03", "What to do", "Columns over time", "Alerts", "What changed",
        "Performance", "Every column", "Act on the realised values, not on the estimate.",
        "valid under covariate shift", "auc is 0.600, worse than 0.700 at the reference",
    ):  # fmt: skip
        assert expected in words, expected
    assert EVIL in words  # shown as text
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text


def test_an_overview_holds_several_models(view: ModelView) -> None:
    page = check(render_overview([view, view]))
    assert " ".join(page.words).count("late · 2026-03") == 2
    check(render_overview([]))


def test_every_state_has_a_page() -> None:
    base = profile(frame(0))
    for window, said in (
        (profile(frame(1)), "no drift"),
        (profile(frame(1, 2.0)), "drift"),
        (profile(frame(1).drop(columns="number")), "schema fault"),
        (profile(frame(1).head(5)), "insufficient data"),
        (Profile(), "insufficient data"),
    ):
        page = check(render_report(compare(window, base)))
        assert said in " ".join(page.words)


def test_a_window_that_lost_rows_has_drifted_by_its_page_too() -> None:
    report = compare(profile(frame(9).head(300)), [profile(frame(seed)) for seed in range(3)])
    assert report.state is DriftState.DRIFT
    words = " ".join(check(render_report(report)).words)
    assert "The number of rows changed: 300 rows, the reference's windows hold" in words
    assert "no drift" not in words


def test_pictures_are_well_formed_and_named(view: ModelView) -> None:
    pictures = re.findall(r"<svg.*?</svg>", render_window(view), re.DOTALL)
    assert len(pictures) >= 4
    for picture in pictures:
        root = ElementTree.fromstring(picture)
        assert root.get("aria-label")
        assert root.get("role") == "img"


def test_drift_is_told_by_signs_and_not_by_colour_alone(view: ModelView) -> None:
    heat = re.search(r'<svg[^>]*aria-label="Drift of.*?</svg>', render_window(view), re.DOTALL)[0]
    assert ">!</text>" in heat
    assert "2026-02: drift." in heat


def test_odd_numbers_can_be_drawn() -> None:
    flat = Overlay(edges=(1e-12, 2e-12, 3e-12), reference=(0.0, 0.0), current=(0.5, 0.5))
    ElementTree.fromstring(svg.overlay(flat, name="tiny"))
    ElementTree.fromstring(svg.shares([ShareShift(label="", reference=0, current=0)], name="none"))
    ElementTree.fromstring(svg.shares([], name="none"))
    one = PerformancePoint(window="a", metric="auc", value=0.5)
    ElementTree.fromstring(svg.lines([one], [], ["a"], name="one point"))
    assert svg.lines([], [], [], name="nothing") == ""
    ElementTree.fromstring(svg.heat_map([], [], name="empty"))
    many = [(f"c{i}", [("ok", 0.1, "tip")] * 200) for i in range(3)]
    ElementTree.fromstring(svg.heat_map(many, [f"w{i}" for i in range(200)], name="wide"))


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (0, 4000, ["0", "1,000", "2,000", "3,000", "4,000"]),
        (5, 5, ["5"]),
    ],
)
def test_ticks_are_round(low: float, high: float, expected: list[str]) -> None:
    assert [text for _, text in svg.ticks(low, high)] == expected


def test_segments_are_listed_those_that_drifted_first() -> None:
    def part(seed: int, shift: float) -> Profile:
        r = np.random.default_rng(seed)
        data = pd.DataFrame({"origin": r.choice(["A", EVIL], 4000), "x": r.normal(0, 1, 4000)})
        data.loc[data["origin"] == EVIL, "x"] += shift
        return profile(data, segments=["origin"])

    page = check(render_report(compare(part(1, 2.0), part(0, 0.0))))
    words = " ".join(page.words)
    assert words.index(f"origin={EVIL}") < words.index("origin=A")


def test_a_wide_table_stays_readable() -> None:
    r = np.random.default_rng(0)
    names = [f"c{i}" for i in range(600)]
    old = pd.DataFrame(r.normal(0, 1, (200, 600)), columns=names)
    new = pd.DataFrame(r.normal(0, 1, (200, 600)), columns=names)
    new["c5"] += 3
    text = render_report(compare(profile(new), profile(old)))
    assert len(text) < 100_000
    assert "c5" in text
    assert "599 further columns are as their reference" in text


def test_writing_is_all_or_nothing(tmp_path: Path) -> None:
    path = write_page("<html>", tmp_path / "deep" / "page.html")
    assert path.read_text() == "<html>"
    assert [p.name for p in path.parent.iterdir()] == ["page.html"]
    with pytest.raises(MonitoringError, match="cannot be written"):
        write_page("x", path / "below-a-file.html")


def test_long_names_stay_within_the_map() -> None:
    def width_of(name: str) -> tuple[float, ElementTree.Element]:
        picture = svg.heat_map([(name, [("ok", 0.1, "")])], ["w"], name="map")
        tree = ElementTree.fromstring(str(picture))
        (label,) = [
            e for e in tree.iter() if e.tag.endswith("text") and e.get("text-anchor") == "end"
        ]
        return float(label.get("x", "0")), label

    short, _ = width_of("origin")
    long, label = width_of("late_carrier_hour_28d")
    assert label.text == "late_carrier_hour_28d", "there is room for it"
    assert long > short >= 6 * len("origin")
    longest, label = width_of("W" * 90)
    assert label.text == "W" * 31 + "…" and longest >= 6 * 32


def test_metrics_have_their_names_in_sentences(view: ModelView) -> None:
    text = "auc is 0.6 where labels are known, worse than 0.7 at the reference"
    gap = Gap(
        window="2026-03",
        metric="auc",
        realised=0.6,
        expected=0.7,
        difference=-0.1,
        threshold=0.02,
        drifted=True,
        text=text,
    )
    last = msgspec.structs.replace(view.history[-1], gaps=(gap,))
    page = render_window(replace(view, history=(*view.history[:-1], last)))
    assert "ROC area (AUC) is 0.6 where labels are known" in page
    assert "Auc is" not in page
