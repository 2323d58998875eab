"""The widgets in JupyterLab: clicked, driven by keyboard, watched live, and saved as pictures."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from mlops_nb.api import models
from tests.browser.lab_kit import LabPage, open_page, start_lab, write_notebook
from tests.faces_kit import make_project, register
from tests.faces_kit import write_notebook as write_task

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

GATES = """
[tool.mlops-nb.gates.checks.good-enough]
kind = "metric"
metric = "roc_auc"
min = 0.6

[tool.mlops-nb.gates.checks.seen]
kind = "approval"
role = "reviewer"

[tool.mlops-nb.gates.roles]
reviewer = ["ann"]
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two versions, the first one champion, and a pipeline of three notebooks."""
    made = make_project(tmp_path_factory.mktemp("lab"), GATES)
    for number, noise in ((1, 1.0), (2, 0.0)):
        register(made, number=number, noise=noise)
    where = str(made)
    models.approve(where, 1, role="reviewer", actor="ann")
    models.check(where, 1, actor="ann")
    models.promote(where, 1, reason="the first", actor="ann")
    keep = 'open(product["data"], "w").write("x")'
    write_task(made / "load.ipynb", "upstream = None\nproduct = None", keep)
    wait = "import pathlib, time\nwhile not pathlib.Path('go').exists(): time.sleep(0.05)"
    write_task(made / "slow.ipynb", 'upstream = ["load"]\nproduct = None', wait, keep)
    broken = 'raise ValueError("no figures for <March>")'
    write_task(
        made / "report.ipynb", 'upstream = ["slow"]\nproduct = None\nlevel = 3  # how much', broken
    )
    tasks = "".join(
        f"  - source: {name}.ipynb\n    product: {{nb: out/{name}.ipynb, data: out/{name}.txt}}\n"
        for name in ("load", "slow", "report")
    )
    (made / "pipeline.yaml").write_text(f"meta:\n  extract_upstream: true\ntasks:\n{tasks}")
    return made


@pytest.fixture(scope="module")
def lab(project: Path):
    """JupyterLab on the project; what is done there is done by Ann."""
    with start_lab(project, environment={"MLOPS_NB_ACTOR": "ann"}) as running:
        yield running


@pytest.fixture
def page(browser, lab):
    """A page that had no errors and asked for nothing foreign."""
    with open_page(browser, lab, height=1400) as opened:
        yield opened
        opened.check()


def show(page: LabPage, name: str, code: str) -> None:
    """Open a notebook that shows a widget, and run it."""
    write_notebook(page.lab.root / name, f"from mlops_nb.widgets import *\n{code}")
    page.open(name)
    page.run_all()
    page.command("application:toggle-left-area")


def press(page: LabPage, name: str) -> None:
    page.find(f'.mnb-panel button:has-text("{name}")').first.click()


def shots(page: LabPage, name: str) -> None:
    for theme in ("Light", "Dark"):
        page.theme(f"JupyterLab {theme}")
        page.shot(f"{name}-{theme.lower()}", ".jp-OutputArea")
    page.theme("JupyterLab Light")


def champion(project: Path) -> int:
    found = [v.version for v in models.list_versions(str(project)) if "champion" in v.aliases]
    return found[0]


def test_browser_widgets_promote_and_roll_back_by_clicking(page, project):
    show(page, "promotion.ipynb", "PromotionPanel(2)")
    page.find('.mnb-surface .mnb-gates:has-text("not asked")').wait_for()

    press(page, "Promote")
    page.find(".mnb-surface .mnb-caution").get_by_text(
        "It will be refused: good-enough, seen"
    ).wait_for()
    press(page, "Confirm")
    page.find('.mnb-surface .mnb-failure:has-text("how to mend it")').wait_for()
    assert champion(project) == 1
    shots(page, "promotion-refused")

    press(page, "Ask the gates")
    page.find('.mnb-surface .mnb-gates:has-text("0 of 1 approvals")').wait_for()
    page.find('.mnb-panel input[placeholder^="comment"]').fill("slices look <b>right</b>")
    press(page, "Approve")
    page.find('.mnb-surface .mnb-done:has-text("is approved")').wait_for()
    press(page, "Ask the gates")
    page.find(".mnb-surface .mnb-gates tr .mnb-good").nth(1).wait_for()
    assert (
        page.find(".mnb-surface .mnb-timeline").get_by_text("slices look <b>right</b>").count() == 1
    )

    press(page, "Promote")
    page.find(".mnb-surface .mnb-caution").get_by_text(
        "Give champion to trips v2? v1 holds it now"
    ).wait_for()
    shots(page, "promotion-asked")
    press(page, "Cancel")
    assert champion(project) == 1
    press(page, "Promote")
    press(page, "Confirm")
    page.find('.mnb-surface .mnb-done:has-text("trips@2 is champion now")').wait_for()
    assert champion(project) == 2
    shots(page, "promotion-done")

    press(page, "Roll back")
    press(page, "Confirm")
    page.find('.mnb-surface .mnb-done:has-text("champion is rolled back: v1")').wait_for()
    assert champion(project) == 1
    rows = models.history(str(project))
    assert [row.kind.value for row in rows[-2:]] == ["promoted", "rolled-back"]
    assert {row.actor for row in rows[-2:]} == {"ann"}
    assert models.verify(str(project)).clean

    page.save()
    saved = json.loads((project / "promotion.ipynb").read_text())
    picture, live = saved["cells"][0]["outputs"]
    html = "".join(picture["data"]["text/html"])
    assert "rolled-back" in html
    assert "slices look &lt;b&gt;right&lt;/b&gt;" in html
    assert list(live["data"]) == ["application/vnd.jupyter.widget-view+json"]


def test_browser_widgets_board_works_by_keyboard_and_compares(page):
    show(page, "board.ipynb", "ModelBoard()")
    page.find(".mnb-surface .mnb-table tbody tr").nth(1).wait_for()
    keyboard = page.page.keyboard
    page.find('[data-key="sort:metric:roc_auc"]').focus()
    keyboard.press("Enter")
    page.find('.mnb-surface th[aria-sort="descending"]:has-text("roc_auc")').wait_for()
    # The table was drawn anew; the focus is where it was, and the cell was not run or edited.
    keyboard.press("Space")
    page.find('.mnb-surface th[aria-sort="ascending"]:has-text("roc_auc")').wait_for()
    page.find('[data-key="select:trips@1"]').focus()
    keyboard.press("Space")
    page.find('.mnb-surface p:has-text("selected trips@1")').wait_for()
    page.find('[data-key="select:trips@2"]').focus()
    keyboard.press("Space")
    page.find('.mnb-surface p:has-text("selected trips@1 and trips@2")').wait_for()
    page.find('.mnb-panel button:has-text("Compare")').focus()
    keyboard.press("Enter")
    page.find(".mnb-surface .mnb-curves").wait_for()
    assert (
        page.find(".mnb-surface .mnb-curves text").get_by_text("Calibration", exact=True).count()
        == 1
    )
    assert page.find(".jp-Notebook.jp-mod-commandMode").count() == 1
    shots(page, "board")


def test_browser_widgets_a_live_run_is_followed(page, project):
    (project / "go").unlink(missing_ok=True)
    command = [sys.executable, "-m", "mlops_nb", "run", "--force"]
    environment = {**os.environ, "MLOPS_NB_ACTOR": "ann"}
    runner = subprocess.Popen(
        command,
        cwd=project,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        runs = project / ".mlops" / "runs"
        while not (runs.is_dir() and list(runs.glob("2*/events.jsonl"))):
            page.page.wait_for_timeout(100)
        show(page, "run.ipynb", "RunView()")
        page.find('.mnb-surface .mnb-node[aria-label^="slow: running"]').wait_for()
        shots(page, "run-live")
        (project / "go").touch()
        page.find('.mnb-surface .mnb-node[aria-label^="report: failed"]').focus()
        page.page.keyboard.press("Enter")
        page.find('.mnb-surface .mnb-failure:has-text("no figures for <March>")').wait_for()
        shots(page, "run-failed")
        assert runner.wait(60) == 4
    finally:
        if runner.poll() is None:
            os.killpg(runner.pid, signal.SIGKILL)
            runner.wait()


def test_browser_widgets_form_runs_a_notebook(page):
    show(page, "form.ipynb", 'ParameterForm("report.ipynb")')
    field = page.find(".mnb-panel .mnb-form input").first
    field.fill("4")
    press(page, "Run")
    page.find('.mnb-surface .mnb-failure:has-text("no figures for <March>")').wait_for()
    shots(page, "form")


def test_browser_widgets_picture_is_hidden_while_the_widget_lives_and_true_without(page, project):
    show(page, "still.ipynb", "ModelBoard()")
    page.find(".mnb-surface .mnb-table").wait_for()
    picture = page.find("[data-mnb-picture]")
    picture.first.wait_for(state="hidden")
    page.save()
    command = [sys.executable, "-m", "nbconvert", "--to", "html", "still.ipynb"]
    subprocess.run(command, cwd=project, check=True, capture_output=True)
    page.page.goto((project / "still.html").as_uri())
    page.find(".mnb-table td").get_by_text("v2").wait_for()
    assert page.find(".mnb-table tbody tr").count() == 2
    page.shot("still")
    # What nbconvert's own page asks for elsewhere is not ours.
    page.foreign[:] = [url for url in page.foreign if "jquery" not in url and "require" not in url]
    page.foreign[:] = [url for url in page.foreign if "mathjax" not in url.lower()]
    page.errors.clear()
