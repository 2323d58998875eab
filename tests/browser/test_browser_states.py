"""Every state that a view can be in, in a real JupyterLab: empty, loading, broken, alone, offline."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.lab_kit import LabPage, open_page, start_lab, write_notebook
from tests.browser.panel_kit import (
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

    from playwright.sync_api import Browser, Route

    from tests.browser.lab_kit import Lab

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

_VIEW = ".mn-View[data-view='{}']"
_PIPELINE = _VIEW.format("pipeline")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab on a small project that never ran."""
    need_panel()
    with start_lab(small_project(tmp_path_factory.mktemp("small"))) as started:
        yield started


@pytest.fixture
def page(browser: Browser, lab: Lab) -> Iterator[LabPage]:
    with open_page(browser, lab) as made:
        made.open()
        yield made


def tags(path: Path) -> list[list[str]]:
    """The tags of each cell of a notebook."""
    cells: list[dict[str, Any]] = json.loads(path.read_text())["cells"]
    return [cell["metadata"].get("tags", []) for cell in cells]


def test_a_notebook_is_converted_where_there_is_no_project(
    browser: Browser, tmp_path: Path
) -> None:
    need_panel()
    (tmp_path / "work").mkdir()
    path = write_notebook(tmp_path / "work" / "analysis.ipynb", "rows = 3", "print(rows * 2)")
    with start_lab(tmp_path) as lab, open_page(browser, lab) as page:
        page.open()
        page.command("mlops-nb:open-pipeline")
        page.find(f"{_PIPELINE} .mn-Notice:has-text('No pipeline')").wait_for()
        page.shot("no-project")
        page.find(f"{_PIPELINE} button:has-text('Convert a notebook')").click()
        files = page.find(".jp-Open-Dialog .jp-DirListing-item")
        files.get_by_text("work").dblclick()
        files.get_by_text("analysis.ipynb").click()
        page.shot("convert-choose")
        page.find(".jp-Dialog-button:has-text('Select')").click()
        plan = page.find(".mn-Plan")
        plan.get_by_text("becomes a pipeline of one task").wait_for()
        assert violations(page, ".mn-Plan") == []
        page.shot("convert-plan")
        page.theme("JupyterLab Dark")
        assert violations(page, ".mn-Plan") == []
        page.shot("convert-plan-dark")
        assert not (path.parent / "pipeline.yaml").exists()
        page.find(".jp-Dialog-button:has-text('Convert')").click()
        wait_for_state(page, "analysis", "stale")
        assert tags(path) == [["parameters"], []]
        page.shot("converted")
        page.find(f"{_PIPELINE} button:has-text('Run All')").click()
        wait_for_state(page, "analysis", "fresh")
        page.check()


def test_a_pipeline_without_tasks_runs_nothing_and_takes_a_notebook(
    browser: Browser, tmp_path: Path
) -> None:
    need_panel()
    (tmp_path / "pipeline.yaml").write_text("tasks: []\n")
    write_notebook(tmp_path / "a.ipynb", "print(1)", "print(2)")
    with start_lab(tmp_path) as lab, open_page(browser, lab) as page:
        page.open()
        for view in ("pipeline", "runs", "schedules"):
            page.command(f"mlops-nb:open-{view}")
            page.find(f"{_VIEW.format(view)} button:has-text('Convert a notebook')").wait_for()
            assert violations(page, _VIEW.format(view)) == []
            page.shot(f"no-tasks-{view}")
        run = page.find(f"{_VIEW.format('runs')} .mn-ToolButton:has-text('Run All')")
        assert run.is_disabled()
        page.page.evaluate(
            "() => void window.jupyterapp.commands.execute('mlops-nb:convert', { path: 'a.ipynb' })"
        )
        page.find(".mn-Plan:has-text('becomes the task')").wait_for()
        page.shot("convert-into-project")
        page.find(".jp-Dialog-button:has-text('Convert')").click()
        wait_for_state(page, "a", "stale")
        page.command("mlops-nb:open-runs")
        page.find(f"{_VIEW.format('runs')} button:has-text('Run the pipeline')").wait_for()
        assert run.is_enabled()
        page.check()


def test_what_is_loading_says_so(page: LabPage) -> None:
    held: list[Route] = []
    page.page.route("**/mlops-nb/v1/pipeline?*", lambda route: held.append(route))
    page.command("mlops-nb:open-pipeline")
    page.find(f"{_PIPELINE} .mn-Loading:has-text('Reading the pipeline')").wait_for()
    assert violations(page, _PIPELINE) == []
    page.shot("loading")
    for route in held:
        route.continue_()
    page.page.unroute("**/mlops-nb/v1/pipeline?*")
    page.find(f"{_PIPELINE} .mn-Node").first.wait_for()
    page.check()


