"""The panel in a real JupyterLab: runs seen live, failures opened, plans previewed, all found again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.browser.lab_kit import LabPage, open_page, start_lab
from tests.browser.panel_kit import (
    flights_project,
    many_tasks,
    need_panel,
    notebook,
    show_pipeline,
    small_project,
    states,
    violations,
    wait_for_state,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

    from tests.browser.lab_kit import Lab

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab on a small project that has run once."""
    need_panel()
    with start_lab(small_project(tmp_path_factory.mktemp("small"))) as started:
        yield started


@pytest.fixture
def page(browser: Browser, lab: Lab) -> Iterator[LabPage]:
    with open_page(browser, lab) as made:
        made.open()
        yield made


def test_a_run_is_seen_live_and_leaves_everything_up_to_date(page: LabPage) -> None:
    show_pipeline(page)
    assert set(states(page).values()) == {"stale"}
    page.find(".mn-View[data-view='pipeline'] button:has-text('Run All')").click()
    wait_for_state(page, "load", "running", "succeeded", "fresh")
    wait_for_state(page, "report", "running", "succeeded", "fresh")
    wait_for_state(page, "report", "fresh")
    assert set(states(page).values()) == {"fresh"}
    page.find(".mn-StatusItem:has-text('succeeded')").wait_for()
    page.find(".jp-toast-message:has-text('succeeded'), .Toastify__toast").first.wait_for()
    assert violations(page) == []
    page.check()


def test_a_parameter_shows_at_once_what_it_would_do(page: LabPage) -> None:
    show_pipeline(page)
    wait_for_state(page, "fit", "fresh")
    page.find(".mn-ToolButton:has-text('Parameters')").click()
    page.page.get_by_role("textbox", name="wait").fill("0.5")
    wait_for_state(page, "fit", "stale")
    assert states(page)["load"] == "fresh"
    page.find("text=because parameter wait 0.0 → 0.5").first.wait_for()
    assert violations(page) == []
    page.page.get_by_role("textbox", name="wait").fill("soon")
    page.find(".mn-Preview .mn-tone-bad").wait_for()
    assert page.find("button:has-text('Run with these')").is_disabled()
    # A value that the notebook cannot take is refused by the server, and Chromium notes the refusal.
    page.errors = [text for text in page.errors if "422" not in text]
    page.check()


def test_a_broken_notebook_is_opened_at_its_failing_cell(page: LabPage, lab: Lab) -> None:
    path = lab.root / "fit.ipynb"
    sound = path.read_text()
    broken = json.loads(sound)
    broken["cells"][1]["source"] = "raise ValueError('no rows <b>at all</b>')"
    show_pipeline(page)
    path.write_text(json.dumps(broken))
    wait_for_state(page, "fit", "stale")  # by itself, as it is saved
    page.command("mlops-nb:run-all")
    wait_for_state(page, "fit", "failed")
    wait_for_state(page, "report", "stale")
    page.find(".mn-Node[data-task='fit']").click()
    page.find(".mn-TaskError:has-text('no rows <b>at all</b>')").wait_for()
    assert violations(page) == []
    page.find(".mn-Node[data-task='fit']").dblclick()
    page.page.wait_for_function(
        """() => {
          const widget = window.jupyterapp.shell.currentWidget;
          return widget?.context?.path === 'fit.ipynb' && widget.content.activeCellIndex === 1;
        }"""
    )
    page.find(".mn-Badge:has-text('fit')").first.wait_for()
    path.write_text(sound)
    page.check()


def test_what_a_run_executed_can_be_looked_at_and_not_changed(page: LabPage) -> None:
    show_pipeline(page)
    page.find(".mn-Node[data-task='load']").click()
    page.find(".mn-Details button:has-text('Open Executed Notebook')").click()
    page.find(".jp-Cell[data-mn-label*='read-only']").first.wait_for()
    writable = page.page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.context.model.readOnly"
    )
    assert writable is True or page.page.evaluate(
        "() => !window.jupyterapp.shell.currentWidget.context.contentsModel.writable"
    )
    page.check()


def test_the_history_compares_two_runs(page: LabPage) -> None:
    page.command("mlops-nb:open-runs")
    page.find(".mn-View[data-view='runs'] tbody tr").nth(1).wait_for()
    assert violations(page, ".mn-View[data-view='runs']") == []
    for box in page.find(".mn-View[data-view='runs'] tbody input").all()[:2]:
        box.check()
    page.find(".mn-View[data-view='runs'] button:has-text('Compare')").click()
    page.find(".mn-View[data-view='compare'] h3:has-text('What differs')").wait_for()
    assert violations(page, ".mn-View[data-view='compare']") == []
    page.check()


def test_a_reload_brings_everything_back(page: LabPage) -> None:
    show_pipeline(page)
    page.find(".mn-Node[data-task='fit']").click()
    page.find("button[aria-label='List of tasks']").click()
    page.command("mlops-nb:open-runs")
    page.find(".mn-View[data-view='runs'] tbody tr").first.click()
    page.find(".mn-View[data-view='run'] .mn-Head").wait_for()
    page.page.wait_for_timeout(2_000)  # JupyterLab saves a workspace a second after the last change
    page.page.reload()
    page.page.wait_for_function("() => window.jupyterapp !== undefined")
    page.find(".mn-View[data-view='run'] .mn-Head").wait_for()
    page.find(".lm-TabBar-tab:has-text('Pipeline')").click()
    page.find(".mn-Details h2:has-text('fit')").wait_for()
    page.find(".mn-View[data-view='pipeline'] .mn-TaskList").wait_for()
    page.find(".lm-TabBar-tab:has-text('Runs')").first.wait_for()
    page.check()


