"""Schedules and exports in a real JupyterLab: added, paused and run now; previewed and written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mlops_nb.api import schedules
from mlops_nb.model import OccurrenceState, Overlap, Schedule
from tests.browser.lab_kit import LabPage, open_page, start_lab
from tests.browser.panel_kit import need_panel, small_project, violations

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

    from tests.browser.lab_kit import Lab

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

_SCHEDULES = ".mn-View[data-view='schedules']"
_EXPORT = ".mn-View[data-view='export']"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab on a small project without schedules."""
    need_panel()
    with start_lab(small_project(tmp_path_factory.mktemp("small"))) as started:
        yield started


@pytest.fixture
def page(browser: Browser, lab: Lab) -> Iterator[LabPage]:
    with open_page(browser, lab) as made:
        made.open()
        yield made


@pytest.fixture
def nightly(lab: Lab) -> Iterator[Path]:
    """The project with one schedule."""
    schedules.add(lab.root, Schedule(name="nightly", when="0 6 * * *"))
    yield lab.root
    schedules.remove(lab.root, "nightly")


def test_a_schedule_is_added_with_its_next_times_shown(page: LabPage, lab: Lab) -> None:
    page.command("mlops-nb:open-schedules")
    view = page.find(_SCHEDULES)
    view.locator("text=Nothing runs by itself yet").wait_for()
    assert violations(page, _SCHEDULES) == []
    view.locator(".mn-Notice button:has-text('Add a schedule')").click()
    form = page.page.get_by_role("complementary", name="New schedule")
    form.get_by_label("Name", exact=True).fill("often")
    form.get_by_label("When").fill("sometimes")
    form.get_by_role("alert").wait_for()
    assert form.get_by_role("button", name="Add").is_disabled()
    form.get_by_label("When").fill("every weekday at 6")
    form.locator(".mn-Times li").nth(4).wait_for()
    form.get_by_label("What it runs").select_option("task")
    form.get_by_label("Task").select_option("fit")
    form.get_by_label("rows").fill("3")
    assert violations(page, _SCHEDULES) == []
    form.get_by_label("Name", exact=True).press("Enter")
    page.page.get_by_role("complementary", name="Schedule often").wait_for()
    view.locator(".mn-Calendar .mn-Due").nth(8).wait_for()
    view.locator("text=No scheduler runs").wait_for()
    assert violations(page, _SCHEDULES) == []
    (state,) = schedules.list_schedules(lab.root)
    assert state.schedule.tasks == ("fit",)
    assert state.schedule.parameters == {"rows": 3}
    schedules.remove(lab.root, "often")
    # A time that means nothing is refused by the server, and Chromium notes the refusal.
    page.errors = [text for text in page.errors if "422" not in text]
    page.check()


def test_a_schedule_is_paused_run_now_and_removed(page: LabPage, nightly: Path) -> None:
    page.command("mlops-nb:open-schedules")
    row = page.find(f"{_SCHEDULES} tbody tr:has-text('nightly')").first
    row.focus()
    row.press("Enter")
    details = page.page.get_by_role("complementary", name="Schedule nightly")
    details.get_by_role("button", name="Pause").click()
    details.get_by_role("button", name="Resume").wait_for()
    assert schedules.show(nightly, "nightly").paused
    details.get_by_role("button", name="Resume").click()
    details.get_by_role("button", name="Pause").wait_for()
    assert not schedules.show(nightly, "nightly").paused
    details.get_by_role("button", name="Run Now").click()
    details.locator(".mn-Occurrences li:has-text('asked for by hand')").wait_for()
    (asked,) = schedules.history(nightly, "nightly")
    assert asked.manual
    assert asked.state is OccurrenceState.WAITING
    details.get_by_role("button", name="Remove").click()
    page.find(".jp-Dialog button:has-text('Remove')").click()
    page.find(f"{_SCHEDULES} >> text=Nothing runs by itself yet").wait_for()
    assert schedules.list_schedules(nightly) == ()
    schedules.add(nightly, Schedule(name="nightly", when="0 6 * * *"))
    page.check()


def test_a_schedule_is_changed(page: LabPage, nightly: Path) -> None:
    page.command("mlops-nb:open-schedules")
    page.find(f"{_SCHEDULES} tbody tr:has-text('nightly')").first.click()
    details = page.page.get_by_role("complementary", name="Schedule nightly")
    details.get_by_role("button", name="Change").click()
    form = page.page.get_by_role("complementary", name="Change nightly")
    assert form.get_by_label("When", exact=True).input_value() == "0 6 * * *"
    form.get_by_label("When", exact=True).fill("every day at 7")
    form.locator(".mn-Times li").nth(4).wait_for()
    form.locator("summary:has-text('When things go otherwise')").click()
    form.get_by_label("If the one before still runs").select_option("queue")
    form.get_by_label("Further attempts after a failure").fill("2")
    assert violations(page, _SCHEDULES) == []
    page.shot("schedule-change-light")
    page.theme("JupyterLab Dark")
    page.shot("schedule-change-dark")
    form.get_by_role("button", name="Save").click()
    details.locator("dd:has-text('At 07:00 every day')").wait_for()
    changed = schedules.show(nightly, "nightly").schedule
    assert changed.when == "every day at 7"
    assert changed.overlap is Overlap.QUEUE
    assert changed.retries == 2
    page.check()


def test_a_notebook_is_scheduled_from_the_file_browser(page: LabPage) -> None:
    page.find(".jp-DirListing-item:has-text('fit.ipynb')").click(button="right")
    page.find(".lm-Menu-item:has-text('Schedule…')").click()
    form = page.page.get_by_role("complementary", name="New schedule")
    form.wait_for()
    assert form.get_by_label("Name", exact=True).input_value() == "fit"
    assert form.get_by_label("Notebook").input_value() == "fit.ipynb"
    form.get_by_label("wait").wait_for()
    page.page.wait_for_timeout(2_000)  # JupyterLab saves a workspace a second after the last change
    page.page.reload()
    page.page.get_by_role("complementary", name="New schedule").wait_for()
    page.check()


def test_an_export_is_previewed_and_written(page: LabPage, lab: Lab) -> None:
    page.command("mlops-nb:open-export")
    view = page.find(_EXPORT)
    view.get_by_role("button", name="GitHub Actions").click()
    view.locator(".mn-File pre").wait_for()
    assert violations(page, _EXPORT) == []
    view.get_by_role("button", name="Write the Files").click()
    page.find(".jp-Dialog button:has-text('Write')").click()
    view.get_by_role("status").filter(has_text="written").first.wait_for()
    workflows = list((lab.root / ".github" / "workflows").iterdir())
    assert workflows
    view.locator("text=already as it would be written").wait_for()
    workflows[0].write_text(workflows[0].read_text().replace("jobs:", "jobs: # mine", 1))
    view.get_by_role("button", name="Refresh").click()
    view.locator(".mn-Diff .mn-mod-removed:has-text('jobs: # mine')").wait_for()
    assert violations(page, _EXPORT) == []
    page.page.wait_for_timeout(2_000)  # JupyterLab saves a workspace a second after the last change
    page.page.reload()
    page.find(f"{_EXPORT} .mn-Diff .mn-mod-added").first.wait_for()
    page.check()
