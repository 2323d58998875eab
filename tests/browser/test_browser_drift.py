"""DriftView in JupyterLab: by keyboard, in both themes, and what is left in the saved notebook."""

from __future__ import annotations

import json

import pytest

from mlops_nb.api import models, monitor
from mlops_nb.model import AlertState
from tests import faces_kit as kit
from tests.browser.lab_kit import open_page, start_lab, write_notebook

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
PANEL = ".jp-OutputArea .mnb-panel:not([data-mnb-picture] *)"


def test_browser_drift(browser, tmp_path):
    root = kit.make_project(tmp_path / "p")
    kit.register(root)
    models.promote(str(root), 1)
    for number, shift in enumerate((0.0, 0.3, 1.5, 1.5)):
        name = f"2013-0{number + 5}"
        monitor.record(
            str(root),
            window=name,
            data=kit.window(tmp_path, name, seed=number + 60, shift=shift),
            columns=monitor.Columns(score="score", predicted="said", label="late"),
        )
    write_notebook(
        root / "drift.ipynb",
        "from mlops_nb.widgets import DriftView\nview = DriftView(actor='ann')\nview",
    )
    with start_lab(root) as lab, open_page(browser, lab, height=1500) as page:
        page.open("drift.ipynb")
        page.run_all()
        panel = page.find(PANEL).first
        panel.locator(".mnb-heat").wait_for()
        assert "trips v1" in panel.inner_text()
        # The picture makes way for the live widget.
        assert page.find("[data-mnb-picture]").count() == 1
        assert not page.find("[data-mnb-picture]").first.is_visible()
        page.shot("drift-light", PANEL)

        # By keyboard: a column, a window; focus stays where it was.
        panel.locator('[data-key="column:b"]').focus()
        page.page.keyboard.press("Enter")
        panel.get_by_text("b in 2013-08").wait_for()
        focused = "() => document.activeElement.dataset.key"
        page.page.wait_for_function(
            f"{focused} === 'column:b'".replace("() => ", "() => (", 1) + ")"
        )
        panel.locator('[data-key="window:2013-05"]').focus()
        page.page.keyboard.press(" ")
        panel.get_by_text("b in 2013-05").wait_for()
        # By mouse: a cell.
        panel.locator('tbody tr:has([data-key="column:a"]) td').nth(2).click()
        panel.get_by_text("a in 2013-07").wait_for()

        page.theme("JupyterLab Dark")
        page.shot("drift-dark", PANEL)

        alert = next(a.id for a in monitor.alerts(str(root)) if a.subject == "a")
        panel.get_by_placeholder("reason; kept with the alert").fill("heat wave")
        panel.locator(f'[data-key="acknowledge:{alert}"]').focus()
        page.page.keyboard.press("Enter")
        panel.get_by_text("a drift: acknowledged").wait_for()
        (kept,) = [a for a in monitor.alerts(str(root)) if a.id == alert]
        assert (kept.state, kept.reason) == (AlertState.ACKNOWLEDGED, "heat wave")
        page.save()
        page.check()
    outputs = json.loads((root / "drift.ipynb").read_text())["cells"][0]["outputs"]
    picture = "".join(outputs[0]["data"]["text/html"])
    assert "a in 2013-07" in picture and "acknowledged" in picture and "data-do=" not in picture