def test_the_graph_is_walked_by_keys(page: LabPage) -> None:
    show_pipeline(page)
    page.find(".mn-Node[data-task='load']").focus()
    page.page.keyboard.press("ArrowDown")
    page.find(".mn-Node[data-task='fit'][aria-pressed='true']").wait_for()
    page.page.keyboard.press("ArrowDown")
    page.page.wait_for_function("() => document.activeElement?.dataset.task === 'report'")
    page.page.keyboard.press("Enter")
    page.page.wait_for_function(
        "() => window.jupyterapp.shell.currentWidget?.context?.path === 'report.ipynb'"
    )
    page.check()


def test_a_notebook_becomes_a_task(page: LabPage, lab: Lab) -> None:
    notebook(lab.root / "extra.ipynb", "upstream = None\nproduct = None", "print('more')")
    page.command("docmanager:open", path="extra.ipynb")
    page.find("button:has-text('Add to Pipeline')").click()
    page.find(".mn-Form label:has-text('fit')").click()
    page.find(".jp-Dialog-button:has-text('Add')").click()
    wait_for_state(page, "extra", "stale")
    assert "extra.ipynb" in (lab.root / "pipeline.yaml").read_text()
    assert 'upstream = [\\"fit\\"]' in (lab.root / "extra.ipynb").read_text()
    # The pipeline wants it in the notebook; Chromium notes the server's first answer.
    page.errors = [text for text in page.errors if "422" not in text]
    page.check()


def test_no_server_part_says_how_to_enable_it(browser: Browser, tmp_path: Path) -> None:
    need_panel()
    off = ("--ServerApp.jpserver_extensions={'mlops_nb.server': False}",)
    with start_lab(small_project(tmp_path), arguments=off) as lab, open_page(browser, lab) as page:
        page.open()
        page.command("mlops-nb:open-pipeline")
        page.find(
            ".mn-View[data-view='pipeline'] pre:has-text('server extension enable')"
        ).wait_for()
        assert violations(page) == []
        assert page.foreign == []


def test_an_empty_folder_offers_a_project(browser: Browser, tmp_path: Path) -> None:
    need_panel()
    with start_lab(tmp_path) as lab, open_page(browser, lab) as page:
        page.open()
        page.command("mlops-nb:open-pipeline")
        page.find(".mn-View[data-view='pipeline'] .mn-Notice:has-text('No pipeline')").wait_for()
        assert violations(page) == []
        page.shot("panel-empty")
        page.find(".mn-View[data-view='pipeline'] button:has-text('Start a project')").click()
        page.find(".jp-Dialog input").fill("mine")
        page.find(".jp-Dialog-button:has-text('Start')").click()
        page.find(".mn-View[data-view='pipeline'] .mn-Node").nth(2).wait_for()
        assert (tmp_path / "mine" / "pipeline.yaml").is_file()
        page.check()


def test_a_run_outlives_the_server_and_is_found_again(browser: Browser, tmp_path: Path) -> None:
    need_panel()
    root = small_project(tmp_path)
    with start_lab(root) as lab, open_page(browser, lab) as page:
        page.open()
        show_pipeline(page)
        page.command("mlops-nb:run-all", request={"parameters": {"wait": 300}})
        wait_for_state(page, "fit", "running")
    with start_lab(root) as lab, open_page(browser, lab) as page:
        page.open()
        show_pipeline(page)
        wait_for_state(page, "fit", "running")
        (root / "go").touch()
        # Afterwards everything would run anew: the pipeline's own wait is another one.
        page.find(".mn-StatusItem:has-text('succeeded')").wait_for()
        wait_for_state(page, "report", "stale", "succeeded")
        page.check()


def test_five_hundred_tasks_pan_and_only_the_seen_ones_are_drawn(
    browser: Browser, tmp_path: Path
) -> None:
    need_panel()
    with start_lab(many_tasks(tmp_path, 500)) as lab, open_page(browser, lab) as page:
        page.open()
        show_pipeline(page)
        page.find(".mn-View[data-view='pipeline'] .mn-Search").fill("t250")
        page.page.keyboard.press("Enter")
        page.find(".mn-Node[data-task='t250'][aria-pressed='true']").wait_for()
        assert 0 < page.find(".mn-Node").count() < 250
        page.shot("panel-500")
        page.theme("JupyterLab Dark")
        page.shot("panel-500-dark")
        assert violations(page) == []
        page.check()


def test_the_flights_pipeline_runs(browser: Browser, tmp_path: Path) -> None:
    need_panel()
    sample = {"MLOPS_NB_SAMPLE": "0.02"}
    root = flights_project(tmp_path)
    with start_lab(root, environment=sample) as lab, open_page(browser, lab) as page:
        page.page.context.set_default_timeout(300_000)
        page.open()
        show_pipeline(page)
        page.command("mlops-nb:run-to", task="features")
        wait_for_state(page, "ingest", "running", "succeeded")
        wait_for_state(page, "features", "succeeded", "fresh")
        for theme in ("Light", "Dark"):
            page.theme(f"JupyterLab {theme}")
            assert violations(page) == []
        page.check()