def test_a_broken_specification_says_what_is_wrong_and_is_taken_up_when_mended(
    page: LabPage, lab: Lab
) -> None:
    spec = lab.root / "pipeline.yaml"
    sound = spec.read_text()
    spec.write_text(sound + "  - source: gone.ipynb\n    product: out/gone.ipynb\n")
    page.command("mlops-nb:open-pipeline")
    page.find(f"{_PIPELINE} [role=alert]:has-text('gone.ipynb')").wait_for()
    assert violations(page, _PIPELINE) == []
    page.shot("broken")
    spec.write_text(sound.replace("  - source: load.ipynb", " - : load\n   [", 1))
    page.find(f"{_PIPELINE} [role=alert]:has-text('is not valid YAML')").wait_for()
    page.shot("broken-yaml")
    spec.write_text(sound)
    page.find(f"{_PIPELINE} .mn-Node").first.wait_for()
    spec.write_text(sound + "  - source: gone.ipynb\n    product: out/gone.ipynb\n")
    page.find(f"{_PIPELINE} .mn-Banner:has-text('gone.ipynb')").wait_for()
    assert page.find(f"{_PIPELINE} .mn-Node").count() == 3
    assert violations(page, _PIPELINE) == []
    page.shot("broken-later")
    spec.write_text(sound)
    page.find(f"{_PIPELINE} .mn-Banner").wait_for(state="detached")
    # Chromium notes the server's refusals.
    page.errors = [text for text in page.errors if "422" not in text]
    page.check()


def test_a_server_that_is_away_is_missed_and_found_again(browser: Browser, tmp_path: Path) -> None:
    need_panel()
    root = small_project(tmp_path)
    with ExitStack() as first:
        lab = first.enter_context(start_lab(root))
        with open_page(browser, lab) as page:
            page.open()
            show_pipeline(page)
            page.command("mlops-nb:open-runs")
            page.find(f"{_VIEW.format('runs')} .mn-Notice:has-text('Nothing ran')").wait_for()
            show_pipeline(page)
            first.close()
            page.find(f"{_PIPELINE} .mn-Banner:has-text('does not answer')").wait_for()
            assert page.find(f"{_PIPELINE} .mn-Node").count() == 3
            page.shot("offline")
            page.command("mlops-nb:open-models")
            models = _VIEW.format("models")
            page.find(f"{models} [role=alert]:has-text('does not answer')").wait_for()
            page.shot("offline-first")
            (root / "pipeline.yaml").write_text("tasks: []\n")
            with start_lab(root, instead=lab):
                page.find(f"{models} .mn-Notice:has-text('No model')").wait_for()
                page.command("mlops-nb:open-pipeline")
                page.find(f"{_PIPELINE} .mn-Notice:has-text('no tasks')").wait_for()
                page.shot("online-again")
                assert page.foreign == []


def test_a_notebook_needs_no_kernel_to_be_a_task(browser: Browser, tmp_path: Path) -> None:
    need_panel()
    root = small_project(tmp_path)
    with start_lab(root) as lab, open_page(browser, lab) as page:
        page.open()
        page.command("docmanager:open", path="load.ipynb", kernel={"name": None})
        page.find(".mn-Badge:has-text('load')").wait_for()
        page.page.evaluate(
            "() => window.jupyterapp.shell.currentWidget.context.sessionContext.shutdown()"
        )
        page.find(".jp-Toolbar :text('No Kernel')").first.wait_for()
        page.shot("no-kernel")
        page.find(".mn-NotebookBar button:has-text('Run as Task')").click()
        page.find(".mn-StatusItem:has-text('succeeded')").wait_for()
        page.find(".mn-Badge:has-text('up to date')").wait_for()
        page.shot("no-kernel-ran")
        assert violations(page, ".mn-NotebookBar") == []
        page.check()


def test_a_kernel_that_is_not_installed_is_named_where_the_run_fails(
    browser: Browser, tmp_path: Path
) -> None:
    need_panel()
    root = small_project(tmp_path)
    path = root / "fit.ipynb"
    other = json.loads(path.read_text())
    other["metadata"]["kernelspec"] = {"name": "julia-9", "display_name": "Julia 9"}
    path.write_text(json.dumps(other))
    with start_lab(root) as lab, open_page(browser, lab) as page:
        page.open()
        page.command("mlops-nb:open-pipeline")
        page.find(f"{_PIPELINE} .mn-Node, {_PIPELINE} [role=alert]").first.wait_for()
        page.command("mlops-nb:run-all")
        page.find(f"{_PIPELINE} [role=alert]:has-text('julia-9')").wait_for()
        page.find(".Toastify__toast:has-text('julia-9')").wait_for()
        page.shot("unknown-kernel")


