"""Models and Monitoring in a real JupyterLab: promoted and rolled back by clicking, drift seen, found again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mlops_nb.api import models, monitor
from mlops_nb.model import AlertState
from tests import faces_kit as kit
from tests.browser.lab_kit import LabPage, open_page, start_lab
from tests.browser.panel_kit import need_panel, violations

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

    from tests.browser.lab_kit import Lab

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

GATES = """
[tool.mlops-nb.gates.checks.good-enough]
kind = "metric"
metric = "roc_auc"
min = 0.6
"""
VIEW = ".jp-MainAreaWidget:not(.lm-mod-hidden) .mn-View"
DIALOG = ".jp-Dialog"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two versions, the first one champion, and four windows of which the last two drifted."""
    root = kit.make_project(tmp_path_factory.mktemp("models") / "p", GATES)
    for number, noise in ((1, 1.0), (2, 0.0)):
        kit.register(root, number=number, noise=noise)
    where = str(root)
    models.check(where, 1, actor="ann")
    models.promote(where, 1, reason="the first", actor="ann")
    for number, shift in enumerate((0.0, 0.3, 1.5, 1.5)):
        name = f"2013-0{number + 5}"
        monitor.record(
            where,
            window=name,
            data=kit.window(root.parent, name, seed=number + 60, shift=shift),
            columns=monitor.Columns(score="score", predicted="said", label="late"),
        )
    return root


@pytest.fixture(scope="module")
def lab(project: Path) -> Iterator[Lab]:
    """JupyterLab on the project; what is done there is done by Ann."""
    need_panel()
    with start_lab(project, environment={"MLOPS_NB_ACTOR": "ann"}) as started:
        yield started


@pytest.fixture
def page(browser: Browser, lab: Lab) -> Iterator[LabPage]:
    """A page that had no errors and asked for nothing foreign."""
    with open_page(browser, lab) as made:
        made.open()
        yield made
        made.check()


def champion(project: Path) -> int:
    found = [one.version for one in models.list_versions(str(project)) if "champion" in one.aliases]
    return found[0]


def press(page: LabPage, name: str) -> None:
    page.find(VIEW).get_by_role("button", name=name, exact=True).first.click()


def accept(page: LabPage, title: str, why: str = "") -> None:
    """Accept the dialog of this title."""
    asked = page.find(DIALOG).filter(has_text=title)
    asked.wait_for()
    if why:
        asked.locator("textarea").fill(why)
    asked.locator(".jp-Dialog-footer button").last.click()
    asked.wait_for(state="detached")


def test_a_version_is_promoted_and_rolled_back_by_clicking(page: LabPage, project: Path) -> None:
    page.command("mlops-nb:open-models")
    page.find(f"{VIEW} .mn-Table tbody tr").nth(1).wait_for()
    assert violations(page, VIEW) == []
    page.find(f"{VIEW} .mn-Table tbody tr").first.dblclick()
    page.find(f"{VIEW} .mn-Gates").wait_for()
    assert violations(page, VIEW) == []

    # Nobody asked its gate: it would be forced, and nothing happens where that is not wanted.
    press(page, "Promote…")
    asked = page.find(DIALOG).filter(has_text="Promote v2 against its gates")
    asked.wait_for()
    assert asked.locator(".jp-Dialog-footer button").last.is_disabled()
    page.shot("promotion-refused")
    asked.get_by_text("Cancel").click()
    assert champion(project) == 1

    press(page, "Ask All Gates")
    page.find(VIEW).get_by_text("Every gate passed: it can be promoted to champion.").wait_for()
    press(page, "Promote…")
    accept(page, "Promote v2 to champion", "slices look <b>right</b>")
    page.find(f"{VIEW} .mn-Head .mn-Chip").get_by_text("champion").wait_for()
    assert champion(project) == 2
    page.find(f"{VIEW} .mn-Timeline").get_by_text("slices look <b>right</b>").wait_for()

    page.command("mlops-nb:open-models")
    press(page, "Roll Back…")
    accept(page, "Roll back trips")
    page.find(f"{VIEW} [aria-label='Champion']").get_by_text("trips v1").wait_for()
    assert champion(project) == 1
    rows = models.history(str(project))
    assert [row.kind.value for row in rows[-2:]] == ["promoted", "rolled-back"]
    assert {row.actor for row in rows[-2:]} == {"ann"}
    assert models.verify(str(project)).clean


def test_drift_is_seen_and_an_alert_acknowledged(page: LabPage, project: Path) -> None:
    page.command("mlops-nb:open-monitoring")
    page.find(f"{VIEW} .mn-Alerts li").first.wait_for()
    page.find(f"{VIEW} button[aria-label^='a in 2013-08, drifted']").click()
    page.find(f"{VIEW} .mn-Details .mn-Steps").first.wait_for()
    assert violations(page, VIEW) == []
    page.shot("monitoring")

    # By keyboard to the window before, and its column.
    page.page.keyboard.press("ArrowLeft")
    page.page.keyboard.press("Enter")
    page.find(f"{VIEW} .mn-Details h2").get_by_text("2013-07").wait_for()

    press(page, "Acknowledge…")
    accept(page, "Acknowledge: ", "a new fleet")
    page.find(f"{VIEW} .mn-Alerts").get_by_text("ann looks after it").wait_for()
    assert AlertState.ACKNOWLEDGED in {one.state for one in monitor.alerts(str(project))}


def test_both_are_found_again_after_a_reload(page: LabPage) -> None:
    page.command("mlops-nb:open-models")
    page.command("mlops-nb:open-version", model="trips", version="2")
    page.command("mlops-nb:open-monitoring")
    page.find(f"{VIEW} .mn-Heat").wait_for()
    page.find(f"{VIEW} .mn-Check input").first.check()
    page.page.wait_for_timeout(2500)  # JupyterLab saves the layout a second after it changed
    page.page.reload()
    page.page.wait_for_function("() => window.jupyterapp !== undefined")
    page.page.evaluate("() => window.jupyterapp.restored.then(() => null)")
    page.find(f"{VIEW} .mn-Heat").wait_for()
    assert page.find(f"{VIEW} .mn-Check input").first.is_checked()
    tabs = page.find("#jp-main-dock-panel .lm-TabBar-tabLabel").all_inner_texts()
    assert {"Models", "trips v2", "Monitoring"} <= set(tabs)