def test_the_settings_page_names_the_setting_which_counts(page: LabPage) -> None:
    page.command("settingeditor:open", query="Pipelines")
    field = page.page.get_by_label("Say when a run ends")
    field.wait_for()
    page.find(":text('Shows a notification when a run'):visible").first.wait_for()
    page.shot("settings")
    assert field.is_checked()
    field.uncheck()
    page.page.wait_for_timeout(1_000)
    show_pipeline(page)
    page.command("mlops-nb:run-to", task="load")
    wait_for_state(page, "load", "running", "succeeded", "fresh")
    wait_for_state(page, "load", "fresh")
    page.page.wait_for_timeout(1_000)
    assert page.find(".Toastify__toast:has-text('The run')").count() == 0
    page.command("settingeditor:open", query="Pipelines")
    field.check()
    page.page.wait_for_timeout(1_000)
    show_pipeline(page)
    page.command("mlops-nb:run-this", task="load")
    page.find(".Toastify__toast:has-text('The run succeeded')").first.wait_for()
    page.check()


def test_a_cell_is_marked_as_parameters_by_the_menu(page: LabPage, lab: Lab) -> None:
    path = write_notebook(lab.root / "marked.ipynb", "rows = 3", "size = 4")
    page.open("marked.ipynb")
    for at in (0, 1):
        page.find(".jp-Notebook .jp-CodeCell").nth(at).click(button="right")
        page.find(".lm-Menu-item:has-text('Mark as Parameters')").click()
        cell = page.find(".jp-Notebook .jp-CodeCell").nth(at)
        page.page.wait_for_function(
            "at => document.querySelectorAll('.jp-Notebook .jp-CodeCell')[at].dataset.mnLabel === 'Parameters'",
            arg=at,
        )
        assert cell.is_visible()
        page.shot(f"marked-{at}")
    assert page.find(".jp-Cell[data-mn-label='Parameters']").count() == 1
    page.save()
    assert tags(path) == [[], ["parameters"]]
    page.find(".jp-Notebook .jp-CodeCell").nth(1).click(button="right")
    item = page.find(".lm-Menu-item:has-text('Mark as Parameters')")
    assert "lm-mod-toggled" in (item.get_attribute("class") or "")
    item.click()
    page.page.wait_for_function("() => !document.querySelector('.jp-Cell[data-mn-label]')")
    page.save()
    assert tags(path) == [[], []]
    page.check()


def test_a_notebook_becomes_a_task_and_runs_as_one(page: LabPage, lab: Lab) -> None:
    notebook(lab.root / "more.ipynb", "upstream = None\nproduct = None\nrows = 7", "print(rows)")
    page.open("more.ipynb")
    page.find(".mn-NotebookBar button:has-text('Add to Pipeline')").click()
    page.find(".mn-Form").wait_for()
    assert violations(page, ".mn-Form") == []
    page.shot("add-form")
    page.find(".jp-Dialog-button:has-text('Add')").click()
    wait_for_state(page, "more", "stale")
    page.command("docmanager:open", path="more.ipynb")
    badge = page.find(".mn-Badge:has-text('more')")
    badge.wait_for()
    page.find(".mn-Injected:has-text('rows')").wait_for()
    page.shot("badge")
    page.find(".mn-NotebookBar button:has-text('Run as Task')").click()
    page.find(".mn-Badge:has-text('up to date')").wait_for()
    page.shot("badge-ran")
    badge.click()
    page.find(f"{_PIPELINE} .mn-Details h2:has-text('more')").wait_for()
    assert states(page)["more"] == "fresh"
    page.find(".mn-Details button:has-text('Open Executed Notebook')").click()
    injected = page.find(".jp-Cell[data-mn-label*='read-only']").first
    injected.wait_for()
    page.shot("injected")
    injected.locator(".cm-content").click()
    page.page.keyboard.press("Enter")
    page.page.keyboard.type("spoiled = 1")
    assert "spoiled" not in injected.inner_text()
    # Nothing of it is to be saved, so that nobody is asked when it is closed.
    dirty = "() => window.jupyterapp.shell.currentWidget.context.model.dirty"
    assert page.page.evaluate(dirty) is False
    page.check()
